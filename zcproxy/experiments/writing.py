"""An experiment as a folder: tables for machines, a page and pictures for people."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zcproxy.datasets import catalogue
from zcproxy.errors import InputError
from zcproxy.experiments.audit import Verdict, conclusion
from zcproxy.experiments.cells import DENSE, MASK, Setup, Sizes, Trained
from zcproxy.experiments.compare import summary, table
from zcproxy.experiments.controls import MEANINGS
from zcproxy.numerals import count, decimal, estimate, missing
from zcproxy.training.recipe import Recipe

if TYPE_CHECKING:
    import pandas as pd

    from zcproxy.experiments.running import Outcome

__all__ = [
    "NO_FASTER",
    "images_line",
    "layers_of",
    "made",
    "recipe_line",
    "write_audit",
    "write_comparison",
]

NO_FASTER = (
    "These masks are unstructured: dense frameworks multiply by the zeros all the same, so a "
    "pruned network is smaller when compressed, but not faster."
)


def write_comparison(folder: Path, setup: Setup, outcome: Outcome, command: str) -> pd.DataFrame:
    """Write cells, summary, pictures and README.md of methods by densities by seeds.

    The same outcome gives the same bytes. Returns the summary.

    Raises: InputError where the folder cannot be written.
    """
    from zcproxy import plots

    cells = table(outcome.trained)
    told = summary(cells)
    _tables(folder, cells, told)
    label = f"{_images(setup)} test accuracy"
    title = f"{_models(cells)} on {_images(setup)}: accuracy against density"
    page = [f"# {title}", "", *_about(setup, outcome, command)]
    page += ["", *_accuracies(told, "method"), ""]
    if (cells["method"] != DENSE).any():
        plots.save(plots.accuracy_curves(told, cells, label), folder / "curves")
        plots.save(plots.layer_densities(layers_of(outcome.trained)), folder / "layers")
        page += ["![Accuracy against density](curves.png)", ""]
        page += ["![Share of its weights each layer keeps](layers.png)", ""]
    _page(folder, [*page, NO_FASTER, *_failed(outcome)])
    return told


def write_audit(
    folder: Path, setup: Setup, outcome: Outcome, found: Sequence[Verdict], command: str
) -> pd.DataFrame:
    """Write cells, summary, verdicts, picture and README.md of an audit; returns the summary.

    Raises: InputError where the folder cannot be written.
    """
    import pandas as pd

    from zcproxy import plots

    cells = table(outcome.trained)
    told = summary(cells)
    _tables(folder, cells, told)
    rows = [
        {
            **{k: v for k, v in vars(one).items() if k != "difference"},
            **vars(one.difference),
            "shown": one.shown,
        }
        for one in found
    ]
    pd.DataFrame(rows).to_csv(folder / "verdicts.csv", index=False, lineterminator="\n")
    page = [f"# Audit of {_methods(cells)} on {_models(cells)}, {_images(setup)}", ""]
    page += [*_about(setup, outcome, command), "", *_judged(found)]
    page += ["## Accuracies", "", *_accuracies(told, "control"), ""]
    page += [f"`{name}`: {meaning}. " for name, meaning in MEANINGS.items()]
    if (cells["method"] != DENSE).any():
        label = f"{_images(setup)} test accuracy"
        plots.save(plots.accuracy_curves(told, cells, label, "control"), folder / "curves")
        page += ["", "![The mask beside its controls](curves.png)"]
    _page(folder, [*page, "", NO_FASTER, *_failed(outcome)])
    return told


def made(folder: Path) -> Path:
    """The folder, created and found writable before anything is computed."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder} cannot be created: {error.strerror or error}") from error
    if not os.access(folder, os.W_OK):
        raise InputError(f"{folder} cannot be written; choose another folder")
    return folder


def layers_of(
    trained: Iterable[Trained], control: str = MASK
) -> dict[float, dict[str, dict[str, list[float]]]]:
    """Mean weights kept in every layer over seeds, [kept, total] by density, method and layer."""
    found: dict[float, dict[str, list[dict[str, list[int]]]]] = {}
    for one in trained:
        if one.method != DENSE and one.control == control:
            found.setdefault(one.density, {}).setdefault(one.method, []).append(one.layers)
    return {
        density: {
            method: {
                name: [sum(one[name][0] for one in seeds) / len(seeds), seeds[0][name][1]]
                for name in seeds[0]
            }
            for method, seeds in methods.items()
        }
        for density, methods in found.items()
    }


def images_line(data: str, images: Sizes) -> str:
    """How many images there were, and how many the whole data set has."""
    known = catalogue.entry(data).about if data in catalogue.names() else ""
    whole = f"; all of {data}: {known}" if known else ""
    return (
        f"{count(images.train)} for training, {count(images.test)} for testing, "
        f"of {images.source}{whole}"
    )


def recipe_line(recipe: Recipe) -> str:
    """A recipe in one sentence."""
    optimizer = {"sgd": "SGD with Nesterov momentum", "adam": "Adam with beta_1"}[recipe.optimizer]
    schedule = {
        "cosine": "cosine decay to zero",
        "step": f"times 0.1 after {', '.join(f'{m:.0%}' for m in recipe.milestones)}",
        "constant": "constant",
    }[recipe.schedule]
    changed = [f"shifts of up to {recipe.shift} pixels"] if recipe.shift else []
    changed += ["mirroring"] if recipe.flip else []
    return (
        f"{recipe.epochs} epochs, batches of {recipe.batch}, {optimizer} {recipe.momentum:g}, "
        f"learning rate {recipe.learning_rate:g} ({schedule}), weight decay "
        f"{recipe.weight_decay:g}, {' and '.join(changed) or 'no augmentation'}"
    )


def _tables(folder: Path, cells: pd.DataFrame, told: pd.DataFrame) -> None:
    try:
        cells.to_csv(folder / "cells.csv", index=False, lineterminator="\n")
        cells.to_parquet(folder / "cells.parquet", index=False)
        told.to_csv(folder / "summary.csv", index=False, lineterminator="\n")
    except OSError as error:
        raise InputError(f"{folder} cannot be written: {error.strerror or error}") from error


def _page(folder: Path, lines: Sequence[str]) -> None:
    (folder / "README.md").write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")


def _images(setup: Setup) -> str:
    """The data set by name; a file without its folders."""
    return Path(setup.data).name


def _about(setup: Setup, outcome: Outcome, command: str) -> Iterator[str]:
    how = setup.pruning
    rounds = "each method's own number of rounds" if how.rounds is None else f"{how.rounds} rounds"
    yield f"- Command: `{command}`"
    yield f"- Images: {images_line(setup.data, outcome.images)}."
    yield f"- Training: {recipe_line(setup.recipe)}; the accuracy after the last epoch counts."
    yield (
        f"- Pruning before training: scope {how.scope}, {rounds}, schedule {how.schedule}, "
        f"{how.batch_size} training images, protocol {how.protocol}."
    )
    if outcome.trained:
        seconds = [one.seconds for one in outcome.trained]
        yield (
            f"- {len(seconds)} trainings, {sum(seconds) / len(seconds):.1f} s each on one core, "
            f"{sum(seconds) / 60:.0f} min in all."
        )
    yield "- Intervals of accuracies: Student's t over seeds, 95 %."


def _accuracies(told: pd.DataFrame, by: str) -> Iterator[str]:
    yield f"| {by} | density | accuracy (%) [95 %] | below dense | effective density | collapsed |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: |"
    for row in told.to_dict("records"):
        name = DENSE if row["method"] == DENSE else row[by]
        effective = decimal(100 * float(row["effective"]), 3)
        kept = f"{100 * float(row['density']):.4g} %"
        yield (
            f"| {name} | {kept} | {_accuracy(row)} | {decimal(row['loss'], 2)} | "
            f"{effective} % | {row['collapsed']} of {row['seeds']} |"
        )


def _accuracy(row: Mapping[Any, Any]) -> str:
    if missing(row["low"]):
        return decimal(row["accuracy"], 2)
    return estimate(row["accuracy"], row["low"], row["high"], 2)


def _judged(found: Sequence[Verdict]) -> Iterator[str]:
    groups: dict[tuple[str, float], list[Verdict]] = {}
    for one in found:
        groups.setdefault((one.method, one.density), []).append(one)
    for (method, density), mine in groups.items():
        yield from (f"## Verdict on {method} at {100 * density:.4g} % density", "")
        yield from (*conclusion(mine), "")
        yield from (f"- `{one.control}`: {one.words}." for one in mine)
        yield ""


def _failed(outcome: Outcome) -> Iterator[str]:
    if outcome.failed:
        yield from ("", f"## {count(len(outcome.failed))} trainings failed", "")
    for cell, why in outcome.failed.items():
        yield f"- {cell.method} {cell.control} at {cell.density:g}, seed {cell.seed}: {why}"


def _models(cells: pd.DataFrame) -> str:
    return ", ".join(dict.fromkeys(cells["model"]))


def _methods(cells: pd.DataFrame) -> str:
    return ", ".join(dict.fromkeys(cells.loc[cells["method"] != DENSE, "method"]))
