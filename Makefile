# `make` lists what it can do; PYTHON is a virtual environment's interpreter (make venv makes one in .venv).
PYTHON ?= .venv/bin/python
SHELL := /bin/bash

.PHONY: help venv demo test test-all check bench

help:  ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' Makefile

.venv/bin/python:
	python3 -m venv .venv
	.venv/bin/python -m pip install --quiet --upgrade pip

venv: .venv/bin/python  ## .venv with the package, its tests and checks, without torch
	.venv/bin/python -m pip install --quiet -c constraints.txt -e '.[dev]'

demo: .venv/bin/python  ## a fresh environment, then real photos and a real video in words
	bench/demo.sh

test:  ## the tests, without the slow ones
	$(PYTHON) -m pytest -m 'not slow'

test-all:  ## every test
	$(PYTHON) -m pytest

check:  ## style, types, what may import what, the tests without the slow ones with coverage
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy
	$(dir $(PYTHON))lint-imports
	$(PYTHON) -m pytest -m 'not slow' --cov --cov-report=term

bench:  ## the figures of docs/benchmarks.md; needs EYEBRIGHT_DATA, a quiet machine and time
	PYTHON=$(PYTHON) bench/all.sh
