# Sets up and runs everything; `make help` lists the targets.
# Every path is relative, so the folder may lie anywhere, also under a name with spaces.

VENV := .venv
RUN := $(VENV)/bin/python
DEMO := runs/demo
DEMO_DATA := data/phantom_demo

# The first Python of a supported version that can make an environment. To choose another one:
# `make clean`, then `make test PYTHON=/path/to/python3.12`.
PYTHON ?= $(shell for name in python3 python3.11 python3.12; do \
  $$name -c 'import ensurepip, sys, venv; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' \
  2>/dev/null && echo $$name && break; done)

.PHONY: help demo gallery test lint environment clean

help:
	@echo "make demo     a phantom cohort, stage 1, stage 2 and their evaluation, into $(DEMO)"
	@echo "make gallery  pictures of a phantom cohort full of findings, into runs/gallery"
	@echo "make test     style and tests (PYTEST_ARGS='-k word' chooses some)"
	@echo "make lint     style only"
	@echo "make clean    removes the environment and caches; data/ and runs/ stay"
	@echo "The environment is made in $(VENV) when it is first needed."

# The stamp is written last and holds a checksum of the pins: an interrupted or outdated
# environment is made anew, a finished one is left alone.
environment:
	@pins="$$(cksum < requirements.txt)"; \
	if [ "$$(cat $(VENV)/installed 2>/dev/null)" = "$$pins" ] && $(RUN) -c '' 2>/dev/null; then exit 0; fi; \
	python="$(PYTHON)"; \
	if [ -z "$$python" ]; then \
	  echo "No Python 3.11 or 3.12 with venv was found. Install one (Debian, Ubuntu:" \
	    "apt-get install python3 python3-venv), or name it: make PYTHON=/path/to/python3.12" >&2; \
	  exit 1; \
	fi; \
	echo "Making $(VENV) with $$("$$python" --version): about a minute ..."; \
	rm -rf $(VENV) && "$$python" -m venv $(VENV) \
	  && $(RUN) -m pip install -qq --disable-pip-version-check -r requirements.txt \
	  && echo "$$pins" > $(VENV)/installed \
	  || { echo "$(VENV) could not be made; the same command starts again." >&2; exit 1; }

# Each program goes on where it was interrupted and skips what is finished. What one of them has
# compiled the next ones use.
demo: export JAX_COMPILATION_CACHE_DIR = $(DEMO)/compiled
demo: environment
	@echo "1/4 Phantom cohort: $(DEMO_DATA)"
	@$(RUN) -m liver_jax.prepare --cohort=phantom --size=demo --output=$(DEMO_DATA) --seed=0
	@echo "2/4 Stage 1, the initial CNN: $(DEMO)/stage1"
	@$(RUN) -m liver_jax.main --config=configs/stage1.py:demo --workdir=$(DEMO)/stage1
	@echo "3/4 Stage 2, the multimodal CNN: $(DEMO)/stage2"
	@$(RUN) -m liver_jax.main --config=configs/stage2.py:demo --workdir=$(DEMO)/stage2 \
	  --config.init.checkpoint=$(DEMO)/stage1
	@echo "4/4 Evaluation of both: $(DEMO)/eval"
	@$(RUN) -m liver_jax.evaluate --manifest=$(DEMO_DATA)/manifest.csv \
	  --checkpoint=$(DEMO)/stage2 --baseline=$(DEMO)/stage1 --output=$(DEMO)/eval
	@echo "Metrics:     $(DEMO)/eval/metrics.json"
	@echo "Checkpoints: $(DEMO)/stage1 (initial), $(DEMO)/stage2 (multimodal)"

gallery: environment
	@$(RUN) -m liver_jax.prepare --cohort=phantom --size=gallery --output=data/phantom_gallery --seed=0
	@rm -rf runs/gallery
	@$(RUN) -m liver_jax.prepare --gallery=data/phantom_gallery/manifest.csv --output=runs/gallery

lint: environment
	@$(RUN) -m ruff check --output-format=concise .
	@$(RUN) -m ruff format --check .

# Two at a time: most tests use one core.
test: lint
	@$(RUN) -m pytest -n 2 --dist=worksteal $(PYTEST_ARGS)

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
