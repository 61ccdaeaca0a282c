"""`zcproxy analyze stability`: do scores repeat, and how many runs are enough?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from zcproxy.cli.analyze.options import Csv, Files, Json, Out
from zcproxy.cli.correlate import Accuracy, Proxies, Resamples, Seed, Subset, TableName
from zcproxy.errors import DataError, InputError

if TYPE_CHECKING:
    import pandas as pd

    from zcproxy.cli.analyze.findings import Finding, Section
    from zcproxy.cli.analyze.score_files import ScoreFile

__all__ = ["stability"]

SAME = ("space", "dataset", "protocol", "protocol_revision", "batch_size", "shape", "classes")


def stability(
    files: Files,
    table: TableName = None,
    accuracy: Accuracy = None,
    proxies: Proxies = "all",
    subset: Subset = "all",
    resamples: Resamples = 1000,
    seed: Seed = 0,
    out: Out = None,
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """Say how far runs agree that differ in the seed of the weights, the batch, or both.

    `ICC(2,1)` is the absolute agreement of the scores (Shrout and Fleiss 1979); one huge score can
    decide it, so the ICC of ranks stands beside: the mean Spearman correlation of two runs where
    nothing ties. `for .95` is how many runs' mean ranks agree by .95 with those of as many others
    (Spearman-Brown); where there are enough runs, that agreement is measured, too. Where runs
    differ in both, only pairs that share neither seed nor batch count. With accuracies at hand,
    `mean rank` is the Spearman with accuracy of the ranks' mean over all runs, those that share a
    seed or a batch too, beside that of single runs. Intervals are 95 % bootstrap intervals over
    architectures.

    Examples:

    `zcproxy analyze stability seed0.parquet seed1.parquet seed2.parquet`

    `zcproxy analyze stability seed*.parquet batch*.parquet --out reports/stability`

    `zcproxy analyze stability seed*.parquet --proxies blind --accuracy cifar10_test_200`
    """
    from zcproxy.analysis.stability import stability as analysis
    from zcproxy.cli.analyze.findings import check_format, tell
    from zcproxy.cli.analyze.score_files import all_combined, read_all, shared_proxies
    from zcproxy.cli.evaluation import split_names
    from zcproxy.cli.progress import bar
    from zcproxy.proxies import COUNTS

    check_format(as_json, as_csv)
    if len(files) < 2:
        raise InputError(
            "stability compares runs, and there is only one file; give two or more that differ in "
            "zcproxy score --seed or --batch-seed"
        )
    runs = read_all(files, subset, proxies, SAME)
    names, notes = shared_proxies(runs, proxies)
    asked = split_names(proxies)
    if "all" in asked and any(name not in COUNTS for name in names):
        counted = [name for name in names if name in COUNTS and name not in asked]
        names = [name for name in names if name not in counted]
        notes += [f"left out, the same in every run: {', '.join(counted)}"] if counted else []
    groups = designs(runs)
    truth, unknown = accuracies_of(runs, table, accuracy)
    notes += unknown
    made, said = all_combined(runs, names)
    notes += said
    found = []
    with bar("stability") as progress:
        for place, (varying, chosen) in enumerate(groups.items()):
            frames = {label: made[run.path] for label, run in chosen.items()}

            def step(done: int, total: int, place: int = place) -> None:
                progress(place * total + done, total * len(groups))

            found.append(
                analysis(
                    frames, names, varying, resamples, seed, step, made_from(varying, chosen), truth
                )
            )
    finding = described(runs, groups, found, notes, resamples, truth)
    tell(finding, as_json, as_csv, out)


def designs(runs: Sequence[ScoreFile]) -> dict[str, dict[str, ScoreFile]]:
    """The comparisons that the files allow, by what varies: runs by label.

    `seed`: the largest group of one batch; `batch`: the largest group of one seed; `seed and
    batch`: all, where both vary and neither group has all. Files that state nothing are `run`s
    by name.
    """
    if not runs[0].run:
        return {"run": {str(run.path): run for run in runs}}
    at = [(run.run.get("seed"), run.run.get("batch_seed")) for run in runs]
    hashes: dict[Any, Any] = {}
    for run, (_, batch) in zip(runs, at, strict=True):
        if hashes.setdefault(batch, run.run.get("batch_sha256")) != run.run.get("batch_sha256"):
            raise InputError(f"files of batch seed {batch} were scored on different images")
    for place, pair in enumerate(at):
        if pair in at[:place]:
            raise InputError(
                f"{runs[at.index(pair)].path} and {runs[place].path} are both of seed {pair[0]} "
                f"and batch seed {pair[1]}; give every run once"
            )
    found: dict[str, dict[str, ScoreFile]] = {}
    for varying, fixed, moving in (("seed", 1, 0), ("batch", 0, 1)):
        groups: dict[Any, dict[str, ScoreFile]] = {}
        for pair, run in zip(at, runs, strict=True):
            groups.setdefault(pair[fixed], {})[f"{varying} {pair[moving]}"] = run
        largest = max(groups.values(), key=len)
        if len(largest) > 1:
            found[varying] = largest
    if all(len(group) < len(runs) for group in found.values()):
        found[BOTH] = {f"seed {s}, batch {b}": run for (s, b), run in zip(at, runs, strict=True)}
    return found


def made_from(
    varying: str, chosen: dict[str, ScoreFile]
) -> dict[str, tuple[object, object]] | None:
    """The seeds of weights and batch of every run, where both of them vary."""
    if varying != BOTH:
        return None
    return {
        label: (run.run.get("seed"), run.run.get("batch_seed")) for label, run in chosen.items()
    }


BOTH = "seed and batch"


def accuracies_of(
    runs: Sequence[ScoreFile], table: str | None, accuracy: str | None
) -> tuple[pd.Series[float] | None, list[str]]:
    """The accuracies of the runs' space, or a note on why there are none; an error if asked for."""
    from zcproxy import tables
    from zcproxy.cli.evaluation import TRAINED_ONCE, by_network, chosen_accuracy, release_of

    run = runs[0].run
    name = table or run.get("space") or "nasbench201"
    asked = table is not None or accuracy is not None
    left_out = "agreement with accuracy left out: "
    try:
        loaded = tables.load(name)
    except DataError:
        if asked:
            raise
        return None, [f"{left_out}there is no table {name} (zcproxy data list); --table NAME"]
    release = release_of(run.get("protocol"))
    column = chosen_accuracy(loaded, accuracy, run.get("dataset"), name, release)
    truth = loaded.set_index("architecture")[column].astype("float64")
    notes: list[str] = []
    strings = dict.fromkeys(text for one in runs for text in one.scores["architecture"])
    if loaded.attrs.get("space") in TRAINED_ONCE:
        truth, notes = by_network(truth, strings, loaded.attrs["space"])
    if truth.dropna().index.isin(list(strings)).any():
        return truth, notes
    text = f"none of the architectures has an accuracy {column} in the table {name}"
    if asked:
        raise InputError(f"{text}; --table NAME chooses another")
    return None, [left_out + text]


def described(
    runs: Sequence[ScoreFile],
    groups: dict[str, dict[str, ScoreFile]],
    found: Sequence[Any],
    notes: list[str],
    resamples: int,
    truth: pd.Series[float] | None,
) -> Finding:
    """The finding with its tables, sections and pictures."""
    import pandas as pd

    from zcproxy.analysis.rows import reasons
    from zcproxy.cli.analyze.findings import Finding, Picture
    from zcproxy.plots.reliability import reliability_panels

    table = pd.concat([one.table for one in found], ignore_index=True)
    curve = pd.concat([one.curve for one in found], ignore_index=True)
    tables = {
        "stability": table,
        "pairs": pd.concat([one.pairs for one in found], ignore_index=True),
        "averages": curve,
    }
    facts = [f"{run.path}: {len(run.scores):,} architectures, {run.protocol}" for run in runs]
    facts += [
        f"{varying}: {len(group)} runs ({'; '.join(group)}), on the architectures "
        "in which every one of them has a value"
        for varying, group in groups.items()
    ]
    for one in found:
        varying, compared = one.table["varying"].iloc[0], one.table["compared"].iloc[0]
        if varying == BOTH:
            facts.append(
                f"{BOTH}: means over the {compared} of {len(one.pairs) // len(one.table)} pairs of "
                "runs that share neither; those that share one would agree better than runs do "
                "that have nothing in common"
            )
    if truth is not None:
        facts.append(f"accuracy {truth.name} (%)")
    facts += [line for varying, group in groups.items() for line in left_out(varying, group)]
    facts.append(f"intervals: 95 % percentile bootstrap over architectures, {resamples} resamples")
    facts += [*dict.fromkeys(note for run in runs for note in run.notes), *notes]
    pictures = [
        Picture(
            f"averages-{varying.replace(' ', '-')}",
            f"Agreement of averages of runs that differ in {varying}: predicted by Spearman-Brown "
            "from single runs, and measured",
            lambda varying=varying: reliability_panels(curve, varying),  # type: ignore[misc]
        )
        for varying in groups
    ]
    title = f"Stability of scores over {len(runs)} runs"
    sections = [s for varying in groups for s in sections_of(table, curve, varying)]
    if truth is not None:
        sections += [prediction_section(table, varying, str(truth.name)) for varying in groups]
    return Finding(title, facts, tables, sections, reasons(table), pictures)


def left_out(varying: str, group: dict[str, ScoreFile]) -> list[str]:
    """How many architectures are in some files of a comparison only, a line if any are."""
    strings = [set(run.scores["architecture"]) for run in group.values()]
    absent = len(set.union(*strings)) - len(set.intersection(*strings))
    return [f"left out of {varying}: {absent:,} architectures not in all its files"] * bool(absent)


def sections_of(table: pd.DataFrame, curve: pd.DataFrame, varying: str) -> list[Section]:
    """Agreement of single runs, and of averages where these were measured."""
    from zcproxy.analysis.stability import NEEDED
    from zcproxy.cli.analyze.findings import Section
    from zcproxy.numerals import compact, count, decimal, estimate

    rows = table[table["varying"] == varying].sort_values(
        "icc_ranks", ascending=False, na_position="last", kind="stable"
    )
    header = ["proxy", "ICC(2,1) scores", "ICC ranks", "Spearman", "pairs"]
    header += [f"for .{name.removeprefix('needed')}" for name in NEEDED[1:]]
    lines = [
        [
            row["proxy"],
            compact(estimate(row["icc"], row["icc_low"], row["icc_high"])),
            compact(decimal(row["icc_ranks"])),
            compact(estimate(row["spearman"], row["spearman_low"], row["spearman_high"])),
            f"{compact(decimal(row['spearman_least'], 2))}–"
            f"{compact(decimal(row['spearman_most'], 2))}",
            *(between(row, name) for name in NEEDED[1:]),
            count(row["n"]),
            count(row["incomplete"]),
        ]
        for _, row in rows.iterrows()
    ]
    note = (
        "Spearman: mean over pairs of runs; pairs: the least and the most. ICC ranks: ICC(3,1). "
        "for .95: runs whose mean ranks agree by .95 with those of as many others "
        "(Spearman-Brown). lacking: architectures without a value in some run. In brackets: 95 % "
        "intervals."
    )
    runs = count(rows["runs"].iloc[0])
    sections = [
        Section(
            f"{runs} runs that differ in {varying}",
            "stability",
            [*header, "n", "lacking"],
            lines,
            note,
        )
    ]
    mine = curve[(curve["varying"] == varying) & curve["measured"].notna()]
    if (mine["averaged"] > 1).any():
        sections.append(averages_section(mine, varying))
    return sections


def prediction_section(table: pd.DataFrame, varying: str, accuracy: str) -> Section:
    """Spearman with accuracy of single runs and of the mean of all, one row per proxy."""
    from zcproxy.cli.analyze.findings import Section
    from zcproxy.numerals import compact, count, decimal, estimate

    rows = table[table["varying"] == varying].sort_values(
        "averaged", ascending=False, na_position="last", kind="stable"
    )

    def with_ends(row: Any, name: str) -> str:
        return compact(estimate(row[name], row[f"{name}_low"], row[f"{name}_high"]))

    lines = [
        [
            row["proxy"],
            compact(decimal(row["single"])),
            f"{compact(decimal(row['single_least']))} – {compact(decimal(row['single_most']))}",
            with_ends(row, "averaged"),
            with_ends(row, "gain"),
            count(row["n_accuracy"]),
        ]
        for _, row in rows.iterrows()
    ]
    runs = count(rows["runs"].iloc[0])
    header = ["proxy", "single run", "least – most", f"mean rank of {runs} [95 %]"]
    return Section(
        f"Does averaging help? Spearman with {accuracy}, {runs} runs that differ in {varying}",
        "stability",
        [*header, "gain [95 %]", "n"],
        lines,
        "single run: mean over runs. mean rank: the mean over runs of an architecture's ranks; "
        "one without a value in any run has none. gain: mean rank minus single run."
        + " All runs enter, those that share a seed or a batch, too."
        * (varying == BOTH),
    )


def averages_section(mine: pd.DataFrame, varying: str) -> Section:
    """Measured beside predicted agreement, one row per proxy and size."""
    from zcproxy.cli.analyze.findings import Section
    from zcproxy.numerals import compact, count, estimate

    lines = [
        [
            row["proxy"],
            count(row["averaged"]),
            *(
                compact(estimate(row[c], row[f"{c}_low"], row[f"{c}_high"]))
                for c in ("predicted", "measured")
            ),
            count(row["splits"]),
            count(row["n"]),
        ]
        for _, row in mine.iterrows()
    ]
    header = ["proxy", "runs averaged", "predicted [95 %]", "measured [95 %]", "splits", "n"]
    return Section(f"Averages of runs that differ in {varying}", "averages", header, lines)


def between(row: Any, name: str) -> str:
    """A number of runs with its interval, such as `3 [2, 4]`."""
    from zcproxy.numerals import count, missing

    if missing(row[name]):
        return "–"
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    if missing(low) and missing(high):
        return count(row[name])
    end = "∞" if missing(high) else count(high)
    return f"{count(row[name])} [{count(low)}, {end}]"
