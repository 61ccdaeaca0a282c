"""What `correlate` and `report` start from: scores, the accuracies beside them, and a subset."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zcproxy.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

__all__ = ["BASELINE", "Evaluation", "default_accuracy", "evaluate", "split_names", "with_counts"]

BASELINE = "live_params"


@dataclass(frozen=True)
class Evaluation:
    """Scores of a subset of architectures with one column of accuracies.

    `run` is what the file of scores tells about the run that made it (empty for a bare CSV);
    `baseline` is None where live parameters cannot be known; `without_accuracy` counts the
    scored architectures of the subset that the table lacks.
    """

    scores: pd.DataFrame
    accuracies: pd.Series[float]
    proxies: list[str]
    baseline: str | None
    table: str
    subset: str
    run: dict[str, Any]
    without_accuracy: int

    @property
    def protocol(self) -> str:
        """What is known of how the scores were made, in a few words."""
        if not self.run:
            return "protocol not stated in the file"
        batch = f"{self.run.get('batch_size')} images of {self.run.get('dataset')}"
        return f"protocol {self.run.get('protocol')}, {batch}, seed {self.run.get('seed')}"


def evaluate(
    path: Path, table: str | None, accuracy: str | None, proxies: str, subset: str
) -> Evaluation:
    """Read scores and accuracies and put them side by side.

    Raises DataError for a missing or damaged file or table, InputError for an unknown column,
    proxy or subset (the message lists what there is).
    """
    from zcproxy import spaces, tables
    from zcproxy.analysis import score_columns, select_columns
    from zcproxy.store import read_scores

    scores = read_scores(path)
    run = {str(name): value for name, value in scores.attrs.items()}
    name = table or run.get("space") or "nasbench201"
    accuracies = tables.load(name)
    column = chosen_accuracy(accuracies, accuracy, run.get("dataset"), name)
    names = score_columns(scores) if proxies == "all" else split_names(proxies)
    space = run.get("space") or (name if name in spaces.names() else None)
    scores = of_subset(scores, subset, space)
    scores = with_counts(scores, [*names, BASELINE], space, run.get("dataset"))
    select_columns(scores, names)
    baseline = BASELINE if BASELINE in scores.columns else None
    truth = accuracies.set_index("architecture")[column]
    truth.attrs = dict(accuracies.attrs.get("columns", {}).get(column, {}))
    known = scores["architecture"].isin(truth.dropna().index)
    return Evaluation(
        scores, truth, names, baseline, name, subset, run, len(scores) - int(known.sum())
    )


def chosen_accuracy(
    accuracies: pd.DataFrame, wanted: str | None, dataset: str | None, table: str
) -> str:
    """The accuracy column asked for, or the default one."""
    columns: dict[str, dict[str, Any]] = accuracies.attrs.get("columns", {})
    known = list(columns) or [c for c in accuracies.columns if c not in ("architecture", "index")]
    if wanted is None:
        return default_accuracy(columns, dataset) or known[0]
    if wanted not in known:
        raise InputError(f"table {table} has no accuracy '{wanted}'; it has {', '.join(known)}")
    return wanted


def default_accuracy(columns: dict[str, dict[str, Any]], dataset: str | None) -> str | None:
    """Test accuracy of the scores' data set after the most epochs, mean over seeds.

    Where the table does not know that data set, the first such column of any data set.
    """
    means = {
        name: facts
        for name, facts in columns.items()
        if facts["split"] == "test" and facts["seed"] is None and not facts.get("release")
    }
    same = {name: facts for name, facts in means.items() if facts["dataset"] == dataset}
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


def split_names(text: str) -> list[str]:
    """The names of a list separated by commas, each once."""
    names = list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if not names:
        raise InputError("--proxies names none; give names separated by commas, or all")
    return names
