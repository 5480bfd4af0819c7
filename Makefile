# The short way to every command of the project; `make help` lists the targets.

RECIPE ?= bible
stem = $(basename $(notdir $(1:.gz=)))
WORK ?= work/$(if $(SRC),$(call stem,$(SRC)),$(call stem,$(RECIPE)))

# The first Python of a supported version; PYTHON=… names another.
PYTHON ?= $(shell for python in python3.11 python3.12 python3.10 python3; do \
	$$python -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null && \
	echo $$python && break; done)

venv := .venv
run := $(venv)/bin/python -m
ready := $(venv)/complete
debug := $(if $(DEBUG),--debug)
beam := $(strip $(if $(RUNNER),--runner='$(RUNNER)') $(if $(FLINK_MASTER),--flink_master='$(FLINK_MASTER)') $(BEAM))
corpus := $(if $(SRC),--train-source '$(SRC)') $(if $(TGT),--train-target '$(TGT)') \
	$(if $(DEV_SRC),--dev-source '$(DEV_SRC)') $(if $(DEV_TGT),--dev-target '$(DEV_TGT)') \
	$(if $(TEST_SRC),--test-source '$(TEST_SRC)') $(if $(TEST_TGT),--test-target '$(TEST_TGT)')
spread := $(if $(STRATEGY),--strategy '$(STRATEGY)') $(if $(WORKERS),--workers '$(WORKERS)')
road := $(run) recipes.run --work '$(WORK)' --recipe '$(RECIPE)' $(corpus) $(spread) $(debug)

export PYTHONUNBUFFERED = 1

.PHONY: help environment train prepare clean-report evaluate export summary tensorboard serve translate quality bench-train bench-serve \
	test lint format clean
.DEFAULT_GOAL := help

help: ## list the targets
	@echo 'RECIPE=name or file.yaml ($(RECIPE))   WORK=work directory ($(WORK))   DEBUG=1 shows tracebacks'
	@echo 'SRC= TGT=  DEV_SRC= DEV_TGT=  TEST_SRC= TEST_TGT=   a corpus of your own, one sentence a line, plain or .gz'
	@echo 'WORKERS=2 or STRATEGY=mirrored|multi_worker|tpu|one   how the training is spread (default: as the machine is)'
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

environment: $(ready) ## make .venv from setup.py and constraints.txt

$(ready): setup.py constraints.txt
	@test -n '$(PYTHON)' || { echo 'error: no Python 3.10, 3.11 or 3.12 found; install one, or name it with PYTHON=' >&2; exit 1; }
	$(PYTHON) -m venv --clear $(venv)
	PIP_CONSTRAINT=constraints.txt $(venv)/bin/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

train: $(ready) ## corpus, preparation, training, evaluation and SavedModel: whatever is not current of it
	@$(road)

prepare: $(ready) ## the TFRecord shards only; RUNNER=flink on Flink (FLINK_MASTER=host:port); BEAM='…' flags for Beam
	@$(road) --until prepare $(if $(beam),-- $(beam))

clean-report: $(ready) ## what every cleaning rule would take from the corpus, as a page; nothing is rejected
	@$(road) --until fetch
	@$(run) pipelines.clean_report --work '$(WORK)' $(debug) $(BEAM)

evaluate: $(ready) ## up to the test scores
	@$(road) --until evaluate

export: train ## up to the SavedModel: the same as train

summary: $(ready) ## the table of figures of a finished run
	@$(run) recipes.summary --work '$(WORK)' $(debug)

tensorboard: $(ready) ## the curves of the training on a page, also while it trains; PORT= chooses another than 6006
	@$(run) model.curves --work '$(WORK)' --port $(or $(PORT),6006) $(debug)

serve: $(ready) ## gRPC on 8500, REST on 8501; PORT= and REST_PORT= choose others
	@$(run) serving.serve --work '$(WORK)' --port $(or $(PORT),8500) --rest_api_port $(or $(REST_PORT),8501) $(debug)

translate: $(ready) ## TEXT='…' asks the running server; IN=file OUT=file is a batch job (SERVER=host:port: by a server)
ifdef IN
	@$(run) pipelines.translate --work '$(WORK)' --input '$(IN)' --output '$(OUT)' \
		$(if $(SERVER),--server '$(SERVER)') $(debug) $(beam)
else
	@$(run) serving.translate --server '$(or $(SERVER),localhost:8500)' $(debug) -- "$$TEXT"
endif

quality: train ## train, and BLEU also as papers on Multi30k have it: RECIPE=multi30k SRC= … TEST_TGT=
	@$(run) benchmarks.quality '$(WORK)' $(debug)

bench-train: $(ready) ## how fast the network trains on SRC= TGT=, on one core and on two
	@$(run) benchmarks.training --source '$(SRC)' --target '$(TGT)'

bench-serve: $(ready) ## how fast the server answers, by itself and with many clients: WORK= a finished run
	@$(run) benchmarks.serving '$(WORK)' $(debug)

test: lint ## lint, then the whole test suite
	$(run) pytest

lint: $(ready) ## ruff, formatting and types
	$(run) ruff check
	$(run) ruff format --check
	$(run) mypy

format: $(ready) ## let ruff put the code in form
	$(run) ruff check --fix
	$(run) ruff format

clean: ## remove the environment and caches; work directories stay
	rm -rf $(venv) .mypy_cache .pytest_cache .ruff_cache .hypothesis build *.egg-info
