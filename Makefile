# The short way to every command of the project; `make help` lists the targets.

# What is given on the command line, taken as it is: a dollar in a TEXT is a dollar. Recipes have every value from their
# environment, as "$$WORK", so that quotes and spaces in it are no matter.
given := $(foreach name,$(.VARIABLES),$(if $(filter command,$(firstword $(origin $(name)))),$(name)))
$(foreach name,$(given),$(eval override export $(name) := $$(value $(name))))

empty :=
space := $(empty) $(empty)
# The name of a file without its endings, and without what a work directory may not have in its name.
stem = $(subst [,_,$(subst ],_,$(subst *,_,$(subst ?,_,$(subst |,$(space),$(basename $(notdir $(patsubst %.gz,%,$(patsubst \
	%.bz2,%,$(patsubst %.xz,%,$(patsubst %.zst,%,$(subst $(space),|,$(1)))))))))))))
# A work directory keeps its recipe: WORK alone says which run is meant.
ifneq ($(SRC)$(if $(WORK),,default),)
RECIPE ?= bible
endif
WORK ?= work/$(call stem,$(or $(SRC),$(RECIPE)))
export RECIPE WORK
# Where somebody says which, a server with another model is not asked.
same_model := $(if $(filter-out file,$(origin WORK) $(origin RECIPE))$(SRC),--work "$$WORK")
server := $(if $(SERVER),"$$SERVER",$(if $(PORT),"localhost:$$PORT"))

venv := .venv
run := $(venv)/bin/python -m
ready := $(venv)/complete
tools := $(venv)/tools
# That of the environment that is there, else the first of a supported version.
pythons := $(venv)/bin/python python3.11 python3.12 python3.13 python3.10 python3
# Sets $$python to the first of these commands that is a Python of a supported version.
find_python = for python in $(1) none; do \
	"$$python" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && break; done; \
	if [ "$$python" = none ]; then \
	echo "error: $(or $(2),there) is no Python 3.10 to 3.13; install one, or name another with PYTHON=" >&2; exit 1; fi
# What is given on the command line, and what a target cannot do without, is looked at before anything runs.
check := valid-variables
make_environment = $(call find_python,$(if $(PYTHON),"$$PYTHON",$(pythons)),$(if $(PYTHON),PYTHON=$$PYTHON)); \
	exec "$$python" -m recipes.environment

debug := $(if $(DEBUG),--debug)
beam := $(strip $(if $(RUNNER),--runner="$$RUNNER") $(if $(FLINK_MASTER),--flink_master="$$FLINK_MASTER") $(BEAM))
corpus := $(if $(SRC),--train-source "$$SRC") $(if $(TGT),--train-target "$$TGT") \
	$(if $(DEV_SRC),--dev-source "$$DEV_SRC") $(if $(DEV_TGT),--dev-target "$$DEV_TGT") \
	$(if $(TEST_SRC),--test-source "$$TEST_SRC") $(if $(TEST_TGT),--test-target "$$TEST_TGT")
batch := $(if $(FIELD),--field "$$FIELD") $(if $(COLUMN),--column "$$COLUMN") $(if $(SCORE),--score) \
	$(if $(NBEST),--nbest "$$NBEST") $(if $(ALIGN),--alignment) $(if $(TERMS),--terms "$$TERMS") \
	$(if $(OVERWRITE),--overwrite) $(if $(COPIES),--model_copies "$$COPIES")
evaluation := $(if $(AGAINST),--against "$$AGAINST") $(if $(SHOW),--show "$$SHOW") $(if $(ALIGN_GOLD),--align-gold "$$ALIGN_GOLD")
spread := $(if $(STRATEGY),--strategy "$$STRATEGY") $(if $(WORKERS),--workers "$$WORKERS")
# TESTS has the ids of tests as a shell takes them, for there are spaces and quotes in some.
pytest = eval "set -- $$TESTS"; exec $(run) pytest $(if $(filter test-fast,$@),--fast) "$$@"
road := $(run) recipes.run --work "$$WORK" $(if $(RECIPE),--recipe "$$RECIPE") $(corpus) $(if $(SET),--set "$$SET") \
	$(if $(FORCE),--force) $(spread) $(debug)

export PYTHONUNBUFFERED = 1

.PHONY: help environment train prepare clean-report bible-editions evaluate export summary tensorboard serve translate quality \
	bench-train bench-search bench-serve settings test test-fast lint format clean current valid-variables
.DEFAULT_GOAL := help
# Or an interrupted make would delete them, whole as they are.
.PRECIOUS: $(ready) $(tools)

help: $(check) ## list the targets
	@echo "RECIPE=name or file.yaml ($${RECIPE:-that of WORK})   WORK=work directory ($$WORK)"
	@echo 'WORK=, files: on this machine, or s3:// gs:// webhdfs:// (docs/storage.md)   SCRATCH=directory for copies of what is there'
	@echo 'DEBUG=1   shows tracebacks, and what libraries say'
	@echo "SET='training.epochs=2 subwords.vocabulary=1000'   settings in place of the recipe's (docs/settings.md)"
	@echo 'FORCE=1   take a WORK that is of another recipe or corpus, and make it anew; export a model that is refused as too poor'
	@echo 'SRC= TGT=  DEV_SRC= DEV_TGT=  TEST_SRC= TEST_TGT=   a corpus of your own, one sentence a line, plain or compressed'
	@echo 'FIELD= COLUMN= TERMS= SCORE=1 NBEST=n ALIGN=1 COPIES=n OVERWRITE=1   what a batch job reads, and what it leaves (docs/batch.md)'
	@echo 'WORKERS=2 or STRATEGY=mirrored|multi_worker|tpu|one   how the training is spread (default: as the machine is)'
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

environment: | $(check) ## make .venv, anew if what it is made from, or PYTHON=python3.13, is not what it is of
	@$(make_environment)

# Only the first use makes it unasked.
$(ready): | $(check)
	@$(make_environment) --unless-there

$(tools): | $(check)
	@$(make_environment) --tools

current: | $(check) $(ready)
	@cat setup.py pipelines/requirements.txt constraints.txt | cmp -s - $(ready) || \
		echo 'note: setup.py, pipelines/requirements.txt or constraints.txt changed since $(venv) was made; make environment makes it anew' >&2

valid-variables: export GIVEN := $(given)
valid-variables: export TARGETS := $(MAKECMDGOALS)
# Without site (-S): what is installed beside Python may import much at its start, in which Ctrl-C ends in a traceback.
valid-variables:
	+@$(call find_python,$(pythons)); "$$python" -S -m recipes.make_variables

train: current ## corpus, preparation, training, evaluation and SavedModel: whatever is not current of it
	@exec $(road)

prepare: current ## the TFRecord shards only; RUNNER=flink on Flink (FLINK_MASTER=host:port); BEAM='…' flags for Beam
	@exec $(road) --until prepare $(if $(beam),-- $(beam))

clean-report: current ## what every cleaning rule would take from the corpus, as a page; nothing is rejected
	@exec $(road) --until fetch
	@exec $(run) pipelines.clean_report --work "$$WORK" $(debug) $(BEAM)

bible-editions: current ## the editions of the Bible that a recipe may name, by language
	@exec $(run) pipelines.bible_editions $(debug)

evaluate: current ## up to the test scores and their page; AGAINST=work/other compares with another run; SHOW='3 17' ALIGN_GOLD=verses: docs/evaluation.md
	@exec $(road) --until evaluate $(evaluation)

export: train ## up to the SavedModel: the same as train

summary: current ## the table of figures of a finished run
	@exec $(run) recipes.summary --work "$$WORK" $(debug)

tensorboard: current ## the curves of the training on a page, also while it trains; PORT= chooses another than 6006
	@exec $(run) model.curves --work "$$WORK" --port "$${PORT:-6006}" $(debug)

serve: current ## gRPC on 8500, REST and a page that translates on 8501; PORT= and REST_PORT= choose others
	@exec $(run) serving.serve --work "$$WORK" $(if $(PORT),--port "$$PORT") $(if $(REST_PORT),--rest_api_port "$$REST_PORT") $(debug)

translate: current ## TEXT='…' asks the running server (WORK=: of that model; PORT= or SERVER=host:port: there); IN=file, directory or pattern OUT= is a batch job: docs/batch.md (PORT= or SERVER=: by one)
ifdef IN
	@exec $(run) pipelines.translate $(if $(server),--server $(server) $(same_model),--work "$$WORK") \
		--input "$$IN" --output "$$OUT" $(batch) $(debug) $(beam)
else
	@exec $(run) serving.translate --server $(or $(server),localhost:8500) $(same_model) $(debug) -- "$$TEXT"
endif

quality: train ## train, and BLEU also as papers on Multi30k have it: RECIPE=multi30k SRC= … TEST_TGT=
	@exec $(run) benchmarks.quality "$$WORK" $(debug)

bench-train: current ## how fast the network trains on SRC= TGT=, on one core and on two
	@exec $(run) benchmarks.training --source "$$SRC" --target "$$TGT" $(debug)

bench-search: current ## how fast search translates on one core; CTRANSLATE2= OPENNMT= JOEYNMT= the Pythons of environments with these, to compare
	@exec $(run) benchmarks.search $(if $(CTRANSLATE2),--ctranslate2 "$$CTRANSLATE2") $(if $(OPENNMT),--opennmt "$$OPENNMT") \
		$(if $(JOEYNMT),--joeynmt "$$JOEYNMT") $(debug)

bench-serve: current ## how fast the server answers, by itself and with many clients: WORK= a finished run
	@exec $(run) benchmarks.serving "$$WORK" $(debug)

settings: current ## docs/settings.md anew, from recipes/schema.py and recipes/data_schema.py
	@exec $(run) recipes.settings --output docs/settings.md $(debug)

test: lint ## lint, then the whole test suite; TESTS= only these files or tests
	@$(pytest)

test-fast: $(tools) current ## the tests that take a moment; TESTS= only these of them
	@$(pytest)

lint: $(tools) current ## ruff, formatting, types, and who imports whom
	$(run) ruff check
	$(run) ruff format --check
	$(run) mypy
	$(venv)/bin/lint-imports --no-cache --no-logo

format: $(tools) current ## let ruff put the code in form
	$(run) ruff check --fix
	$(run) ruff format

clean: $(check) ## remove the environment and caches; work directories stay
	rm -rf $(venv) $(venv).* .mypy_cache .pytest_cache .ruff_cache .hypothesis build *.egg-info
