#!/usr/bin/env bash
# `make bench`: the figures of docs/benchmarks.md, one after another (about 40 minutes on a quiet machine with 2 cores).
# Needs EYEBRIGHT_DATA, and an environment with the extra `train` for the float model. Peers have environments of their
# own (bench/peers/run.py), and so has the install size (bench/install_size.py).
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-.venv/bin/python}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
say() { printf '\n== %s\n' "$*"; }

"$python" -m eyebright models build lite0 --precision float -o "$work/float.onnx"
say accuracy && "$python" bench/accuracy.py "$work/float.onnx"
say speed && "$python" bench/speed.py
say reduced decoding && "$python" bench/reduced_decoding.py "$work/photos" "$work/float.onnx"
say none of these && "$python" bench/none_of_these.py
say bombs && "$python" -W ignore bench/bombs.py
say hostile models && "$python" bench/hostile_models.py
say mutated pictures && "$python" -W ignore bench/fuzz_pictures.py --count 20000 --seed 0
