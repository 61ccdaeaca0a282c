"""Tiny experiments: a narrow LeNet on scikit-learn's digits, trained for a moment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from zcproxy import datasets
from zcproxy.datasets import Images
from zcproxy.experiments.cells import Pruning, Setup
from zcproxy.experiments.work import train_item
from zcproxy.runs.items import Item
from zcproxy.store import Row
from zcproxy.training import Recipe


class Here:
    """What a pool of workers does, in this process."""

    def __init__(self, setup: Setup, workers: int, score: object) -> None:
        assert score is train_item
        self._setup = setup

    def results(self, items: Sequence[Item]) -> Iterator[tuple[Item, list[Row]]]:
        for item in items:
            yield item, train_item(item, self._setup)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Train in this process; to start another takes longer than the trainings."""
    monkeypatch.setattr("zcproxy.experiments.running.Pool", Here)


@pytest.fixture
def setup() -> Setup:
    recipe = Recipe(epochs=1, batch=100, learning_rate=0.1, shift=0)
    return Setup("digits", recipe, Pruning(batch_size=30))


@pytest.fixture(scope="session")
def images() -> Images:
    return datasets.load("digits")
