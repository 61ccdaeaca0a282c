"""Names of accuracy columns: there and back, and what names in other files mean."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zcproxy.errors import InputError
from zcproxy.tables.columns import SPLITS, Column, by_name, named_by_user, official

columns = st.builds(
    Column,
    dataset=st.sampled_from(["cifar10", "cifar10-valid", "cifar100", "imagenet16-120", "digits"]),
    split=st.sampled_from(SPLITS),
    epochs=st.integers(0, 10_000),
    seed=st.none() | st.integers(0, 10_000),
    release=st.none() | st.sampled_from(["v11", "nbsz"]),
)


@given(columns)
def test_a_name_says_everything(column: Column) -> None:
    assert Column.parse(column.name) == column


@pytest.mark.parametrize(
    "name", ["architecture", "index", "cifar10_test", "cifar10_test_200_seed", "c10_test_acc_200"]
)
def test_other_names_are_not_ours(name: str) -> None:
    assert Column.parse(name) is None


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("c10_test_acc_200", "cifar10_test_200"),
        ("c100_test_acc_200_v11", "cifar100_test_200_v11"),
        ("in16_valid_acc_12", "imagenet16-120_valid_12"),
        ("c10_valid_acc_12", "cifar10_valid_12"),
        ("c10valid_oritest_acc_200", "cifar10-valid_test_200"),
        ("c10_nbsz_val_accuracy", "cifar10-valid_test_200_nbsz"),
        ("c100_nbsz_val_accuracy", "cifar100_test_200_nbsz"),
        ("in16_nbsz_val_accuracy", "imagenet16-120_test_200_nbsz"),
        ("CIFAR10TestAccuracy200Epochs", "cifar10_test_200"),
        ("ImageNetTestAccuracy200Epochs", "imagenet16-120_test_200"),
        ("cifar10_test_200_seed777", "cifar10_test_200_seed777"),
    ],
)
def test_known_names(name: str, ours: str) -> None:
    column = by_name(name)
    assert column is not None
    assert column.name == ours


@pytest.mark.parametrize(
    "name", ["c10_test_acc_200_v11_seeds", "c10valid_train_time_12_s", "params_M_c10", "index", ""]
)
def test_unknown_names(name: str) -> None:
    assert by_name(name) is None


def test_columns_named_by_the_user() -> None:
    named = named_by_user(["a=b=cifar10/test/200", "acc=digits/valid/3/7"])
    assert named == {
        "a=b": Column("cifar10", "test", 200),
        "acc": Column("digits", "valid", 3, seed=7),
    }


@pytest.mark.parametrize(
    "text",
    [
        "acc",
        "=cifar10/test/200",
        "acc=cifar10/test",
        "acc=cifar10/tests/200",
        "acc=cifar10/test/many",
        "acc=cifar10/test/200/x",
        "acc=cifar10/test/200/1/2",
        "acc=cifar10/test/200_v11",
    ],
)
def test_unreadable_columns_show_the_form(text: str) -> None:
    with pytest.raises(InputError, match=r"CSVNAME=dataset/split/epochs"):
        named_by_user([text])


def test_one_column_has_one_meaning() -> None:
    with pytest.raises(InputError, match="two meanings"):
        named_by_user(["a=cifar10/test/200", "a=cifar10/test/12"])


@pytest.mark.parametrize(
    ("dataset", "split", "ours"),
    [
        ("cifar10-valid", "train", "cifar10-valid_train_12_seed1"),
        ("cifar10-valid", "x-valid", "cifar10_valid_12_seed1"),
        ("cifar10-valid", "ori-test", "cifar10-valid_test_12_seed1"),
        ("cifar10", "ori-test", "cifar10_test_12_seed1"),
        ("cifar100", "x-valid", "cifar100_valid_12_seed1"),
        ("cifar100", "x-test", "cifar100_test_12_seed1"),
        ("cifar100", "ori-test", "cifar100_valtest_12_seed1"),
        ("ImageNet16-120", "ori-test", "imagenet16-120_valtest_12_seed1"),
    ],
)
def test_official_data_sets_and_splits(dataset: str, split: str, ours: str) -> None:
    assert official(dataset, split, 12, 1).name == ours


def test_unknown_official_split() -> None:
    with pytest.raises(InputError, match="y-test"):
        official("cifar10", "y-test", 12)
