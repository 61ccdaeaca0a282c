import csv
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from zcproxy.errors import InputError
from zcproxy.report_text import accuracy_label
from zcproxy.reports import Source, write_report

N = 40


@pytest.fixture
def scores():
    rng = np.random.default_rng(0)
    quality = np.linspace(-2, 2, N)
    snip = quality + rng.normal(size=N)
    snip[3:6] = np.nan
    reasons = [None] * 3 + ["disconnected", "disconnected", "overflow"] + [None] * (N - 6)
    return pd.DataFrame(
        {
            "architecture": [f"cell{i}" for i in range(N)],
            "snip": snip,
            "snip_failure": reasons,
            "plain": -quality + rng.normal(size=N),
            "flat": 1.0,
            "live_params": np.round(quality),
        }
    )


@pytest.fixture
def truth(scores):
    return pd.Series(np.linspace(80, 95, N), index=scores["architecture"], name="cifar10_test_200")


SOURCE = Source(
    table="nasbench201",
    subset="live",
    command="zcproxy report scores.parquet --out mine",
    run={
        "space": "nasbench201",
        "dataset": "cifar10",
        "protocol": "clean",
        "batch_size": 64,
        "batch_seed": 0,
        "batch_sha256": "5ca1ab1e",
        "seed": 7,
        "versions": [{"torch": "2.13.0", "zcproxy": "0.1.0"}],
    },
    accuracy={"dataset": "cifar10", "split": "test", "epochs": 200, "seed": None, "source": "here"},
    without_accuracy=2,
)

FILES = {"README.md", "agreement.csv", "correlations.csv"} | {
    f"{name}.{ending}"
    for name in ("agreement", "correlations", "scores")
    for ending in ("png", "svg")
}


def test_a_stand_in_is_called_one(scores, truth, tmp_path):
    run = {**SOURCE.run, "dataset": "imagenet16-120-standin"}
    write_report(tmp_path, scores, truth, source=replace(SOURCE, run=run), resamples=5)
    text = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "**not scored on the data set itself**, but on the stand-in for ImageNet16-120" in text


def test_the_folder_is_complete_and_reproducible(scores, truth, tmp_path):
    for name in ("one", "two/deeper"):
        write_report(tmp_path / name, scores, truth, source=SOURCE, resamples=20)
    one, two = tmp_path / "one", tmp_path / "two" / "deeper"
    assert {path.name for path in one.iterdir()} == FILES
    for name in FILES:
        assert (one / name).read_bytes() == (two / name).read_bytes(), name


def test_the_readme_tells_what_was_compared(scores, truth, tmp_path):
    table = write_report(tmp_path, scores, truth, source=SOURCE, resamples=20, ks=(3,))
    text = (tmp_path / "README.md").read_text(encoding="utf-8")
    for fact in (
        "# Agreement of 4 proxies with CIFAR-10 test accuracy, 200 epochs",
        "column `cifar10_test_200` of table `nasbench201`",
        "architectures: 40, subset `live`",
        "left out, for the table has no accuracy: 2",
        "space: `nasbench201`; protocol: `clean`",
        "64 images of cifar10, seed 0, SHA-256 `5ca1ab1e`",
        "seed of the weights: 7; versions: torch 2.13.0, zcproxy 0.1.0",
        "20 resamples, seed 0",
        "policy `omit`",
        "source of the accuracies: here",
        "`snip` has no value for 3 architectures: disconnected 2, overflow 1",
        "all 40 scores are equal",
        "zcproxy report scores.parquet --out mine",
        "regret@3",
    ):
        assert fact in text, fact
    snip = table.set_index("proxy").loc["snip"]
    row = f"| `snip` | {snip['spearman']:.3f} [{snip['spearman_low']:.3f}, "
    assert row in text
    assert "| `live_params` |" in text and "| baseline |" in text
    assert "<NA>" not in text and "nan" not in text
    for name in FILES:
        if name.endswith(".png"):
            assert f"]({name})" in text


def test_the_csv_holds_the_table(scores, truth, tmp_path):
    table = write_report(tmp_path, scores, truth, resamples=20)
    with (tmp_path / "agreement.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["proxy"] for row in rows] == table["proxy"].tolist()
    for column in ("spearman", "kendall_high", "partial", "regret@10"):
        assert float(rows[0][column]) == table[column][0]
    assert rows[2]["spearman"] == ""
    with (tmp_path / "correlations.csv").open(newline="") as file:
        assert [row["proxy"] for row in csv.DictReader(file)] == table["proxy"].tolist()


def test_little_may_be_known(scores, truth, tmp_path):
    write_report(
        tmp_path, scores[["architecture", "snip"]], truth, baseline=None, resamples=0, ks=()
    )
    text = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "# Agreement of 1 proxy with cifar10_test_200" in text
    assert "protocol: the file of scores does not tell" in text
    assert "baseline" not in text
    assert "`snip` has no value for 3 architectures: no reason stated" in text
    assert "intervals: none" in text


def test_an_interrupted_report_leaves_no_empty_folder(scores, truth, tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("zcproxy.analysis.agreement_table", interrupted)
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "mine").write_text("")
    for name in ("new/deeper", "kept/new", "kept"):
        with pytest.raises(KeyboardInterrupt):
            write_report(tmp_path / name, scores, truth)
    assert [path.name for path in tmp_path.rglob("*")] == ["kept", "mine"]


def test_equal_proxies_stand_in_one_order_everywhere(scores, truth, tmp_path, monkeypatch):
    from zcproxy import plots

    drawn = {}
    save = plots.save
    monkeypatch.setattr(
        plots, "save", lambda figure, stem: drawn.update({stem.name: figure}) or save(figure, stem)
    )
    same = {f"same{i}": scores["live_params"] for i in (2, 0, 1)}
    table = write_report(tmp_path, scores.assign(**same), truth, resamples=0)
    text = (tmp_path / "README.md").read_text(encoding="utf-8").partition("## Agreement")[2]
    rows = [line.split("`")[1] for line in text.splitlines() if line.startswith("| `")]
    written = rows[: len(table)]
    assert [name for name in written if name in {*same, "live_params"}] == [
        "live_params", "same2", "same0", "same1"
    ]  # fmt: skip
    axes = drawn["agreement"].axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()][::-1] == written


def test_notes_and_a_caution_are_told(scores, truth, tmp_path):
    told = replace(SOURCE, notes=["A note."], caution="Take care.")
    write_report(tmp_path, scores, truth, source=told, resamples=0)
    lines = (tmp_path / "README.md").read_text(encoding="utf-8").splitlines()
    assert "- A note." in lines
    assert lines.index("Take care.") < lines.index("## What was compared")


def test_progress_counts_to_the_end(scores, truth, tmp_path):
    seen = []
    write_report(
        tmp_path,
        scores,
        truth,
        resamples=0,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen == [(step, 7) for step in range(1, 8)]


def test_a_folder_that_cannot_be_is_one_line(scores, truth, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be created"):
        write_report(tmp_path / "file" / "folder", scores, truth)


def test_accuracy_columns_in_words():
    assert accuracy_label("odd", {}) == "odd"
    facts = {"dataset": "digits", "split": "valid", "epochs": 12, "seed": 777}
    assert accuracy_label("x", facts) == "digits valid accuracy, 12 epochs, seed 777"
    facts = {"dataset": "cifar10", "split": "test", "epochs": 200}
    assert accuracy_label("x", facts) == "CIFAR-10 test accuracy, 200 epochs"


def test_combinations_are_counted_apart():
    from zcproxy.report_text import counted

    assert counted(["snip"]) == "1 proxy"
    assert counted(["snip", "nwot", "blind", "snip+nwot:vote"]) == "2 proxies and 2 combinations"
    assert counted(["blind"]) == "1 combination"
