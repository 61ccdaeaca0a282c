"""The identity of a run: pinned, complete, and stable when fields are added."""

from __future__ import annotations

import dataclasses

import pytest

from zcproxy.configuration import Configuration
from zcproxy.errors import StoreError

EXAMPLE = Configuration(
    space="nasbench201",
    dataset="cifar10",
    batch_sha256="00ff",
    shape=(3, 32, 32),
    classes=10,
)
OTHER = {
    "space": "digits201",
    "dataset": "cifar100",
    "batch_sha256": "ff00",
    "shape": (3, 16, 16),
    "classes": 100,
    "batch_size": 128,
    "batch_seed": 1,
    "seed": 1,
    "protocol": "abdelfattah2021",
}


def test_the_key_of_an_example_never_changes() -> None:
    # sha256 of {"batch_sha256":"00ff","classes":10,"dataset":"cifar10","shape":[3,32,32],
    # "space":"nasbench201"} on one line: by `printf | sha256sum`, not by this package
    assert EXAMPLE.key == "f59962ff7666a8e4c5f096ba4d8abdd47d5b9e7950c0389f5479452a9db8919a"


def test_every_field_has_another_value_here() -> None:
    assert OTHER.keys() == {field.name for field in dataclasses.fields(Configuration)}


@pytest.mark.parametrize("field", sorted(OTHER))
def test_every_field_changes_the_key(field: str) -> None:
    changed = dataclasses.replace(EXAMPLE, **{field: OTHER[field]})
    assert changed.key != EXAMPLE.key
    assert EXAMPLE.differences(changed) == [
        f"{field}: {getattr(EXAMPLE, field)}, not {OTHER[field]}"
    ]


def test_fields_survive_their_dictionary() -> None:
    changed = Configuration(**OTHER)  # type: ignore[arg-type]
    assert Configuration.from_dict(changed.to_dict()) == changed


def test_an_earlier_version_without_a_field_meant_its_default() -> None:
    fields = EXAMPLE.to_dict()
    del fields["protocol"]
    assert Configuration.from_dict(fields) == EXAMPLE


def test_a_field_of_a_newer_version_is_refused_by_name() -> None:
    with pytest.raises(StoreError, match="newer zcproxy wrote the settings augmentation"):
        Configuration.from_dict({**EXAMPLE.to_dict(), "augmentation": "flip"})


@pytest.mark.parametrize("field", ["space", "shape"])
def test_a_missing_field_is_refused_by_name(field: str) -> None:
    fields = EXAMPLE.to_dict()
    del fields[field]
    with pytest.raises(StoreError, match=f"lack {field}"):
        Configuration.from_dict(fields)
