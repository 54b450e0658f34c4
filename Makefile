# `make run` and `make test` work on a fresh machine: what they need is installed into .venv first.

# The first Python that is new enough and can make a virtual environment.
PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3; do \
	$$python -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$python && break; done)
BIN := .venv/bin
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
UV := uv==0.13.9
# uv does in seconds what takes pip a minute. Where it cannot, because only pip.conf knows the way, pip does.
INSTALL = $(BIN)/uv pip install --quiet --python $(BIN)/python --link-mode=copy $(1) || $(PIP_INSTALL) $(1)
TYPESCRIPT := typescript@7.0.2

.PHONY: help run test style types imports page-types unit integration integration-a-e integration-f-r integration-s-z browser stress rehearsal bench coverage fix wheel lock clean

help:  ## Show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

run: .venv/runs  ## Start the product at http://127.0.0.1:8080 with an embedded Postgres and Redis
	$(BIN)/gateway dev

# Five at a time: the page and the tests of single modules want a processor, those of a whole gateway mostly wait.
test:  ## Run every check, and all of them even when one fails
	@$(MAKE) --no-print-directory --keep-going --jobs=5 --output-sync=target \
		browser integration unit style types imports page-types

style: .venv/checks  ## Check the style of the Python code
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: .venv/checks  ## Check the types of the Python code
	$(BIN)/mypy

imports: .venv/checks  ## Check which module may import which
	$(BIN)/lint-imports --no-logo

page-types:  ## Check the types of the page's JavaScript; needs npm
ifeq ($(wildcard static/jsconfig.json),)
	@echo "There is no page to check."
else ifeq ($(or $(shell command -v npx 2>/dev/null),$(filter true,$(CI))),)
	@echo "There is no npx: the types of the page are not checked."
else
	npx --yes --package $(TYPESCRIPT) -- tsc --project static/jsconfig.json
endif

unit: .venv/checks  ## Run the tests of single modules; gateway/chat to its last branch
	$(BIN)/pytest --ignore=tests/integration --ignore=tests/browser \
		--cov=gateway.chat --cov-fail-under=100

# What the browser tests load besides the page: axe and React, pinned by package-lock.json.
node_modules/.package-lock.json: package.json package-lock.json
ifeq ($(or $(shell command -v npm 2>/dev/null),$(filter true,$(CI))),)
	@echo "There is no npm: the browser tests that need axe or React are skipped."
else
	npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
endif

integration: integration-a-e integration-f-r integration-s-z  ## Run the tests of a whole gateway: real servers, real sockets

integration-a-e integration-f-r integration-s-z: integration-%: .venv/checks
	$(BIN)/pytest tests/integration/test_[$*]*.py

browser: .venv/checks node_modules/.package-lock.json  ## Run the tests of the page in a real browser
	@tests/browser/install-chromium
	$(BIN)/pytest tests/browser

stress: .venv/checks node_modules/.package-lock.json  ## Run the tests with long counts, and hold to every second promised
	@tests/browser/install-chromium
	ALONE=true $(BIN)/pytest -m "stress or timed"

rehearsal: .venv/checks  ## Play ten faults on the real product and write what they look like into docs/operations.md
	@tests/browser/install-chromium
	$(BIN)/python -m tests.rehearsal

bench: .venv/bench  ## Measure for half an hour on a quiet machine; renews docs/performance.md and its plots
	$(BIN)/python -m tests.bench --keep
	$(BIN)/python -m tests.bench.report

coverage: .venv/checks node_modules/.package-lock.json  ## Run the tests and say which lines they leave out
	@tests/browser/install-chromium
	$(BIN)/pytest --cov

fix: .venv/checks  ## Mend the style where ruff can
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

wheel: .venv/checks  ## Build dist/*.tar.gz, and dist/*.whl from it
	rm -rf build dist *.egg-info
	$(BIN)/python -m build --no-isolation

lock: .venv/runs  ## Pin the newest versions that setup.cfg allows
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 \
		--custom-compile-command 'make lock' --no-emit-index-url --output-file requirements.lock setup.cfg
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 \
		--custom-compile-command 'make lock' --no-emit-index-url --output-file requirements-test.lock \
		--constraint requirements.lock --extra test setup.cfg
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 \
		--custom-compile-command 'make lock' --no-emit-index-url --output-file requirements-bench.lock \
		--constraint requirements-test.lock --extra bench setup.cfg

clean:  ## Remove everything that can be made again
	rm -rf .venv .dev node_modules build dist *.egg-info .coverage* .*_cache .hypothesis
	find gateway tests -name __pycache__ -prune -exec rm -rf {} +

.venv/runs: requirements.lock setup.cfg
	@echo "Installing into .venv: half a minute, the first time."
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer with venv is needed (Debian: python3-venv)."; exit 1; }
	$(PYTHON) -m venv --clear .venv
	-$(PIP_INSTALL) $(UV)
	$(call INSTALL,--requirement requirements.lock setuptools --constraint requirements-test.lock)
	$(call INSTALL,--no-deps --no-build-isolation --editable .)
	@touch $@

.venv/checks: .venv/runs requirements-test.lock
	$(call INSTALL,--requirement requirements-test.lock)
	@touch $@

.venv/bench: .venv/checks requirements-bench.lock
	$(call INSTALL,--requirement requirements-bench.lock)
	@touch $@
