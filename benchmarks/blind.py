"""How the members of the combination `blind` were chosen; no accuracy of NAS-Bench-201 is read.

    python benchmarks/blind.py data/scores/nasbench201-cifar10-sample60-seed*.parquet  # members
    python benchmarks/blind.py --elsewhere  # ways to look, on other benchmarks

The first applies the rule (`zcproxy.analysis.combine.NAMED`) to two files of scores that differ in
the seed of the weights alone. The second is what spoke for three ways to look and against a fourth,
gradients of the loss: Spearman with accuracy of what was released for TransNAS-Bench-101,
NAS-Bench-101 and NAS-Bench-301, from `ZCPROXY_DATA`.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from zcproxy.analysis import NAMED, agreement, spearman
from zcproxy.proxies import DEAR
from zcproxy.store import read_scores

WAYS = {
    "blind_size": ("depth", "live_convs", "live_params"),
    "blind_activations": (
        *("az_expressivity", "az_progressivity", "linear_regions", "meco", "meco_opt"),
        *("nwot", "swap", "zen"),
    ),
    "blind_derivatives": ("az_trainability", "epe_nas", "jacob_cov", "ntk_condition", "vkdnw"),
}
"""Proxies that look at a network in one way only, and not at dead parts of its string.

The derivatives are those of the outputs, by inputs, features or weights, not those of the loss.
"""

LEFT_OUT = {
    "counts dead parts of the string": ("flops", "params"),
    "gradients of the loss, the fourth way": (
        *("fisher", "grad_norm", "grad_sign", "grasp", "plain", "snip", "snr_snip", "zico"),
    ),
    "size and derivatives of a linearized network in one": (
        *("logsynflow", "snr_synflow", "synflow", "synflow_bn"),
    ),
    "activations and size in one": ("reg_swap",),
    "activations and gradients in one; not there yet when the rule was applied": (
        *("t_cet_snip", "t_cet_synflow"),
    ),
    "size, seen through random weights; overlooked when the rule was applied, and left out since": (
        "l2_norm",
    ),
}
"""Why the other proxies look in no way, or in several."""

STABLE = 0.9

RELEASED = {
    "size": ("flops", "flops_M", "params", "params_M", "l2_norm"),
    "activations": ("nwot", "zen"),
    "derivatives": ("jacov", "epe_nas"),
    "loss gradients": ("snip", "grad_norm", "fisher", "synflow"),
}
"""The ways, as far as scores of other benchmarks were released."""


def main() -> None:
    """Print one of the two."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("scores", type=Path, nargs="*", help="two files of scores")
    parser.add_argument("--elsewhere", action="store_true", help="compare ways on other benchmarks")
    options = parser.parse_args()
    if options.elsewhere:
        elsewhere()
    elif len(options.scores) == 2:
        members(*(read_scores(path).set_index("architecture") for path in options.scores))
    else:
        parser.error("give two files of scores, or --elsewhere")


def members(one: pd.DataFrame, other: pd.DataFrame) -> None:
    """Who is stable, way by way, and whether that is what `blind` has."""
    for way, candidates in WAYS.items():
        chosen = []
        for name in candidates:
            both = pd.DataFrame({"one": one[name], "other": other[name]}).dropna()
            found = agreement(both["one"], both["other"])
            stability = found.spearman
            reason = "dear" if name in DEAR else "" if stability >= STABLE else "not stable"
            chosen += [] if reason else [name]
            low, high = found.spearman_interval or (stability, stability)
            print(
                f"{way:<18} {name:<17} {stability:.3f} [{low:.3f}, {high:.3f}]"
                f"  n {len(both):,}  {reason}"
            )
        same = tuple(chosen) == NAMED[way].proxies
        print(f"{way}: {', '.join(chosen)}{'' if same else '  (not what NAMED has)'}\n")
    for reason, names in LEFT_OUT.items():
        print(f"left out: {', '.join(names)} ({reason})")


def elsewhere() -> None:
    """Spearman of ways, alone and joined by log-rank, for every benchmark and in the mean."""
    rows = {}
    for name, scores, accuracies in benchmarks():
        known = scores.loc[:, scores.nunique() > 1].dropna()
        truth = accuracies[known.index]
        ways = {
            way: joined([known[c] for c in columns if c in known])
            for way, columns in RELEASED.items()
            if any(c in known for c in columns)
        }
        row = {way: spearman(score, truth) for way, score in ways.items()}
        three = [ways[way] for way in list(RELEASED)[:3] if way in ways]
        row["first three"] = spearman(joined(three), truth)
        row["all four"] = spearman(joined(list(ways.values())), truth)
        rows[f"{name}, n = {len(known):,}"] = row
    table = pd.DataFrame(rows).T
    complete = table.dropna()
    table.loc[f"mean of the {len(complete)} with all ways"] = complete.mean()
    print(table.to_string(float_format="{:.3f}".format))


def joined(columns: list[pd.Series[float]]) -> pd.Series[float]:
    """Sums of log(rank / n)."""
    ranks = np.stack([rankdata(column) for column in columns]) / len(columns[0])
    return pd.Series(np.log(ranks).sum(axis=0), columns[0].index)


def benchmarks() -> Iterator[tuple[str, pd.DataFrame, pd.Series[float]]]:
    """Name, released scores and accuracies of benchmarks other than NAS-Bench-201."""
    folder = Path(os.environ["ZCPROXY_DATA"])
    proxies = sorted({column for columns in RELEASED.values() for column in columns})

    def parts(frame: pd.DataFrame, accuracy: str) -> tuple[pd.DataFrame, pd.Series[float]]:
        frame = frame.dropna(subset=["snip", accuracy])
        return frame[[c for c in proxies if c in frame]], frame[accuracy]

    tasks = pd.read_csv(folder / "transnasbench101" / "val_metrics_and_proxies.csv.gz")
    for (space, task), frame in tasks.groupby(["space", "task"]):
        yield f"TransNAS-Bench-101 {space} {task}", *parts(frame, "val_metric_final")
    modules = pd.read_csv(folder / "nasbench101" / "reference_proxies_nbsz.csv.gz")
    modules = modules.drop_duplicates("module_hash")
    yield "NAS-Bench-101", *parts(modules, "valid_acc_108_one_seed")
    cells = pd.read_csv(folder / "nasbench301" / "reference_proxies_nbsz_surrogate_acc.csv.gz")
    yield "NAS-Bench-301 (surrogate)", *parts(cells, "surrogate_val_accuracy")


if __name__ == "__main__":
    main()
