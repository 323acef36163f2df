# The two commands of a fresh machine are `make demo` and `make test`; both set everything up.
# They need python3 (3.11 or newer, with venv), a C++17 compiler and access to PyPI.

PYTHON ?= python3
BIN := .venv/bin
SOURCES := pyproject.toml CMakeLists.txt $(shell find native src/*/* -type f ! -name '*.so' ! -name '*.pyc')

IMAGE ?= examples/demo.png
K ?= 64
DATA ?= ../shared/data

.PHONY: demo web test two-machines trust trust-again sanitize warnings fuzz rounds lint lock audit licenses sbom bench bench-dither bench-look bench-pack bench-scale bench-size bench-survey bench-web figures profile parity guard scaling lesson recipes pythons clean help

demo: .venv/installed ## compress a picture into demo/ (IMAGE=photo.png K=64), and show the report
	@mkdir -p demo
	@$(BIN)/smalti compress -k $(K) --out-dir demo --force $(DEMO_FLAGS) "$(IMAGE)"

# Somebody's own picture is compressed even where the result is larger: they want to see it.
ifneq ($(IMAGE),examples/demo.png)
DEMO_FLAGS := --allow-larger
endif

web: .venv/installed-web ## open the web app in the browser (IMAGE=photo.png)
	@$(BIN)/smalti web $(if $(filter-out examples/demo.png,$(IMAGE)),"$(IMAGE)")

# On all cores; a module's tests stay together, for they share what they set up.
test: .venv/installed-test ## run all tests
	@$(BIN)/python -m pytest --doctest-modules --numprocesses=auto --dist=loadfile --pyargs tests smalti

# Only the core is instrumented, so the runtimes have to be there before Python is; libstdc++ as well,
# where the exceptions come from that ASan watches. Address randomization goes, where that is allowed:
# newer kernels have more of it than the runtimes of GCC 12 can bear. Reports go past pytest's capture.
# Leaks are not looked for: Python leaves much to the system when it ends. Its small objects come from
# malloc, or there would be nothing around them to notice an overrun. A browser that is told to load
# these runtimes does not start, so the tests that drive one are left out.
UNDER = $(shell setarch -R true 2>/dev/null && echo setarch -R) env PYTHONPATH=$(CURDIR)/build/$(1) \
	LD_PRELOAD="$(foreach so,lib$(2).so libstdc++.so,$(shell g++ -print-file-name=$(so)))" \
	ASAN_OPTIONS=detect_leaks=0:abort_on_error=1 UBSAN_OPTIONS=print_stacktrace=1:abort_on_error=1 \
	TSAN_OPTIONS=ignore_noninstrumented_modules=1 PYTHONMALLOC=malloc SMALTI_SANITIZE=1 \
	$(BIN)/python -m pytest --doctest-modules --capture=sys --numprocesses=auto --dist=loadfile \
	--ignore-glob='*/test_web_*' --pyargs

# Those of the tests that run kernels on several threads; race detection makes all slow.
THREADED := tests/test_native.py tests/test_histogram.py tests/test_kmeans.py tests/test_search.py \
	tests/test_determinism.py::test_large_image_is_the_same_on_every_level_and_thread_count

sanitize: build/address/installed build/thread/installed build/memory/fuzz_memory ## run all tests under ASan and UBSan, then the threaded under TSan
	@$(BIN)/python tools/record.py sanitize 27 "make sanitize" \
	    "all tests under ASan and UBSan" '$(call UNDER,address,asan) tests smalti' \
	    "the threaded ones under TSan" '$(call UNDER,thread,tsan) $(THREADED)' \
	    "every allocation of the core failing, with leaks looked for" \
	    'env ASAN_OPTIONS=detect_leaks=1 build/memory/fuzz_memory fuzz/crashers/core/*'

warnings: .venv/installed-fuzz ## compile the core with every warning an error, with each compiler there is
	@for cxx in g++ $(CLANG); do command -v $$cxx >/dev/null || continue; echo "Compiling with $$cxx"; \
	    $(CMAKE) -S . -B build/warnings/$$cxx -DCMAKE_CXX_COMPILER=$$cxx -DSMALTI_WERROR=ON \
	        -DPython_EXECUTABLE=$(CURDIR)/$(BIN)/python >/dev/null \
	    && $(CMAKE) --build build/warnings/$$cxx -j || exit; done

# What is found is kept in build/fuzz, and its logs add up: a fuzzer whose finding has been fixed goes
# on where it was.
MINUTES ?= 10
fuzz: .venv/installed-fuzz build/fuzz/fuzz_core ## fuzz files and the core, both at once, for MINUTES=10
	@$(BIN)/python fuzz/run.py --minutes $(MINUTES) --core build/fuzz/fuzz_core --work build/fuzz

# The page is written even where tests fail; what else has left a record in build/trust is shown too.
PROVE = SMALTI_THOROUGH=1 $(BIN)/python -m pytest -m "guarantee or property_number" --numprocesses=auto \
	--dist=loadfile -o junit_family=xunit1 --junitxml=build/trust/$(1).xml tests
PAGE = $(BIN)/python bench/trust.py --tests build/trust/tests-*.xml --records build/trust \
	--page docs/reliability.md
trust: .venv/installed-test .venv/installed-bench ## prove all guarantees, into docs/reliability.md; takes long
	@mkdir -p build/trust && rm -f build/trust/tests*.xml
	-@$(call PROVE,tests-0)
	-@$(BIN)/python bench/hostile.py --output build/trust/hostile.json
	@$(PAGE)

trust-again: .venv/installed-test .venv/installed-bench ## prove again what failed in `make trust`, after it was mended
	-@$(call PROVE,tests-$(shell date +%s)) --last-failed --last-failed-no-failures=none
	@$(PAGE)

# Rounds of new random cases; what fails is tried again by every later `make test`. Hypothesis has a
# profile without randomness for continuous integration, which would make all rounds the same.
SECONDS ?= 60
rounds: .venv/installed-test ## try random images with random options against the reference for SECONDS=60
	@end=$$(($$(date +%s) + $(SECONDS))); while [ $$(date +%s) -lt $$end ]; do \
	    $(BIN)/python -m pytest -q -k promise --hypothesis-profile=default tests/test_properties.py \
	    || exit; done

lint: .venv/installed-lint ## check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

DAYS ?= 7
lock: .venv/installed-lock ## renew requirements/: the newest versions that are at least DAYS=7 days old, and their hashes
	@tools/lock.sh $(BIN)/uv $(DAYS)

# Strict, because a package that the service does not answer for would count as harmless.
audit: .venv/installed-lock ## ask PyPI whether locked versions have known holes
	@for lock in requirements/*.txt; do \
	    $(BIN)/pip-audit --strict --progress-spinner off --disable-pip --require-hashes -r $$lock || exit; done

licenses: .venv/installed-extras .venv/installed-test .venv/installed-lint .venv/installed-bench .venv/installed-lock .venv/installed-fuzz ## write docs/licenses.md anew
	$(BIN)/python tools/licenses.py --page docs/licenses.md

# The time of the last commit, so that the same sources give the same bytes.
sbom: .venv/installed-extras .venv/installed-test ## build the wheel into dist/, with its bill of materials (CycloneDX)
	@rm -rf dist
	@export SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct); \
	    $(BIN)/python -m pip wheel --quiet --no-build-isolation --no-deps --wheel-dir dist . && \
	    $(BIN)/python tools/bom.py dist/*.whl

# Rivals that are missing are left out and named. Beyond the group `bench`: apt-get install
# imagemagick libmagickwand-6.q16-6 pngquant; npm, which brings libimagequant 4; and pyvips, which
# is no part of the group because it has no wheel.
bench: .venv/installed-bench ## measure against all rivals, into docs/benchmarks.md (DATA=folder, QUICK=1)
	-@$(BIN)/python -m pip install --quiet --disable-pip-version-check pyvips pyvips-binary
	-@npm install --silent --no-audit --no-fund --prefix build/node libimagequant-wasm@0.3.0
	@mkdir -p build
	$(BIN)/python bench/compare.py --data "$(DATA)" --results build/compare.json \
	    --page $(if $(QUICK),build/benchmarks.md --quick,docs/benchmarks.md)

bench-pack: .venv/installed-bench ## measure bytes and time of the levels of --pack, into docs/packing.md (DATA=folder)
	$(BIN)/python bench/packing.py --data "$(DATA)" --output docs/packing.md

# The judges beside PyPI's: apt-get install pngquant libjxl-devtools. What was run is kept in LOOKS.
LOOKS ?= build/looks
bench-look: .venv/installed-bench ## measure looks for their bytes, into docs/looks.md (DATA=folder, LOOK_FLAGS=...)
	-@npm install --silent --no-audit --no-fund --prefix build/node libimagequant-wasm@0.3.0
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python bench/looks.py --data "$(DATA)" --cache "$(LOOKS)" \
	    --page docs/looks.md $(LOOK_FLAGS)

figures: .venv/installed-bench ## measure what smalti is held to, into docs/figures.md (DATA=folder)
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python bench/figures.py --data "$(DATA)" --output docs/figures.md

profile: .venv/installed-bench ## measure where the time goes, into docs/profile.md (DATA=folder)
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python bench/stages.py --data "$(DATA)" --output docs/profile.md

parity: .venv/installed-bench ## compare with plain k-means elsewhere, into docs/parity.md (DATA=folder)
	$(BIN)/python bench/parity.py --data "$(DATA)" --output docs/parity.md

guard: .venv/installed-bench ## what the guard and weights cost and give, into docs/perceptual.md (DATA=folder)
	OPENBLAS_NUM_THREADS=1 $(BIN)/python bench/perceptual.py --data "$(DATA)" --output docs/perceptual.md

scaling: .venv/installed-bench ## measure how time and memory grow, into docs/scaling.md (DATA=folder)
	OPENBLAS_NUM_THREADS=1 $(BIN)/python bench/scaling.py --data "$(DATA)" --output docs/scaling.md

bench-dither: .venv/installed-bench ## measure what dithering costs and gives (DATA=folder)
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python bench/dithering.py "$(DATA)"

bench-size: .venv/installed-bench ## measure what size-aware mapping is made of, into docs/sizing.md (DATA=folder)
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python bench/sizing.py --data "$(DATA)" --output docs/sizing.md

# Needs a machine that is otherwise idle, and takes less than ten minutes.
bench-scale: .venv/installed-bench .venv/installed-dask ## measure engines for collections, into docs/scale.md (DATA=folder, QUICK=1)
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python bench/scale.py --data "$(DATA)" \
	    $(if $(QUICK),--quick,--page docs/scale.md)

# Takes a quarter of an hour: most Pythons are downloaded, one is compiled, and smalti is built for each.
pythons: ## ask every Python that can be had for the stored results, into build/trust/pythons.json
	@tools/pythons.sh

two-machines: .venv/installed-dask ## try collections on two machines: network namespaces; needs Linux and root
	PYTHON=$(BIN)/python tools/two_machines.sh

bench-survey: .venv/installed-bench ## measure what the distances of a survey cost, into docs/survey.md
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python bench/survey.py --page docs/survey.md

# PHOTO: a large photograph; without one the demo picture is enlarged.
bench-web: .venv/installed-test ## measure what the web app takes, into docs/web.md (PHOTO=photo.jpg)
	$(BIN)/python bench/web.py $(if $(PHOTO),--photo "$(PHOTO)") --output docs/web.md

lesson: .venv/installed-bench ## draw the figures of docs/lesson.md, and measure its numbers
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python bench/lesson.py --page docs/lesson.md

recipes: .venv/installed-bench ## run all recipes, their numbers and pictures into docs/recipes
	@for recipe in $(filter-out %/kit.py,$(wildcard docs/recipes/*.py)); do \
	    $(BIN)/python $$recipe --pages docs/recipes || exit; done

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1  \2/p' $(firstword $(MAKEFILE_LIST)) | \
	    while read -r make goal words; do printf '%s %-13s%s\n' "$$make" "$$goal" "$$words"; done

clean: ## remove what was built and the demo
	rm -rf .venv build demo dist

# All that .venv gets beside smalti is locked by hashes, and comes as wheels: nothing is run to install it.
# smalti itself is installed as users get it, not linked, so that what is tested is what is shipped; it
# is built by the locked tools too, not in an environment of its own, for which pip would fetch others.
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
LOCKED := $(INSTALL) --require-hashes --only-binary :all:

.venv/installed: $(SOURCES) requirements/run.txt requirements/build.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Building smalti; the first time takes about a minute."
	@$(LOCKED) -r requirements/run.txt -r requirements/build.txt
	@$(INSTALL) --no-build-isolation --no-deps .
	@touch $@

.venv/installed-%: .venv/installed requirements/%.txt
	@$(LOCKED) -r requirements/$*.txt
	@touch $@

CMAKE = PATH="$(CURDIR)/$(BIN):$$PATH" cmake
# libFuzzer comes with Clang, under many names.
CLANG = $(firstword $(foreach cxx,clang++ $(patsubst %,clang++-%,22 21 20 19 18 17 16 15 14), \
    $(shell echo 'extern "C" int LLVMFuzzerTestOneInput(const char*, unsigned long) { return 0; }' | \
        $(cxx) -x c++ -fsanitize=fuzzer,address - -o /dev/null 2>/dev/null && echo $(cxx))))
build/fuzz/fuzz_core: $(SOURCES) $(wildcard fuzz/*.cpp) .venv/installed-fuzz
	@test -n "$(CLANG)" || { echo "Fuzzing the core needs Clang with libFuzzer; on Debian:" \
	    "apt-get install clang-19 libclang-rt-19-dev"; exit 1; }
	@echo "Building the fuzzer of the core with $(CLANG)"
	@$(CMAKE) -S . -B $(@D) -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCMAKE_CXX_COMPILER=$(CLANG) \
	    -DSMALTI_FUZZ=core -DSMALTI_SANITIZE=$(SANITIZERS_address) >/dev/null
	@$(CMAKE) --build $(@D) -j
build/memory/fuzz_memory: $(SOURCES) $(wildcard fuzz/*.cpp) .venv/installed-fuzz
	@$(CMAKE) -S . -B $(@D) -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCMAKE_CXX_COMPILER=g++ \
	    -DSMALTI_FUZZ=memory -DSMALTI_SANITIZE=$(SANITIZERS_address) >/dev/null
	@$(CMAKE) --build $(@D) -j

# A copy of the package with a core that ends the process at the first finding; found before that of
# .venv by PYTHONPATH, so that there are no dependencies to install twice.
SANITIZERS_address := address,undefined,float-cast-overflow
SANITIZERS_thread := thread
build/%/installed: $(SOURCES) .venv/installed-test
	@echo "Building smalti with -fsanitize=$(SANITIZERS_$*)"
	@$(INSTALL) --no-build-isolation --no-deps --upgrade . \
	    --target $(@D) --config-settings build-dir=$(@D)/objects \
	    --config-settings cmake.build-type=RelWithDebInfo \
	    --config-settings cmake.define.CMAKE_CXX_COMPILER=g++ \
	    --config-settings cmake.define.SMALTI_SANITIZE=$(SANITIZERS_$*)
	@touch $@
