"""Scores of a user's own models beside accuracies of theirs, in every command that takes scores."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from zcproxy import cli
from zcproxy.analysis import spearman
from zcproxy.errors import InputError
from zcproxy.store import read_scores, write_scores

N = 40


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """As zcproxy rank --models --out writes them."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"architecture": [f"net{i}" for i in range(N)]})
    frame["snip"], frame["nwot"] = rng.normal(size=N), rng.normal(size=N)
    frame["live_params"] = np.arange(N) * 100.0
    frame.attrs = {"models": "nets:all", "dataset": "noise", "protocol": "clean", "seed": 0}
    frame.attrs |= {"batch_size": 64, "batch_seed": 0, "proxies": ["snip", "nwot", "live_params"]}
    write_scores(frame, tmp_path / "mine.parquet")
    return tmp_path / "mine.parquet"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Accuracies of all but three; one name with spaces, one that is nobody's."""
    names = [f"net{i}" for i in range(3, N)] + ["Net0"]
    names[0] = " net3 "
    made = {"architecture": names, "ours_10": np.linspace(50, 80, N - 2), "ours_90": 90.0}
    made["ours_90"] = made["ours_10"] + np.sin(np.arange(N - 2))
    made["remark"] = ["x"] * (N - 2)
    pd.DataFrame(made).to_csv(tmp_path / "table.csv", index=False)
    return tmp_path / "table.csv"


def run(*arguments: object) -> Any:
    result = CliRunner().invoke(cli.app, [str(a) for a in arguments], env={"COLUMNS": "140"})
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0
    return result


def test_they_are_correlated(mine: Path, table: Path) -> None:
    options = (
        "--table",
        table,
        "--resamples",
        10,
        "--json",
        "--proxies",
        "all,snip+nwot:mean-rank",
    )
    told = json.loads(run("correlate", mine, *options).stdout)
    assert told["accuracy"] == "ours_10" and told["without_accuracy"] == 3
    assert told["baseline"] == "live_params"
    assert told["architectures"] == N - 3
    truth = np.linspace(50, 80, N - 2)[: N - 3]
    found = {row["proxy"]: row for row in told["proxies"]}
    assert set(found) == {"snip", "nwot", "live_params", "snip+nwot:mean-rank"}
    scores = pd.read_parquet(mine)["snip"].to_numpy()[3:]
    assert found["snip"]["spearman"] == pytest.approx(spearman(scores, truth))
    assert found["live_params"]["spearman"] == pytest.approx(1)
    note = f"3 of {N} have no accuracy in {table}: net0, net1, net2; it names besides: Net0"
    assert note in told["notes"]
    other = json.loads(run("correlate", mine, *options, "--accuracy", "ours_90").stdout)
    assert other["accuracy"] == "ours_90"


@pytest.mark.parametrize("question", ["bias", "ranges", "supervised", "redundancy", "stability"])
def test_they_are_analyzed(mine: Path, table: Path, question: str, tmp_path: Path) -> None:
    files, options = [mine], ["--table", table, "--resamples", 10]
    if question == "supervised":
        options = ["--table", table, "--draws", 2, "--labels", 10]
    if question == "redundancy":
        options = ["--resamples", 10]
    if question == "stability":
        frame = read_scores(mine)
        frame["snip"] += 0.1 * frame["nwot"]
        frame.attrs["seed"] = 1
        write_scores(frame, tmp_path / "other.parquet")
        files, options = [mine, tmp_path / "other.parquet"], ["--resamples", 10]
    out = tmp_path / question
    run("analyze", question, *files, *options, "--out", out)
    assert (out / "README.md").is_file()


def test_a_folder_reports_them(mine: Path, table: Path, tmp_path: Path) -> None:
    run("report", mine, "--table", table, "--resamples", 5, "--out", tmp_path / "r")
    text = (tmp_path / "r" / "README.md").read_text(encoding="utf-8")
    assert "ours_10" in text and "it names besides: Net0" in text


@pytest.mark.parametrize("words", [["correlate"], ["report"], ["analyze", "bias"]])
def test_without_accuracies_it_is_said_how_to_give_them(mine: Path, words: list[str]) -> None:
    with pytest.raises(InputError, match=r"such as your own models; .* --table FILE\.csv"):
        run(*words, mine)


def test_names_that_do_not_match_are_told(mine: Path, table: Path) -> None:
    pd.DataFrame({"architecture": ["a", "b"], "ours": [1, 2]}).to_csv(table, index=False)
    with pytest.raises(InputError, match=r"none of the 40 .* they are net0, .* 35 more, .* a, b"):
        run("correlate", mine, "--table", table)


def test_the_page_tells_of_names_that_do_not_match(mine: Path, table: Path) -> None:
    out = mine.parent / "page.html"
    result = run("report", mine, "--html", "--table", table, "--resamples", 0, "--out", out)
    assert "mine: 3 of 40 architectures have no accuracy; the notes of the page" in result.stderr


@pytest.mark.parametrize("file", ["numbers.parquet", "numbers.csv"])
def test_names_may_be_numbers(mine: Path, file: str, tmp_path: Path) -> None:
    frame = read_scores(mine)
    frame["architecture"] = [str(i) for i in range(N)]
    write_scores(frame, tmp_path / file)
    made = pd.DataFrame({"architecture": range(N), "ours": np.arange(N)[::-1]})
    made.to_csv(tmp_path / "t.csv", index=False)
    told = run("correlate", tmp_path / file, "--table", tmp_path / "t.csv", "--json").stdout
    assert json.loads(told)["accuracy"] == "ours" and json.loads(told)["architectures"] == N


def test_a_table_that_is_not_there_is_no_csv_file_with_a_fault(mine: Path) -> None:
    with pytest.raises(InputError, match=r"no space that zcproxy knows, .* --table FILE\.csv"):
        run("correlate", mine, "--table", "nasbench201")


def test_a_wrong_string_among_right_ones_is_not_taken_for_a_model(mine: Path) -> None:
    from zcproxy import spaces
    from zcproxy.cli.own import foreign

    names = spaces.get("nasbench201").architectures()[:4]
    assert not foreign(pd.DataFrame({"architecture": ["wrong", *names]}))
    assert foreign(pd.DataFrame({"architecture": ["wrong", "too"]}))


def test_members_that_were_not_scored_are_told_with_the_command(mine: Path, table: Path) -> None:
    with pytest.raises(InputError, match="lack zen, meco; add them .* zcproxy rank --models"):
        run("correlate", mine, "--table", table, "--proxies", "snip+zen+meco:log-rank")
