"""The command line as text, and that no README.md names a folder of this machine."""

import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from zcproxy import spaces
from zcproxy.cli import app
from zcproxy.cli.typed import command_line, shown, without_folders
from zcproxy.store import write_scores

SPACE = spaces.get("nasbench201")
NAMES = SPACE.architectures()[100:160]


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("/work/here/a.csv", "a.csv"),
        ("/work/here/in/a.csv", "in/a.csv"),
        ("/work/there/a.csv", "a.csv"),
        ("--out=/work/here/in/out.md", "--out=in/out.md"),
        ("--out=/tmp/out.md", "--out=out.md"),
        ("name=/tmp/a.csv", "name=a.csv"),
        ("/tmp/x=y/a.csv", "a.csv"),
        ("/tmp/x=/a.csv", "a.csv"),
        ("in/a.csv", "in/a.csv"),
        ("--top", "--top"),
        ("--space=nasbench201", "--space=nasbench201"),
        ("a b", "'a b'"),
    ],
)
def test_one_word(typed, told, monkeypatch):
    monkeypatch.setattr("pathlib.Path.cwd", lambda: Path("/work/here"))
    monkeypatch.setattr("sys.argv", ["/usr/bin/zcproxy", "report", typed])
    assert command_line() == f"zcproxy report {told}"


def test_paths_of_the_command_line_in_a_text(monkeypatch):
    monkeypatch.setattr("sys.argv", ["zcproxy", "/far/a", "/far/a/b.csv", "--out=/far/c", "x"])
    assert shown("/far/a") == "a"
    text = "from /far/a/b.csv and /far/a to /far/c, x, /far/other"
    assert without_folders(text) == "from b.csv and a to c, x, /far/other"


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Files of scores and a table, in a folder that is not the current one."""
    rng = np.random.default_rng(0)
    for seed in (0, 1):
        columns = {name: rng.normal(size=len(NAMES)) for name in ("snip", "nwot", "plain")}
        frame = pd.DataFrame({"architecture": NAMES, **columns})
        frame.attrs = {
            "space": "nasbench201",
            "dataset": str(tmp_path / "images.npz"),
            "protocol": "clean",
            "batch_size": 64,
            "batch_seed": 0,
            "batch_sha256": "0",
            "shape": [3, 32, 32],
            "classes": 10,
            "seed": seed,
        }
        write_scores(frame, tmp_path / f"scores{seed}.parquet")
        frame.to_csv(tmp_path / f"bare{seed}.csv", index=False)
    table = {"arch_str": NAMES, "cifar10_test_200": rng.normal(90, 1, len(NAMES))}
    pd.DataFrame(table).to_csv(tmp_path / "table.csv", index=False)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path


def call(monkeypatch, *words):
    typed = [str(word) for word in words]
    monkeypatch.setattr("sys.argv", ["zcproxy", *typed])
    result = CliRunner().invoke(app, typed)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output


TABLE = ("--table", "{}/table.csv", "--accuracy", "cifar10_test_200")
COMMANDS = {
    "report": ("report", "{}/scores0.parquet", *TABLE),
    "stability": ("analyze", "stability", "{}/scores0.parquet", "{}/scores1.parquet", *TABLE),
    "redundancy": ("analyze", "redundancy", "{}/scores0.parquet"),
    "bias": ("analyze", "bias", "{}/scores0.parquet", *TABLE),
    "ranges": ("analyze", "ranges", "{}/scores0.parquet", *TABLE, "--halves", "3"),
    "transfer": ("analyze", "transfer", "{}/scores0.parquet", *TABLE),
    "transfer of bare files": ("analyze", "transfer", "{}/bare0.csv", *TABLE),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_readme_names_no_folder_of_this_machine(name, place, monkeypatch):
    words = [word.format(place) for word in COMMANDS[name]]
    call(monkeypatch, *words, "--resamples", "0", "--out", place / "out")
    text = (place / "out" / "README.md").read_text(encoding="utf-8")
    assert str(place) not in text
    assert shlex.join(["zcproxy", *words[:1]]) in text and "--out out" in text


@pytest.mark.parametrize("question", ["compare", "audit"])
def test_a_readme_of_trainings_names_no_folder_either(question, place, monkeypatch):
    from zcproxy.experiments.work import train_item

    class Here:
        def __init__(self, setup, workers, score):
            self.setup = setup

        def results(self, items):
            return ((item, train_item(item, self.setup)) for item in items)

    monkeypatch.setattr("zcproxy.experiments.running.Pool", Here)
    rng = np.random.default_rng(0)
    images = {f"x_{part}": rng.integers(0, 256, (150, 8, 8, 1), dtype="uint8") for part in PARTS}
    images |= {f"y_{part}": np.arange(150) % 10 for part in PARTS}
    np.savez(place / "images.npz", **images)
    words = ["prune", question, "--model", "lenet300@8", "--data", place / "images.npz"]
    words += ["--epochs", "1", "--batch", "20", "--seeds", "2", "--densities", "0.2"]
    words += ["--methods", "random"] if question == "compare" else ["--method", "random"]
    call(monkeypatch, *words, "--out", place / "out")
    text = (place / "out" / "README.md").read_text(encoding="utf-8")
    assert str(place) not in text
    assert "--data images.npz" in text and "images.npz" in text.splitlines()[0]


PARTS = ("train", "test")
