import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from zcproxy import spaces
from zcproxy.analysis import spearman
from zcproxy.cli.correlate import correlate
from zcproxy.cli.evaluation import default_accuracy, evaluate
from zcproxy.cli.report import report
from zcproxy.errors import DataError, InputError
from zcproxy.store import write_scores

RUN = {
    "space": "nasbench201",
    "dataset": "cifar100",
    "protocol": "clean",
    "batch_size": 64,
    "batch_seed": 0,
    "batch_sha256": "5ca1ab1e",
    "seed": 0,
}
N = 60

app = typer.Typer(rich_markup_mode="markdown")
app.command()(correlate)
app.command()(report)


@pytest.fixture
def space():
    return spaces.get("nasbench201")


@pytest.fixture
def frame(space):
    """Scores of sixty architectures, three of which are without a snip."""
    rng = np.random.default_rng(0)
    snip = rng.normal(size=N)
    snip[:3] = np.nan
    columns = {"architecture": space.architectures()[:N], "snip": snip}
    columns |= {"snip_failure": ["disconnected"] * 3 + [None] * (N - 3)}
    made = pd.DataFrame(columns | {"nwot": rng.normal(size=N)})
    made.attrs = dict(RUN)
    return made


@pytest.fixture
def scores(frame, tmp_path):
    write_scores(frame, tmp_path / "scores.parquet")
    return tmp_path / "scores.parquet"


@pytest.fixture
def table(frame, tmp_path):
    """Accuracies in a CSV file; the last architecture is missing there."""
    rng = np.random.default_rng(1)
    columns = {"arch_str": frame["architecture"][:-1]}
    for name in ("cifar10_test_200", "cifar100_test_200", "cifar100_test_12"):
        columns[name] = rng.uniform(10, 90, size=N - 1)
    path = tmp_path / "accuracies.csv"
    pd.DataFrame(columns).to_csv(path, index=False)
    return path


def run(*arguments):
    result = CliRunner().invoke(
        app, [str(argument) for argument in arguments], env={"COLUMNS": "100"}
    )
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def test_the_tables_read_well_at_100_columns(scores, table):
    text = run("correlate", scores, "--table", table, "--resamples", 20)
    assert max(len(line) for line in text.splitlines()) <= 100
    assert "…" not in text
    for name in ("snip", "nwot", "live_params", "baseline", "overlap@10", "regret@100", "top 10 %"):
        assert name in text
    text = " ".join(text.split())
    assert "59 architectures (subset all)" in text
    assert "accuracy cifar100_test_200 (%), failures omit" in text
    assert "protocol clean, 64 images of cifar100, seed 0" in text
    assert "left out: 1 scored architectures without accuracy" in text
    assert "overlap@100, regret@100: only 56 architectures" in text


def test_csv_and_json_hold_the_same_exact_numbers(scores, table, frame):
    options = ("--table", table, "--resamples", 20, "--k", 5, "--accuracy", "cifar10_test_200")
    rows = json.loads(run("correlate", scores, *options, "--json"))
    (csv := Path(scores).with_name("out.csv")).write_text(
        run("correlate", scores, *options, "--csv")
    )
    found = pd.read_csv(csv).set_index("proxy")
    truth = pd.read_csv(table)["cifar10_test_200"]
    assert found.loc["nwot", "spearman"] == spearman(frame["nwot"][:-1], truth)
    assert [row["proxy"] for row in rows["proxies"]] == ["snip", "nwot", "live_params"]
    for row in rows["proxies"]:
        assert row["spearman"] == found.loc[row["proxy"], "spearman"]
        assert row["failures"] == found.loc[row["proxy"], "failures"]
    assert rows["accuracy"] == "cifar10_test_200"
    assert rows["run"]["batch_sha256"] == "5ca1ab1e"
    assert (rows["subset"], rows["without_accuracy"], rows["ks"]) == ("all", 1, [5])


def test_a_subset_is_that_of_the_space(scores, table, space, frame):
    live = set(space.subset("live")) & set(frame["architecture"][:-1])
    out = run("correlate", scores, "--table", table, "--resamples", 0, "--subset", "live", "--json")
    assert json.loads(out)["architectures"] == len(live) < N - 1


def test_proxies_are_chosen_and_counted_where_the_file_lacks_them(scores, table):
    out = run(
        "correlate", scores, "--table", table, "--resamples", 0, "--proxies", "nwot,flops", "--json"
    )
    found = [row["proxy"] for row in json.loads(out)["proxies"]]
    assert found == ["nwot", "flops", "live_params"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--accuracy", "cifar10_test_90"), "it has cifar10_test_200, cifar100_test_200"),
        (("--proxies", "snipp"), "did you mean 'snip'"),
        (("--proxies", ","), "names none"),
        (("--subset", "dead"), "known: all, connected, live"),
        (("--failures", "first"), "no failure policy"),
        (("--json", "--csv"), "either --json or --csv"),
    ],
)
def test_wrong_use_is_one_line(scores, table, options, message):
    with pytest.raises(InputError, match=message) as caught:
        run("correlate", scores, "--table", table, "--resamples", 0, *options)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_a_data_error(table, tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        run("correlate", tmp_path / "nothing.parquet", "--table", table)


def test_scores_without_a_space_have_no_baseline(frame, table, tmp_path):
    frame.attrs = {}
    write_scores(frame, tmp_path / "bare.csv")
    found = evaluate(tmp_path / "bare.csv", str(table), None, "all", "all")
    assert found.baseline is None
    assert found.protocol == "protocol not stated in the file"
    assert "no baseline" in run(
        "correlate", tmp_path / "bare.csv", "--table", table, "--resamples", 0
    )
    with pytest.raises(InputError, match="needs a space"):
        evaluate(tmp_path / "bare.csv", str(table), None, "all", "live")


def column(dataset, split="test", epochs=200, seed=None, release=None):
    return {
        "dataset": dataset, "split": split, "epochs": epochs, "seed": seed, "release": release
    }  # fmt: skip


def test_the_default_accuracy_is_the_longest_mean_test_of_the_data_set():
    columns = {
        "other": column("cifar10"),
        "short": column("cifar100", epochs=12),
        "long": column("cifar100"),
        "one": column("cifar100", epochs=300, seed=7),
        "old": column("cifar100", epochs=400, release="v11"),
        "valid": column("cifar100", "valid", 500),
    }
    assert default_accuracy(columns, "cifar100") == "long"
    assert default_accuracy(columns, "noise") == "other"
    assert default_accuracy({}, "noise") is None


def test_report_writes_the_folder(scores, table, tmp_path):
    out = tmp_path / "reports" / "mine"
    text = run("report", scores, "--out", out, "--table", table, "--resamples", 10, "--k", 5)
    assert text.strip() == str(out / "README.md")
    readme = (out / "README.md").read_text(encoding="utf-8")
    assert "cifar100 test accuracy, 200 epochs" in readme
    assert "`5ca1ab1e`" in readme
    assert "disconnected 3" in readme
    assert (out / "scores.svg").is_file()
