"""Scores of a user's own candidates, with the accuracies that a CSV file of theirs has."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zcproxy.errors import DataError, InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from zcproxy.cli.evaluation import Evaluation

__all__ = ["evaluate_own", "foreign", "made", "numbers_beside", "unmatched"]

SHOWN = 5
"""Names that a note has at most, and that are looked at to know where scores are from."""


def foreign(scores: pd.DataFrame) -> bool:
    """Whether the scores are of no known space, by name or by their first strings."""
    from zcproxy import spaces

    return scores.attrs.get("space") not in spaces.names() and not any(
        of_a_space(str(text)) for text in scores["architecture"].head(SHOWN)
    )


def of_a_space(text: str) -> bool:
    """Whether a string is an architecture as those of nasbench201 are written."""
    from zcproxy import spaces

    try:
        spaces.get("nasbench201").canonical(text)
    except InputError:
        return False
    return True


def evaluate_own(
    path: Path,
    scores: pd.DataFrame,
    table: str | None,
    accuracy: str | None,
    proxies: str,
    subset: str,
) -> Evaluation:
    """Scores of candidates beside a CSV file's accuracies, by default its first column of numbers.

    Raises as `evaluation.evaluate` does.
    """
    from zcproxy.cli.evaluation import BASELINE, Evaluation

    if table is None or not (Path(table).suffix or Path(table).exists()):
        raise InputError(
            f"{path} holds scores of architectures of no space that zcproxy knows, such as your "
            "own models; give their accuracies with --table FILE.csv, which has a column "
            "'architecture' with the same names, and columns of numbers"
        )
    truths = numbers_beside(Path(table))
    column = chosen_column(path, truths, accuracy)
    scores, names, notes = made(scores, proxies, subset)
    lacking, told = unmatched(scores, truths[column], path, table)
    run = {str(name): value for name, value in scores.attrs.items()}
    baseline = BASELINE if BASELINE in scores.columns else None
    notes += told
    return Evaluation(scores, truths[column], names, baseline, table, subset, run, lacking, notes)


def made(
    scores: pd.DataFrame, proxies: str, subset: str
) -> tuple[pd.DataFrame, list[str], list[str]]:
    """Scores with the combinations asked for, the names, and notes."""
    from zcproxy.analysis import combination_notes, select_columns, with_combinations
    from zcproxy.cli.evaluation import chosen_proxies, origin, require_scored

    if subset != "all":
        raise InputError(f"subset '{subset}' needs a space, which the file of scores does not name")
    attrs = scores.attrs
    scores = scores.assign(architecture=scores["architecture"].astype(str))
    names = chosen_proxies(proxies, scores)
    require_scored(scores, names, "zcproxy rank --models REFERENCE --by A+B:log-rank --out FILE")
    notes = [*origin(scores), *combination_notes(scores, names)]
    scores = with_combinations(scores, names)
    scores.attrs = attrs
    select_columns(scores, names)
    return scores, names, notes


def chosen_column(path: Path, truths: pd.DataFrame, accuracy: str | None) -> str:
    """The column asked for, or the first."""
    if accuracy is not None and accuracy not in truths.columns:
        known = ", ".join(map(str, truths.columns))
        raise InputError(f"there is no accuracy '{accuracy}' beside {path.name}; it has {known}")
    return accuracy or str(truths.columns[0])


def unmatched(
    scores: pd.DataFrame, truth: pd.Series[float], path: Path, table: str
) -> tuple[int, list[str]]:
    """How many candidates have no accuracy, and a note with names of both sides that lack a match.

    Raises InputError where none has one.
    """
    known, scored = set(truth.dropna().index), set(scores["architecture"])
    without = [str(name) for name in scores["architecture"] if name not in known]
    further = [str(name) for name in truth.index if name not in scored]
    if len(without) == len(scores):
        raise InputError(
            f"none of the {len(scores):,} architectures of {path.name} is in {table}; they are "
            f"{some(without)}, and the table has {some(further)}"
        )
    if not without:
        return 0, []
    note = f"{len(without):,} of {len(scores):,} have no accuracy in {table}: {some(without)}"
    note += f"; it names besides: {some(further)}" if further else ""
    return len(without), [note]


def some(names: Sequence[str]) -> str:
    """A few names, and how many more there are."""
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def numbers_beside(path: Path) -> pd.DataFrame:
    """The numeric columns of a CSV file with a column `architecture`, indexed by it."""
    import pandas as pd

    try:
        frame = pd.read_csv(path, dtype={"architecture": str})
    except (OSError, ValueError) as error:  # pandas' parser errors are ValueErrors
        raise DataError(f"{path} cannot be read as CSV: {error}") from error
    if "architecture" not in frame.columns:
        found = ", ".join(map(str, frame.columns))
        raise DataError(
            f"{path} needs a column 'architecture' with the names of candidates, and commas "
            f"between columns; it has: {found}"
        )
    names = frame.pop("architecture").astype(str).str.strip()
    if names.duplicated().any():
        raise DataError(
            f"{path} must name each candidate once; several times: "
            f"{some(list(names[names.duplicated()].unique()))}"
        )
    numeric = frame.set_index(names).select_dtypes("number").astype("float64")
    if numeric.empty:
        raise DataError(f"{path} has no column of numbers beside 'architecture'")
    return numeric
