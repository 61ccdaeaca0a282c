#!/usr/bin/env bash
# The scores under data/scores/ of all 15,625 architectures of NAS-Bench-201, and the reports made
# from them. Every run goes on from its file, or from its store in FOLDER where that has more; with
# MINUTES each stops after so many, with scores of a random sample of all.
#   benchmarks/nasbench201.sh scores FOLDER [WORKERS [MINUTES]]
#   benchmarks/nasbench201.sh reports
# Needs CIFAR-10 and CIFAR-100, for reports the accuracies too (zcproxy data fetch).
set -euo pipefail
cd "$(dirname "$0")/.."

zc() { python -c 'from zcproxy.cli import main; main()' "$@"; }

datasets=(cifar10 cifar100 imagenet16-120-standin)
cheap=$(python -c 'from zcproxy import proxies; print(",".join(proxies.cheap()))')
suite=epe_nas,fisher,flops,grad_norm,grasp,jacob_cov,l2_norm,nwot,params,plain,snip,synflow,zen

score() { # NAME OF THE RUN, then options
  local name=$1
  shift
  zc score --space nasbench201 --workers "$workers" ${minutes:+--minutes "$minutes"} "$@" \
    --store "$folder/nasbench201-$name.sqlite" --out "data/scores/nasbench201-$name.parquet" ||
    [ $? = 1 ] # 1: some networks have no path, or the time was up
}

scores() {
  folder=${1:?FOLDER} workers=${2:-2} minutes=${3-}
  mkdir -p "$folder"
  for dataset in "${datasets[@]}"; do
    score "$dataset" --dataset "$dataset" --proxies all
    score "$dataset-aznas" --dataset "$dataset" --protocol aznas \
      --proxies az_expressivity,az_progressivity,az_trainability,jacob_cov,vkdnw
    for seed in 1 2; do
      score "$dataset-seed$seed" --dataset "$dataset" --seed "$seed" --proxies "$cheap"
      score "$dataset-batch$seed" --dataset "$dataset" --proxies "$cheap" --batch-seed "$seed"
    done
    score "$dataset-nbsz" --dataset "$dataset" --protocol nas_bench_suite_zero --proxies "$suite"
  done
}

reports() {
  local dataset scores folder question run others runs=()
  for dataset in "${datasets[@]}"; do
    scores=data/scores/nasbench201-$dataset.parquet folder=reports/nasbench201-$dataset
    runs+=("$scores")
    zc report "$scores" --proxies all,blind,blind_size,blind_activations,blind_derivatives \
      --failures last --out "$folder"
    for question in redundancy bias ranges; do
      zc analyze "$question" "$scores" --proxies all,blind --out "$folder/$question"
    done
    zc analyze hardware "$scores" --proxies all,blind --cost raspi4_latency --out "$folder/hardware"
    for sample in networks strings; do
      zc analyze supervised "$scores" --proxies all --beside blind --beside meco --beside live_params \
        --sample "$sample" --out "$folder/supervised-$sample"
    done
    others=()
    for run in "${scores%.parquet}"-{seed,batch}*.parquet; do
      if [ -f "$run" ]; then others+=("$run"); fi
    done
    if [ ${#others[@]} -gt 0 ]; then
      zc analyze stability "$scores" "${others[@]}" --proxies all,blind --out "$folder/stability"
    fi
  done
  zc analyze transfer "${runs[@]}" --proxies all,blind --out reports/nasbench201-transfer
  for table in abdelfattah2021 nas_bench_suite_zero sota2025; do
    zc reproduce "$table" $(printf -- '--scores %s ' data/scores/nasbench201-*.parquet) \
      --out "reports/reproduce/$table.md" || [ $? = 1 ] # 1: some cells are not scored
  done
}

case ${1-} in
scores | reports) "$@" ;;
*)
  sed -n '2,7s/^# //p' "$0" >&2
  exit 2
  ;;
esac
