import json

import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from zcproxy import spaces
from zcproxy.analysis import Combination
from zcproxy.cli.rank import rank
from zcproxy.errors import InputError, InterruptedRun, StoreError
from zcproxy.store import Store, read_scores, write_scores

app = typer.Typer(rich_markup_mode="markdown")
app.command()(rank)


@pytest.fixture
def scores(tmp_path):
    """Twenty architectures: two share the best score, five the next, twelve have none."""
    chosen = spaces.get("nasbench201").architectures()[:20]
    snip = [1.0, 9.0, 9.0, *[3.0] * 5, *[None] * 12]
    failures = [None] * 8 + ["disconnected"] * 12
    frame = pd.DataFrame(
        {"architecture": chosen, "snip": pd.Series(snip, dtype=float), "snip_failure": failures}
    )
    frame.attrs = {"space": "nasbench201", "dataset": "cifar10", "protocol": "clean"}
    write_scores(frame, tmp_path / "scores.parquet")
    return tmp_path / "scores.parquet", chosen


def run(*arguments, code=0):
    result = CliRunner().invoke(
        app, [str(argument) for argument in arguments], env={"COLUMNS": "100"}
    )
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result.output


def test_the_best_come_first_with_shared_ranks(scores):
    path, chosen = scores
    lines = run(path, "--by", "snip", "--top", 3).splitlines()
    ranked = [line.split() for line in lines if "|" in line][:3]
    assert [(row[0], row[1], row[2]) for row in ranked] == [
        ("1=", "9", chosen[1]),
        ("1=", "9", chosen[2]),
        ("3=", "3", chosen[3]),
    ]
    text = "\n".join(lines)
    assert "3 of 8 candidates by snip (scores.parquet, nasbench201, protocol clean)" in text
    assert "4 more share rank 3 (--top 0 lists all)" in text
    assert "12 without a score:" in text
    assert f"{chosen[8]}  snip: disconnected" in text
    assert "and 2 more (--csv lists all)" in text


def test_machines_get_everything(scores):
    path, chosen = scores
    found = json.loads(run(path, "--by", "snip", "--top", 0, "--json"))
    assert (found["by"], found["of"]) == ("snip", 20)
    assert [row["rank"] for row in found["candidates"]] == [1, 1, *[3] * 5, 8, *[None] * 12]
    assert found["candidates"][-1]["reason"] == "snip: disconnected"
    text = run(path, "--by", "snip", "--top", 1, "--csv").splitlines()
    assert text[0] == "rank,architecture,score,reason"
    assert text[1] == f"1,{chosen[1]},9.0,"
    assert len(text) == 1 + 1 + 12


def test_counts_come_from_the_space(scores):
    path, _chosen = scores
    found = json.loads(run(path, "--by", "snip+live_params:log-rank", "--json"))
    first = found["candidates"][0]
    counts = spaces.get("nasbench201").counts(first["architecture"], "cifar10")
    assert first["live_params"] == counts["live_params"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "give one of"),
        (("scores.parquet", "--models", "a:b"), "give one of"),
        (("--models", "no_such_zoo:f", "--dataset", "noise"), "cannot import no_such_zoo:f"),
        (("--models", "zoo:f", "--by", "snipp"), "did you mean 'snip'"),
        (("--models", "zoo:f", "--by", "snip+nwot"), "say how to combine"),
        (("--models", "zoo:f", "--json", "--csv"), "either --json or --csv"),
        (("--models", "zoo:f", "--store", "x"), "belong to --architectures"),
        (("--architectures", "x", "--space", "nasbench202"), "did you mean 'nasbench201'"),
    ],
)
def test_wrong_use_is_one_line(options, message):
    with pytest.raises(InputError, match=message) as caught:
        run(*options)
    assert "\n" not in str(caught.value)


def test_a_file_of_architectures_is_scored(tmp_path):
    good = "|none~0|+|none~0|none~1|+|nor_conv_3x3~0|none~1|none~2|"
    twin = "|none~0|+|none~0|none~1|+|nor_conv_3x3~0|nor_conv_1x1~1|none~2|"  # the same network
    dead = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"
    (tmp_path / "cells.txt").write_text(f"{dead}\n{good}\n{twin}\n")
    options = ("--space", "digits201", "--dataset", "noise", "--batch-size", 4, "--workers", 1)
    options += ("--store", tmp_path / "s.sqlite", "--json")
    text = run("--architectures", tmp_path / "cells.txt", "--by", "jacob_cov", *options, code=1)
    assert "2/2 networks" in text
    found = json.loads(text.splitlines()[-1])["candidates"]
    assert [row["architecture"] for row in found] == [good, twin, dead]
    assert isinstance(found[0]["score"], float) and found[0]["score"] == found[1]["score"]
    assert found[2]["score"] is None and found[2]["reason"].startswith("jacob_cov: ")


def test_scores_of_a_file_are_kept_and_not_computed_again(tmp_path, monkeypatch):
    good = "|none~0|+|none~0|none~1|+|nor_conv_3x3~0|none~1|none~2|"
    dead = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"
    (tmp_path / "cells.txt").write_text(f"{good}\n{dead}\n")
    arguments = ("--architectures", tmp_path / "cells.txt", "--by", "jacob_cov")
    arguments += ("--space", "digits201", "--batch-size", 4, "--store", tmp_path / "kept.sqlite")
    first = run(*arguments, "--workers", 1, code=1)
    monkeypatch.setattr("subprocess.Popen", None)
    again = run(*arguments, code=1)
    # without the progress on standard error
    assert again.splitlines()[-8:] == first.splitlines()[-8:]
    assert f"the scores are kept in {tmp_path / 'kept.sqlite'}" in " ".join(first.split())
    assert "no path leads from the input to the output" in first
    with Store.read(tmp_path / "kept.sqlite") as store:
        assert store.requested() == ([good, dead], ["jacob_cov"])


def test_an_interrupted_ranking_says_what_is_kept(tmp_path, monkeypatch):
    (tmp_path / "cells.txt").write_text("|none~0|+|none~0|none~1|+|nor_conv_3x3~0|none~1|none~2|\n")

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("zcproxy.runs.run", interrupted)
    options = ("--space", "digits201", "--store", tmp_path / "kept.sqlite")
    with pytest.raises(InterruptedRun, match=r"kept in .*kept\.sqlite; the same command goes on"):
        run("--architectures", tmp_path / "cells.txt", "--by", "snip", *options)


def test_no_candidate_with_a_score_is_told_in_words(tmp_path):
    frame = pd.DataFrame({"architecture": ["a"], "snip": [None], "snip_failure": ["overflow"]})
    write_scores(frame.astype({"snip": float}), tmp_path / "scores.csv")
    text = run(tmp_path / "scores.csv", "--by", "snip")
    assert text.splitlines() == [
        "no candidate has a score by snip (scores.csv)",
        "1 without a score:",
        "  a  snip: overflow",
    ]


def test_own_models_are_scored(tmp_path, monkeypatch):
    import sys

    (tmp_path / "rank_zoo.py").write_text(
        "from torch import nn\n"
        "def f():\n"
        "    net = lambda w: nn.Sequential(nn.Flatten(), nn.Linear(3072, w), nn.Linear(w, 10))\n"
        "    return {'narrow': net(2), 'wide': net(50)}\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    text = run("--models", "rank_zoo:f", "--dataset", "noise", "--batch-size", 4, "--by", "params")
    sys.modules.pop("rank_zoo")
    assert text.index("wide") < text.index("narrow")
    assert "2 of 2 candidates by params (rank_zoo:f, protocol clean)" in text


ZOO = (
    "from torch import nn\n"
    "def mlp(w):\n"
    "    return nn.Sequential(nn.Flatten(), nn.Linear(3072, w), nn.ReLU(), nn.Linear(w, 10))\n"
    "def f():\n"
    "    return {'narrow': mlp(2), 'wide': mlp(50), 'bad': nn.Linear(7, 10)}\n"
)


def test_scores_of_own_models_get_onto_the_page(tmp_path, monkeypatch):
    import sys

    from zcproxy.cli.exploring import part
    from zcproxy.page.content import facts

    (tmp_path / "out_zoo.py").write_text(ZOO)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    out = tmp_path / "scores.parquet"
    options = ("--models", "out_zoo:f", "--dataset", "noise", "--batch-size", 4, "--out", out)
    by = ("--by", "snip+live_params:log-rank")
    found = json.loads(run(*options, *by, "--json", code=1).splitlines()[-1])["candidates"]
    frame = read_scores(out).set_index("architecture")
    assert list(frame.columns) == [
        "snip", "snip_failure", "live_params", "live_params_failure"
    ]  # fmt: skip
    shown = {row["architecture"]: row["snip"] for row in found}
    assert frame["snip"].dropna().to_dict() == {n: v for n, v in shown.items() if v is not None}
    assert frame.loc["bad", "snip_failure"] == "error"
    told = read_scores(out).attrs
    assert (told["models"], told["protocol"], told["batch_size"]) == ("out_zoo:f", "clean", 4)
    assert "space" not in told and len(told["batch_sha256"]) == 64
    made = part(out, None, None, "all,snip+live_params:log-rank", "all")
    assert made.proxies == ["snip", "live_params", "snip+live_params:log-rank"]
    assert ("Models", "out_zoo:f") in list(facts(made, made.proxies, {}))
    run(*options, *by, code=1)  # the same run again replaces its file
    with pytest.raises(StoreError, match=r"another configuration \(wanted seed: 1, not 0\)"):
        run(*options, *by, "--seed", 1)
    out.write_text("mine")
    foreign = r"no table of this run \(zcproxy rank --out did not write it"
    with pytest.raises(StoreError, match=foreign):
        run(*options, *by)
    assert out.read_text() == "mine"
    sys.modules.pop("out_zoo")


def test_scores_of_architectures_are_written_as_score_writes_them(tmp_path, scores):
    good = "|none~0|+|none~0|none~1|+|nor_conv_3x3~0|none~1|none~2|"
    dead = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"
    (tmp_path / "cells.txt").write_text(f"{good}\n{dead}\n")
    options = ("--architectures", tmp_path / "cells.txt", "--by", "jacob_cov", "--workers", 1)
    options += ("--space", "digits201", "--batch-size", 4, "--store", tmp_path / "kept.sqlite")
    out = tmp_path / "out.csv"
    run(*options, "--out", out, code=1)
    frame = read_scores(out)
    assert frame["architecture"].tolist() == [good, dead]
    assert frame["jacob_cov_failure"].tolist()[1] == "disconnected"
    assert (frame.attrs["space"], frame.attrs["batch_size"]) == ("digits201", 4)
    with pytest.raises(StoreError, match="another configuration"):
        run(*options[:-2], "--batch-size", 8, "--store", tmp_path / "b.sqlite", "--out", out)
    with pytest.raises(InputError, match="--out belongs to --architectures and --models"):
        run(scores[0], "--by", "snip", "--out", out)
    with pytest.raises(StoreError, match="there is no folder"):
        run(*options, "--out", tmp_path / "nowhere" / "x.csv")


def test_scores_of_other_proxies_or_models_are_not_lost(tmp_path, monkeypatch):
    import sys

    (tmp_path / "lost_zoo.py").write_text(ZOO)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    out = tmp_path / "nets.parquet"
    options = ("--models", "lost_zoo:f", "--dataset", "noise", "--batch-size", 4, "--out", out)
    run(*options, "--by", "nwot+live_params:log-rank", code=1)
    kept = out.read_bytes()
    lost = r"also holds scores by live_params, nwot, which this run would remove; ask for them too"
    with pytest.raises(StoreError, match=lost):
        run(*options, "--by", "snip")
    assert out.read_bytes() == kept
    run(*options, "--by", "snip+nwot+live_params:log-rank", code=1)
    assert {"snip", "nwot", "live_params"} < set(read_scores(out).columns)
    (tmp_path / "lost_zoo.py").write_text(ZOO.replace("'wide': mlp(50), ", ""))
    sys.modules.pop("lost_zoo")
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    with pytest.raises(StoreError, match="also holds scores of 1 other candidates"):
        run(*options, "--by", "snip+nwot+live_params:log-rank")
    sys.modules.pop("lost_zoo")


def test_scores_of_other_proxies_or_architectures_are_not_lost(tmp_path):
    cells = spaces.get("digits201").architectures()[:3]
    (tmp_path / "cells.txt").write_text("\n".join(cells) + "\n")
    options = ("--architectures", tmp_path / "cells.txt", "--space", "digits201", "--workers", 1)
    options += ("--store", tmp_path / "s.sqlite", "--out", tmp_path / "out.csv")
    run(*options, "--by", "params+depth:mean-rank")
    with pytest.raises(StoreError, match="also holds scores by depth, which this run"):
        run(*options, "--by", "params")
    (tmp_path / "cells.txt").write_text(f"{cells[0]}\n")
    with pytest.raises(StoreError, match="also holds scores of 2 other candidates"):
        run(*options, "--by", "params+depth+flops:mean-rank")
    assert read_scores(tmp_path / "out.csv")["architecture"].tolist() == cells


def test_scores_of_models_by_an_earlier_definition_are_not_replaced(tmp_path, monkeypatch):
    """Those of tanaka2020 before its initialization was Kaiming's; of other protocols they are."""
    import sys

    (tmp_path / "early_zoo.py").write_text(ZOO)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for protocol, revision in (("tanaka2020", 2), ("clean", None)):
        out = tmp_path / f"{protocol}.csv"
        options = ("--models", "early_zoo:f", "--dataset", "noise", "--batch-size", 4)
        options += ("--by", "params", "--protocol", protocol, "--out", out)
        run(*options)
        assert read_scores(out).attrs.get("protocol_revision") == revision
        run(*options)
    early = tmp_path / "tanaka2020.csv"
    early.write_text(early.read_text().replace('"protocol_revision": 2, ', ""))
    assert "protocol_revision" not in read_scores(early).attrs
    with pytest.raises(StoreError, match="wanted protocol_revision: 2, not 1"):
        run(*options[:9], "tanaka2020", "--out", early)
    sys.modules.pop("early_zoo")


BLIND = list(Combination.parse("blind").members)
WAYS = list(Combination.parse("blind").proxies)


def test_a_file_is_ranked_by_a_combination_of_combinations(tmp_path):
    """Counts come from the space; what was not scored has no rank, what fails comes last."""
    chosen = spaces.get("nasbench201").architectures()[:6]
    frame = pd.DataFrame({"architecture": chosen})
    for proxy in BLIND:
        if proxy not in ("depth", "live_convs", "live_params"):
            frame[proxy] = [6.0, 5.0, 4.0, 3.0, None, None]
            frame[f"{proxy}_failure"] = [None] * 4 + ["not_scored", "disconnected"]
    frame.attrs = {"space": "nasbench201", "dataset": "cifar10", "protocol": "clean"}
    write_scores(frame, tmp_path / "scores.parquet")
    text = run(tmp_path / "scores.parquet", "--by", "blind", "--top", 0, "--json")
    found = json.loads(text)
    rows = found["candidates"]
    assert [name for name in rows[0] if name.startswith("blind")] == WAYS
    assert rows[-1]["architecture"] == chosen[4] and rows[-1]["score"] is None
    assert rows[-1]["reason"].startswith("az_expressivity: not_scored; meco: not_scored")
    assert {row["architecture"] for row in rows[:5]} == {*chosen[:4], chosen[5]}
    last = next(row for row in rows if row["architecture"] == chosen[5])
    assert last["blind_activations"] == min(row["blind_activations"] for row in rows[:5])
    note = "blind takes failures of a member for its lowest value: disconnected 1"
    assert note in found["notes"]
    text = run(tmp_path / "scores.parquet", "--by", "blind")
    assert "5 of 5 candidates by blind" in text and note in text


def test_architectures_are_ranked_by_a_combination_of_combinations(tmp_path):
    good = "|none~0|+|none~0|none~1|+|nor_conv_3x3~0|none~1|none~2|"
    rich = "|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|nor_conv_3x3~0|none~1|nor_conv_3x3~2|"
    dead = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"
    (tmp_path / "cells.txt").write_text(f"{dead}\n{good}\n{rich}\n")
    options = ("--space", "digits201", "--batch-size", 8, "--workers", 1)
    options += ("--store", tmp_path / "s.sqlite", "--json")
    text = run("--architectures", tmp_path / "cells.txt", "--by", "blind", *options)
    rows = json.loads(text.splitlines()[-1])["candidates"]
    assert {row["architecture"] for row in rows} == {good, rich, dead}
    assert rows[-1]["architecture"] == dead and rows[-1]["score"] is not None
    with Store.read(tmp_path / "s.sqlite") as store:
        assert store.requested() == ([dead, good, rich], BLIND)


def test_own_models_are_ranked_by_a_combination_of_combinations(tmp_path, monkeypatch):
    """Members that apply to no model drop out for all; those that apply to some leave the rest."""
    import sys

    (tmp_path / "blind_zoo.py").write_text(
        "from torch import nn\n"
        "def mlp(w):\n"
        "    layers = nn.Flatten(), nn.Linear(3072, w), nn.ReLU(), nn.Linear(w, 10)\n"
        "    return nn.Sequential(*layers)\n"
        "def mlps():\n"
        "    return {'narrow': mlp(2), 'wide': mlp(9)}\n"
        "def conv():\n"
        "    layers = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()\n"
        "    head = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10)\n"
        "    return nn.Sequential(*layers, *head)\n"
        "def both():\n"
        "    return {**mlps(), 'conv': conv()}\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    options = ("--dataset", "noise", "--batch-size", 4, "--by", "blind", "--json")
    found = json.loads(run("--models", "blind_zoo:mlps", *options).splitlines()[-1])
    assert all(row["score"] is not None for row in found["candidates"])
    (note,) = [note for note in found["notes"] if "is without" in note]
    assert note.startswith("blind is without ") and "meco" in note and "nwot" not in note
    text = run("--models", "blind_zoo:both", *options, code=1)
    sys.modules.pop("blind_zoo")
    rows = {row["architecture"]: row for row in json.loads(text.splitlines()[-1])["candidates"]}
    assert rows["narrow"]["score"] is None and rows["conv"]["score"] is not None
    assert "meco: not_applicable" in rows["narrow"]["reason"]


def test_a_combination_of_which_hardly_anything_applies_is_told(tmp_path):
    """AZ-NAS on models without blocks is FLOPs."""
    names = ("az_expressivity", "az_progressivity", "az_trainability")
    frame = pd.DataFrame({"architecture": ["a", "b", "c"], "flops": [1.0, 2.0, 3.0]})
    for name in names:
        frame[name], frame[f"{name}_failure"] = float("nan"), "not_applicable"
    frame.to_csv(tmp_path / "s.csv", index=False)
    told = run(tmp_path / "s.csv", "--by", "az_nas")
    assert f"NOT az_nas, BUT flops ALONE: az_nas is without {', '.join(names)}: applicable" in told
    frame[list(names)[1:]] = 1.0
    frame.to_csv(tmp_path / "s.csv", index=False)
    told = run(tmp_path / "s.csv", "--by", "az_nas")
    assert "az_nas is without az_expressivity" in told and "NOT" not in told


def test_members_that_are_not_scored_are_told_with_the_command(tmp_path):
    frame = pd.DataFrame({"architecture": ["a", "b"], "flops": [1.0, 2.0], "zen": [1.0, 2.0]})
    frame.to_csv(tmp_path / "s.csv", index=False)
    with pytest.raises(InputError, match="lack vkdnw, jacob_cov, az_expressivity, az_trainability"):
        run(tmp_path / "s.csv", "--by", "vkdnw_agg")
