"""The page as text: complete, safe, and the same for the same input."""

from __future__ import annotations

import dataclasses
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from zcproxy.analysis import agreement_table
from zcproxy.errors import InputError
from zcproxy.page import Part, write_page
from zcproxy.page.content import Settings
from zcproxy.page.filling import filled, script_safe, substituted
from zcproxy.page.packing import inflated, numbers, rounded, unpacked
from zcproxy.report_text import Source

QUICK = Settings(resamples=0)


class Elements(HTMLParser):
    """The elements of a page, and the text of each script."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.scripts: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.inside = False
        self.title = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        self.inside = tag == "script"
        if self.inside:
            self.scripts.append("")

    def handle_endtag(self, tag):
        self.inside = False

    def handle_data(self, data):
        if self.inside:
            self.scripts[-1] += data
        elif self.tags[-1:] == ["title"]:
            self.title += data


@pytest.fixture(scope="module")
def text(page_file):
    return page_file.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def data(text):
    return json.loads(Elements(text).scripts[0])


def test_names_cannot_leave_the_data(text, named):
    found = Elements(text)
    assert found.tags.count("script") == 2
    assert found.tags.count("title") == 1
    assert "mine</title>" in found.title
    assert "window.hacked" not in text
    assert not re.search(r"[<>&]", found.scripts[0])


@pytest.mark.parametrize(
    "nasty", ["</script>", "<!--<script>", "]]>", "&lt;", "\u2028\u2029", "'\"\\", "\ud800", "\0"]
)
def test_any_text_stands_safely_in_a_script(nasty):
    safe = script_safe({nasty: [nasty]})
    assert json.loads(safe) == {nasty: [nasty]}
    assert not re.search(r"[<>&]|[^\x20-\x7e]", safe)


def test_what_is_filled_in_is_not_read_again():
    assert substituted("{{a}}-{{b}}", {"a": "{{b}}", "b": r"\1 $& {{a}}"}) == r"{{b}}-\1 $& {{a}}"


def test_the_file_asks_for_nothing(text):
    found = Elements(text)
    asked = [value for name, value in found.attributes if name in ("src", "href")]
    assert asked == ["data:,", "#table"]
    assert "default-src 'none'" in text
    style = text.partition("<style>")[2].partition("</style>")[0]
    assert "url(" not in style and "@import" not in style
    addresses = set(re.findall(r"https?://[^\s\"'`]+", text.partition('id="data">')[0]))
    addresses |= set(re.findall(r"https?://[^\s\"'`]+", found.scripts[1]))
    assert addresses == {"http://www.w3.org/2000/svg"}  # a name, not an address to load


def test_the_same_input_gives_the_same_bytes(sampled):
    assert filled([sampled], QUICK) == filled([sampled], QUICK)


def test_the_data_comes_back(data, sampled):
    file, texts = data["files"][0], data["blobs"]
    assert json.loads(inflated(texts[file["architectures"]])) == list(
        sampled.scores["architecture"]
    )
    groups = numbers(texts[file["groups"]])
    assert [*(set(c) & {"groups", "codes"} for c in file["scores"])] == [{"groups"}] * 2 + [
        {"codes"}
    ] * 2
    for column in file["scores"]:
        expected = rounded(sampled.scores[column["name"]].to_numpy(float))
        np.testing.assert_array_equal(unpacked(texts, column, groups), expected)
    for column in file["accuracies"]:
        expected = rounded(sampled.accuracies[column["name"]].to_numpy(float))
        np.testing.assert_array_equal(unpacked(texts, column), expected)
    assert file["accuracies"][0]["label"] == "CIFAR-10 test accuracy, 200 epochs"
    assert [c["name"] for c in file["scores"]] == ["nwot", "synflow", "flat", "live_params"]


def test_the_tables_are_those_of_the_analysis(data, sampled):
    for accuracy, resamples in (("cifar10_test_200", 20), ("cifar10_test_12", 0)):
        shown = data["files"][0]["agreement"][accuracy]
        expected = agreement_table(
            sampled.scores,
            sampled.accuracies[accuracy],
            ["nwot", "synflow", "flat", "live_params"],
            resamples=resamples,
            ks=(10, 100),
        ).set_index("proxy")
        assert shown["columns"] == ["proxy", *expected.columns]
        assert {row[0] for row in shown["rows"]} == set(expected.index)
        for row in shown["rows"]:
            for name, value in zip(shown["columns"][1:], row[1:], strict=True):
                exact = expected.loc[row[0], name]
                if pd.isna(exact):
                    assert value is None
                elif name == "reason":
                    assert value == exact
                else:
                    assert value == pytest.approx(exact, rel=1e-7)
        assert shown["resamples"] == resamples
        assert any("all 600 scores are equal" in line for line in shown["missing"])


def test_every_interval_on_request(sampled):
    settings = Settings(resamples=20, every_interval=True)
    page = filled([sampled], settings)
    tables = json.loads(Elements(page).scripts[0])["files"][0]["agreement"]
    assert {table["resamples"] for table in tables.values()} == {20}


def test_the_facts_are_told(data):
    file = data["files"][0]
    told = dict(file["facts"])
    assert told["Space"] == "nasbench201"
    assert "stand-in for ImageNet16-120" in told["Data set"]
    assert file["standin"] == "ImageNet16-120"
    assert told["Protocol"] == "clean"
    assert told["Batch"].endswith("seed 3") and "64" in told["Batch"]
    assert told["Seed of the weights"] == "7"
    assert told["Versions"] == "torch 2.13.0"
    assert told["Without nwot"].startswith("disconnected ")
    assert told["Scores"] == "4 proxies, 1 with failures"
    assert file["baseline"] == "live_params"
    assert data["command"] == "zcproxy report </script>"


def test_what_is_not_scored_yet_is_no_failure(sampled):
    """A third of nwot, and all of synflow but one; nwot has failures besides."""
    scores = sampled.scores.copy()
    waiting = np.arange(len(scores)) % 3 == 0
    scores.loc[waiting, "nwot"], scores.loc[waiting, "nwot_failure"] = np.nan, "not_scored"
    scores.loc[1:, "synflow"], scores["synflow_failure"] = np.nan, "not_scored"
    part = dataclasses.replace(sampled, scores=scores)
    file = json.loads(Elements(filled([part], QUICK)).scripts[0])["files"][0]
    told = dict(file["facts"])
    assert told["Scores"] == "4 proxies, 1 with failures, 2 not scored throughout"
    assert "not_scored 200" in told["Without nwot"] and "disconnected" in told["Without nwot"]
    assert told["Without synflow"] == "not_scored 599"


def test_cells_or_none(data):
    assert data["files"][0]["cell"]["edges"] == [[0, 1], [0, 2], [1, 2], [0, 3], [1, 3], [2, 3]]
    assert data["files"][1]["cell"] is None
    assert data["files"][1]["index"] is None


def test_large_selections_are_left_out_with_a_word(sampled):
    page = filled([sampled], Settings(resamples=0, ks=(10, 601)))
    table = json.loads(Elements(page).scripts[0])["files"][0]["agreement"]["cifar10_test_200"]
    assert "overlap@10" in table["columns"] and "overlap@601" not in table["columns"]
    told = "k = 601 left out: only 600 with scores and accuracy, all selected"
    assert told in table["missing"]


def test_an_accuracy_without_architectures_is_a_problem_not_an_end(sampled):
    elsewhere = sampled.accuracies.assign(empty=np.nan)
    part = Part("x", sampled.scores, ["nwot"], elsewhere, "cifar10_test_200", source=sampled.source)
    tables = json.loads(Elements(filled([part], QUICK)).scripts[0])["files"][0]["agreement"]
    assert "none of the 600" in tables["empty"]["problem"]
    assert "problem" not in tables["cifar10_test_12"]


def test_files_of_different_protocols_are_told_apart(sampled, named):
    """On every file of the page, for one is shown at a time."""
    other = replace(sampled, name="others", source=Source(run={"protocol": "aznas"}))
    smaller = replace(
        sampled, name="few", source=Source(run={"protocol": "aznas", "batch_size": 2})
    )
    for parts, told in (
        ([sampled, sampled], []),
        ([sampled, other], ["cells: protocol clean, batch size 64; others: protocol aznas."]),
        ([other, smaller], ["others: protocol aznas; few: protocol aznas, batch size 2."]),
        ([other, named], ["others: protocol aznas; mine</title>: protocol not stated."]),
    ):
        files = json.loads(Elements(filled(parts, QUICK)).scripts[0])["files"]
        for file in files:
            assert [note.partition("in the same way. ")[2] for note in file["notes"]] == told


def test_progress_counts_tables(sampled, named):
    seen = []
    filled([sampled, named], QUICK, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 2), (2, 2)]


def test_clear_errors(sampled, tmp_path):
    with pytest.raises(InputError, match="at least one"):
        write_page(tmp_path / "x.html", [])
    with pytest.raises(InputError, match="no folder"):
        write_page(tmp_path / "nowhere" / "x.html", [sampled])
    (tmp_path / "x.html").mkdir()
    with pytest.raises(InputError, match="cannot be written"):
        write_page(tmp_path / "x.html", [sampled], QUICK)
    assert [path.name for path in tmp_path.iterdir()] == ["x.html"]
