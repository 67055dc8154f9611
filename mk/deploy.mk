# SPDX-License-Identifier: GPL-2.0-or-later
# What carries the program to machines: the image, the checks of deploy/, the demonstration, installation.
DESTDIR ?=
UNITDIR ?= /etc/systemd/system

.PHONY: image test-deploy test-k8s demo install uninstall
image: $(BUILD)/reqtally ## build the container image, offline, with buildah
	$(Q)deploy/image/build $(BUILD)/reqtally

test-deploy: ## check deploy/ with promtool, amtool, kubectl, systemd-analyze, buildah
	@tests/deploy/run

test-k8s: $(BUILD)/reqtally ## slow: the DaemonSet on a real one-node Kubernetes
	@tests/deploy/k8s

demo: deps-test $(BUILD)/reqtally ## nginx, a slow Go service, Prometheus, Alertmanager: an alert becomes a mail
	@tools/demo

install: $(BUILD)/reqtally ## install program, man page, completion, unit and sample configuration
	$(Q)install -D -m 755 $(BUILD)/reqtally $(DESTDIR)$(PREFIX)/bin/reqtally
	$(Q)install -D -m 644 docs/reqtally.8 $(DESTDIR)$(PREFIX)/share/man/man8/reqtally.8
	$(Q)install -D -m 644 docs/completion/reqtally.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/reqtally
	$(Q)mkdir -p $(DESTDIR)$(UNITDIR) && sed 's|/usr/local/bin/reqtally|$(PREFIX)/bin/reqtally|' deploy/systemd/reqtally.service \
		> $(DESTDIR)$(UNITDIR)/reqtally.service
	$(Q)for f in deploy/rules/*.yml; do case $$f in *.test.yml) ;; *) [ -e $(DESTDIR)/etc/reqtally/rules/$${f##*/} ] || \
		install -D -m 644 $$f $(DESTDIR)/etc/reqtally/rules/$${f##*/} ;; esac; done
	$(Q)for f in reqtally.yml alert_rules.yml; do \
		[ -e $(DESTDIR)/etc/reqtally/$$f ] || install -D -m 644 deploy/systemd/$$f $(DESTDIR)/etc/reqtally/$$f; done

uninstall: ## remove what `make install` installed, but not /etc/reqtally
	$(Q)rm -f $(DESTDIR)$(PREFIX)/bin/reqtally $(DESTDIR)$(PREFIX)/share/man/man8/reqtally.8 \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/reqtally $(DESTDIR)$(UNITDIR)/reqtally.service
