"""Files of scores, and what `report --html` makes of them."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from zcproxy import spaces, tables
from zcproxy.cli.exploring import part
from zcproxy.cli.report import different_names, report
from zcproxy.errors import DataError, InputError
from zcproxy.store import write_scores


@pytest.fixture
def digits(tmp_path):
    """Scores of the embedded benchmark; half the strings are other ones of the same networks."""
    space = spaces.get("digits201")
    known = tables.load("digits201")["architecture"]
    other = {space.key(a): a for a in space.architectures()}
    names = [a if i % 2 else other[space.key(a)] for i, a in enumerate(known)]
    assert names != list(known)
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"architecture": names, "snip": rng.normal(size=len(names))})
    frame.attrs = {"space": "digits201", "dataset": "digits", "protocol": "clean", "seed": 0}
    write_scores(frame, tmp_path / "digits.parquet")
    return tmp_path / "digits.parquet"


@pytest.fixture
def mine(tmp_path):
    frame = pd.DataFrame({"architecture": [f"net{i}" for i in range(20)]})
    frame["snip"], frame["nwot"] = np.arange(20.0) ** 2, np.arange(20.0)[::-1]
    frame.to_csv(tmp_path / "mine.csv", index=False)
    return tmp_path / "mine.csv"


def run(*arguments):
    app = typer.Typer()
    app.command()(report)
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


class Data(HTMLParser):
    """The data of a page."""

    wanted = False

    def handle_starttag(self, tag, attrs):
        self.wanted = ("id", "data") in attrs

    def handle_data(self, data):
        if self.wanted:
            self.wanted = False
            self.found = json.loads(data)


def data(path):
    reader = Data()
    reader.feed(path.read_text(encoding="utf-8"))
    return reader.found


def test_all_accuracies_of_the_embedded_benchmark(digits, tmp_path):
    out = tmp_path / "page.html"
    assert run(digits, "--html", "--out", out, "--resamples", 5).strip() == str(out)
    file = data(out)["files"][0]
    columns = [column["name"] for column in file["accuracies"]]
    assert columns == list(tables.load("digits201").attrs["columns"])
    assert file["chosen"] == "digits_test_4"
    assert file["baseline"] == "live_params"
    assert file["cell"] and file["index"] is not None
    for column in columns:
        table = file["agreement"][column]
        assert {row[table["columns"].index("n")] for row in table["rows"]} == {500}
        assert table["resamples"] == (5 if column == "digits_test_4" else 0)
    assert any("accuracies taken from an equal network" in note for note in file["notes"])


def test_several_files_and_the_default_name(digits, mine, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(digits, mine, "--html", "--resamples", 0).strip() == "digits.html"
    found = data(tmp_path / "digits.html")
    assert [file["name"] for file in found["files"]] == ["digits", "mine"]
    assert found["files"][1]["accuracies"] == [] and found["files"][1]["cell"] is None


def test_candidates_with_accuracies_of_ones_own(mine, tmp_path):
    beside = tmp_path / "beside.csv"
    rows = {"architecture": [f"net{i}" for i in range(1, 20)], "note": "x", "ours": range(1, 20)}
    pd.DataFrame(rows).to_csv(beside, index=False)
    found = part(mine, str(beside), None, "all", "all")
    assert (found.chosen, found.proxies) == ("ours", ["snip", "nwot"])
    assert found.source.without_accuracy == 1
    assert found.accuracies.columns.tolist() == ["ours"]
    with pytest.raises(InputError, match="no accuracy 'theirs' beside mine.csv; it has ours"):
        part(mine, str(beside), "theirs", "all", "all")
    with pytest.raises(InputError, match="give a CSV file with --table"):
        part(mine, None, "theirs", "all", "all")
    with pytest.raises(InputError, match="needs a space"):
        part(mine, None, None, "all", "live")
    rows["architecture"] = [f"other{i}" for i in range(19)]
    pd.DataFrame(rows).to_csv(beside, index=False)
    with pytest.raises(InputError, match="none of the 20 architectures of mine.csv"):
        part(mine, str(beside), None, "all", "all")
    for text, words in (
        ("a,b\n1,2\n", "needs a column 'architecture' .*; it has: a, b"),
        ("architecture;b\nx;1\n", "commas between columns; it has: architecture;b"),
        ("architecture,b\nx,1\n x ,2\n", "name each candidate once; several times: x"),
        ("architecture,b\nx,y\n", "no column of numbers"),
    ):
        beside.write_text(text)
        with pytest.raises(DataError, match=words):
            part(mine, str(beside), None, "all", "all")
    with pytest.raises(DataError, match="cannot be read"):
        part(mine, str(tmp_path / "missing.csv"), None, "all", "all")


def test_a_stand_in_is_labeled(tmp_path):
    space = spaces.get("nasbench201")
    names = space.architectures()[:30]
    frame = pd.DataFrame({"architecture": names, "snip": np.arange(30.0)})
    frame.attrs = {"space": "nasbench201", "dataset": "imagenet16-120-standin"}
    write_scores(frame, tmp_path / "scores.parquet")
    beside = pd.DataFrame({"arch_str": names, "imagenet16-120_test_200": np.linspace(10, 40, 30)})
    beside.to_csv(tmp_path / "table.csv", index=False)
    found = part(tmp_path / "scores.parquet", str(tmp_path / "table.csv"), None, "all", "all")
    assert found.standin == "ImageNet16-120"
    assert found.chosen == "imagenet16-120_test_200"


def test_a_page_names_no_folder_of_this_machine(mine, tmp_path, monkeypatch):
    beside = tmp_path / "beside.csv"
    rows = {"architecture": [f"net{i}" for i in range(20)], "ours": range(20)}
    pd.DataFrame(rows).to_csv(beside, index=False)
    out = tmp_path / "page.html"
    words = ["report", str(mine), "--html", f"--out={out}", "--table", str(beside)]
    monkeypatch.setattr("sys.argv", ["zcproxy", *words])
    run(*words[1:], "--resamples", 0)
    found = data(out)
    assert found["command"] == "zcproxy report mine.csv --html --out=page.html --table beside.csv"
    assert str(tmp_path) not in out.read_text(encoding="utf-8")


def test_files_on_a_page_are_different_and_so_are_their_names(mine, tmp_path):
    out = tmp_path / "page.html"
    with pytest.raises(InputError, match="named twice"):
        run(mine, tmp_path / "." / "mine.csv", "--html", "--out", out)
    (tmp_path / "other").mkdir()
    other = tmp_path / "other" / "mine.csv"
    other.write_text(mine.read_text())
    run(mine, other, "--html", "--out", out, "--resamples", 0)
    names = [file["name"] for file in data(out)["files"]]
    assert names == [f"{tmp_path.name}/mine", "other/mine"]


def test_no_two_files_on_a_page_share_a_name():
    def names(*paths):
        return different_names([Path("/files") / path for path in paths])

    assert names("x/a.parquet", "x/b.csv") == ["a", "b"]
    assert names("x/a.parquet", "y/a.csv") == ["x/a", "y/a"]
    assert names("x/a.parquet", "x/a.csv") == ["a.parquet", "a.csv"]
    same = names("x/a.parquet", "x/a.csv", "y/a.parquet")
    assert same == ["x/a.parquet", "x/a.csv", "y/a.parquet"]
    assert names("a.csv", "x/a.csv") == ["files/a", "x/a"]
    assert different_names([Path("/a.csv"), Path("/x/a.csv")]) == ["a", "x/a"]
    assert names("a.csv/b", "a.csv/c", "a.csv/d/c") == ["a.csv/b", "a.csv/c", "d/c"]


def test_wrong_use_is_one_line(digits, mine, tmp_path):
    with pytest.raises(InputError, match="give --html for a page of several"):
        run(digits, mine)
    with pytest.raises(InputError, match="does not end in .html"):
        run(digits, "--html", "--out", tmp_path / "folder")
    with pytest.raises(InputError, match="belongs to --html"):
        run(digits, "--every-interval")
    with pytest.raises(InputError, match="failure policy"):
        run(digits, "--html", "--failures", "never")
