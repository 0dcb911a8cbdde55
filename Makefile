# Every target sets up what it needs from nothing; `make demo` is the main job, `make test` the whole suite.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed

.PHONY: setup demo test test-clip lint clean

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $(STAMP)

demo: setup
	$(BIN)/mpsae run hierarchy --scale smoke
	$(BIN)/mpsae run absorption --scale smoke
	$(BIN)/mpsae run digits --scale smoke
	$(BIN)/mpsae run modality --scale smoke
	@echo "figures are in results/{hierarchy,absorption,digits,modality}/smoke/figures"

test: setup
	$(BIN)/python -m pytest

# The tests that need torch, with it. torch comes first and by its version, so that a CPU build is kept.
test-clip: setup
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $$(grep '^torch==' constraints.txt)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[clip,dev]"
	$(BIN)/python -m pytest tests/test_clip*.py tests/test_embed*.py tests/test_vision_wheel.py

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV)
