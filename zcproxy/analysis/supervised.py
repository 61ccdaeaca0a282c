"""For reference: how well do small models rank that were trained on a few accuracies?

Nothing else in zcproxy learns from accuracies: they judge scores, and never make them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from zcproxy.analysis.agreement import spearman
from zcproxy.analysis.alignment import align, require_unique, score_columns, select_columns
from zcproxy.analysis.combine import Combination, with_combinations
from zcproxy.analysis.failures import below_all
from zcproxy.analysis.features import feature_sets, scaled_ranks
from zcproxy.analysis.lacking import not_known
from zcproxy.analysis.matrix import Progress, interval
from zcproxy.analysis.predictors import MODELS
from zcproxy.analysis.ranks import Floats, Ints
from zcproxy.analysis.rows import framed, spread
from zcproxy.analysis.table import Cells
from zcproxy.errors import InputError, MeasureError, unknown

__all__ = ["LABELS", "SAMPLES", "Supervised", "held_out", "label_order", "rows_known", "supervised"]

LABELS = (10, 30, 100, 300)
FEWEST = 3
"""Labels that a model needs at least: leaving one out must leave two."""

SAMPLES = ("networks", "strings")
"""What can have equal chances to be drawn as a label."""

JUDGED = 2
"""Networks that must be left to judge on."""


@dataclass(frozen=True, eq=False)
class Supervised:
    """What `supervised` finds.

    `table`: features, model, labels, spearman with interval, draws, n, n_most, reason.
    `beside`: features, model, labels, beside; spearman with interval of that label-free score on
    the same held-out architectures; spearman_all on all; difference (supervised minus label-free,
    paired in every draw) with interval; draws, n, n_most, reason. `n` is the least number of
    architectures held out in a draw, `n_most` the most.
    """

    table: pd.DataFrame
    beside: pd.DataFrame


@dataclass(eq=False)
class Draws:
    """Spearman of every draw by who ranked (nan where there is none, and why), n held out."""

    found: dict[tuple[str, ...], list[float]] = field(default_factory=dict)
    why: dict[tuple[str, ...], str] = field(default_factory=dict)
    sizes: dict[int, list[int]] = field(default_factory=dict)

    def add(self, who: tuple[str, ...], compute: Callable[[], float]) -> None:
        """Note the correlation of one draw."""
        try:
            value = compute()
        except MeasureError as error:
            value = np.nan
            self.why.setdefault(who, str(error))
        self.found.setdefault(who, []).append(value)


def supervised(
    scores: pd.DataFrame,
    accuracies: pd.Series[float] | pd.DataFrame,
    networks: Mapping[str, str],
    proxies: Sequence[str] | None = None,
    operations: pd.DataFrame | None = None,
    labels: Sequence[int] = LABELS,
    beside: Sequence[str] = ("live_params",),
    draws: int = 20,
    seed: int = 0,
    sample: str = "networks",
    progress: Progress | None = None,
) -> Supervised:
    """Train on the accuracies of n architectures, rank all others, and compare with no labels.

    Args:
        scores: the column `architecture` and one float column per proxy, nan for a failure.
        accuracies: a series indexed by architecture, or `architecture` and one more column.
        networks: of every architecture a text that is equal for strings of the same network.
        proxies: those that models see; all of `scores` if not given.
        operations: other features, indexed by architecture, such as which edge has which
            operation; without them the models see proxies alone.
        labels: numbers n of labels.
        beside: proxies or combinations that are judged on the same architectures, failures last.
        draws: random draws of labels; those of n labels contain those of fewer.
        seed: of the draws.
        sample: what has equal chances to be a label. `networks`: networks, each by a random one of
            its strings; `strings`: strings, without those of a network that is drawn already.
        progress: called with fits done and all.

    Rows in which something asked for is not known (`rows_known`) are left out before all else:
    their ranks would say nothing of the network.

    Labels are of n different networks; a string whose network was trained on is never judged on.
    Neither sample is like what is judged where some networks have many strings: of `networks`
    these are rare among labels, of `strings` rare among what is left to judge.

    Features are ranks of proxies among all rows of `scores` (failures below all), which needs no
    label, and `operations`; each of the two sets is centered and scaled to a total variance of 1,
    so that neither drowns the other in `both`. Models (`analysis.predictors`) fit the ranks of the
    n accuracies among themselves, as ranking is what is judged. Nothing is tuned on any other
    accuracy. Spearman's coefficients are means over draws, intervals the 2.5 and 97.5 % of the
    draws.

    Raises InputError for an unknown proxy or sample, no proxy, an architecture without network or
    operations, fewer than three labels or draws than one, and more labels than networks.
    """
    names = score_columns(scores) if proxies is None else list(proxies)
    if sample not in SAMPLES:
        raise unknown("sample of labels", sample, SAMPLES)
    if not names:
        raise InputError("there is no proxy to learn from; give scores of at least one")
    scores = rows_known(scores, [*names, *beside])
    known, truth = align(scores, accuracies)
    codes = network_codes(known.index, networks)
    check(labels, draws, int(codes.max()) + 1)
    require_unique(pd.Index(scores["architecture"]), "scores")
    everything = feature_sets(scores, names, operations)
    place = pd.Index(scores["architecture"]).get_indexer(known.index)
    features = {name: block[place] for name, block in everything.items()}
    plain = label_free(scores, beside, place)
    y, counts = np.asarray(truth, dtype=np.float64), tuple(dict.fromkeys(labels))
    result = Draws()
    fits = len(features) * len(MODELS)
    for draw in range(draws):
        order = label_order(codes, np.random.default_rng([seed, draw]), sample)
        for at, n in enumerate(counts):
            trained = order[:n]
            before = (draw * len(counts) + at) * fits

            def step(done: int, before: int = before) -> None:
                if progress is not None:
                    progress(before + done, draws * len(counts) * fits)

            one_draw(result, features, plain, y, trained, held_out(codes, trained), step)
    whole = {name: on_everything(column, y) for name, column in plain.items()}
    return Supervised(models_table(result, features, counts), beside_table(result, whole, features))


def check(labels: Sequence[int], draws: int, networks: int) -> None:
    """Raise InputError for numbers of labels or draws that leave nothing to fit or to judge."""
    if not labels:
        raise InputError("give at least one number of labels")
    for n in labels:
        if n < FEWEST:
            raise InputError(f"{n} labels are too few to learn from; give {FEWEST} or more")
        if n > networks - JUDGED:
            raise InputError(
                f"{n:,} labels are too many: {networks:,} different networks have scores and "
                f"accuracy, and {JUDGED} must be left to judge on"
            )
    if draws < 1:
        raise InputError(f"expected at least 1 draw of labels, got {draws}")


def network_codes(architectures: pd.Index[str], networks: Mapping[str, str]) -> Ints:
    """A number for every architecture, equal where the network is the same."""
    for name in architectures:
        if name not in networks:
            raise InputError(f"the network of {name} is not given; networks needs every string")
    keys = np.array([networks[name] for name in architectures], dtype=object)
    return np.asarray(pd.factorize(keys)[0], dtype=np.int64)


def rows_known(scores: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """The rows in which no proxy, or member of a combination, failed for a reason outside networks.

    These are the kinds `zcproxy.kinds.UNKNOWN`, as `<proxy>_failure` states them.
    """
    kept = np.ones(len(scores), dtype=bool)
    for name in names:
        members = [name] if name in scores.columns else Combination.parse(name).members
        for member in members:
            if member in scores.columns:
                kept &= ~not_known(scores, member)
    return scores if kept.all() else scores[kept].reset_index(drop=True)


def label_free(scores: pd.DataFrame, names: Sequence[str], place: Ints) -> dict[str, Floats]:
    """Scores that nothing was learned for, failures last, at the rows `place`.

    Combinations rank among all rows of `scores`, all of which are known (`rows_known`).
    """
    made = select_columns(with_combinations(scores, names), names)
    return {str(name): below_all(made[name].to_numpy()[place]) for name in made.columns}


def label_order(codes: Ints, rng: np.random.Generator, sample: str = "networks") -> Ints:
    """One row of every network in random order: the first n are the labeled.

    With `networks` the order of networks is random, with `strings` that of all rows, of which only
    the first of every network stays. `codes` (rows,) number the networks from 0.
    """
    shuffled = rng.permutation(len(codes))
    first = np.unique(codes[shuffled], return_index=True)[1]
    if sample == "strings":
        return np.asarray(shuffled[np.sort(first)], dtype=np.int64)
    return np.asarray(rng.permutation(shuffled[first]), dtype=np.int64)


def held_out(codes: Ints, trained: Ints) -> Ints:
    """The rows whose network none of the rows `trained` is."""
    return np.asarray(np.flatnonzero(~np.isin(codes, codes[trained])), dtype=np.int64)


def one_draw(
    result: Draws,
    features: Mapping[str, Floats],
    plain: Mapping[str, Floats],
    truth: Floats,
    trained: Ints,
    held: Ints,
    step: Callable[[int], None],
) -> None:
    """Correlations on the rows held out, of all models and of all that needs no label."""
    n = len(trained)
    result.sizes.setdefault(n, []).append(len(held))
    targets = scaled_ranks(truth[trained])
    done = 0
    for name, block in features.items():
        for model in MODELS:

            def ranked(block: Floats = block, model: str = model) -> float:
                predicted = predict(model, block[trained], targets, block[held])
                return spearman(predicted, truth[held])

            result.add((name, model, str(n)), ranked)
            done += 1
            step(done)
    for name, column in plain.items():

        def unlearned(column: Floats = column) -> float:
            return spearman(column[held], truth[held])

        result.add((name, str(n)), unlearned)


def predict(model: str, known: Floats, targets: Floats, asked: Floats) -> Floats:
    """What a model says; raises MeasureError where the labels have no order to learn."""
    if np.ptp(targets) == 0:
        raise MeasureError("degenerate", "the accuracies of all labels are equal")
    return MODELS[model](known, targets, asked)


def on_everything(column: Floats, truth: Floats) -> float | None:
    """Spearman of a label-free score on all architectures, None where there is none."""
    try:
        return spearman(column, truth)
    except MeasureError:
        return None


def models_table(
    result: Draws, features: Mapping[str, Floats], counts: Sequence[int]
) -> pd.DataFrame:
    """One row per features, model and number of labels."""
    rows = []
    for name, model, n in cases(features, counts):
        who = (name, model, str(n))
        cells = opened(name, model, n)
        summary(cells, "spearman", result.found[who], result.why.get(who))
        rows.append(closed(cells, result, n, result.found[who]))
    return finished(rows, ("proxy", "model"))


def beside_table(
    result: Draws, whole: Mapping[str, float | None], features: Mapping[str, Floats]
) -> pd.DataFrame:
    """One row per features, model, number of labels and label-free score."""
    rows = []
    for name, model, n in cases(features, list(result.sizes)):
        who = (name, model, str(n))
        for other, everywhere in whole.items():
            ours, theirs = result.found[who], result.found[other, str(n)]
            why = result.why.get(who) or result.why.get((other, str(n)))
            cells = opened(name, model, n)
            cells.values["beside"] = other
            summary(cells, "spearman", theirs, result.why.get((other, str(n))))
            cells.values["spearman_all"] = everywhere
            differences = [a - b for a, b in zip(ours, theirs, strict=True)]
            summary(cells, "difference", differences, why)
            rows.append(closed(cells, result, n, differences))
    return finished(rows, ("proxy", "model", "beside"))


def cases(features: Mapping[str, Floats], counts: Sequence[int]) -> list[tuple[str, str, int]]:
    """Every set of features with every model and number of labels."""
    return [(name, model, n) for name in features for model in MODELS for n in counts]


def opened(name: str, model: str, n: int) -> Cells:
    """A row that says who ranks."""
    cells = Cells(name)
    cells.values |= {"model": model, "labels": n}
    return cells


def summary(cells: Cells, column: str, values: Sequence[float], why: str | None) -> None:
    """Mean of the draws that have a value, 2.5 and 97.5 % of them; a reason where some lack."""
    names = [column, f"{column}_low", f"{column}_high"]
    found = np.array([value for value in values if not np.isnan(value)])

    def compute() -> list[float | None]:
        if not len(found):
            raise MeasureError("degenerate", f"{why} (in every draw)")
        return spread(float(found.mean()), interval(found) if len(found) > 1 else None)

    cells.add(names, compute)
    if 0 < len(found) < len(values):
        text = f"{len(values) - len(found)} of {len(values)} draws left out: {why}"
        cells.reasons.setdefault(text, []).extend(names)


def closed(cells: Cells, result: Draws, n: int, values: Sequence[float]) -> Cells:
    """The row with how many draws have a value, and how many architectures were held out."""
    sizes = result.sizes[n]
    cells.values |= {
        "draws": int((~np.isnan(values)).sum()),
        "n": min(sizes),
        "n_most": max(sizes),
    }
    return cells


def finished(rows: Sequence[Cells], text: Sequence[str]) -> pd.DataFrame:
    """Rows as a frame whose first column is `features`."""
    made = framed(rows, text, ("labels", "draws", "n", "n_most"))
    return made.rename(columns={"proxy": "features"})
