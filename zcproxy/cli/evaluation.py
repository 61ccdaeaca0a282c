"""What `correlate` and `report` start from: scores, the accuracies beside them, and a subset."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zcproxy.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Sequence

    import pandas as pd

__all__ = [
    "BASELINE",
    "Evaluation",
    "chosen_proxies",
    "default_accuracy",
    "evaluate",
    "origin",
    "require_scored",
    "sampled",
    "split_names",
    "whole",
    "with_counts",
]

BASELINE = "live_params"

LEAST = 30
"""Architectures of a sample that is taken in place of all that happen to be scored."""

TRAINED_ONCE = ("digits201",)
"""Spaces whose accuracies are those of networks, each under one of its strings.

Not nasbench201: there every string was trained by itself, equal networks to unequal accuracies.
"""


@dataclass(frozen=True)
class Evaluation:
    """Scores of a subset of architectures with one column of accuracies.

    `run` is what the file of scores tells about the run that made it (empty for a bare CSV);
    `baseline` is None where live parameters cannot be known; `without_accuracy` counts the
    scored architectures of the subset that the table lacks; `notes` are sentences on how the
    architectures came together, where that needs words.
    """

    scores: pd.DataFrame
    accuracies: pd.Series[float]
    proxies: list[str]
    baseline: str | None
    table: str
    subset: str
    run: dict[str, Any]
    without_accuracy: int
    notes: list[str] = field(default_factory=list)

    @property
    def compared(self) -> int:
        """How many architectures have scores and accuracy."""
        return len(self.scores) - self.without_accuracy

    @property
    def space(self) -> str | None:
        """The space of the scores, where file or table name it."""
        from zcproxy import spaces

        named = self.run.get("space")
        return str(named) if named else self.table if self.table in spaces.names() else None

    @property
    def protocol(self) -> str:
        """What is known of how the scores were made, in a few words."""
        if not self.run:
            return "protocol not stated in the file"
        from zcproxy.protocols import batch_in_words

        batch, protocol = batch_in_words(self.run), self.run.get("protocol")
        return f"protocol {protocol}, {batch}, seed {self.run.get('seed')}"


def evaluate(
    path: Path,
    table: str | None,
    accuracy: str | None,
    proxies: str,
    subset: str,
    *,
    comparable: bool = False,
) -> Evaluation:
    """Read scores and accuracies and put them side by side.

    With `comparable`, `all` leaves out proxies of which there is only a sample, see `whole`. Of
    scores of a user's own candidates `table` is a CSV file, see `zcproxy.cli.own`.

    Raises DataError for a missing or damaged file or table, InputError for an unknown column,
    proxy or subset (the message lists what there is), and where no scored architecture has an
    accuracy.
    """
    from zcproxy import spaces, tables
    from zcproxy.analysis import NAMED, combination_notes, select_columns, with_combinations
    from zcproxy.cli.own import evaluate_own, foreign
    from zcproxy.store import read_scores

    scores = read_scores(path)
    if scores.empty:
        raise InputError(f"{path} holds no scores; zcproxy score adds some")
    if foreign(scores):
        return evaluate_own(path, scores, table, accuracy, proxies, subset)
    run = {str(name): value for name, value in scores.attrs.items()}
    name = table or run.get("space") or "nasbench201"
    accuracies = tables.load(name)
    theirs = accuracies.attrs.get("space")
    if run.get("space") and theirs and run["space"] != theirs:
        raise InputError(
            f"{path} holds scores of {run['space']}, the table {name} accuracies of {theirs}; "
            "choose another one with --table"
        )
    column = chosen_accuracy(
        accuracies, accuracy, run.get("dataset"), name, release_of(run.get("protocol"))
    )
    space = run.get("space") or (name if name in spaces.names() else None)
    scores = of_subset(scores, subset, space)
    names = chosen_proxies(proxies, scores)
    names, left_out = whole(scores, names, split_names(proxies)) if comparable else (names, [])
    needed = {*names, *members(names)}
    notes = [*origin(scores, needed), *left_out]
    scores, of_samples = sampled(scores, needed)
    notes += of_samples
    wanted = [*members(name for name in names if name not in scores.columns), BASELINE]
    scores = with_counts(scores, wanted, space, run.get("dataset"))
    absent = [name for name in members(names) if name not in scores.columns]
    require_scored(scores, names)
    select_columns(scores, absent, NAMED)  # raises for what is neither proxy nor combination
    notes += combination_notes(scores, names)
    scores = with_combinations(scores, names)
    select_columns(scores, names)
    baseline = BASELINE if BASELINE in scores.columns else None
    truth = accuracies.set_index("architecture")[column]
    truth.attrs = dict(accuracies.attrs.get("columns", {}).get(column, {}))
    if accuracies.attrs.get("space") in TRAINED_ONCE:
        truth, matched = by_network(truth, scores["architecture"], accuracies.attrs["space"])
        notes += matched
    known = int(scores["architecture"].isin(truth.dropna().index).sum())
    if not known:
        raise InputError(none_known(scores, accuracies, name, column))
    return Evaluation(scores, truth, names, baseline, name, subset, run, len(scores) - known, notes)


def origin(scores: pd.DataFrame, needed: Container[str] | None = None) -> list[str]:
    """What must be said of scores from a store of an unusual kind, or of a run not finished.

    Only the proxies `needed` count, if they are named.
    """
    from zcproxy.kinds import FAILURE, NOT_SCORED

    notes = []
    if scores.attrs.get("expanded"):
        notes.append(
            "an older zcproxy made the store, which does not tell the architectures asked for: "
            "here are all strings of the scored networks"
        )
    failures = [
        name
        for name in map(str, scores.columns)
        if name.endswith(FAILURE) and (needed is None or name.removesuffix(FAILURE) in needed)
    ]
    waiting = int((scores[failures] == NOT_SCORED).any(axis=1).sum())
    if waiting:
        notes.append(
            f"{waiting:,} of {len(scores):,} architectures are not scored by every proxy yet, and "
            "have no value there"
        )
    return notes


def whole(
    scores: pd.DataFrame, names: Sequence[str], asked: Sequence[str]
) -> tuple[list[str], list[str]]:
    """The names without proxies of which there is only a sample so far, and a note on these.

    What is `asked` for by name stays, and all do where none is scored throughout.
    """
    from zcproxy.analysis.table import PART
    from zcproxy.kinds import FAILURE, NOT_SCORED
    from zcproxy.proxies import COUNTS

    def part(name: str) -> bool:
        column = name + FAILURE
        return column in scores.columns and (scores[column] == NOT_SCORED).mean() > PART

    parts = [name for name in names if name not in asked and part(name)]
    measured = [name for name in names if name in scores.columns and name not in COUNTS]
    if not parts or set(parts) == set(measured) - set(asked):
        return list(names), []
    note = (
        f"left out, as only a sample is scored: {', '.join(parts)} (named in --proxies, they stay)"
    )
    return [name for name in names if name not in parts], [note]


def sampled(
    scores: pd.DataFrame, needed: Container[str] | None = None
) -> tuple[pd.DataFrame, list[str]]:
    """Scores of which every proxy that a run has not finished keeps a random sample, and notes.

    See `zcproxy.sampling`. Where there is none to speak of, all stay, and a note says so. Notes are
    on the proxies `needed`, if they are named.
    """
    from zcproxy.kinds import FAILURE, NOT_SCORED
    from zcproxy.sampling import beginning
    from zcproxy.store.frame import LOGARITHMS

    kept, names = scores.copy(), scores["architecture"]
    told: dict[str, list[str]] = {}
    for column in map(str, scores.columns):
        proxy = column.removesuffix(FAILURE)
        if column == proxy or proxy not in scores.columns or proxy in LOGARITHMS.values():
            continue
        there = scores[column] != NOT_SCORED
        if there.all() or not there.any():
            continue
        sample = set(beginning(names, set(names[there])))
        if len(sample) < LEAST:
            text = f"{int(there.sum()):,} are scored, no random sample: equal ones count too often"
        else:
            beyond = there & ~names.isin(sample)
            for name in {proxy, LOGARITHMS.get(proxy, proxy)} & set(scores.columns):
                kept.loc[beyond, name] = float("nan")
                kept.loc[beyond, name + FAILURE] = NOT_SCORED
            more = f" ({int(beyond.sum()):,} more are scored, but not at random)"
            text = f"a random sample of {len(sample):,} of {len(scores):,} is taken"
            text += more if beyond.any() else ""
        if needed is None or proxy in needed:
            told.setdefault(text, []).append(proxy)
    kept.attrs = scores.attrs
    return kept, [f"{', '.join(proxies)}: {text}" for text, proxies in told.items()]


def by_network(
    truth: pd.Series[float], architectures: Iterable[str], space: str
) -> tuple[pd.Series[float], list[str]]:
    """Accuracies that also stand under other strings of the same networks, and a note on it.

    A string of the table stays; a network of which no such string is among `architectures` gives
    its accuracy to the first of them that is equal to it. So each network counts once.
    """
    import pandas as pd

    from zcproxy import spaces

    key = spaces.get(space).key
    strings = list(architectures)
    trained = {key(str(string)): string for string in truth.dropna().index}
    absent = [string for string in strings if string not in truth.index]
    if len(trained) < len(truth.dropna()) or not absent:
        return truth, []
    taken = {key(string) for string in strings if string in truth.index}
    added: dict[str, float] = {}
    for string in absent:
        network = key(string)
        if network in trained and network not in taken:
            taken.add(network)
            added[string] = truth[trained[network]]
    if not added:
        return truth, []
    joined = pd.concat([truth, pd.Series(added, name=truth.name, dtype="float64")])
    joined.attrs = truth.attrs
    return joined, [
        f"accuracies taken from an equal network that the table names otherwise: {len(added):,} "
        "(once per network; its further strings count as without accuracy)"
    ]


def none_known(scores: pd.DataFrame, accuracies: pd.DataFrame, table: str, column: str) -> str:
    """What to do where no scored architecture has an accuracy."""
    space = accuracies.attrs.get("space")
    return (
        f"none of the {len(scores):,} scored architectures has an accuracy {column} in the table "
        f"{table}, which has {len(accuracies):,}; zcproxy score --space {space} --table {table} "
        "scores those, --table NAME chooses another table here"
    )


def release_of(protocol: str | None) -> str | None:
    """The release of accuracies that the authors of a protocol compare with, if it is known."""
    from zcproxy import protocols

    return protocols.get(protocol).release if protocol in protocols.names() else None


def chosen_accuracy(
    accuracies: pd.DataFrame,
    wanted: str | None,
    dataset: str | None,
    table: str,
    release: str | None = None,
) -> str:
    """The accuracy column asked for, or the default one."""
    columns: dict[str, dict[str, Any]] = accuracies.attrs.get("columns", {})
    known = list(columns) or [c for c in accuracies.columns if c not in ("architecture", "index")]
    if wanted is None:
        return default_accuracy(columns, dataset, release) or known[0]
    if wanted not in known:
        raise InputError(f"table {table} has no accuracy '{wanted}'; it has {', '.join(known)}")
    return wanted


def default_accuracy(
    columns: dict[str, dict[str, Any]], dataset: str | None, release: str | None = None
) -> str | None:
    """Test accuracy of the scores' data set after the most epochs, mean over seeds.

    Of a protocol with a release of accuracies of its own, that of the data set (of CIFAR-10 that of
    the networks trained on its half), where the table has it.
    Of a stand-in those of the data set it stands for. Where the table does not know that data set,
    the first such column of any data set.
    """
    from zcproxy.datasets.catalogue import stands_for

    means = {
        name: facts
        for name, facts in columns.items()
        if facts["split"] == "test" and facts["seed"] is None and not facts.get("release")
    }
    wanted = None if dataset is None else stands_for(dataset)
    if release is not None:
        for name, facts in columns.items():
            own = facts["dataset"].removesuffix("-valid") == wanted
            if own and facts["split"] == "test" and facts.get("release") == release:
                return name
    same = {name: facts for name, facts in means.items() if facts["dataset"] == wanted}
    candidates = same or means
    return max(candidates, key=lambda name: candidates[name]["epochs"], default=None)


def of_subset(scores: pd.DataFrame, subset: str, space: str | None) -> pd.DataFrame:
    """The rows whose architecture is in the subset of the space."""
    from zcproxy import spaces

    if subset == "all":
        return scores
    if space is None:
        raise InputError(f"subset '{subset}' needs a space, which the file of scores does not name")
    members = set(spaces.get(space).subset(subset))
    chosen = scores[scores["architecture"].isin(members)]
    if chosen.empty:
        raise InputError(f"none of the {len(scores)} architectures is in the subset '{subset}'")
    return chosen.reset_index(drop=True)


def with_counts(
    scores: pd.DataFrame, names: Iterable[str], space: str | None, dataset: str | None
) -> pd.DataFrame:
    """Scores with those of `names` that the space can count and the scores lack."""
    from zcproxy import spaces
    from zcproxy.proxies import COUNTS

    lacking = [name for name in COUNTS if name in set(names) - set(scores.columns)]
    if space is None or not lacking:
        return scores
    counts = [spaces.get(space).counts(a, dataset) for a in scores["architecture"]]
    return scores.assign(**{name: [count[name] for count in counts] for name in lacking})


def require_scored(
    scores: pd.DataFrame, names: Iterable[str], how: str = "zcproxy score --proxies A,B --out FILE"
) -> None:
    """Raise InputError for proxies, also members of combinations, that are not among the scores."""
    from zcproxy import proxies

    parts = members(name for name in names if name not in scores.columns)
    lacking = [name for name in dict.fromkeys(parts) if name not in scores.columns]
    lacking = [name for name in lacking if name in proxies.names()]
    if lacking:
        raise InputError(f"the scores lack {', '.join(lacking)}; add them to the file by {how}")


def members(names: Iterable[str]) -> list[str]:
    """The proxies that are named, those of combinations (and of combinations of them) instead."""
    from zcproxy.analysis import Combination

    return [member for name in names for member in Combination.parse(name).members]


def chosen_proxies(text: str, scores: pd.DataFrame) -> list[str]:
    """The names of a list separated by commas; `all` stands for the columns of the scores."""
    from zcproxy.analysis import score_columns

    asked = [score_columns(scores) if name == "all" else [name] for name in split_names(text)]
    return list(dict.fromkeys(name for names in asked for name in names))


def split_names(text: str) -> list[str]:
    """The names of a list separated by commas, each once."""
    names = list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if not names:
        raise InputError("--proxies names none; give names separated by commas, or all")
    return names
