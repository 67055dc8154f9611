# SPDX-License-Identifier: GPL-2.0-or-later
"""A mail server for the demonstration and the tests: it takes mail over STARTTLS from who logs in, and keeps it in memory."""
import email
import email.policy
import logging
import ssl
import subprocess
import threading

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

USER, PASSWORD = "alertmanager", "demo-password"


def make_certificate(folder):
    """A certificate of our own for 127.0.0.1; the client is told to trust it, and checks it."""
    key, cert = f"{folder}/mail.key", f"{folder}/mail.crt"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                    "-keyout", key, "-out", cert, "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return key, cert


class MailSink:
    def __init__(self, folder, port):
        self.mails = []
        self.refused = 0
        self.arrived = threading.Condition()
        key, self.cert = make_certificate(folder)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert, key)
        self.controller = Controller(self, hostname="127.0.0.1", port=port, tls_context=context, require_starttls=True,
                                     auth_required=True, authenticator=self.authenticate,
                                     # its LOGIN asks in words that Alertmanager does not take
                                     auth_exclude_mechanism=["LOGIN"])
        logging.getLogger("mail.log").setLevel(logging.CRITICAL)

    def authenticate(self, server, session, envelope, mechanism, auth_data):
        good = isinstance(auth_data, LoginPassword) and (auth_data.login, auth_data.password) == (USER.encode(), PASSWORD.encode())
        if not good:
            self.refused += 1
        return AuthResult(success=good, handled=good)

    async def handle_DATA(self, server, session, envelope):
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        with self.arrived:
            self.mails.append((envelope.rcpt_tos, session.ssl is not None, mail))
            self.arrived.notify_all()
        return "250 OK"

    def start(self):
        self.controller.start()

    def stop(self):
        self.controller.stop()
