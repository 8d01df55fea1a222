# Everything runs from .venv, which is made on first use: a fresh machine needs git, make and
# Python 3.11 or later, nothing else.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
WORK ?= demo-work

.PHONY: demo test check bench format clean

demo: $(INSTALLED)
	$(RUN)/triptych demo --out $(WORK)

# A process for each core, each with one thread; what a file's tests share is made once.
test: $(INSTALLED)
	OMP_NUM_THREADS=1 $(RUN)/python -m pytest -n logical --dist loadfile

check: $(INSTALLED)
	$(RUN)/ruff format --check src tests benchmarks
	$(RUN)/ruff check src tests benchmarks
	$(RUN)/mypy
	$(RUN)/python -m pytest tests/test_architecture.py tests/test_docs.py

bench: $(INSTALLED)
	$(RUN)/python -m pip install --quiet -c constraints.txt -e '.[bench]'
	$(RUN)/python -m benchmarks

format: $(INSTALLED)
	$(RUN)/ruff format src tests benchmarks
	$(RUN)/ruff check --fix src tests benchmarks

# torch first and alone: its pin decides between a CPU wheel and gigabytes of CUDA libraries.
$(INSTALLED): pyproject.toml constraints.txt
	test -x $(RUN)/python || $(PYTHON) -m venv $(VENV)
	$(RUN)/python -m pip install --quiet -c constraints.txt torch
	$(RUN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	touch $(INSTALLED)

clean:
	rm -rf $(VENV) $(WORK) .mypy_cache .ruff_cache .pytest_cache
