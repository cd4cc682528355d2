# Everything a developer does, in one word each. `make demo` and `make test` set up what they need.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin

.PHONY: demo test test-all coverage lint format bench bench-large attack fuzz fuzz-briefly mutation quality calibration risk lock wheelhouse clean

demo: $(VENV)/runtime
	$(BIN)/pprl demo

test: $(VENV)/dev
	$(BIN)/python -m pytest

test-all: $(VENV)/dev
	$(BIN)/python -m pytest -m "slow or not slow"

coverage: $(VENV)/dev
	$(BIN)/python -m pytest -m "slow or not slow" --cov --cov-report=term:skip-covered

lint: $(VENV)/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Ours beside clkhash, anonlink, a C++ kernel, Splink and Spark, into docs/benchmarks.md; goes on where it was interrupted.
bench: $(VENV)-peers/peers
	$(VENV)-peers/bin/python -m tools.bench

# Ten million records a side and the demonstration at a million as well: two hours, 35 GB of disk, 14 GB of memory.
bench-large: $(VENV)-peers/peers
	$(VENV)-peers/bin/python -m tools.bench --large

# Every attack, with the check that stops it and without: docs/attacks.md.
attack: $(VENV)/dev
	$(BIN)/python -m tools.attack

# Every reader of bytes from outside against made-up bytes: docs/testing.md. SECONDS are for each reader.
SECONDS = 300
fuzz: $(VENV)/fuzz
	$(BIN)/python -m tests.fuzz.run --seconds $(SECONDS)

fuzz-briefly: $(VENV)/fuzz
	$(BIN)/python -m tests.fuzz.run --total 90 --seed 1

# Small faults in the protocol's code, one at a time: do the tests notice? Goes on where it was interrupted.
SAMPLE = 300
SEED = 1
mutation: $(VENV)/dev
	nice -n 15 $(BIN)/python -m tools.mutation --sample $(SAMPLE) --seed $(SEED)

# Ours beside Splink and clkhash + anonlink, into docs/quality.md; goes on where it was interrupted.
quality: $(VENV)-peers/peers
	$(VENV)-peers/bin/python -m tools.quality

# Estimates against the truth over hundreds of generated linkages; goes on where it was interrupted.
calibration: $(VENV)/dev
	$(BIN)/python -m tools.calibration build/calibration.jsonl --jobs 2
	$(BIN)/python -m tools.calibration build/calibration.jsonl --jobs 2 --several-records
	$(BIN)/python -m tools.calibration build/calibration.jsonl --jobs 2 --scheme clk --runs 126
	$(BIN)/python -m tools.calibration build/calibration.jsonl --report

# Every attack on every profile, and on hardenings, into docs/privacy.md; goes on where it was interrupted.
# RISK are options: RISK="--sizes 5000 --budget 3600" cuts it, --only TEXT chooses, --page makes the page alone.
RISK =
risk: $(VENV)/dev
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 NUMBA_NUM_THREADS=1 nice -n 15 $(BIN)/python -m tools.risk $(RISK)

# The locks hold hashes and no address, so that any mirror or folder of wheels can serve them.
lock: $(VENV)/dev
	$(BIN)/python -m pip install --quiet "uv>=0.8"
	$(BIN)/uv pip compile pyproject.toml --universal --generate-hashes --python-version 3.11 --quiet --no-header -o locks/runtime.txt
	$(BIN)/uv pip compile pyproject.toml --group dev --universal --generate-hashes --python-version 3.11 --quiet --no-header -o locks/dev.txt
	$(BIN)/uv pip compile --group fuzz --universal --generate-hashes --python-version 3.11 --quiet --no-header -o locks/fuzz.txt
	$(BIN)/uv pip compile pyproject.toml --extra spark --constraint locks/runtime.txt --universal --generate-hashes --python-version 3.11 --quiet --no-header -o locks/spark.txt
	$(BIN)/uv pip compile pyproject.toml --group peers --constraint locks/runtime.txt --universal --generate-hashes --python-version 3.11 --quiet --no-header -o locks/peers.txt

# For closed networks: carry the folder over, then install from it alone (see README).
wheelhouse: $(VENV)/runtime
	$(BIN)/python -m pip wheel --require-hashes -r locks/runtime.txt -w wheelhouse
	$(BIN)/python -m pip wheel --no-deps . -w wheelhouse

clean:
	rm -rf $(VENV) $(VENV)-peers dist build wheelhouse

$(VENV)/runtime: locks/runtime.txt pyproject.toml
	$(PYTHON) tools/preflight.py
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r locks/runtime.txt
	$(BIN)/python -m pip install --quiet --no-deps -e .
	@touch $@

$(VENV)/dev: locks/dev.txt pyproject.toml
	$(PYTHON) tools/preflight.py
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r locks/dev.txt
	$(BIN)/python -m pip install --quiet --no-deps -e .
	@touch $@ $(VENV)/runtime

$(VENV)/fuzz: locks/fuzz.txt $(VENV)/dev
	$(BIN)/python -m pip install --quiet --require-hashes --no-deps -r locks/fuzz.txt
	@touch $@

$(VENV)/spark: locks/spark.txt $(VENV)/dev
	$(BIN)/python -m pip install --quiet --require-hashes -r locks/spark.txt
	@touch $@

$(VENV)-peers/peers: locks/peers.txt locks/spark.txt pyproject.toml
	$(PYTHON) tools/preflight.py
	$(PYTHON) -m venv $(VENV)-peers
	$(VENV)-peers/bin/python -m pip install --quiet --require-hashes -r locks/peers.txt
	$(VENV)-peers/bin/python -m pip install --quiet --require-hashes -r locks/spark.txt
	$(VENV)-peers/bin/python -m pip install --quiet --no-deps -e .
	@touch $@
