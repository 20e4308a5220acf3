#!/usr/bin/env bash
# `make bench`: the figures of docs/benchmarks.md, one after another (hours on a quiet machine with 2 cores).
# Needs EYEBRIGHT_DATA, and an environment with the extra `train` and the packages of weights (bench/choose_network.py).
# Peers and plain baselines have environments of their own (bench/peers/run.py, bench/baselines/README.md), and so has
# the install size (bench/install_size.py).
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

say near duplicates && "$python" bench/near_duplicates.py
say networks && "$python" bench/choose_network.py
say killed and resumed && "$python" bench/kill_resume.py && "$python" bench/kill_resume.py --mode finetune
say two processes && "$python" bench/two_processes.py
say the head beside a plain script
"$python" bench/baselines/clothing_head.py clothing --folds 5 --test --output "$work/plain.npz"
"$python" bench/learn/head.py "$work/plain.npz"
say time of the head && "$python" bench/learn/head_time.py
say intervals && "$python" bench/evaluate/intervals.py
say promises && "$python" bench/evaluate/goals.py && "$python" bench/evaluate/fire.py
say time of evaluation && "$python" bench/evaluate/time.py
"$python" -m eyebright train "$EYEBRIGHT_DATA/clothing.zip" -o "$work/head"
say honest scores && "$python" bench/evaluate/honest.py "$work/head/model.onnx"
say none of these, of clothes && "$python" bench/evaluate/outside.py "$work/head/model.onnx"
say networks with real weights && "$python" bench/fit/real_weights.py "$work/real"
say 8 bits && "$python" bench/fit/int8.py "$work/float.onnx" "$work/real/mobilenet-v2.onnx" "$work/real/squeezenet-1.1.onnx"
pairs=("$work/float.onnx" lite0)
for name in mobilenet-v2 squeezenet-1.1; do
  "$python" -m eyebright quantize "$work/real/$name.onnx" --calibrate "$EYEBRIGHT_DATA/imagenet-sample.zip" \
    -o "$work/$name-int8.onnx" --max-drop 3 --plain
  pairs+=("$work/real/$name.onnx" "$work/$name-int8.onnx")
done
say speed of 8 bits && "$python" bench/fit/int8_speed.py "${pairs[@]}"
say packed && "$python" bench/fit/pack.py "$work/real/squeezenet-1.1.onnx"
say fit && "$python" bench/fit/fit.py "$work/fit"
say killed while fitting && "$python" bench/fit/kill_fit.py && "$python" bench/fit/kill_frontier.py
say the same twice && "$python" bench/fit/same_twice.py && "$python" bench/fit/device_profile.py
say the width multiplier && "$python" bench/fit/widths.py "$work/widths" --time 1h
say nothing said is lost && "$python" bench/library/moves.py "$work/moves" && "$python" bench/library/kill.py
say how near what is not there comes && "$python" bench/library/nothing_similar.py "$work/nothing"
say finding garments && "$python" bench/library/retrieval.py "$work/retrieval"
say labels from examples && "$python" bench/library/teach.py "$work/taught"
say indexing && "$python" bench/library/index.py "$work/index"
say searching && "$python" bench/library/search.py "$work/search"
# bench/fit/frontier.py and bench/fit/prune.py take a run of `eyebright train` and hours: their docstrings say how.
# bench/doubt.py wants an environment with cleanlab; its docstring says how.
# bench/library/duplicates.py wants one with imagehash and pdqhash, bench/library/rclip.py one with rclip.
# bench/learn/compare.py and bench/learn/scratch.py take hours and the answers of bench/baselines: their docstrings say how.
