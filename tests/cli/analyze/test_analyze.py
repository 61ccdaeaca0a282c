"""`zcproxy analyze`: files of scores in, tables, folders and one-line errors out."""

import csv
import io
import json

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from scipy import stats
from typer.testing import CliRunner

from zcproxy import spaces
from zcproxy.cli.analyze import analyze_app
from zcproxy.cli.analyze.findings import Section, widths
from zcproxy.errors import DataError, InputError
from zcproxy.store import write_scores

N = 60
SPACE = spaces.get("nasbench201")
NAMES = SPACE.architectures()[100 : 100 + N]
RUN = {
    "space": "nasbench201",
    "dataset": "cifar10",
    "protocol": "clean",
    "batch_size": 64,
    "batch_seed": 0,
    "batch_sha256": "0",
    "shape": [3, 32, 32],
    "classes": 10,
    "seed": 0,
}
QUALITY = np.random.default_rng(0).normal(size=N)


@pytest.fixture
def make(tmp_path):
    """A writer of a file of scores, with changes to what it tells about its run."""

    def written(name, noise=1, **changes):
        run = {**RUN, **changes}
        run["batch_sha256"] = str(run["batch_seed"])
        rng = np.random.default_rng(noise)
        snip = QUALITY + 0.3 * rng.normal(size=N)
        snip[:2] = np.nan
        columns = {"architecture": NAMES, "snip": snip}
        columns |= {"snip_failure": ["disconnected"] * 2 + [None] * (N - 2)}
        columns |= {"nwot": rng.normal(size=N), "plain": np.exp(-QUALITY + rng.normal(size=N))}
        frame = pd.DataFrame(columns)
        frame.attrs = run
        path = tmp_path / f"{name}.parquet"
        write_scores(frame, path)
        return path

    return written


@pytest.fixture
def table(tmp_path):
    """Accuracies of two data sets, one after 12 epochs as well."""
    rng = np.random.default_rng(9)
    columns = {"arch_str": NAMES}
    for name in ("cifar10_test_200", "cifar100_test_200", "cifar10_test_12"):
        columns[name] = 80 + 3 * QUALITY + rng.normal(size=N)
    pd.DataFrame(columns).to_csv(tmp_path / "accuracies.csv", index=False)
    return tmp_path / "accuracies.csv"


@pytest.fixture
def devices(tmp_path, monkeypatch):
    """A data folder with costs of two devices, one of which cannot run everything."""
    rng = np.random.default_rng(8)
    order = {text: i for i, text in enumerate(SPACE.architectures())}
    index = [order[name] for name in NAMES]
    frame = pd.DataFrame({"dataset": "cifar10", "index": index, "pi_latency": rng.random(N) + 1})
    frame["tpu_energy"] = np.where(np.arange(N) < 5, -1.0, 2.0)
    (tmp_path / "nasbench201").mkdir()
    frame.to_csv(tmp_path / "nasbench201" / "hw_nas_bench.csv.gz", index=False)
    monkeypatch.setenv("ZCPROXY_DATA", str(tmp_path))


def run(*arguments):
    result = CliRunner().invoke(analyze_app, [str(argument) for argument in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def data(*arguments):
    return json.loads(run(*arguments, "--resamples", 20, "--json"))


def pick(rows, **wanted):
    (found,) = [r for r in rows if all(r[name] == value for name, value in wanted.items())]
    return found


def values(path, name):
    return pd.read_parquet(path).set_index("architecture")[name]


def test_stability_of_seeds(make):
    paths = [make(f"s{seed}", noise=seed, seed=seed) for seed in (1, 2, 3)]
    found = data("stability", *paths)
    row = pick(found["tables"]["stability"], proxy="snip")
    pairs = [(0, 1), (0, 2), (1, 2)]
    columns = [values(path, "snip").to_numpy()[2:] for path in paths]
    expected = np.mean([stats.spearmanr(columns[i], columns[j]).statistic for i, j in pairs])
    assert row["spearman"] == pytest.approx(expected)
    assert (row["varying"], row["runs"], row["n"], row["incomplete"]) == ("seed", 3, N - 2, 2)
    assert {r["proxy"] for r in found["tables"]["stability"]} == {"snip", "nwot", "plain"}
    assert any("live_params" in fact for fact in found["facts"])
    text = run("stability", *paths, "--resamples", 20)
    assert "3 runs that differ in seed" in text
    assert "ICC(2,1)" in text


def test_stability_tells_seeds_from_batches(make):
    paths = [make("a", 1), make("b", 2, seed=1), make("c", 3, batch_seed=1)]
    rows = data("stability", *paths)["tables"]["stability"]
    assert [r["varying"] for r in rows if r["proxy"] == "snip"] == [
        "seed",
        "batch",
        "seed and batch",
    ]
    assert [r["runs"] for r in rows if r["proxy"] == "snip"] == [2, 2, 3]
    only = data("stability", *paths[::2])["tables"]["stability"]
    assert {r["varying"] for r in only} == {"batch"}
    both = [make("d", 4, seed=5, batch_seed=5), paths[0]]
    assert {r["varying"] for r in data("stability", *both)["tables"]["stability"]} == {
        "seed and batch"
    }


def test_stability_counts_pairs_that_share_nothing(make):
    paths = [make("a", 1), make("b", 2, seed=1), make("c", 3, batch_seed=1)]
    found = data("stability", *paths)
    row = pick(found["tables"]["stability"], proxy="nwot", varying="seed and batch")
    apart = stats.spearmanr(values(paths[1], "nwot"), values(paths[2], "nwot")).statistic
    assert row["spearman"] == pytest.approx(apart)
    assert row["compared"] == 1
    assert any("means over the 1 of 3 pairs" in fact for fact in found["facts"])


def test_stability_says_whether_averaging_helps(make, table, tmp_path, monkeypatch):
    paths = [make(f"s{seed}", noise=seed, seed=seed) for seed in (1, 2, 3)]
    asked = ("--table", table, "--accuracy", "cifar10_test_200")
    by = ("--proxies", "snip,snip+nwot:mean-rank")
    found = data("stability", *paths, *asked, *by)
    truth = pd.read_csv(table)["cifar10_test_200"].to_numpy()[2:]
    for proxy, columns in (("snip", ["snip"]), ("snip+nwot:mean-rank", ["snip", "nwot"])):
        row = pick(found["tables"]["stability"], proxy=proxy)
        ranks = [
            stats.rankdata(sum(stats.rankdata(values(path, c).to_numpy()[2:]) for c in columns))
            for path in paths
        ]
        expected = stats.spearmanr(np.mean(ranks, axis=0), truth).statistic
        assert row["averaged"] == pytest.approx(expected)
        each = [stats.spearmanr(one, truth).statistic for one in ranks]
        assert row["single"] == pytest.approx(np.mean(each))
        assert row["single_least"] == pytest.approx(min(each))
        assert row["n_accuracy"] == N - 2
    assert "accuracy cifar10_test_200 (%)" in found["facts"]
    text = run("stability", *paths, *asked, *by, "--resamples", 5)
    assert "Does averaging help? Spearman with cifar10_test_200" in text
    rows = csv.DictReader(io.StringIO(run("stability", *paths, *asked, "--csv", "--resamples", 5)))
    assert {"single", "averaged", "averaged_low", "gain"} <= set(next(rows))
    monkeypatch.setenv("ZCPROXY_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    found = data("stability", *paths)
    assert any("agreement with accuracy left out: there is no table" in f for f in found["facts"])
    assert "averaged" not in found["tables"]["stability"][0]
    with pytest.raises(DataError, match="no table 'nasbench201' found"):
        run("stability", *paths, "--accuracy", "cifar10_test_200")
    pd.read_csv(table).assign(arch_str=SPACE.architectures()[:N]).to_csv(table, index=False)
    with pytest.raises(InputError, match="none of the architectures has an accuracy"):
        run("stability", *paths, "--table", table)


@pytest.mark.parametrize("question", ["redundancy", "bias", "ranges", "transfer", "hardware"])
def test_no_resamples_no_intervals(make, table, devices, question):
    beside = () if question == "redundancy" else ("--table", table)
    path = make("a")
    text = run(question, path, *beside, "--resamples", 0)
    assert "snip" in text
    run(question, path, *beside, "--resamples", 0, "--out", path.parent / "out")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"protocol": "aznas"}, "differ in protocol: clean and aznas"),
        ({"dataset": "cifar100"}, "differ in dataset: cifar10 and cifar100"),
        ({"batch_size": 32}, "differ in batch size: 64 and 32"),
        ({"protocol_revision": 2, "seed": 1}, "differ in protocol revision: None and 2"),
        ({}, "both of seed 0 and batch seed 0"),
    ],
)
def test_runs_that_are_not_compared(make, changes, message):
    with pytest.raises(InputError, match=message):
        run("stability", make("a"), make("b", **changes))


def test_stability_needs_two_files(make, tmp_path):
    path = make("a")
    with pytest.raises(InputError, match="only one file; give two or more"):
        run("stability", path)
    with pytest.raises(InputError, match="named twice"):
        run("stability", path, path)
    bare = tmp_path / "bare.csv"
    values(path, "nwot").reset_index().to_csv(bare, index=False)
    with pytest.raises(InputError, match=r"bare\.csv does not state its protocol"):
        run("stability", path, bare)
    with pytest.raises(DataError, match="cannot be read"):
        run("stability", path, tmp_path / "absent.parquet")


def test_bare_files_are_compared_by_name(make, tmp_path):
    for name, noise in (("one", 1), ("two", 2)):
        frame = values(make(name, noise), "nwot").reset_index()
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
    found = data("stability", tmp_path / "one.csv", tmp_path / "two.csv")
    assert found["tables"]["stability"][0]["varying"] == "run"
    assert any("protocol not stated" in fact for fact in found["facts"])


def test_nothing_is_left_out_without_a_word(make, table):
    path, other = make("a"), make("b", 2, seed=1)
    half = pd.read_parquet(other).iloc[:40]
    half.attrs = RUN | {"seed": 1, "batch_sha256": "0"}
    write_scores(half, other)
    found = data("stability", path, other)
    assert "left out of seed: 20 architectures not in all its files" in found["facts"]
    assert pick(found["tables"]["stability"], proxy="nwot")["n"] == 40
    pd.read_csv(table).iloc[:50].to_csv(table, index=False)
    found = data("transfer", path, "--table", table)
    assert "left out of cifar10: 10 architectures without all accuracies" in found["facts"]


def test_redundancy(make):
    path = make("a")
    found = data("redundancy", path, "--proxies", "snip,plain,live_params")
    row = pick(found["tables"]["pairs"], proxy="snip", other="plain")
    both = pd.read_parquet(path).iloc[2:]
    assert row["spearman"] == pytest.approx(stats.spearmanr(both["snip"], both["plain"]).statistic)
    assert row["n"] == N - 2
    assert 1 < pick(found["tables"]["effective"], measure="entropy")["value"] < 3
    text = run("redundancy", path, "--resamples", 10)
    assert "How many proxies in effect" in text
    assert "live_convs" in text
    with pytest.raises(InputError, match="name two or more"):
        run("redundancy", path, "--proxies", "snip")


def test_bias(make, table):
    path = make("a")
    found = data("bias", path, "--table", table, "--proxies", "snip")
    rows = found["tables"]["bias"]
    counted = {r["count"] for r in rows}
    assert {"params", "live_params", "flops", "depth", "n_skip", "n_none", "(all)"} <= counted
    skips = np.array([name.count("skip_connect") for name in NAMES])
    row = pick(rows, proxy="snip", count="n_skip")
    expected = stats.spearmanr(values(path, "snip").to_numpy()[2:], skips[2:]).statistic
    assert row["spearman"] == pytest.approx(expected)
    assert row["n"] == N - 2
    assert pick(rows, proxy="(accuracy)", count="n_skip")["n"] == N
    text = run("bias", path, "--table", table, "--resamples", 10)
    assert "Spearman with accuracy, given counts" in text
    assert "95 % intervals reach at most" in text


def test_bias_needs_counts(make, tmp_path, table):
    bare = tmp_path / "bare.csv"
    values(make("a"), "nwot").reset_index().to_csv(bare, index=False)
    with pytest.raises(
        InputError, match="no counts to compare with; score params, flops or live_params"
    ):
        run("bias", bare, "--table", table)


def test_ranges(make, table):
    path = make("a")
    found = data(
        "ranges", path, "--table", table, "--bands", 4, "--top", 0.5, "--k", 5, "--halves", 10
    )
    rows = found["tables"]["ranges"]
    assert [r["range"] for r in rows if r["proxy"] == "nwot"] == [
        "all",
        *(f"band {b} of 4" for b in (1, 2, 3, 4)),
        "top 50 %",
    ]
    assert sum(r["n"] for r in rows if r["proxy"] == "nwot" and "band" in r["range"]) == N
    five = pick(found["tables"]["selections"], proxy="nwot", selected="5 best")
    assert five["chance_overlap"] == pytest.approx(5 / N)
    text = run("ranges", path, "--table", table, "--resamples", 5, "--halves", 5)
    assert "(random pick)" in text
    assert "58 – 60" in text  # n of all: snip has two failures
    assert "(6)" in text  # picked of 60 for 10 %
    assert "k = 100 left out" in text
    text = run("ranges", path, "--table", table, "--resamples", 5, "--k", 20)
    assert "[halves]" in text
    assert "no interval around the number before it" in " ".join(text.split())


def test_transfer(make, table):
    paths = [make("a"), make("b", 2, dataset="cifar100")]
    found = data("transfer", *paths, "--table", table)
    rows = found["tables"]["transfer"]
    truth = pd.read_csv(table)
    row = pick(rows, proxy="nwot", scored_on="cifar100", accuracy="cifar10_test_12")
    expected = stats.spearmanr(values(paths[1], "nwot"), truth["cifar10_test_12"]).statistic
    assert row["spearman"] == pytest.approx(expected)
    between = stats.spearmanr(truth["cifar100_test_200"], truth["cifar10_test_12"]).statistic
    assert row["ceiling"] == pytest.approx(between)
    assert len(found["tables"]["accuracies"]) == 3
    one = data("transfer", paths[0], "--table", table, "--accuracy", "cifar100_test_200")
    assert {r["accuracy"] for r in one["tables"]["transfer"]} == {
        "cifar10_test_200",
        "cifar100_test_200",
    }
    again = pick(found["tables"]["between"], proxy="nwot")
    pair = [values(path, "nwot") for path in paths]
    assert again["spearman"] == pytest.approx(stats.spearmanr(*pair).statistic)
    assert (again["scored_on"], again["other"], again["n"]) == ("cifar10", "cifar100", N)
    assert "between" not in one["tables"]
    text = run("transfer", *paths, "--table", table, "--resamples", 5)
    assert "Every proxy with itself on another data set" in text
    assert "nwot @ cifar100" in text
    with pytest.raises(InputError, match="both scored on cifar10"):
        run("transfer", paths[0], make("c", 3, seed=1), "--table", table)
    with pytest.raises(InputError, match="no accuracy 'nosuch'"):
        run("transfer", paths[0], "--table", table, "--accuracy", "nosuch")
    with pytest.raises(InputError, match="differ in protocol"):
        run("transfer", paths[0], make("d", dataset="cifar100", protocol="aznas"))


def test_hardware(make, table, devices):
    path = make("a")
    fast = ("--table", table, "--halves", 5)
    found = data("hardware", path, *fast)
    rows = found["tables"]["hardware"]
    assert {r["cost"] for r in rows} == {"pi_latency", "tpu_energy"}
    assert pick(rows, cost="tpu_energy", proxy="nwot")["without_cost"] == 5
    assert pick(rows, cost="pi_latency", proxy="snip")["failures"] == 2
    assert pick(rows, cost="pi_latency", proxy="(accuracy)")["recall"] == 1
    assert {"live_params", "(random)"} <= {r["proxy"] for r in rows}
    assert any("tpu_energy: 5" in fact for fact in found["facts"])
    text = run("hardware", path, *fast, "--cost", "pi_latency", "--resamples", 5)
    assert "Hypervolume" in text
    assert "given the cost" in text
    assert "[halves]" in text
    median = pd.read_csv(table)["cifar10_test_200"].median()
    assert f"Reference: {median:.2f} %, " in " ".join(text.split())
    assert -1 <= pick(rows, cost="pi_latency", proxy="nwot")["partial"] <= 1
    assert "tpu" not in text
    with pytest.raises(InputError, match="no cost named 'pi_latancy'; did you mean 'pi_latency'"):
        run("hardware", path, "--table", table, "--cost", "pi_latancy")


def test_hardware_is_of_one_space(make, table, tmp_path, monkeypatch):
    with pytest.raises(InputError, match="holds scores of digits201"):
        run("hardware", make("a", space="digits201"), "--table", table)
    with pytest.raises(InputError, match="the costs of devices are of nasbench201, the scores of"):
        run("hardware", make("c", space="digits201"))
    monkeypatch.setenv("ZCPROXY_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(DataError, match="no costs of devices found"):
        run("hardware", make("b"), "--table", table)


def test_folders_hold_text_numbers_and_pictures(make, table, devices, tmp_path):
    a, b = make("a"), make("b", 2, seed=1)
    accuracies = ("--table", table)
    cases = {
        "stability": ([a, b], ["averages-seed"]),
        "redundancy": ([a], ["correlations"]),
        "bias": ([a, *accuracies], ["counts", "given"]),
        "ranges": ([a, *accuracies, "--halves", 5], ["ranges"]),
        "transfer": ([a, *accuracies], ["transfer"]),
        "hardware": (
            [a, *accuracies, "--halves", 5],
            ["fronts", "scores-pi_latency", "hypervolume"],
        ),
    }
    for name, (arguments, pictures) in cases.items():
        out = tmp_path / "reports" / name
        text = run(name, *arguments, "--resamples", 5, "--proxies", "snip,nwot,plain", "--out", out)
        assert str(out / "README.md") in text.replace("\n", "")
        readme = (out / "README.md").read_text(encoding="utf-8")
        assert "## Made by" in readme
        assert name != "hardware" or "Reference: " in readme
        for picture in pictures:
            assert f"({picture}.png)" in readme
            assert (out / f"{picture}.png").stat().st_size > 1000
            assert (out / f"{picture}.svg").read_text(encoding="utf-8").startswith("<?xml")
        assert (out / f"{name}.csv").read_text(encoding="utf-8").count("\n") > 2
        for mentioned in readme.split("`"):
            if mentioned.endswith(".csv") and "/" not in mentioned and " " not in mentioned:
                assert (out / mentioned).exists()


def test_csv_is_the_main_table(make):
    text = run("stability", make("a"), make("b", 2, seed=1), "--csv", "--resamples", 5)
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["proxy"] for row in rows] == ["snip", "nwot", "plain"]
    assert float(rows[0]["spearman"]) > 0.5
    with pytest.raises(InputError, match="either --json or --csv"):
        run("redundancy", make("c"), "--csv", "--json")


def test_no_table_is_one_clear_line(make, tmp_path, monkeypatch):
    monkeypatch.setenv("ZCPROXY_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("bias", "ranges", "transfer", "hardware"):
        with pytest.raises(DataError, match="no table 'nasbench201' found"):
            run(name, make("a"))


def test_real_accuracies_agree_as_their_readme_says(shared_data, tmp_path):
    """12 against 200 epochs, CIFAR-10 against CIFAR-100, validation against test."""
    frame = pd.DataFrame({"architecture": SPACE.architectures(), "constant": 1.0})
    frame["place"] = np.arange(len(frame), dtype=float)
    frame.attrs = dict(RUN)
    path = tmp_path / "all.parquet"
    write_scores(frame, path)
    found = json.loads(
        run("transfer", path, "--accuracy", "cifar100_test_200", "--accuracy", "cifar10_valid_12",
            "--accuracy", "cifar10_valid_200", "--proxies", "place", "--resamples", 2, "--json")
    )  # fmt: skip
    rows = found["tables"]["accuracies"]
    mine = {r["other"]: r["spearman"] for r in rows if r["accuracy"] == "cifar10_test_200"}
    assert mine["cifar10_valid_12"] == pytest.approx(0.772, abs=0.0006)
    assert mine["cifar100_test_200"] == pytest.approx(0.980, abs=0.0006)
    assert mine["cifar10_valid_200"] == pytest.approx(0.984, abs=0.0006)
    assert {r["n"] for r in rows} == {15625}


def changed(path, **columns):
    """The file with other columns."""
    frame = pd.read_parquet(path).assign(**columns)
    frame.attrs = json.loads(pq.read_schema(path).metadata[b"zcproxy"])
    frame.attrs.pop("rows")
    write_scores(frame, path)
    return path


def test_stability_of_a_proxy_that_applies_to_nothing(make, table, tmp_path):
    nothing = {"meco": np.nan, "meco_failure": "not_applicable"}
    paths = [changed(make(f"s{seed}", noise=seed, seed=seed), **nothing) for seed in (1, 2)]
    asked = ("--table", table, "--accuracy", "cifar10_test_200", "--resamples", 5)
    found = data("stability", *paths, *asked)
    row = pick(found["tables"]["stability"], proxy="meco")
    assert (row["n"], row["averaged"]) == (0, None)
    assert "with a value in all runs" in row["reason"]
    assert pick(found["tables"]["stability"], proxy="snip")["averaged"] is not None
    run("stability", *paths, *asked, "--out", tmp_path / "out")


@pytest.mark.parametrize("asked", ["all", "snip, all", " all ,snip", "all,params"])
def test_counts_are_left_out_unless_named(make, asked):
    paths = [make(f"s{seed}", noise=seed, seed=seed) for seed in (1, 2)]
    found = data("stability", *paths, "--proxies", asked)
    named = {"params"} if "params" in asked else set()
    proxies = {row["proxy"] for row in found["tables"]["stability"]}
    assert proxies == {"snip", "nwot", "plain"} | named
    (left,) = [fact for fact in found["facts"] if fact.startswith("left out, the same in every")]
    counted = left.partition(": ")[2].split(", ")
    assert {"flops", "live_params"} <= set(counted)
    assert named.isdisjoint(counted) and ("params" in counted) == (not named)


AZ_NAS = ("az_expressivity", "az_progressivity", "az_trainability")


def test_combinations_say_who_comes_last(make, table):
    rng = np.random.default_rng(3)
    paths = []
    for seed, lost in ((1, 4), (2, 6)):
        columns = {name: rng.normal(size=N) for name in AZ_NAS}
        columns["az_trainability"][:lost] = np.nan
        columns["az_trainability_failure"] = ["overflow"] * lost + [None] * (N - lost)
        paths.append(changed(make(f"s{seed}", noise=seed, seed=seed), **columns))
    told = "az_nas takes failures of a member for its lowest value: overflow"
    by = ("--proxies", "az_nas,snip")
    both = data("stability", *paths, *by)["facts"]
    assert [fact for fact in both if told in fact] == [
        f"{paths[0]}: {told} 4",
        f"{paths[1]}: {told} 6",
    ]
    assert f"{told} 4" in data("redundancy", paths[0], *by)["facts"]
    assert f"{told} 4" in data("transfer", paths[0], *by, "--table", table)["facts"]


def test_averaging_says_that_all_runs_enter(make, table):
    paths = [make("a", 1), make("b", 2, seed=1), make("c", 3, batch_seed=1)]
    asked = ("--table", table, "--accuracy", "cifar10_test_200", "--resamples", 5)
    text = " ".join(run("stability", *paths, *asked).split())
    assert text.count("All runs enter, those that share a seed or a batch, too.") == 1
    told = CliRunner().invoke(analyze_app, ["stability", "--help"]).stdout
    assert "those that share a seed or a batch too" in " ".join(told.replace("│", "").split())


def test_no_number_of_a_table_is_cut_on_the_screen(make, table):
    """Every cell of every table is whole in the output, names but for where they are folded."""
    name = "snip+nwot+plain+params+flops+live_params+live_convs+depth:log-rank"
    options = ["--table", str(table), "--resamples", "5", "--proxies", f"snip,{name}"]
    for question in ("bias", "transfer"):
        words = [question, str(make("scores")), *options]
        text = CliRunner().invoke(analyze_app, words, env={"COLUMNS": "60"}).output
        told = json.loads(CliRunner().invoke(analyze_app, [*words, "--json"]).output)
        assert "…" not in text
        lines = text.splitlines()
        heads = [i for i, line in enumerate(lines) if line.strip().startswith("proxy")]
        assert len(heads) >= 2, told["title"]
        for head in heads:
            rows = [line for line in lines[head + 2 :] if line.strip()][:2]
            full = len(rows[0].split())
            assert any(len(row.split()) == full for row in rows[1:]), rows


def test_widths_fold_heads_before_names_and_never_numbers():
    header = ("proxy", "a long head of a column", "n")
    rows = [("snip", ".123", "15,625"), ("a" * 50, "–", "9")]
    section = Section("title", "frame", header, rows, "")
    assert widths(section, 200) == [50, 23, 6]
    assert widths(section, 40) == [20, 14, 6]
    assert widths(section, 60) == [31, 23, 6]
    assert widths(section, 10) == [20, 4, 6]
