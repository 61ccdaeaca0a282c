"""`zcproxy analyze supervised` on the embedded benchmark, with counts as proxies."""

import csv
import io
import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from typer.testing import CliRunner

from zcproxy import spaces, tables
from zcproxy.analysis import NAMED
from zcproxy.cli.analyze import analyze_app
from zcproxy.errors import InputError
from zcproxy.store import read_scores, write_scores

SPACE = spaces.get("digits201")
TABLE = tables.load("digits201").iloc[:120]
NAMES = TABLE["architecture"].tolist()
TRUTH = TABLE.set_index("architecture")["digits_test_4"]
FAST = ("--draws", "2", "--labels", "10")
MEMBERS = ("az_expressivity", "meco", "meco_opt", "nwot", "swap", "zen", "az_trainability")
TWIN = "|nor_conv_3x3~0|+|none~0|none~1|+|none~0|nor_conv_1x1~1|none~2|"
EQUAL = "|none~0|+|nor_conv_3x3~0|none~1|+|none~0|none~1|nor_conv_1x1~2|"


@pytest.fixture
def make(tmp_path):
    """A writer of scores of the first networks of the embedded benchmark."""

    def written(name="scores", names=NAMES, proxies=("flops", "nwot"), **attributes):
        rng = np.random.default_rng(0)
        counts = pd.DataFrame([SPACE.counts(text) for text in names])
        columns = {p: counts[p] if p in counts else rng.normal(size=len(names)) for p in proxies}
        frame = pd.DataFrame({"architecture": names, **columns})
        frame.loc[0, "nwot"] = np.nan
        frame["nwot_failure"] = ["disconnected"] + [None] * (len(names) - 1)
        frame.attrs = {"space": "digits201", "dataset": "digits", "protocol": "clean", "seed": 0,
                       "batch_size": 64} | attributes  # fmt: skip
        path = tmp_path / f"{name}.parquet"
        write_scores(frame, path)
        return path

    return written


def run(*arguments):
    result = CliRunner().invoke(analyze_app, ["supervised", *map(str, arguments)])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def data(*arguments):
    return json.loads(run(*arguments, "--json"))


def pick(rows, **wanted):
    (found,) = [r for r in rows if all(r[name] == value for name, value in wanted.items())]
    return found


def test_numbers_of_the_embedded_benchmark(make):
    found = data(make(), *FAST, "--labels", 30, "--beside", "flops")
    rows = found["tables"]["supervised"]
    assert [(r["features"], r["model"], r["labels"]) for r in rows] == [
        (features, model, labels)
        for features in ("proxies", "operations", "both")
        for model in ("ridge", "gaussian_process")
        for labels in (10, 30)
    ]
    assert {r["n"] for r in rows if r["labels"] == 30} == {90}
    beside = pick(found["tables"]["beside"], features="both", model="ridge", labels=30)
    flops = [SPACE.counts(name)["flops"] for name in NAMES]
    assert beside["spearman_all"] == pytest.approx(stats.spearmanr(flops, TRUTH).statistic)
    ridge = pick(rows, features="both", model="ridge", labels=30)
    assert ridge["spearman_low"] <= ridge["spearman"] <= ridge["spearman_high"]
    assert beside["difference"] == pytest.approx(ridge["spearman"] - beside["spearman"])


def test_it_says_that_accuracies_were_used(make, tmp_path):
    path, out = make(), tmp_path / "folder"
    told = {
        "text": run(path, *FAST),
        "json": run(path, *FAST, "--json"),
        "folder": run(path, *FAST, "--out", out) and (out / "README.md").read_text("utf-8"),
    }
    for text in told.values():
        assert "SUPERVISED" in text
        assert "models were trained on accuracies; no proxy" in text.replace("\n", " ")
    result = CliRunner().invoke(analyze_app, ["supervised", "--help"])
    assert "unlike everything else in zcproxy" in " ".join(result.stdout.replace("│", "").split())


def test_the_folder(make, tmp_path):
    out = tmp_path / "reports" / "supervised"
    run(make(), *FAST, "--labels", 30, "--beside", "nwot", "--beside", "flops", "--out", out)
    readme = (out / "README.md").read_text(encoding="utf-8")
    assert "(supervised.png)" in readme
    assert "| ridge on operations |" in readme
    assert "| nwot (no label) |" in readme
    assert "## Spearman minus that of flops (no label), paired in every draw" in readme
    assert (out / "supervised.svg").read_text(encoding="utf-8").startswith("<?xml")
    assert len(pd.read_csv(out / "supervised.csv")) == 12
    assert len(pd.read_csv(out / "beside.csv")) == 24
    rows = list(csv.DictReader(io.StringIO(run(make(), *FAST, "--csv"))))
    assert [row["labels"] for row in rows] == ["10"] * 6
    assert rows[0]["features"] == "proxies"


def test_one_seed_gives_one_result(make):
    path = make()
    first, again = data(path, *FAST, "--seed", 4), data(path, *FAST, "--seed", 4)
    assert first == again
    assert first["tables"] != data(path, *FAST, "--seed", 5)["tables"]


def test_beside_is_blind_where_its_members_are(make):
    def others(path, *options):
        return {r["beside"] for r in data(path, *FAST, *options)["tables"]["beside"]}

    assert others(make("few")) == {"live_params"}
    every = make("every", proxies=(*MEMBERS, "jacob_cov"))
    assert others(every) == {"blind"}
    assert others(every, "--proxies", "blind") == {"blind"}  # also as the only feature
    assert others(every, "--beside", "zen", "--proxies", "nwot") == {"zen"}
    assert set(NAMED["blind_activations"].proxies) <= set(MEMBERS)


def test_a_default_number_of_labels_needs_networks(make):
    found = data(make(), "--draws", 1)
    assert {r["labels"] for r in found["tables"]["supervised"]} == {10, 30, 100}
    assert "labels = 300 left out: only 120 networks" in found["facts"]
    with pytest.raises(InputError, match="119 labels are too many: 120 different networks"):
        run(make(), "--labels", 119)
    with pytest.raises(InputError, match="only 9 different networks have scores and accuracy"):
        run(make("few", NAMES[:9]))


def test_equal_strings_are_one_network(make, tmp_path):
    assert SPACE.key(TWIN) == SPACE.key(EQUAL)
    names = [*NAMES[:20], TWIN, EQUAL]
    path = make("twins", names, space="nasbench201", dataset="cifar10")
    accuracies = pd.DataFrame({"arch_str": names, "cifar10_test_200": np.arange(22) + 70.0})
    accuracies.to_csv(tmp_path / "own.csv", index=False)
    networks = len({SPACE.key(name) for name in names})
    assert networks < 22
    found = data(path, "--table", tmp_path / "own.csv", "--labels", networks - 2, "--draws", 8)
    least, most = ({r[column] for r in found["tables"]["supervised"]} for column in ("n", "n_most"))
    assert (least, most) == ({2}, {22 - networks + 2})
    assert any(f"{networks} different networks" in fact for fact in found["facts"])
    assert any("equal chances for all networks" in fact for fact in found["facts"])
    options = ("--table", tmp_path / "own.csv", "--labels", 5, "--draws", 2)
    other = data(path, *options, "--sample", "strings")
    assert any("equal chances for all strings" in fact for fact in other["facts"])
    assert other["tables"] != data(path, *options)["tables"]


def test_without_a_space_operations_are_left_out(make, tmp_path):
    bare, own = tmp_path / "bare.csv", tmp_path / "own.csv"
    frame = pd.read_parquet(make())
    frame.to_csv(bare, index=False)
    TRUTH.rename("cifar10_test_200").rename_axis("arch_str").reset_index().to_csv(own, index=False)
    found = data(bare, "--table", own, *FAST, "--beside", "nwot")
    assert {r["features"] for r in found["tables"]["supervised"]} == {"proxies"}
    assert "operations, both: the scores name no space of cells" in found["missing"][0]
    assert any("every string counts as a network of its own" in fact for fact in found["facts"])
    with pytest.raises(InputError, match="say what to compare with, as in --beside flops"):
        run(bare, "--table", own, *FAST)


def test_reasons_are_told(make):
    found = data(make(proxies=("flops", "nwot")), *FAST, "--proxies", "flops", "--subset", "all")
    assert found["missing"] == []
    constant = make("constant", proxies=("flops", "nwot"))
    frame = pd.read_parquet(constant)
    frame["flops"] = 1.0
    frame.attrs = {"space": "digits201", "dataset": "digits", "batch_size": 64}
    write_scores(frame, constant)
    missing = data(constant, *FAST, "--proxies", "flops")["missing"]
    assert any("ridge on proxies" in line and "equal" in line for line in missing)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--labels", 2), "2 labels are too few"),
        (("--sample", "rows"), "no sample of labels named 'rows'"),
        (("--beside", "blined"), "no proxy among the scores named 'blined'"),
        (("--beside", "blind"), "the scores lack az_expressivity, .* by zcproxy score --proxies "),
        (("--proxies", "snipp"), "no proxy among the scores named 'snipp'"),
        (("--accuracy", "nosuch"), "has no accuracy 'nosuch'"),
        (("--json", "--csv"), "either --json or --csv"),
    ],
)
def test_wrong_use_is_one_line(make, options, message):
    with pytest.raises(InputError, match=message):
        run(make(), *options)


def test_what_is_not_known_is_left_out_with_a_note(make):
    path = make()
    frame = read_scores(path)
    frame.loc[1:3, "nwot"] = np.nan
    frame.loc[1:3, "nwot_failure"] = ["not_scored", "crashed", "disconnected"]
    write_scores(frame, path)
    found = data(path, *FAST, "--beside", "flops")
    assert (
        "left out: 2 architectures where a score is not known (not scored, crashed, error or "
        "memory)" in found["facts"]
    )
    assert any("118 architectures" in fact for fact in found["facts"])
    rows = found["tables"]["supervised"]
    assert {row["n"] for row in rows} == {108}
    whole = data(path, *FAST, "--beside", "flops", "--proxies", "flops")
    assert {row["n"] for row in whole["tables"]["supervised"]} == {110}
    assert not any("not known" in fact for fact in whole["facts"])
