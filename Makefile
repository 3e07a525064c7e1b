# make demo    a bundled dance becomes out/demo.wav and out/demo.png
# make test    the tests, in the same virtual environment
# make check   format, lint, types, tests

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DANCE := examples/gBR_sBM_cAll_d04_mBR2_ch08.pkl

.PHONY: demo test check clean

# The environment follows pyproject.toml and constraints.txt; each stamp is written last, so an
# install that broke off is done again.
$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt torch==2.13.0
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	touch $@

$(VENV)/.tested: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[test]"
	touch $@

demo: $(VENV)/.installed
	$(BIN)/python examples/demo.py $(DANCE) out/demo.wav

test: $(VENV)/.tested
	$(BIN)/python -m pytest -n auto --dist loadfile

check: $(VENV)/.tested
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n auto --dist loadfile

clean:
	rm -rf $(VENV) out .pytest_cache .mypy_cache .ruff_cache
