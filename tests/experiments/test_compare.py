"""Cells of a comparison, and their summary over seeds."""

from __future__ import annotations

import math

import pytest

from zcproxy.analysis.seeds import mean_interval
from zcproxy.errors import InputError
from zcproxy.experiments.cells import Cell, Trained
from zcproxy.experiments.compare import grid, summary, table


def trained(method: str, density: float, seed: int, accuracy: float, **more: object) -> Trained:
    values = {"control": "mask", "kept": 10, "total": 100, "effective": 0.08, "collapsed": []}
    layers = {"a.weight": [10, 100]}
    given = {**values, "layers": layers, "seconds": 1.0, "pruning_seconds": 0.1, **more}
    return Trained("m", method, density, seed, accuracy=accuracy, **given)


CELLS = [
    trained("dense", 1.0, 0, 90.0),
    trained("dense", 1.0, 1, 92.0),
    trained("snip", 0.1, 0, 80.0, collapsed=["a.weight", "b.weight"]),
    trained("snip", 0.1, 1, 83.0, effective=0.06),
    trained("snip", 0.01, 0, 99.9),
    trained("snip", 0.01, 1, 10.0),
]


def test_the_grid_goes_seed_by_seed_from_dense_to_sparse() -> None:
    assert grid("m", ["a", "b"], [0.1, 0.5, 0.1], [3, 7])[:6] == [
        Cell("m", "dense", 1.0, 3),
        Cell("m", "a", 0.5, 3),
        Cell("m", "a", 0.1, 3),
        Cell("m", "b", 0.5, 3),
        Cell("m", "b", 0.1, 3),
        Cell("m", "dense", 1.0, 7),
    ]


@pytest.mark.parametrize(
    ("densities", "seeds", "message"),
    [([0.1], [], "at least one seed"), ([], [0], "one density"), ([5.0], [0], r"not \[5.0\]")],
)
def test_wrong_grids(densities: list[float], seeds: list[int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        grid("m", ["a"], densities, seeds)


def test_a_table_has_a_row_per_cell() -> None:
    cells = table(CELLS)
    assert len(cells) == 6
    assert cells["collapsed"].tolist()[2:4] == ["a.weight b.weight", ""]
    assert "layers" not in cells
    assert list(table([])) == list(cells)


def test_the_summary_over_seeds() -> None:
    told = summary(table(CELLS)).set_index(["method", "density"])
    snip = told.loc[("snip", 0.1)]
    low, high = mean_interval([80.0, 83.0])
    assert (snip["accuracy"], snip["low"], snip["high"]) == (81.5, max(low, 0), min(high, 100))
    assert (snip["worst"], snip["best"], snip["seeds"]) == (80, 83, 2)
    assert snip["loss"] == pytest.approx(91 - 81.5)
    assert snip["effective"] == pytest.approx(0.07)
    assert snip["collapsed"] == 1
    wide = told.loc[("snip", 0.01)]  # accuracies end at 0 and at 100
    assert (wide["low"], wide["high"]) == (0, 100)


def test_without_dense_or_with_one_seed_there_are_gaps() -> None:
    told = summary(table(CELLS[2:3]))
    assert math.isnan(told["loss"][0])
    assert math.isnan(told["low"][0])
