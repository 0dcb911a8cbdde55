# Every target sets up what it needs from nothing; `make demo` is the main job, `make test` the whole suite.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed

.PHONY: setup demo test lint clean

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $(STAMP)

demo: setup
	$(BIN)/mpsae run hierarchy --scale smoke
	$(BIN)/mpsae run absorption --scale smoke
	$(BIN)/mpsae run digits --scale smoke
	@echo "figures are in results/hierarchy/smoke/figures, results/absorption/smoke/figures and results/digits/smoke/figures"

test: setup
	$(BIN)/python -m pytest

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV)
