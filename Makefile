# The face of the working copy. Each target does all its own set-up on a fresh Debian or Ubuntu machine.

SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Wheels only: a source distribution would download its build tools, which no hash guards.
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
LOCKED := $(PIP) install --require-hashes --only-binary :all:
COMPILE := $(VENV)/lock/bin/uv pip compile --quiet --universal --generate-hashes --custom-compile-command "make lock"

# Most of a test's time is waiting: for a failure's delay, for a daemon. Two at a time, a module in one process.
PROCESSES ?= 2

# What the end-to-end tests drive. A browser without a font shows empty boxes.
DAEMONS := dovecot-imapd dovecot-lmtpd postfix isync msmtp swaks libnet-ssleay-perl curl openssl slapd ldap-utils fail2ban \
  chromium fonts-dejavu-core nftables strace logrotate
# What the bench puts side by side with the guard, and before what.
PEERS := dovecot-imapd dovecot-lmtpd dovecot-sqlite postfix nginx libnginx-mod-mail libnginx-mod-stream
# What python-ldap is built with. There are no wheels of it.
LDAP_BUILD := gcc python3-dev libldap-dev libsasl2-dev

FUZZ_SECONDS ?= 60
FUZZ_TARGETS ?= $(notdir $(wildcard tests/fuzz/corpus/*))

.DEFAULT_GOAL := help
.PHONY: help install ldap demo check test bench scale soak figures guesses pictures wheel lock system-packages

help:  ## these words
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(VENV)/.run  ## .venv/ with mailguard in it

ldap: $(VENV)/.run  ## python-ldap, built here: what identity.source = "ldap" needs
	@$(MAKE) --no-print-directory $(VENV)/.ldap

demo: $(VENV)/.demo  ## the guard before an embedded mail store (DEMO_FOR=20s ends by itself)
	@$(BIN)/mailguard demo

check: $(VENV)/.dev  ## format, lint, types, layers, example configuration, description of the API, tree
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m mailguard.config.example --check config.toml
	$(BIN)/python -m mailguard.web.api.document --check docs/operators/openapi.json
	$(BIN)/python -m pytest -q tests/repository/test_tree.py

test: $(VENV)/.dev system-packages  ## every test, real Dovecot and Postfix included, and the coverage gates
	@$(MAKE) --no-print-directory $(VENV)/.ldap || echo "make: the tests of directories are skipped" >&2
	@rm -f .coverage .coverage.*
	$(BIN)/coverage run -m pytest --numprocesses $(PROCESSES) --dist loadfile $(PYTEST)
	@$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --skip-covered --fail-under=90
	$(BIN)/coverage report --skip-covered --fail-under=100 --include='mailguard/auth/*,mailguard/protocols/*'

bench: $(VENV)/.dev  ## the guard, nginx and Dovecot before one store, side by side (QUICK=1: under a minute); as root
	@scripts/system-packages $(PEERS)
	$(BIN)/python -m bench $(if $(QUICK),--quick) $(BENCH)

scale: $(VENV)/.dev  ## a million app passwords, 10,000 sessions, bursts, floods; SCALE="idle burst" for some alone
	@$(MAKE) --no-print-directory $(VENV)/.ldap || echo "make: nothing is said about a directory that hangs" >&2
	$(BIN)/python -m bench.scale $(SCALE)

soak: $(VENV)/.dev  ## 10,000 logins (SOAK=100000 for more), after which nothing of them may be left
	$(BIN)/python -m bench.soak $(SOAK)

figures: bench  ## what bench, profile and scale find, into docs/performance.md: half an hour on a machine with nothing else
	$(BIN)/python -m bench --profile
	@$(MAKE) --no-print-directory scale
	$(BIN)/python -m bench.page

guesses: $(VENV)/.dev  ## a million guesses, and a million made-up names before a disk of 50 MB: about an hour
	MAILGUARD_GUESSES=1000000 $(BIN)/python -m pytest -q -s --timeout=0 tests/store/test_guessing.py

fuzz: $(VENV)/.fuzz  ## whatever reads strangers' bytes, fuzzed for FUZZ_SECONDS (60) each; FUZZ_TARGETS=imap for one alone
	@for target in $(FUZZ_TARGETS); do \
	  echo "fuzz: $$target"; mkdir -p $(VENV)/fuzz/$$target; \
	  $(BIN)/python -m tests.fuzz $$target -max_total_time=$(FUZZ_SECONDS) -max_len=4096 -verbosity=0 -print_final_stats=1 \
	    -artifact_prefix=$(VENV)/fuzz/$$target- $(VENV)/fuzz/$$target tests/fuzz/corpus/$$target || exit 1; \
	done

pictures: $(VENV)/.dev system-packages  ## build/screenshots/: every page of the portal, wide and on a phone, light and dark
	@rm -rf build/screenshots
	MAILGUARD_PICTURES=build/screenshots $(BIN)/python -m pytest -q tests/browser

wheel: $(VENV)/.run  ## dist/mailguard-*.whl
	$(PIP) wheel --no-deps --no-build-isolation --wheel-dir dist .

lock: $(VENV)/.made  ## requirements/*.lock from pyproject.toml (UPGRADE=1 takes the newest)
	$(BIN)/python -m venv $(VENV)/lock
	$(VENV)/lock/bin/python -m pip --quiet --disable-pip-version-check install 'uv>=0.13,<0.14'
	$(COMPILE) $(if $(UPGRADE),--upgrade) --extra demo --group dev --group build pyproject.toml -o requirements/dev.lock
	$(COMPILE) --constraint requirements/dev.lock --extra demo --group build pyproject.toml -o requirements/demo.lock
	$(COMPILE) --constraint requirements/dev.lock --group build pyproject.toml -o requirements/run.lock
	$(COMPILE) --constraint requirements/dev.lock --extra ldap pyproject.toml -o requirements/ldap.lock
	$(COMPILE) --constraint requirements/dev.lock --group fuzz pyproject.toml -o requirements/fuzz.lock

system-packages:  ## the daemons, mail programs and browser of the tests, by apt
	@scripts/system-packages $(DAEMONS) || echo "make: the tests that need these are skipped" >&2

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "mailguard needs Python 3.11 or later. Name one: make PYTHON=python3.12 …" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || scripts/system-packages python3-venv
	$(PYTHON) -m venv $(VENV)
	@touch $@

# Built by the setuptools of the other locks, which is there already: build isolation would download one unguarded.
$(VENV)/.ldap: requirements/ldap.lock
	@scripts/system-packages $(LDAP_BUILD)
	$(LOCKED) --no-binary python-ldap --no-build-isolation --requirement $<
	@touch $@

# Coverage guides it: atheris, of which there are wheels for some Pythons and machines only.
$(VENV)/.fuzz: requirements/fuzz.lock | $(VENV)/.dev
	@$(LOCKED) --requirement $< || \
	  { echo "make: fuzzing needs atheris, of which there is no wheel for $$($(BIN)/python -V) on $$(uname -sm)" >&2; exit 1; }
	@touch $@

$(VENV)/.run $(VENV)/.demo $(VENV)/.dev: $(VENV)/.%: requirements/%.lock pyproject.toml | $(VENV)/.made
	$(LOCKED) --requirement $<
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@
