import json
import sqlite3
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from zcproxy import spaces, tables
from zcproxy.analysis import spearman
from zcproxy.cli.correlate import correlate
from zcproxy.cli.evaluation import default_accuracy, evaluate, sampled, whole
from zcproxy.cli.report import report
from zcproxy.configuration import Configuration
from zcproxy.errors import DataError, InputError
from zcproxy.sampling import place
from zcproxy.store import Row, Store, export, write_scores

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
    for name in ("snip", "nwot", "live_params", "baseline", "overlap@10", "regret@10", "top 10 %"):
        assert name in text
    text = " ".join(text.split())
    assert "59 architectures (subset all)" in text
    assert "accuracy cifar100_test_200 (%), failures omit" in text
    assert "protocol clean, 64 images of cifar100, seed 0" in text
    assert "left out: 1 scored architectures without accuracy" in text
    assert "k = 100 left out: only 59 with scores and accuracy" in text
    assert "@100" not in text


def test_a_long_name_is_folded_and_no_number_cut(scores, table):
    name = "snip+nwot+params+flops+live_params+live_convs+depth:log-rank"
    options = ["--table", table, "--resamples", 20, "--proxies", f"nwot,{name}"]
    text = run("correlate", scores, *options)
    row = next(line for line in text.splitlines() if line.split()[:1] == ["nwot"])
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= 100
    assert len(row.replace("[", "").split()) == 11  # name, 2 estimates with ends, 4 more


def test_a_reason_is_told_once(scores, table):
    text = " ".join(run("correlate", scores, "--table", table, "--resamples", 0, "--k", 57).split())
    assert "snip: overlap@57, regret@57: only 56 architectures to select 57 from" in text
    few = scores.with_name("few.csv")
    made = pd.DataFrame(
        {"architecture": pd.read_csv(table)["arch_str"][:4], "one": 1.0, "two": 2.0}
    )
    write_scores(made, few)
    text = run("correlate", few, "--table", table, "--resamples", 0)
    assert text.count("all 4 scores are equal") == 1
    assert "all proxies: top10: 1 architecture(s)" in " ".join(text.split())
    data = json.loads(run("correlate", few, "--table", table, "--resamples", 0, "--json"))
    assert {"proxies": ["one", "two"], "columns": ["top10"]}.items() <= data["missing"][-1].items()
    assert data["ks"] == []


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


def test_all_stands_for_the_columns_of_the_file(scores, table):
    options = ("--table", table, "--resamples", 0, "--proxies", "snip+nwot:log-rank,all,nwot")
    told = json.loads(run("correlate", scores, *options, "--json"))["proxies"]
    plain = json.loads(run("correlate", scores, *options[:4], "--json"))["proxies"]
    names = [row["proxy"] for row in told]
    assert names == ["snip+nwot:log-rank", *(row["proxy"] for row in plain)]


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


@pytest.fixture
def digits(tmp_path, monkeypatch):
    """A table of two networks of digits201, and strings that name the first otherwise."""
    monkeypatch.setenv("ZCPROXY_DATA", str(tmp_path / "data"))
    known = spaces.get("digits201")
    first, *twins = (a for a in known.architectures() if known.key(a) == known.key(CONV))
    other = next(a for a in known.architectures() if known.key(a) not in known.key(CONV))
    frame = pd.DataFrame({"architecture": [first, other], "digits_test_4": [80.0, 40.0]})
    tables.write(tables.finish(frame, "digits201"), tmp_path / "data/tables/digits201.parquet")
    return first, twins, other


CONV = "|none~0|+|none~0|none~1|+|nor_conv_3x3~0|none~1|none~2|"
DIGITS = RUN | {"space": "digits201", "dataset": "digits"}


def evaluated(tmp_path, architectures, run_facts=DIGITS):
    made = pd.DataFrame({"architecture": architectures, "snip": range(len(architectures))})
    made.attrs = dict(run_facts)
    write_scores(made, tmp_path / "own.parquet")
    return evaluate(tmp_path / "own.parquet", None, None, "all", "all")


def test_a_network_under_another_string_has_its_accuracy_once(digits, tmp_path):
    _first, twins, other = digits
    found = evaluated(tmp_path, [twins[0], other, twins[1]])
    known = found.accuracies.dropna()
    assert known[twins[0]] == 80.0 and known[other] == 40.0
    assert twins[1] not in known.index
    assert (found.compared, found.without_accuracy) == (2, 1)
    assert "equal network that the table names otherwise: 1 " in found.notes[0]
    assert found.accuracies.attrs["epochs"] == 4


def test_the_string_of_the_table_goes_before_its_equals(digits, tmp_path):
    first, twins, other = digits
    found = evaluated(tmp_path, [twins[0], first, other])
    assert twins[0] not in found.accuracies.index
    assert (found.compared, found.notes) == (2, [])


def test_accuracies_of_nasbench201_belong_to_strings(digits, tmp_path, monkeypatch):
    first, twins, other = digits
    frame = pd.DataFrame({"architecture": [first, other], "cifar10_test_200": [80.0, 40.0]})
    tables.write(tables.finish(frame, "nasbench201"), tmp_path / "data/tables/nasbench201.parquet")
    found = evaluated(tmp_path, [twins[0], other], RUN)
    assert (found.compared, found.without_accuracy, found.notes) == (1, 1, [])


def test_no_accuracy_at_all_says_what_to_score(digits, tmp_path):
    known = spaces.get("digits201")
    foreign = [
        a for a in known.architectures()[:50] if known.key(a) not in map(known.key, digits[::2])
    ]
    with pytest.raises(InputError, match="zcproxy score --space digits201 --table digits201"):
        evaluated(tmp_path, foreign)


def test_a_store_gives_what_its_file_gives(digits, tmp_path):
    first, twins, other = digits
    settings = Configuration("digits201", "digits", "00", (1, 8, 8), 10)
    known = spaces.get("digits201")
    with Store.open(tmp_path / "s.sqlite", settings) as store:
        store.request([other, twins[0], first], ["snip", "params"])
        store.add([Row(known.key(a), "snip", float(i)) for i, a in enumerate((first, other))], {})
        write_scores(export(store, known), tmp_path / "s.parquet")
    shown = [run("correlate", tmp_path / f"s.{end}", "--k", 1) for end in ("sqlite", "parquet")]
    assert shown[0] == shown[1]
    assert "2 architectures" in shown[0]


def test_a_store_that_is_not_ready_or_old_says_so(digits, tmp_path):
    first, _twins, other = digits
    known = spaces.get("digits201")
    settings = Configuration("digits201", "digits", "00", (1, 8, 8), 10)
    with Store.open(tmp_path / "s.sqlite", settings) as store:
        store.request([first, other], ["snip", "params"])
    found = evaluate(tmp_path / "s.sqlite", None, None, "all", "all")
    assert found.compared == 2
    assert found.notes[0].startswith("2 of 2 architectures are not scored by every proxy yet")
    with Store.open(tmp_path / "s.sqlite", settings) as store:
        store.add([Row(known.key(a), "snip", 1.0) for a in (first, other)], {})
    assert evaluate(tmp_path / "s.sqlite", None, None, "all", "all").notes == []
    with sqlite3.connect(tmp_path / "s.sqlite") as connection:
        connection.execute("DROP TABLE requested")
    connection.close()
    assert "older zcproxy" in evaluate(tmp_path / "s.sqlite", None, None, "all", "all").notes[0]


def test_of_a_stopped_run_a_random_sample_is_taken(space):
    names = space.architectures()[:2000]
    order = np.argsort([place(name) for name in names])
    scored = np.zeros(2000, dtype=bool)
    scored[order[:400]] = scored[order[500:520]] = True  # twenty are equal to one of the first
    frame = pd.DataFrame({"architecture": names, "nwot": 1.0})
    for name in ("synflow", "synflow_log", "snip"):
        frame[name] = np.where(scored, np.arange(2000), np.nan)
        frame[name + "_failure"] = pd.array(np.where(scored, None, "not_scored"), dtype="str")
    kept, notes = sampled(frame)
    told = "a random sample of 400 of 2,000 is taken (20 more are scored, but not at random)"
    assert notes == [f"synflow, snip: {told}"]
    for name in ("synflow", "synflow_log", "snip"):
        assert set(np.flatnonzero(kept[name].notna())) == set(order[:400])
        assert (kept[name + "_failure"] == "not_scored").sum() == 1600
    assert kept["nwot"].equals(frame["nwot"])
    frame.loc[order[20], ["snip", "snip_failure"]] = [np.nan, "not_scored"]
    kept, notes = sampled(frame)
    assert notes[1] == "snip: 419 are scored, no random sample: equal ones count too often"
    assert kept["snip"].notna().sum() == 419
    bare = sampled(frame.drop(columns=["synflow_log", "synflow_log_failure"]))[0]
    assert not any("log" in column for column in bare)
    stated = frame.drop(columns=[c for c in frame if c.endswith("_failure")])
    assert sampled(stated)[1] == []


def test_report_has_a_folder_of_its_own_by_default(scores, table, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = run("report", scores, "--table", table, "--resamples", 0)
    assert text.strip() == "scores-report/README.md"
    readme = (tmp_path / "scores-report" / "README.md").read_text(encoding="utf-8")
    assert "- k = 100 left out: only 59 with scores and accuracy" in readme


def test_report_writes_the_folder(scores, table, tmp_path):
    out = tmp_path / "reports" / "mine"
    text = run("report", scores, "--out", out, "--table", table, "--resamples", 10, "--k", 5)
    assert text.strip() == str(out / "README.md")
    readme = (out / "README.md").read_text(encoding="utf-8")
    assert "CIFAR-100 test accuracy, 200 epochs" in readme
    assert "`5ca1ab1e`" in readme
    assert "disconnected 3" in readme
    assert (out / "scores.svg").is_file()


def test_default_accuracy_of_a_protocol_and_of_a_stand_in():
    columns = {
        name: {"dataset": dataset, "split": "test", "epochs": 200, "seed": None, "release": release}
        for name, dataset, release in (
            ("cifar10_test_200", "cifar10", None),
            ("imagenet16-120_test_200", "imagenet16-120", None),
            ("cifar10-valid_test_200_nbsz", "cifar10-valid", "nbsz"),
            ("imagenet16-120_test_200_nbsz", "imagenet16-120", "nbsz"),
        )
    }
    stand_in = "imagenet16-120-standin"
    assert default_accuracy(columns, stand_in) == "imagenet16-120_test_200"
    assert default_accuracy(columns, "cifar10") == "cifar10_test_200"
    assert default_accuracy(columns, "cifar10", "nbsz") == "cifar10-valid_test_200_nbsz"
    assert default_accuracy(columns, stand_in, "nbsz") == "imagenet16-120_test_200_nbsz"
    del columns["cifar10-valid_test_200_nbsz"]
    assert default_accuracy(columns, "cifar10", "nbsz") == "cifar10_test_200"


def test_combinations_are_rows_of_their_own(scores, table):
    combined = "snip+nwot:mean-rank,snip+flops:log-rank"
    told = json.loads(
        run(
            "correlate", scores, "--table", table, "--proxies", combined, "--resamples", 0, "--json"
        )
    )
    names = [row["proxy"] for row in told["proxies"]]
    assert names[:2] == combined.split(",")
    failed = {row["proxy"]: row["failures"] for row in told["proxies"]}
    assert failed["snip+flops:log-rank"] == failed["snip+nwot:mean-rank"] == 3
    with pytest.raises(InputError, match="az_expressivity"):
        run("correlate", scores, "--table", table, "--proxies", "az_nas")


def test_the_batch_of_a_protocol_of_noise_is_told_as_noise(frame, table, tmp_path):
    frame.attrs["protocol"] = "aznas"
    write_scores(frame, tmp_path / "noise.csv")
    found = evaluate(tmp_path / "noise.csv", str(table), None, "snip", "all")
    assert found.protocol == "protocol aznas, 64 noise inputs in the shape of cifar100, seed 0"


@pytest.fixture
def waiting(tmp_path):
    """Members of `blind` on the embedded benchmark: 30 not scored yet, 4 failed, one of none."""
    from zcproxy.analysis import NAMED

    rng = np.random.default_rng(0)
    chosen = tables.load("digits201")["architecture"][:N]
    made = pd.DataFrame({"architecture": chosen})
    for proxy in NAMED["blind"].members:
        if proxy in ("depth", "live_convs", "live_params"):
            continue
        made[proxy] = [*rng.normal(size=26), *[None] * 34]
        made[proxy] = made[proxy].astype(float)
        made[f"{proxy}_failure"] = [None] * 26 + ["degenerate"] * 4 + ["not_scored"] * 30
    made["zen"], made["zen_failure"] = np.nan, "not_applicable"
    made.attrs = {**RUN, "space": "digits201", "dataset": "digits"}
    write_scores(made, tmp_path / "waiting.parquet")
    return tmp_path / "waiting.parquet"


NOTES = [
    "blind is without zen: applicable to none of the architectures",
    "blind takes failures of a member for its lowest value: degenerate 4",
]


def test_what_was_not_scored_is_no_score_of_a_combination(waiting):
    words = ("correlate", waiting, "--proxies", "blind,meco", "--resamples", 0)
    found = json.loads(run(*words, "--json"))
    rows = {row["proxy"]: row for row in found["proxies"]}
    assert (rows["blind"]["n"], rows["blind"]["failures"]) == (30, 0)
    assert (rows["meco"]["n"], rows["meco"]["failures"]) == (26, 4)
    assert set(NOTES) < set(found["notes"])
    text = run(*words)
    assert all(note in text for note in NOTES)


def test_a_report_tells_failures_of_a_combination(waiting, tmp_path):
    words = ("report", waiting, "--proxies", "blind,meco", "--resamples", 0)
    run(*words, "--out", tmp_path / "out")
    text = (tmp_path / "out" / "README.md").read_text()
    assert "- `blind` has no value for 30 architectures: not_scored 30\n" in text
    assert all(f"- {note}\n" in text for note in NOTES)


def test_the_page_tells_failures_of_a_combination(waiting, tmp_path):
    from zcproxy.cli.exploring import part
    from zcproxy.page.content import failures

    found = part(waiting, None, None, "blind,meco", "all")
    assert dict(failures(found.scores, ["blind", "meco"])) == {
        "blind": {"not_scored": 30},
        "meco": {"not_scored": 30, "degenerate": 4},
    }
    assert list(found.source.notes)[-2:] == NOTES
    own = pd.read_parquet(waiting)
    own["architecture"], own.attrs = [f"net{i}" for i in range(N)], {}
    for proxy in ("depth", "live_convs", "live_params"):
        own[proxy] = np.arange(float(N))
    write_scores(own, tmp_path / "own.csv")
    found = part(tmp_path / "own.csv", None, None, "blind", "all")
    assert dict(failures(found.scores, ["blind"])) == {"blind": {"not_scored": 30}}
    assert list(found.source.notes)[-2:] == NOTES


def test_of_all_proxies_those_of_a_sample_are_left_out_where_others_are_whole(frame):
    part = frame.assign(zico=1.0, zico_failure=["not_scored"] * (N - 9) + [None] * 9)
    names = ["snip", "nwot", "zico"]
    kept, (note,) = whole(part, names, ["all"])
    assert kept == ["snip", "nwot"]
    assert "only a sample is scored: zico" in note
    assert whole(part, names, ["all", "zico"]) == (names, [])
    assert whole(part, ["zico", "params"], ["all"]) == (["zico", "params"], [])
    assert whole(frame, names[:2], ["all"]) == (names[:2], [])


def test_accuracies_of_another_space_are_refused(scores):
    with pytest.raises(InputError, match="scores of nasbench201, the table digits201 accuracies"):
        run("correlate", scores, "--table", "digits201")
