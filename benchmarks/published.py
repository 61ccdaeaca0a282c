"""Put our agreement with accuracy, and our scores themselves, beside what others published.

    python benchmarks/published.py data/scores/nasbench201-cifar10.parquet \
        --out reports/nasbench201-cifar10/published.md

Needs the accuracies of NAS-Bench-201 (`zcproxy data list`); for the comparison score by score also
`nasbench201/reference_proxies_nbsz_release.csv.gz` below `ZCPROXY_DATA`.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from zcproxy import spaces, tables
from zcproxy.analysis import agreement, spearman
from zcproxy.store import read_scores

PUBLISHED = Path(__file__).parent.parent / "data" / "published.csv"
TOLERANCE = 0.03
THEIR_NAMES = {"jacob_cov": "jacov"}
VALIDATION = {
    "cifar10": "cifar10-valid_test_200_nbsz",
    "cifar100": "cifar100_test_200_nbsz",
    "imagenet16-120": "imagenet16-120_test_200_nbsz",
}
"""What NAS-Bench-Suite-Zero calls val_accuracy: the test accuracy of one seed."""


def main() -> None:
    """Print the comparison, and write it where `--out` says."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("scores", type=Path, help="a table of scores of nasbench201")
    parser.add_argument("--out", type=Path, help="Markdown file to write")
    arguments = parser.parse_args()
    scores = read_scores(arguments.scores)
    text = "\n".join(comparison(scores))
    print(text)
    if arguments.out:
        arguments.out.write_text(text + "\n", encoding="utf-8")


def comparison(scores: pd.DataFrame) -> Iterator[str]:
    """The lines of the comparison in Markdown."""
    dataset = scores.attrs["dataset"]
    published = pd.read_csv(PUBLISHED).query("dataset == @dataset")
    accuracies = tables.load("nasbench201").set_index("architecture")
    values = scores.set_index("architecture")
    live = spaces.get("nasbench201").subset("live")
    yield f"# Ours beside the published, {dataset}"
    yield ""
    yield "Written by `python benchmarks/published.py`; differences over .03 are marked `*`."
    yield ""
    yield "## Abdelfattah et al., all 15,625 networks, Spearman"
    yield ""
    yield "Absolute values, as theirs; architectures without a value are left out."
    wanted = published.query("table == 'abdelfattah2021'")
    for column in (f"{dataset}_test_200", VALIDATION[dataset]):
        yield ""
        yield f"Against the accuracy column `{column}`:"
        yield ""
        yield from beside(wanted, values, accuracies[column], absolute=True)
    yield ""
    yield "## NAS-Bench-Suite-Zero, 9,445 networks without a dead edge, its own accuracy column"
    own = accuracies[VALIDATION[dataset]]
    for statistic in ("spearman", "kendall"):
        yield ""
        theirs = published["table"] == "nas_bench_suite_zero"
        wanted = published[theirs & (published["statistic"] == statistic)]
        yield from beside(wanted, values.loc[live], own.loc[live], absolute=False)
    yield ""
    yield from score_by_score(values, published.query("statistic == 'rerun'"), dataset)


def beside(
    published: pd.DataFrame, values: pd.DataFrame, truth: pd.Series[float], *, absolute: bool
) -> Iterator[str]:
    """A table of ours, published and difference, one row per proxy."""
    yield "| proxy | statistic | ours | 95 % interval | n | published | difference |"
    yield "| --- | --- | ---: | --- | ---: | ---: | ---: |"
    for row in published.itertuples():
        found = agreement(values[row.proxy], truth.loc[values.index])
        raw = getattr(found, row.statistic)
        interval = getattr(found, f"{row.statistic}_interval")
        sign = -1 if absolute and raw < 0 else 1
        low, high = sorted((sign * interval.low, sign * interval.high))
        difference = sign * raw - row.value
        mark = " *" if abs(difference) > TOLERANCE else ""
        yield (
            f"| {row.proxy} | {row.statistic} | {sign * raw:.3f} | {low:.3f} to {high:.3f} | "
            f"{found.n:,} | {row.value:.3f} | {difference:+.3f}{mark} |"
        )


def score_by_score(values: pd.DataFrame, reruns: pd.DataFrame, dataset: str) -> Iterator[str]:
    """Rank agreement with the scores that NAS-Bench-Suite-Zero released, network by network."""
    yield "## Score by score: Spearman of our scores with those NAS-Bench-Suite-Zero released"
    yield ""
    name = {"cifar10": "cifar10", "imagenet16-120": "ImageNet16-120"}[dataset]
    folder = Path(os.environ.get("ZCPROXY_DATA", ""))
    theirs = pd.read_csv(folder / "nasbench201" / "reference_proxies_nbsz_release.csv.gz")
    theirs = theirs[theirs["dataset"] == name]
    order = spaces.get("nasbench201").architectures()
    theirs = theirs.set_index(theirs["index"].map(lambda index: order[index]))
    between = dict(zip(reruns["proxy"], reruns["value"], strict=True))
    yield "| proxy | with their scores | n | two runs of theirs |"
    yield "| --- | ---: | ---: | ---: |"
    for proxy in (c for c in values.columns if THEIR_NAMES.get(c, c) in theirs.columns):
        pair = pd.DataFrame(
            {"ours": values[proxy], "theirs": theirs[THEIR_NAMES.get(proxy, proxy)]}
        ).dropna()
        again = f"{between[proxy]:.3f}" if proxy in between else ""
        found = spearman(pair["ours"], pair["theirs"])
        yield f"| {proxy} | {found:.3f} | {len(pair):,} | {again} |"


if __name__ == "__main__":
    main()
