#!/usr/bin/env bash
# The pruning experiments under reports/. Every part resumes where it was stopped.
#   benchmarks/pruning.sh [FOLDER] [WORKERS]
# Computing time on one core, measured on a busy machine: mnist 9 min, cifar10 19 min, each audit
# 15 min, ranking 10 min.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=${1:-reports}
workers=${2:-2}

zc() { python -c 'from zcproxy.cli import main; main()' "$@"; }

# SNIP on LeNet-300-100, 90, 95 and 98 % of the weights removed, beside dense.
zc prune compare --model lenet300 --data mnist --methods snip --densities 0.1,0.05,0.02 --seeds 5 \
  --epochs 60 --batch 100 --learning-rate 0.1 --prune-batch 100 \
  --out "$folder/pruning-mnist" --workers "$workers"

# Five methods from 20 % down to 0.5 % of the weights of a narrow VGG-11.
recipe=(--model vgg11@8 --data cifar10 --epochs 6 --batch 64 --learning-rate 0.1 --flip)
zc prune compare "${recipe[@]}" --methods random,magnitude,snip,grasp,synflow \
  --densities 0.2,0.1,0.05,0.02,0.01,0.005 --seeds 3 \
  --out "$folder/pruning-cifar10" --workers "$workers"

# The controls, from six seeds: fewer cannot rule out chance.
for method in snip synflow; do
  zc prune audit "${recipe[@]}" --method "$method" --densities 0.05,0.01 --seeds 6 \
    --out "$folder/pruning-audit-$method" --workers "$workers"
done

# Proxies of the networks before pruning, and accuracy after it.
python benchmarks/pruned_ranking.py --networks 60 --methods snip,synflow --density 0.1 --seeds 2 \
  --workers "$workers" --out "$folder/pruned-ranking"
