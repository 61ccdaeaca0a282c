"""CSV files: what is recognized, what is refused and on which line."""

from __future__ import annotations

import gzip
from pathlib import Path

import pandas as pd
import pytest

from zcproxy import spaces
from zcproxy.errors import DataError, InputError
from zcproxy.tables.columns import Column
from zcproxy.tables.delimited import read
from zcproxy.tables.frame import columns_of

ALL = spaces.get("nasbench201").architectures()
A, B = ALL[12], ALL[2]


def csv(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "my.csv"
    path.write_text(text)
    return path


def test_known_columns_are_recognized_and_the_rest_reported(tmp_path: Path) -> None:
    path = csv(tmp_path, f"index,note,c10_test_acc_200,cell\n0,x,91.5,{A}\n1,y,10, {B} \n")
    imported = read(path)
    assert imported.skipped == ("note",)
    assert imported.frame["architecture"].tolist() == [B, A]
    assert imported.frame["index"].tolist() == [2, 12]
    assert imported.frame["cifar10_test_200"].tolist() == [10.0, 91.5]
    assert imported.frame.attrs["columns"]["cifar10_test_200"] == {
        "dataset": "cifar10",
        "split": "test",
        "epochs": 200,
        "seed": None,
        "release": None,
        "source": "my.csv:c10_test_acc_200",
    }


def test_columns_can_be_named(tmp_path: Path) -> None:
    path = csv(tmp_path, f"cell,other,acc\n{A},{A},91.5\n{B},{A},\n")
    table = read(path, "digits201", "cell", {"acc": Column("digits", "test", 3, 7)}).frame
    assert table["digits_test_3_seed7"].isna().tolist() == [True, False]
    assert table.attrs["space"] == "digits201"


@pytest.mark.parametrize(
    ("text", "error", "told"),
    [
        (f"a,c10_test_acc_200\n{A},91\n{A}x,90\n", DataError, "line 3: not a NAS-Bench-201"),
        (f"a,c10_test_acc_200\n{A},91\n{B},1\n{A},90\n", DataError, "line 4: .* on line 2"),
        (f"a,c10_test_acc_200\n{A},91\n{B},high\n", DataError, "line 3: 'high' in column 'c10_"),
        (f"a,c10_test_acc_200\n{A},nan\n{B},9\n", DataError, "line 2: 'nan'"),
        (f"a,c10_test_acc_200\n{A},91\n{B},100.01\n", DataError, "line 3: '100.01'"),
        (f"a,c10_test_acc_200\n{A},-1\n{B},9\n", DataError, "line 2: '-1'"),
        (f"a,c10_test_acc_200\n{A},.91\n{B},.9\n", DataError, "fractions"),
        (f"a,c10_test_acc_200\n{A}\n{B},9,8,7\n", DataError, "not a whole CSV file"),
        ("a,c10_test_acc_200\nno,91\n", InputError, "--architecture-column"),
        (f"a,b,c10_test_acc_200\n{A},{A},91\n", InputError, "several columns"),
        (f"a,speed\n{A},91\n", InputError, "--column CSVNAME="),
        (f"a,c10_test_acc_200,cifar10_test_200\n{A},91,92\n", InputError, "both mean"),
        ("", DataError, "not a whole CSV file"),
        (f"a,c10_test_acc_200\n{A},\n{B},\n", DataError, "no accuracy in c10_test_acc_200"),
        (f'# {{"rows": 1}}\narchitecture,snip\n{A},1\n', DataError, "zcproxy correlate"),
    ],
)
def test_wrong_files(tmp_path: Path, text: str, error: type[Exception], told: str) -> None:
    path = csv(tmp_path, text)
    with pytest.raises(error, match=told) as caught:
        read(path)
    assert str(path) in str(caught.value) or error is InputError
    assert "\n" not in str(caught.value)


def test_bounds_are_accuracies(tmp_path: Path) -> None:
    table = read(csv(tmp_path, f"a,c10_test_acc_200\n{A},0\n{B},100\n")).frame
    assert table["cifar10_test_200"].tolist() == [100.0, 0.0]


def test_names_that_are_not_there(tmp_path: Path) -> None:
    path = csv(tmp_path, f"a,c10_test_acc_200\n{A},91\n")
    with pytest.raises(InputError, match="no column 'b'; it has a, c10_test_acc_200"):
        read(path, architecture="b")
    with pytest.raises(InputError, match="no column 'z'"):
        read(path, columns={"z": Column("cifar10", "test", 12)})
    with pytest.raises(DataError, match="no file"):
        read(tmp_path / "absent.csv")


def test_truncated_gzip(tmp_path: Path) -> None:
    path = tmp_path / "t.csv.gz"
    rows = "".join(f"{text},50\n" for text in ALL[:500])
    path.write_bytes(gzip.compress(f"a,c10_test_acc_200\n{rows}".encode())[:-100])
    with pytest.raises(DataError, match="not a whole CSV file"):
        read(path)


def test_the_full_table(shared_data: Path) -> None:
    path = shared_data / "nasbench201" / "accuracies.csv.gz"
    imported = read(path)
    raw = pd.read_csv(path)
    table = imported.frame
    assert table["architecture"].tolist() == raw["arch_str"].tolist() == ALL
    assert table["index"].tolist() == raw["index"].tolist()
    assert len(columns_of(table)) == 17
    pairs = {"in16_test_acc_12": "imagenet16-120_test_12", "c10_valid_acc_200": "cifar10_valid_200"}
    for theirs, ours in pairs.items():
        assert table[ours].tolist() == raw[theirs].tolist()
    best = table[["cifar10_test_200", "cifar100_test_200", "imagenet16-120_test_200"]]
    assert best.idxmax().tolist() == [6111, 9930, 857]
    assert "params_M_c10" in imported.skipped
    assert "c10_test_acc_200_v11_seeds" in imported.skipped
