"""The verdict of an audit, in words, on made-up accuracies."""

from __future__ import annotations

import pytest

from zcproxy.errors import InputError
from zcproxy.experiments.audit import conclusion, plan, verdicts
from zcproxy.experiments.cells import Cell, Trained
from zcproxy.experiments.compare import table
from zcproxy.experiments.controls import names


def cell(control: str, seed: int, accuracy: float, method: str = "snip") -> Trained:
    cell = Cell("m", method, 0.1, seed, control)
    return Trained(**vars(cell), accuracy=accuracy, kept=1, total=10, effective=0.1, layers={},
                   collapsed=[], seconds=1.0, pruning_seconds=0.0)  # fmt: skip


def audited(ours: list[float], **theirs: list[float]) -> list[Trained]:
    found = [cell("mask", seed, value) for seed, value in enumerate(ours)]
    for control, values in theirs.items():
        found += [cell(control, seed, value) for seed, value in enumerate(values)]
    return found


def test_the_plan_has_every_control_at_every_density() -> None:
    cells = plan("m", "snip", [0.05, 0.2], [0, 1])
    assert len(cells) == len(set(cells)) == 2 * (1 + 2 * (1 + 5))
    assert cells[0] == Cell("m", "dense", 1.0, 0)
    assert [c.control for c in cells[1:7]] == ["mask", *names()]
    assert [c.density for c in cells[1:7]] == [0.2] * 6
    assert {c.control for c in plan("m", "snip", [0.1], [0], ["erk"])} == {"mask", "erk"}
    with pytest.raises(InputError, match="did you mean 'shuffled'"):
        plan("m", "snip", [0.1], [0], ["shufled"])


def test_pairs_are_of_the_same_seed() -> None:
    found = audited([80.0, 70.0, 75.0], shuffled=[79.0, 69.0, 74.0])
    (verdict,) = verdicts(table([*reversed(found), cell("shuffled", 9, 0.0)]))
    d = verdict.difference
    assert (verdict.method, verdict.density, verdict.control) == ("snip", 0.1, "shuffled")
    assert (d.mean, d.low, d.high, d.p, d.n) == (1, 1, 1, 0.25, 3)


def test_an_interval_with_zero_is_not_shown() -> None:
    (verdict,) = verdicts(table(audited([80.0, 81.0, 79.0], shuffled=[79.0, 82.0, 79.5])))
    assert (verdict.leaning, verdict.shown) == (0, 0)
    assert verdict.words.startswith("not shown: the interval of mask minus its shuffle contains 0")
    assert "Not shown that the mask beats its own shuffle" in conclusion([verdict])[0]


def test_three_seeds_cannot_rule_out_chance() -> None:
    (verdict,) = verdicts(table(audited([80.0, 81.0, 82.0], erk=[70.0, 70.0, 71.0])))
    assert (verdict.leaning, verdict.shown) == (1, 0)
    assert verdict.words.startswith("better in these seeds than random weights in ERK's")
    assert "6 seeds are the fewest that can" in verdict.words
    assert "p = 0.25" in verdict.words


@pytest.mark.parametrize("sign", [1, -1])
def test_six_seeds_can(sign: int) -> None:
    theirs = [70.0, 71.0, 70.5, 70.0, 69.0, 71.0]
    ours = [t + sign * (1 + 0.1 * i) for i, t in enumerate(theirs)]
    (verdict,) = verdicts(table(audited(ours, reinitialized=theirs)))
    assert verdict.shown == sign
    side = "better" if sign > 0 else "worse"
    assert verdict.words.startswith(f"shown {side} than the mask on other initial weights")
    line = {1: "It needs the initial weights", -1: "It does better with other initial weights"}
    assert conclusion([verdict])[0].startswith(line[sign])


def test_one_seed_tells_nothing() -> None:
    (verdict,) = verdicts(table(audited([80.0], shuffled=[60.0])))
    assert (
        verdict.words == "not shown: one seed cannot tell the mask from its shuffle (+20.00 points)"
    )
    assert verdict.shown == 0


def test_dense_cells_are_no_control() -> None:
    dense = [Trained(**{**vars(cell("mask", s, 90.0, "dense")), "density": 1.0}) for s in (0, 1)]
    assert verdicts(table([*dense, *audited([1.0, 2.0])])) == []
