# Needs a POSIX shell, make and Python 3.11 or newer; everything else is installed into .venv, versions and hashes
# pinned by requirements.lock.

PYTHON = python3
BIN = .venv/bin
READY = .venv/.installed
RABBITMQ4_ROOT = .lockbox/trixie
# Two test files at once, the long ones first, on the same servers.
PARALLEL = -n 2 --dist loadfile --no-loadscope-reorder

# Debian and Ubuntu keep what makes a virtual environment in a package of its own.
INSTALL_VENV = { echo "installing python3-venv with apt-get"; [ "$$(id -u)" = 0 ] && apt-get -qq update && \
	DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends python3-venv >/dev/null; } || \
	{ echo "this Python makes no virtual environments; as root: apt-get install python3-venv"; exit 1; }

.PHONY: demo up test check bench test-rabbitmq4 screenshots format lock clean

demo: $(READY)  ## The whole story on real servers, told step by step
	@$(BIN)/python -m deploy.demo

up: $(READY)  ## The system with a demo's people, until Ctrl-C
	@exec $(BIN)/lockbox up --demo

test: $(READY)  ## All tests, on real servers
	@$(BIN)/python -m tests.browser.chromium
	@$(BIN)/pytest -q $(PARALLEL)

check: $(READY)  ## Style, types, laws of the layout, generated documents
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m scripts.api_documents --check

bench: $(READY)  ## Benchmarks beside their limits
	@$(BIN)/python -m tests.bench

test-rabbitmq4: $(READY)  ## What is claimed about delivery, on RabbitMQ 4
	@if [ -n "$$LOCKBOX_AMQP_URL" ]; then exec $(BIN)/pytest -q -m delivery; fi; \
	$(BIN)/python -m deploy.local.trixie $(RABBITMQ4_ROOT) && \
	LOCKBOX_RABBITMQ_ROOT=$(RABBITMQ4_ROOT) exec $(BIN)/pytest -q -m delivery

screenshots: $(READY)  ## The pictures of the README, taken from the running portal
	@mkdir -p docs/screenshots
	@$(BIN)/pytest -q tests/browser/test_pictures.py --screenshots docs/screenshots

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# No addresses in the lock: where packages come from is the machine's own business.
lock: $(READY)
	@$(BIN)/python -m pip install -qq uv
	$(BIN)/uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --no-annotate --custom-compile-command "make lock" --quiet --output-file requirements.lock
	$(BIN)/uv pip compile pyproject.toml --extra server --extra embedded --python-version 3.13 --generate-hashes \
	    --no-emit-index-url --no-annotate --custom-compile-command "make lock" --quiet \
	    --output-file deploy/containers/requirements.lock

# Redone only when what is to be installed changes. The project itself is linked in, built with the locked hatchling.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Lockbox needs Python 3.11 or newer: make PYTHON=python3.12")'
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || $(INSTALL_VENV)
	@echo "installing into .venv (requirements.lock)"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-compile --no-deps --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(READY)

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
