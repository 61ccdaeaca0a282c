"""Names of accuracy columns: ours, and those of the files that get imported.

Ours: `{dataset}_{split}_{epochs}` is the mean over seeds, `..._seed777` one seed, and a last
`_v11` or `_nbsz` marks another release of the same quantity. Examples: `cifar10_test_200`,
`cifar100_valid_12_seed777`, `imagenet16-120_test_200_v11`.

Data sets are named by what a network was trained on: `cifar10-valid` is the 25,000 images of the
official train half of CIFAR-10, `cifar10` all 50,000. One exception, which the official API makes
too: `cifar10_valid_*` is the accuracy of the network trained on the half, for the other half is the
only validation set CIFAR-10 has. Splits: `train`, `valid`, `test`, and `valtest` = valid and test
images together (the official test set of CIFAR-100 and ImageNet16-120).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

from zcproxy.errors import InputError

__all__ = ["SPLITS", "Column", "by_name", "named_by_user", "official"]

SPLITS = ("train", "valid", "test", "valtest")

_NAME = re.compile(
    r"(?P<dataset>[a-z0-9]+(?:-[a-z0-9]+)*)_(?P<split>train|valid|test|valtest)_(?P<epochs>\d+)"
    r"(?:_seed(?P<seed>\d+))?(?:_(?P<release>(?!seed)[a-z][a-z0-9]*))?"
)


@dataclass(frozen=True)
class Column:
    """What one accuracy column holds; `seed` is None for a mean over seeds."""

    dataset: str
    split: str
    epochs: int
    seed: int | None = None
    release: str | None = None
    source: str = ""

    @property
    def name(self) -> str:
        seed = "" if self.seed is None else f"_seed{self.seed}"
        release = "" if self.release is None else f"_{self.release}"
        return f"{self.dataset}_{self.split}_{self.epochs}{seed}{release}"

    @classmethod
    def parse(cls, name: str, source: str = "") -> Column | None:
        """The column that a name of ours describes, or None if it is no such name.

        >>> Column.parse("cifar10_test_200_seed777").seed
        777
        """
        match = _NAME.fullmatch(name)
        if match is None:
            return None
        seed = match["seed"]
        return cls(
            match["dataset"],
            match["split"],
            int(match["epochs"]),
            None if seed is None else int(seed),
            match["release"],
            source,
        )

    def describe(self) -> dict[str, Any]:
        """As plain data, for `frame.attrs["columns"]` and for files."""
        return asdict(self)


_SHORT = {
    "c10": "cifar10",
    "c10valid": "cifar10-valid",
    "c100": "cifar100",
    "in16": "imagenet16-120",
    "CIFAR10": "cifar10",
    "CIFAR100": "cifar100",
    "ImageNet": "imagenet16-120",
}


def _short(match: re.Match[str]) -> Column:
    split = "test" if match["split"] == "oritest" else match["split"]
    return Column(_SHORT[match["set"]], split, int(match["epochs"]), release=match["release"])


def _suite_zero(match: re.Match[str]) -> Column:
    """NAS-Bench-Suite-Zero calls one seed's test accuracy, 200 epochs, `val_accuracy`.

    On CIFAR-10 it is that of the network trained on the train half.
    """
    dataset = "cifar10-valid" if match["set"] == "c10" else _SHORT[match["set"]]
    return Column(dataset, "test", 200, release="nbsz")


def _landscape(match: re.Match[str]) -> Column:
    return Column(_SHORT[match["set"]], "test", int(match["epochs"]))


_SHORT_NAME = (
    r"(?P<set>c10valid|c10|c100|in16)_(?P<split>valid|test|oritest)_acc_(?P<epochs>\d+)"
    r"(?:_(?P<release>v11))?"
)
_RULES: tuple[tuple[str, Callable[[re.Match[str]], Column]], ...] = (
    (_SHORT_NAME, _short),
    (r"(?P<set>c10|c100|in16)_nbsz_val_accuracy", _suite_zero),
    (r"(?P<set>CIFAR10|CIFAR100|ImageNet)TestAccuracy(?P<epochs>\d+)Epochs", _landscape),
)


def by_name(name: str) -> Column | None:
    """The accuracy that a column of a CSV file holds, judging by its name; None if unknown."""
    for pattern, meaning in _RULES:
        match = re.fullmatch(pattern, name)
        if match is not None:
            return meaning(match)
    return Column.parse(name)


def named_by_user(assignments: Iterable[str]) -> dict[str, Column]:
    """CSV column names and their meaning from texts `CSVNAME=dataset/split/epochs[/seed]`.

    Raises: InputError for a text of another form, and for a name given twice.
    """
    meanings: dict[str, Column] = {}
    for text in assignments:
        name, _, meaning = text.rpartition("=")
        parts = meaning.split("/")
        ours = "_".join(parts[:3]) + "".join(f"_seed{seed}" for seed in parts[3:])
        column = Column.parse(ours)
        if not name or column is None or column.release or not 3 <= len(parts) <= 4:
            raise InputError(
                f"cannot read the column '{text}'; expected CSVNAME=dataset/split/epochs[/seed] "
                f"with split one of {', '.join(SPLITS)}, e.g. acc=cifar10/test/200"
            )
        if name in meanings:
            raise InputError(f"the column '{name}' is given two meanings")
        meanings[name] = column
    return meanings


_OFFICIAL_SPLITS = {"train": "train", "x-valid": "valid", "x-test": "test", "ori-test": "valtest"}


def official(dataset: str, split: str, epochs: int, seed: int | None = None) -> Column:
    """The column for a data set and split of the official NAS-Bench-201 and NATS-Bench files.

    >>> official("cifar10", "ori-test", 200).name, official("cifar100", "x-test", 200).name
    ('cifar10_test_200', 'cifar100_test_200')
    """
    if split not in _OFFICIAL_SPLITS:
        raise InputError(f"unknown official split '{split}' of {dataset}")
    ours = _OFFICIAL_SPLITS[split]
    if dataset.startswith("cifar10") and dataset != "cifar100" and split == "ori-test":
        ours = "test"
    if dataset == "cifar10-valid" and split == "x-valid":
        dataset = "cifar10"
    return Column(dataset.lower(), ours, epochs, seed)
