# The two commands of a fresh machine are `make demo` and `make test`; both set everything up.
# They need python3 (3.11 or newer, with venv), a C++17 compiler and access to PyPI.

PYTHON ?= python3
BIN := .venv/bin
SOURCES := pyproject.toml CMakeLists.txt $(shell find native src -name '*.cpp' -o -name '*.hpp' -o -name '*.py')

IMAGE ?= examples/demo.png
K ?= 64
DATA ?= ../shared/data

.PHONY: demo test lint bench figures profile scaling clean help

demo: .venv/installed ## compress a picture into demo/ (IMAGE=photo.png K=64), and show the report
	@mkdir -p demo
	@$(BIN)/smalti compress -k $(K) --out-dir demo --force $(DEMO_FLAGS) "$(IMAGE)"

# Somebody's own picture is compressed even where the result is larger: they want to see it.
ifneq ($(IMAGE),examples/demo.png)
DEMO_FLAGS := --allow-larger
endif

test: .venv/installed-test ## run all tests
	@$(BIN)/python -m pytest --doctest-modules --pyargs tests smalti

lint: .venv/installed-lint ## check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Rivals that are missing are left out and named. Beyond the extra `bench`: apt-get install
# imagemagick libmagickwand-6.q16-6 pngquant; npm, which brings libimagequant 4; and pyvips, which
# is no part of the extra because it has no wheel.
bench: .venv/installed-bench ## measure against all rivals, into docs/benchmarks.md (DATA=folder, QUICK=1)
	-@$(BIN)/python -m pip install --quiet --disable-pip-version-check pyvips pyvips-binary
	-@npm install --silent --no-audit --no-fund --prefix build/node libimagequant-wasm@0.3.0
	@mkdir -p build
	$(BIN)/python bench/compare.py --data "$(DATA)" --results build/compare.json \
	    --page $(if $(QUICK),build/benchmarks.md --quick,docs/benchmarks.md)

figures: .venv/installed-bench ## measure what smalti is held to, into docs/figures.md (DATA=folder)
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python bench/figures.py --data "$(DATA)" --output docs/figures.md

profile: .venv/installed-bench ## measure where the time goes, into docs/profile.md (DATA=folder)
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python bench/stages.py --data "$(DATA)" --output docs/profile.md

scaling: .venv/installed-bench ## measure how time and memory grow, into docs/scaling.md (DATA=folder)
	OPENBLAS_NUM_THREADS=1 $(BIN)/python bench/scaling.py --data "$(DATA)" --output docs/scaling.md

help: ## show this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1  \2/p' $(firstword $(MAKEFILE_LIST)) | \
	    while read -r make goal words; do printf '%s %-8s%s\n' "$$make" "$$goal" "$$words"; done

clean: ## remove what was built and the demo
	rm -rf .venv build demo

# The package is installed as users get it, not linked, so that what is tested is what is shipped.
.venv/installed: $(SOURCES)
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Building smalti; the first time takes about a minute."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check .
	@touch $@

.venv/installed-%: .venv/installed
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check ".[$*]"
	@touch $@
