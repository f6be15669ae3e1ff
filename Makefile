# SPDX-License-Identifier: Apache-2.0
# Each target sets up what it needs; a second run re-does nothing that is up to date.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo test lint bench bench-grasp bench-faults bench-gpu parameters docs setup clean

VENV_READY := .venv/.ready
BUILD_READY := install/.ready
IN_WORKSPACE := set +u; source install/setup.bash; set -u; export PATH="$$PWD/.venv/bin:$$PATH";
# What the build copies or generates from; Python sources are linked and need no new build.
BUILD_INPUTS := $(shell find . -path ./.venv -prune -o -path ./build -prune -o -path ./install -prune \
	-o \( -name package.xml -o -name setup.py -o -name setup.cfg -o -name CMakeLists.txt \
	-o -name '*.msg' -o -name '*.srv' -o -path '*/launch/*' -o -path '*/config/*' \
	-o -path '*/bags/*' \) -type f -print) colcon.meta

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

demo: $(BUILD_READY) ## Segment objects in the recorded scene; pictures in demo_output/
	@begin=$$(date +%s); $(IN_WORKSPACE) ros2 run sam_bringup demo --output demo_output; \
	echo "took: demo $$(( $$(date +%s) - begin )) s; set-up once: $$(cat .venv/.ready $(BUILD_READY) | paste -sd ',')"

test: lint ## Lint, types and all tests
	@# Two at a time, of one thread each: more threads than cores wait for each other.
	@$(IN_WORKSPACE) export OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1}; python -m pytest -n 2 --dist loadfile

lint: $(BUILD_READY) ## Style and types
	@$(IN_WORKSPACE) ruff format --check --quiet . || { ruff format --diff . | head -40; exit 1; }; \
	ruff check . && mypy && bash -n scripts/setup.sh

bench: $(BUILD_READY) ## Measure accuracy, speed and load (about 40 min); tables, and JSON in build/bench/
	@$(IN_WORKSPACE) for name in accuracy tracking tracker node; do python -W ignore benchmarks/$$name.py; done

bench-grasp: $(BUILD_READY) ## Measure how many grasps hold, and how fast they are planned (about 10 min)
	@$(IN_WORKSPACE) for name in grasp_speed node_grasping grasp; do python -W ignore benchmarks/$$name.py; done

bench-faults: $(BUILD_READY) ## Attack files and both nodes (about 10 min): crashes, hangs, answers without a cause
	@$(IN_WORKSPACE) python -W ignore benchmarks/faults.py

bench-gpu: ## Measure the models on a GPU: torch and the models' packages, no ROS
	@if [[ -x .venv/bin/python ]]; then python=.venv/bin/python; else python=python3; fi; \
	PYTHONPATH=sam_common:sam_segmentation $$python benchmarks/gpu.py

parameters: $(BUILD_READY) ## Write sam.yaml, grasp.yaml and the tables in docs/ from the nodes' options
	@$(IN_WORKSPACE) python scripts/write_parameters.py

docs: build/docs-venv/.ready ## Build the documentation as a site in build/site (needs no ROS)
	@NO_MKDOCS_2_WARNING=1 build/docs-venv/bin/mkdocs build --quiet --strict && echo 'built: build/site/index.html'

setup: $(BUILD_READY) ## Make the environment and build the workspace

clean: ## Remove everything that was made here, the environment too
	rm -rf .venv build install log demo_output .pytest_cache .mypy_cache .ruff_cache

$(VENV_READY): scripts/setup.sh $(filter-out requirements/docs.txt,$(wildcard requirements/*.txt))
	@begin=$$(date +%s); scripts/setup.sh venv; echo "environment: $$(( $$(date +%s) - begin )) s" > $@

$(BUILD_READY): $(VENV_READY) $(BUILD_INPUTS)
	@begin=$$(date +%s); scripts/setup.sh build; echo "build: $$(( $$(date +%s) - begin )) s" > $@

build/docs-venv/.ready: requirements/docs.txt
	@python3 -m venv build/docs-venv && build/docs-venv/bin/pip install --quiet -r $< && touch $@
