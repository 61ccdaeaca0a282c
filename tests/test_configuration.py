"""The identity of a run: pinned, complete, and stable when fields are added."""

from __future__ import annotations

import dataclasses

import pytest

from zcproxy import protocols
from zcproxy.configuration import Configuration
from zcproxy.errors import StoreError
from zcproxy.runs import prepare

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
    "protocol_revision": 2,
}


def test_the_key_of_an_example_never_changes() -> None:
    # sha256 of {"batch_sha256":"00ff","classes":10,"dataset":"cifar10","shape":[3,32,32],
    # "space":"nasbench201"} on one line: by `printf | sha256sum`, not by this package
    assert EXAMPLE.key == "f59962ff7666a8e4c5f096ba4d8abdd47d5b9e7950c0389f5479452a9db8919a"


OLD_KEYS = {
    "clean": "f59962ff7666a8e4c5f096ba4d8abdd47d5b9e7950c0389f5479452a9db8919a",
    "abdelfattah2021": "92c49877f2350ce9f186cd959e0ed34e563367a1b43d9f56fd3f50d375288fc6",
    "nas_bench_suite_zero": "752ea1988e003f601c910391b50e9a770720caada55bd7821053e7874a5a63d8",
    "aznas": "b225a6a6c0df31a8b0ff5cd572c731f0809af6ac15c5dfcae3f21157bd974a83",
    "tanaka2020": "31fc2355771416583afa2739fb7fd9820ffff13a33d011dc57d1e9d5b4f8f38e",
}
"""Of the example under every protocol, by the code that did not know of revisions."""


@pytest.mark.parametrize("protocol", protocols.names())
def test_the_first_definition_of_a_protocol_leaves_no_trace(protocol: str) -> None:
    first = dataclasses.replace(EXAMPLE, protocol=protocol)
    assert first.key == OLD_KEYS[protocol]
    assert "protocol_revision" not in first.to_dict()
    assert Configuration.from_dict(first.to_dict()) == first


def test_a_changed_definition_is_another_configuration() -> None:
    changed = {name: protocols.get(name).revision for name in protocols.names()}
    assert {name: n for name, n in changed.items() if n != 1} == {"tanaka2020": 2}
    old = dataclasses.replace(EXAMPLE, protocol="tanaka2020")
    new = prepare("digits201", "noise", batch_size=2, protocol="tanaka2020").configuration
    assert new.protocol_revision == 2
    assert dataclasses.replace(new, protocol_revision=1).key != new.key
    assert "protocol_revision: 2, not 1" in new.differences(old)
    assert prepare("digits201", "noise", batch_size=2).configuration.protocol_revision == 1


def test_what_a_dictionary_may_leave_out() -> None:
    assert Configuration.defaults() == {
        "batch_size": 64,
        "batch_seed": 0,
        "seed": 0,
        "protocol": "clean",
        "protocol_revision": 1,
    }


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
