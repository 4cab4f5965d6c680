# The chain on a laptop. `make` alone lists the targets; Python 3.11 and make are all it needs.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python$(shell cat .python-version)
VENV ?= .venv
PY := $(VENV)/bin/python
LOCK := $(shell cksum < requirements.txt | tr ' ' -)
READY := $(VENV)/.ready-$(LOCK)
MODEL_VERSION ?= $(shell sed -n 's/^model-version=//p' build/fit.txt 2>/dev/null)
VERSION := --model-version "$(MODEL_VERSION)"

export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export OMP_NUM_THREADS ?= 2
export MLFLOW_DISABLE_TELEMETRY := true
export GX_ANALYTICS_ENABLED := false

GATES := performance fairness behaviour parity
CHAIN := schema dataset fit gates export image deploy smoke promote

# Runs a stage and adds its wall time to build/times.txt
stage = @mkdir -p build; TIMEFORMAT='%1R $@'; { time { $(1) 2>&3; }; } 3>&2 2>>build/times.txt

.PHONY: help setup pipeline $(CHAIN) $(GATES) report stop freeze test lint format lock clean ui
