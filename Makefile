# `make demo` and `make test` set everything up by themselves. `make help` lists the rest.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.ready-$(shell cat requirements.lock pyproject.toml 2>/dev/null | sha256sum | cut -c1-16)
JOBS ?= $(shell nproc 2>/dev/null || echo 2)

.PHONY: help setup demo test test-all soak check fmt lock wheel clean zoo bench bench-arena bench-packing bench-sizes bench-cores bench-kernels bench-harness bench-coreml

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 24

setup: $(STAMP) ## system packages (apt) and the private .venv

$(STAMP): requirements.lock pyproject.toml scripts/setup.sh
	PYTHON="$(PYTHON)" bash scripts/setup.sh
	@rm -f .venv/.ready-* && touch $@

demo: $(STAMP) ## from a Keras model to a measured and verified Cortex-M7
	PATH="$(CURDIR)/$(BIN):$$PATH" bash scripts/demo.sh

test: $(STAMP) ## all tests but those that need a physical device or gigabytes
	$(BIN)/python -m pytest -n $(JOBS) --dist loadgroup -q

test-all: $(STAMP) ## these, and those that make environments for PyTorch and ONNX (5 GB)
	$(BIN)/python -m pytest -n $(JOBS) --dist loadgroup -q -m "not hw and not soak"

soak: $(STAMP) ## the large random counts
	$(BIN)/python -m pytest -n $(JOBS) -m soak -q -rP

check: $(STAMP) ## linters and types, no changes
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	git ls-files -z 'firmware/*.[ch]' 'android_harness/*.[ch]' 'tests/*.[ch]' 'benchmarks/*.[ch]' ':!tests/golden' | xargs -0 $(BIN)/clang-format --dry-run --Werror

fmt: $(STAMP) ## format Python and C
	$(BIN)/ruff check --fix-only -q .
	$(BIN)/ruff format -q .
	git ls-files -z 'firmware/*.[ch]' 'android_harness/*.[ch]' 'tests/*.[ch]' 'benchmarks/*.[ch]' ':!tests/golden' | xargs -0 $(BIN)/clang-format -i

bench: $(STAMP) ## instructions, arena, flash and stack of the public models, beside the rivals'
	$(BIN)/python -m benchmarks.models

bench-arena: $(STAMP) ## the arena by each method, beside TensorFlow Lite Micro's plan
	$(BIN)/python -m benchmarks.arena

bench-packing: $(STAMP) ## MiniMalloc's instances: our packing beside their capacity
	$(BIN)/python -m benchmarks.packing

bench-sizes: $(STAMP) ## measures the code and stack sizes that `edgeserve check` uses
	$(BIN)/python -m benchmarks.sizes

bench-cores: $(STAMP) ## the public models on every emulated core, beside the portable kernels' record
	$(BIN)/python -m benchmarks.cores

bench-kernels: $(STAMP) ## measures what kernels cost on every emulated core, for the planner and `edgeserve inspect`
	$(BIN)/python -m benchmarks.kernel_costs

bench-coreml: $(STAMP) ## Core ML packages of five models: operators, sizes, error of the evaluated program
	$(BIN)/python -m benchmarks.coreml
bench-harness: $(STAMP) ## what the phones' harness adds to LiteRT on this machine, beside the goal
	$(BIN)/python -m benchmarks.harness_overhead --models "$$EDGESERVE_SHARED_DATA/models"

zoo: $(STAMP) ## what is not in git of models/: architecture twins, whole test sets (needs espeak-ng)
	$(BIN)/python -m models.make

lock: $(STAMP) ## pins all packages anew
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --all-extras --group dev \
	    --generate-hashes --no-emit-index-url --no-annotate --no-header --upgrade \
	    -o requirements.lock pyproject.toml

wheel: $(STAMP) ## dist/*.whl
	$(BIN)/python -m hatchling build -t wheel

clean: ## everything that make made
	rm -rf .venv dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
