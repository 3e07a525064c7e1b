# make demo    a bundled dance becomes out/demo.wav, out/demo.png and out/demo.mp4
# make test    all tests, in the same virtual environment
# make quick   the tests that take no longer than 90 seconds together
# make check   format, lint, types, tests, documentation
# make docs    the documentation as a site in out/site
# make mutation  how many small changes of the code the tests notice (docs/tests.md); half an hour
# make studio  the page of kinetune studio anew from studio/ (needs Node 20)
# make blender the Blender extension as out/kinetune-blender.zip
# make blender-test  that extension inside Blender 4.2 and 5.x, as Python modules

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
DANCE := examples/gBR_sBM_cAll_d04_mBR2_ch08.pkl

.PHONY: demo test quick check lint docs mutation studio blender blender-test clean

# The environment follows pyproject.toml and constraints.txt; each stamp is written last, so an
# install that broke off is done again.
$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) torch==2.13.0
	$(PIP) --editable ".[film,plot,serve]"
	touch $@

$(VENV)/.tested: $(VENV)/.installed
	$(PIP) --editable ".[test]"
	touch $@

demo: $(VENV)/.installed
	$(BIN)/python examples/demo.py $(DANCE) out/demo.wav

# Compiled modules are kept, also where the caller's environment says not to: the tests start many
# processes.
test quick: export PYTHONDONTWRITEBYTECODE :=

# Files in the order of tests/conftest.py, the long ones first; xdist's own is by number of tests.
SHARED := -n auto --dist loadfile --no-loadscope-reorder

test: $(VENV)/.tested
	$(BIN)/python -m pytest $(SHARED)

quick: $(VENV)/.tested
	$(BIN)/python -m pytest $(SHARED) -m "not slow and not processes"

lint: $(VENV)/.tested
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

docs: $(VENV)/.tested
	$(BIN)/typer kinetune.cli.main utils docs --name kinetune --title "Command line" --output docs/reference/command-line.md
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet --site-dir out/site

mutation: $(VENV)/.tested
	$(PIP) "cosmic-ray>=8.4"
	$(BIN)/python tools/mutation_score.py

studio:
	cd studio && npm ci && npm run build

blender: $(VENV)/.installed
	$(BIN)/python tools/build_blender_extension.py out/kinetune-blender.zip

blender-test: $(VENV)/.tested
	$(BIN)/python tools/blender_tests.py

check: lint test docs

clean:
	rm -rf $(VENV) out .pytest_cache .mypy_cache .ruff_cache
