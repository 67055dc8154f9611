# SPDX-License-Identifier: GPL-2.0-or-later
# Debian packages. Each target is quick when everything is installed, and needs root only when something is missing.

DEPS := gcc libc6-dev make clang llvm libbpf-dev libelf-dev zlib1g-dev libmicrohttpd-dev libcurl4-openssl-dev libyaml-dev \
	libjansson-dev libpcre2-dev libcap-ng-dev libseccomp-dev nettle-dev libgnutls28-dev libcrypt-dev bpftool pkg-config ca-certificates
# The servers whose figures are compared with ours, the real Prometheus and Alertmanager, and the clients. `node` may come
# from another repository, whose package would collide with Debian's nodejs, so it is installed only if there is none.
DEPS_TEST := libcmocka-dev libclang-rt-dev nginx-light apache2-bin haproxy gunicorn golang-go golang-github-prometheus-client-golang-dev \
	prometheus prometheus-alertmanager prometheus-node-exporter python3 python3-aiosmtpd curl wrk redis-server redis-tools \
	iproute2 libcap2-bin util-linux procps openssl qemu-system-x86_64=qemu-system-x86 busybox=busybox-static binutils node=nodejs
# More servers for the end-to-end tests, each of them skipped by its name where it is missing; and what small test programs of ours
# are built with.
DEPS_SERVERS := lighttpd caddy h2o varnish tomcat10 default-jre-headless uvicorn puma php-cli uwsgi uwsgi-plugin-python3 \
	docker-registry memcached openssh-server nghttp2-server nghttp2-proxy squid starman twiggy \
	unicorn python3-twisted python3-gevent python3-waitress libevent-dev mini-httpd webfs civetweb g++ libasio-dev libasio-doc liburing-dev
DEPS_DEPLOY := buildah runc groff-base kubectl=kubernetes-client systemd
DEPS_LINT := clang-format clang-tidy cppcheck python3

.PHONY: deps deps-test deps-deploy deps-lint
deps: ## install what building and running needs (Debian packages; as root)
	@tools/deps $(DEPS)
deps-test: deps ## install the servers and clients of the tests and of the demo
	@tools/deps $(DEPS_TEST)
	@tools/deps $(DEPS_SERVERS)
deps-deploy: deps ## install what test-deploy and the image need (buildah, kubectl, systemd-analyze)
	@tools/deps $(DEPS_DEPLOY)
deps-lint: ## install the formatter and the checkers
	@tools/deps $(DEPS_LINT)
