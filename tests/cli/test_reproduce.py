"""`zcproxy reproduce`: tables, files, exit codes, and what is missing."""

from __future__ import annotations

import importlib
import json

import numpy as np
import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from zcproxy import spaces
from zcproxy.cli.reproduce import reproduce
from zcproxy.errors import DataError, InputError
from zcproxy.store import write_scores

SPACE = spaces.get("nasbench201")
ALL = SPACE.architectures()
COLUMNS = ("cifar10-valid_test_200", "cifar100_test_200", "imagenet16-120_test_200")
MEASURED = ("grad_norm", "snip", "grasp", "fisher", "synflow", "jacob_cov")

app = typer.Typer()
app.command()(reproduce)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty working folder, and no data anywhere."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ZCPROXY_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


@pytest.fixture
def table(folder):
    rng = np.random.default_rng(0)
    columns = {name: rng.uniform(10, 90, size=300) for name in COLUMNS}
    path = folder / "accuracies.csv"
    pd.DataFrame({"arch_str": ALL[:300], **columns}).to_csv(path, index=False)
    return path


def scores(path, n=200, **run):
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"architecture": ALL[:n]} | {p: rng.normal(size=n) for p in MEASURED})
    facts = {"space": "nasbench201", "dataset": "cifar10", "protocol": "clean", "batch_size": 64}
    frame.attrs = facts | {"batch_seed": 0, "seed": 0} | run
    frame.attrs["key"] = repr(sorted(frame.attrs.items()))
    write_scores(frame, path)
    return path


def run(*arguments):
    words = [str(argument) for argument in (*arguments, "--resamples", 5)]
    result = CliRunner().invoke(app, words, env={"COLUMNS": "120"})
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_a_table_on_the_screen(folder, table):
    given = scores(folder / "scores.parquet")
    result = run("abdelfattah2021", "--scores", given, "--accuracies", table)
    assert result.exit_code == 1  # cifar100 is not scored
    lines = result.stdout.splitlines()
    snip = next(line for line in lines if "snip" in line and "cifar10 " in line)
    assert "not comparable because only 200 of 15,625" in snip
    assert snip.split()[:3] == ["cifar10", "Spearman", "snip"]
    assert any("not scored" in line and "cifar100" in line for line in lines)
    assert any(line.startswith("reproduced: ours is at most .03") for line in lines)
    assert any(line.startswith("source: Abdelfattah et al.") for line in lines)
    assert snip.split()[3:7] == ["–", ".596", "–", "–"]  # of 200 there is no comparison
    commands = [line.partition(": ")[2] for line in lines if line.startswith("still to score")]
    assert commands == [
        f"zcproxy score --space nasbench201 --dataset {dataset} --protocol {protocol} "
        f"--proxies {','.join(MEASURED)}"
        for dataset, protocol in (
            ("cifar10", "clean"),  # begun
            ("cifar100", "abdelfattah2021"),
            ("imagenet16-120-standin", "abdelfattah2021"),
        )
    ]


def test_stores_in_the_folder_are_the_default(folder, table):
    from zcproxy.configuration import Configuration
    from zcproxy.store import Row, Store

    configuration = Configuration("nasbench201", "cifar10", "00", (3, 32, 32), 10)
    networks = {SPACE.key(a): i for i, a in enumerate(ALL[:50])}
    with Store.open(folder / "zcproxy-mine.sqlite", configuration) as store:
        store.request(ALL[:50], ["snip"])
        store.add([Row(key, "snip", float(i)) for key, i in networks.items()], {})
    (folder / "zcproxy-broken.sqlite").write_bytes(b"SQLite format 3\0 and no more")
    result = run("abdelfattah2021", "--accuracies", table, "--json")
    cells = json.loads(result.stdout[result.stdout.index("{") :])["cells"]
    snip = next(c for c in cells if (c["dataset"], c["proxy"]) == ("cifar10", "snip"))
    assert snip["verdict"].endswith("only 50 of 15,625 are scored")
    assert "left out: zcproxy-broken.sqlite" in result.output


def test_scores_of_several_protocols_are_not_mixed(folder, table):
    noise = scores(folder / "noise.csv", protocol="aznas")
    clean = scores(folder / "clean.csv", seed=3)
    result = run(
        "abdelfattah2021", "--scores", noise, "--scores", clean, "--accuracies", table, "--json"
    )
    cells = json.loads(result.stdout)["cells"]
    told = {c["scored"] for c in cells if c["scored"]}
    assert told == {
        "protocol clean, 64 images of cifar10, batch seed 0, seed of the weights 3",
    }


def test_files_are_written(folder, table):
    given = scores(folder / "scores.csv")
    arguments = ["abdelfattah2021", "--scores", given, "--accuracies", table, "--out"]
    run(*arguments, folder / "out.md")
    text = (folder / "out.md").read_text()
    assert text.startswith("# abdelfattah2021: published and ours\n")
    assert "| data set | statistic | proxy | ours | published |" in text
    run(*arguments, folder / "out.csv")
    frame = pd.read_csv(folder / "out.csv")
    assert len(frame) == 24
    row = frame[(frame["dataset"] == "cifar10") & (frame["proxy"] == "snip")].iloc[0]
    assert pd.isna(row["ours"])
    assert (row["n"], row["of"]) == (200, 15_625)
    assert row["files"] == "scores.csv"
    assert row["source"].startswith("Abdelfattah")


def test_numbers_of_whole_runs_are_compared_and_say_their_file(folder, whole_table):
    full = scores(folder / "full.parquet", n=len(ALL))
    small = scores(folder / "small.parquet", n=200, protocol="abdelfattah2021", seed=3)
    given = ["--scores", small, "--scores", full, "--accuracies", whole_table]
    words = ["abdelfattah2021", *map(str, given), "--json", "--resamples", "0"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 1
    cells = json.loads(result.stdout)["cells"]
    snip = next(c for c in cells if (c["dataset"], c["proxy"]) == ("cifar10", "snip"))
    assert (snip["n"], snip["files"], snip["verdict"]) == (15_625, "full.parquet", "differs")
    assert snip["difference"] == pytest.approx(abs(snip["ours"]) - 0.596)
    assert (snip["low"], snip["high"]) == (None, None)


@pytest.fixture
def whole_table(folder):
    rng = np.random.default_rng(0)
    path = folder / "whole.csv"
    columns = {name: rng.uniform(10, 90, size=len(ALL)) for name in COLUMNS}
    pd.DataFrame({"arch_str": ALL, **columns}).to_csv(path, index=False)
    return path


def test_an_interrupted_run_is_resumed(folder, table, monkeypatch):
    """What is scored in part is scored first, and told while it is not done."""
    module = importlib.import_module("zcproxy.cli.reproduce")
    part = scores(folder / "part.csv", n=3, protocol="abdelfattah2021")
    asked = []

    def stopped(need, workers, given):
        asked.append(need)
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "score_missing", stopped)
    arguments = ["abdelfattah2021", "--scores", str(part), "--accuracies", str(table)]
    CliRunner().invoke(app, [*arguments, "--run"])
    assert [(need.dataset, need.proxies) for need in asked] == [("cifar10", MEASURED)]
    told = run(*arguments).stdout
    assert "only 3 of 15,625 are scored" in told
    assert f"still to score: {asked[0].command}\n" in told


def test_files_name_no_place_of_this_machine(folder, table, monkeypatch):
    given = scores(folder / "scores.csv")
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    out = folder / "out.md"
    typed = ["zcproxy", "reproduce", "abdelfattah2021", "--scores", str(given), f"--out={out}"]
    monkeypatch.setattr("sys.argv", typed)
    arguments = ["abdelfattah2021", "--scores", given, "--accuracies", table, "--out", out]
    run(*arguments)
    text = out.read_text()
    written = "Written by `zcproxy reproduce abdelfattah2021 --scores scores.csv --out=out.md`."
    assert written in text
    assert "our scores: scores.csv: protocol clean" in text
    monkeypatch.chdir(elsewhere)
    run(*arguments)
    assert written in out.read_text()  # of other folders the names alone
    assert str(folder) not in out.read_text()


def test_missing_scores_are_made_and_then_kept(folder, table, monkeypatch):
    """`--run`, on three architectures and without images."""
    from zcproxy.reproduction import Missing

    module = importlib.import_module("zcproxy.cli.reproduce")
    need = Missing("noise", "clean", ("synflow",))
    with monkeypatch.context() as changed:
        changed.setattr(type(SPACE), "architectures", lambda self: ALL[:3])
        name, frame = module.score_missing(need, 1, [])
        (folder / name).unlink()
        given = frame.assign(synflow=frame["synflow"] + 1)  # to be told apart from what is scored
        again = module.score_missing(need, 1, [("s.csv", given)])[1]
        assert again["synflow"].equals(given["synflow"])
        given.attrs["key"] = "of another configuration"
        (folder / name).unlink()
        again = module.score_missing(need, 1, [("s.csv", given)])[1]
        assert again["synflow"].equals(frame["synflow"])
    assert name.startswith("zcproxy-nasbench201-noise-clean-")
    assert frame["synflow"].notna().all()
    assert len(frame) == 3
    asked = []
    monkeypatch.setattr(
        module, "score_missing", lambda need, workers, given: asked.append(need) or (name, frame)
    )
    result = run("abdelfattah2021", "--run", "--accuracies", table)
    assert result.exit_code == 1
    assert [need.dataset for need in asked] == ["cifar10", "cifar100", "imagenet16-120-standin"]


def test_wrong_use(folder, table):
    with pytest.raises(InputError, match="did you mean 'sota2025'"):
        run("sota2026", "--accuracies", table)
    with pytest.raises(InputError, match="ends in neither .md nor .csv"):
        run("sota2025", "--accuracies", table, "--out", "table.txt")
    for place, message in (
        ("nowhere/table.md", "there is no folder nowhere to write table.md into"),
        ("folder.md", "folder.md is a folder"),
    ):
        (folder / "folder.md").mkdir(exist_ok=True)
        with pytest.raises(InputError, match=message):
            run("sota2025", "--out", place)  # before the table that lacks is missed
    with pytest.raises(DataError, match="no table 'nasbench201' found"):
        run("sota2025")
    bare = folder / "bare.csv"
    pd.DataFrame({"architecture": ALL[:2], "snip": [1.0, 2.0]}).to_csv(bare, index=False)
    with pytest.raises(InputError, match="does not tell how it was scored"):
        run("sota2025", "--accuracies", table, "--scores", bare)
