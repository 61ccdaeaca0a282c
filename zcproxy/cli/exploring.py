"""What `report --html` starts from: every file of scores with all accuracies beside it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zcproxy.errors import DataError, InputError

if TYPE_CHECKING:
    import pandas as pd

    from zcproxy.page import Part

__all__ = ["part"]


def part(path: Path, table: str | None, accuracy: str | None, proxies: str, subset: str) -> Part:
    """One file of scores, for the page.

    Scores of no space that zcproxy knows (candidates of a user) need no accuracies; `table` may
    then be any CSV file with a column `architecture` and columns of numbers.

    Raises: as `evaluate`.
    """
    from zcproxy.store import read_scores

    scores = read_scores(path)
    if scores.empty:
        raise InputError(f"{path} holds no scores; zcproxy score adds some")
    if foreign(scores):
        return of_user(path, scores, table, accuracy, proxies, subset)
    return of_space(path, table, accuracy, proxies, subset)


def foreign(scores: pd.DataFrame) -> bool:
    """Whether the scores are of no known space, by name or by the first string."""
    from zcproxy import spaces

    if scores.attrs.get("space") in spaces.names():
        return False
    try:
        spaces.get("nasbench201").canonical(str(scores["architecture"].iloc[0]))
    except InputError:
        return True
    return False


def of_space(
    path: Path, table: str | None, accuracy: str | None, proxies: str, subset: str
) -> Part:
    """Scores of a known space, with all columns of a table."""
    from zcproxy import tables
    from zcproxy.cli.evaluation import TRAINED_ONCE, by_network, evaluate
    from zcproxy.datasets.catalogue import stands_for
    from zcproxy.page import Part
    from zcproxy.report_text import DATASETS, Source

    found = evaluate(path, table, accuracy, proxies, subset)
    loaded = tables.load(found.table)
    columns: dict[str, dict[str, Any]] = loaded.attrs.get("columns", {})
    known = list(columns) or [c for c in loaded.columns if c not in ("architecture", "index")]
    truths = loaded.set_index("architecture")[known]
    if loaded.attrs.get("space") in TRAINED_ONCE:
        truths = by_networks(truths, found.scores, loaded.attrs["space"], by_network)
    dataset = str(found.run.get("dataset", ""))
    original = stands_for(dataset)
    return Part(
        name=path.stem,
        scores=found.scores,
        proxies=found.proxies,
        accuracies=truths,
        chosen=str(found.accuracies.name),
        baseline=found.baseline,
        source=Source(
            table=found.table,
            subset=found.subset,
            run=found.run,
            accuracy={str(name): value for name, value in found.accuracies.attrs.items()},
            without_accuracy=found.without_accuracy,
            notes=found.notes,
        ),
        columns=columns,
        standin="" if original == dataset else DATASETS.get(original, original),
    )


def by_networks(
    truths: pd.DataFrame, scores: pd.DataFrame, space: str, by_network: Any
) -> pd.DataFrame:
    """All accuracies, also under other strings of the same networks (see `by_network`)."""
    import pandas as pd

    architectures = list(scores["architecture"])
    return pd.DataFrame(
        {name: by_network(truths[name], architectures, space)[0] for name in truths.columns}
    )


def of_user(
    path: Path,
    scores: pd.DataFrame,
    table: str | None,
    accuracy: str | None,
    proxies: str,
    subset: str,
) -> Part:
    """Scores of a user's candidates, with the columns of a CSV file or with no accuracies."""
    import pandas as pd

    from zcproxy.analysis import combination_notes, select_columns, with_combinations
    from zcproxy.cli.evaluation import BASELINE, chosen_proxies, origin
    from zcproxy.page import Part
    from zcproxy.report_text import Source

    if subset != "all":
        raise InputError(f"subset '{subset}' needs a space, which the file of scores does not name")
    names = chosen_proxies(proxies, scores)
    notes = [*origin(scores), *combination_notes(scores, names)]
    scores = with_combinations(scores, names)
    select_columns(scores, names)
    truths = pd.DataFrame(index=scores["architecture"])
    if table is not None:
        truths = numbers_beside(Path(table))
    if accuracy is not None and accuracy not in truths.columns:
        known = ", ".join(map(str, truths.columns)) or "none; give a CSV file with --table"
        raise InputError(f"there is no accuracy '{accuracy}' beside {path.name}; it has {known}")
    source = Source(
        table=str(table),
        run={str(name): value for name, value in scores.attrs.items()},
        notes=notes,
    )
    chosen = accuracy or (str(truths.columns[0]) if len(truths.columns) else None)
    made = Part(path.stem, scores, names, truths, chosen, source=source)
    if chosen is None:
        return made
    lacking = int((~scores["architecture"].isin(truths[chosen].dropna().index)).sum())
    if lacking == len(scores):
        raise InputError(f"none of the {lacking:,} architectures of {path.name} is in {table}")
    baseline = BASELINE if BASELINE in scores.columns else None
    return replace(made, baseline=baseline, source=replace(source, without_accuracy=lacking))


def numbers_beside(path: Path) -> pd.DataFrame:
    """The numeric columns of a CSV file with a column `architecture`, indexed by it."""
    import pandas as pd

    try:
        frame = pd.read_csv(path)
    except (OSError, ValueError) as error:  # pandas' parser errors are ValueErrors
        raise DataError(f"{path} cannot be read as CSV: {error}") from error
    if "architecture" not in frame.columns or frame["architecture"].duplicated().any():
        raise DataError(f"{path} needs a column 'architecture' that names each candidate once")
    numeric = frame.set_index("architecture").select_dtypes("number").astype("float64")
    if numeric.empty or not len(numeric.columns):
        raise DataError(f"{path} has no column of numbers beside 'architecture'")
    return numeric
