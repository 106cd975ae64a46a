# Every command of this repository; `make help` lists them.
.DEFAULT_GOAL := help
PY := .venv/bin/python

# What is said on this command line is for this Makefile: the generated repository has words of its own.
MAKEOVERRIDES :=
unexport ARGS ASK VERSION

.PHONY: help setup demo test check format lock release bench pictures clean

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install the tools into .venv (PYTHON=… names the Python to use)
	@PYTHON="$(PYTHON)" scripts/setup.sh

# Our uv serves the demo where the machine has none. No shell stands between the two makes, because a
# shell would not pass SIGTERM on.
demo: export PATH := $(PATH):$(CURDIR)/.venv/bin
demo: setup ## render ./demo and run it until Ctrl-C (ASK=1 asks, ARGS="-d …" answers, API_PORT=…, WEB_PORT=…)
	@$(PY) scripts/demo.py $(if $(ASK),--ask) -- $(ARGS)
	@$(MAKE) --no-print-directory -C demo dev SEED=1 \
		$(if $(API_PORT),API_PORT=$(API_PORT)) $(if $(WEB_PORT),WEB_PORT=$(WEB_PORT))

# Several at a time: most of a test's time is waiting for servers. Tests of one product stay together.
# Selected combinations run their own tests too, which would take all of them a day.
test: export MATRIX := $(MATRIX)
test: setup ## run every test (ARGS="-k render -n 1" goes to pytest), or MATRIX="queue_backend=celery …" alone
	@$(PY) -m pytest -n 3 --dist loadscope --no-loadscope-reorder $(ARGS) \
		$(if $(MATRIX),tests/test_render.py tests/test_matrix.py tests/test_boot.py)

check: setup ## lint and type-check the template, its hooks and its tests
	@$(PY) -m ruff format --check --quiet .
	@$(PY) -m ruff check --quiet .
	@$(PY) -m mypy
	@$(PY) scripts/check_files.py

format: setup ## lay out the Python files and repair what can be repaired
	@$(PY) -m ruff check --fix --quiet .
	@$(PY) -m ruff format .

lock: setup ## pin pyproject.toml's dependencies anew in requirements.txt
	@scripts/lock.sh

release: setup ## commit and tag what CHANGELOG.md has as unreleased (VERSION=1.2.0)
	@$(PY) scripts/release.py $(or $(VERSION),$(error Say which one: make release VERSION=1.2.0))

bench: export PYTHONPATH := scripts:tests
bench: setup ## measure the generated repository side by side with plain SQL
	@$(PY) benchmarks/run.py $(ARGS)

pictures: setup ## take the pictures of docs/pictures anew
	@PICTURES=$(CURDIR)/docs/pictures $(PY) -m pytest -n 0 tests/test_browser.py -k "pictures and clerk" $(ARGS)

clean: ## remove ./demo with its data, .venv and the caches
	rm -rf demo .venv .mypy_cache .ruff_cache .pytest_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
