"""What `report --html` starts from: every file of scores with all accuracies beside it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from zcproxy.errors import InputError

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
    from zcproxy.cli.own import foreign
    from zcproxy.store import read_scores

    scores = read_scores(path)
    if scores.empty:
        raise InputError(f"{path} holds no scores; zcproxy score adds some")
    if foreign(scores):
        return of_user(path, scores, table, accuracy, proxies, subset)
    return of_space(path, table, accuracy, proxies, subset)


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

    from zcproxy.cli.own import evaluate_own, made, numbers_beside
    from zcproxy.page import Part
    from zcproxy.report_text import Source

    if table is None:
        if accuracy is not None:
            raise InputError(
                f"there is no accuracy '{accuracy}' beside {path.name}; "
                "give a CSV file with --table"
            )
        run = {str(name): value for name, value in scores.attrs.items()}
        scores, names, notes = made(scores, proxies, subset)
        nothing = pd.DataFrame(index=scores["architecture"])
        source = Source(table="", run=run, notes=notes)
        return Part(path.stem, scores, names, nothing, None, source=source)
    found = evaluate_own(path, scores, table, accuracy, proxies, subset)
    return Part(
        path.stem,
        found.scores,
        found.proxies,
        numbers_beside(Path(table)),
        str(found.accuracies.name),
        baseline=found.baseline,
        source=Source(
            table=table,
            run=found.run,
            without_accuracy=found.without_accuracy,
            notes=found.notes,
        ),
    )
