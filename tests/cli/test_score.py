"""`zcproxy score` from outside: what it prints, keeps, and exits with."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner, Result

from zcproxy import proxies as catalogue
from zcproxy import spaces, tables
from zcproxy.cli.running import default_store, describe, write_kept
from zcproxy.cli.score import parse_proxies, score
from zcproxy.configuration import Configuration
from zcproxy.errors import DataError, InputError, InterruptedRun, StoreError
from zcproxy.runs import Progress
from zcproxy.store import Row, Store, read_scores, write_scores

SPACE = spaces.get("digits201")
CONV = "|none~0|+|none~0|none~1|+|nor_conv_3x3~0|none~1|none~2|"
DEAD = "|nor_conv_1x1~0|+|none~0|none~1|+|nor_conv_3x3~0|none~1|none~2|"
OTHER = "|none~0|+|none~0|none~1|+|nor_conv_1x1~0|none~1|none~2|"
NONE = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"
DIGITS = ("--space", "digits201", "--dataset", "digits", "--batch-size", "16")

MODELS = """
from torch import nn


def small():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))


def blind():
    return nn.Sequential(nn.Flatten(), nn.ReLU())


def quits():
    raise SystemExit("usage: models")


def forgets():
    small()


def two():
    return {"a": small(), "b": small()}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(*arguments: str) -> Result:
    """Run the command; an error of ours is raised, to be turned into one line further out."""
    app = typer.Typer()
    app.command()(score)
    result = CliRunner().invoke(app, arguments)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def write(file: Path, *architectures: str) -> str:
    file.write_text("\n".join(architectures) + "\n")
    return str(file)


def eventually(condition: Callable[[], bool]) -> None:
    """Wait for something that must happen, at most ten minutes."""
    for _ in range(60_000):
        if condition():
            return
        time.sleep(0.01)
    pytest.fail("it did not happen within ten minutes")


def test_a_run_prints_its_summary_and_writes_the_table(folder: Path) -> None:
    names = write(folder / "names.txt", CONV, DEAD)
    result = call(
        *DIGITS, "--proxies", "snip,live_params", "--architectures", names, "--out", "s.csv"
    )
    assert result.exit_code == 0
    lines = [line.split(maxsplit=1) for line in result.stdout.splitlines()]
    assert lines[0] == ["architectures", "2"]
    assert lines[1] == ["networks", "1 distinct, 1 scored now"]
    assert lines[2] == ["failed", "scores  none"]
    assert lines[-1] == ["table", "s.csv"]
    (store,) = folder.glob("*.sqlite")
    assert lines[-2] == ["store", store.name]
    assert "1/1 networks" in result.stderr
    frame = read_scores(folder / "s.csv")
    assert list(frame["architecture"]) == [CONV, DEAD]
    assert list(frame) == ["architecture", "snip", "live_params"]
    assert frame["snip"][0] == frame["snip"][1] > 0


def test_networks_side_by_side_are_told_and_fill_the_same_store(folder: Path) -> None:
    names = write(folder / "names.txt", CONV, NONE, *SPACE.architectures()[:3])
    arguments = (*DIGITS, "--proxies", "snip", "--architectures", names, "--workers", "1")
    stacked = call(*arguments, "--stack", "3", "--out", "stacked.csv")
    assert "networks, 3 side by side on cpu, up to 0." in stacked.stderr
    again = call(*arguments, "--json")
    assert json.loads(again.stdout)["scored"] == 0
    alone = call(*arguments, "--store", "alone.sqlite", "--out", "alone.csv")
    assert alone.exit_code == stacked.exit_code == 0
    assert "side by side" not in alone.stderr
    found, expected = (read_scores(folder / f"{name}.csv") for name in ("stacked", "alone"))
    assert list(found["snip"]) == pytest.approx(list(expected["snip"]), rel=1e-3, nan_ok=True)
    assert found.attrs["versions"][0]["stack"] == "3"
    assert "stack" not in expected.attrs["versions"][0]


def test_the_same_command_again_scores_nothing_and_says_the_same(folder: Path) -> None:
    names = write(folder / "names.txt", CONV)
    arguments = (*DIGITS, "--proxies", "snip", "--architectures", names, "--json")
    first, second = json.loads(call(*arguments).stdout), json.loads(call(*arguments).stdout)
    assert (first.pop("scored"), second.pop("scored")) == (1, 0)
    assert first["left"] == 0
    assert first.pop("seconds") > 0
    assert second.pop("seconds") >= 0
    assert first == second
    assert first == {
        "store": first["store"],
        "architectures": 1,
        "networks": 1,
        "left": 0,
        "failures": {},
        "examples": {},
        "proxies": ["snip"],
        "out": None,
    }


@pytest.mark.parametrize("group", ["cheap", "all"])
def test_groups_of_proxies(folder: Path, group: str) -> None:
    """The cheap ones unless told otherwise."""
    names = write(folder / "names.txt", CONV)
    wanted = () if group == "cheap" else ("--proxies", "all")
    call(*DIGITS, *wanted, "--architectures", names, "--out", "s.parquet")
    frame = read_scores(folder / "s.parquet")
    expected = catalogue.cheap() if group == "cheap" else catalogue.names()
    assert set(expected) <= set(frame.columns)
    assert frame.attrs["proxies"] == expected
    assert frame[["snip", "synflow", "params"]].notna().all(axis=None)


def test_a_failed_score_exits_1_and_is_named(folder: Path) -> None:
    names = write(folder / "names.txt", CONV, NONE)
    result = call(*DIGITS, "--proxies", "jacob_cov", "--architectures", names, "--out", "s.csv")
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    place = lines.index("failed scores  1 disconnected")
    told = "  disconnected such as jacob_cov: no path leads from the input to the output"
    assert lines[place + 1] == told
    assert read_scores(folder / "s.csv")["jacob_cov_failure"][1] == "disconnected"


def test_every_kind_of_failure_has_one_line_with_an_example(folder: Path) -> None:
    names = write(folder / "names.txt", CONV, DEAD, NONE)
    arguments = (*DIGITS, "--proxies", "snip,plain,jacob_cov", "--architectures", names)
    call(*arguments, "--store", "s.sqlite")
    with Store.read("s.sqlite") as store:
        configuration = store.configuration
    with Store.open("s.sqlite", configuration) as store:
        keys = {row.network for row in store.rows()}
        store.forget([(key, "snip") for key in keys])
        told = "ZeroDivisionError: division by zero\nsecond line"
        store.add([Row(key, "snip", None, "error", told) for key in keys], {})
    lines = call(*arguments, "--store", "s.sqlite").stdout.splitlines()
    place = lines.index("failed scores  1 disconnected, 2 error")
    assert lines[place + 1].startswith("  disconnected such as jacob_cov: no path leads")
    assert lines[place + 2] == "  error        such as snip: ZeroDivisionError: division by zero"
    assert lines[place + 3] == "  (--retry tries error again)"
    assert lines[place + 4].startswith("time ")


def test_a_table_of_another_run_is_not_overwritten(folder: Path) -> None:
    names = write(folder / "names.txt", CONV)
    common = (*DIGITS, "--proxies", "params", "--architectures", names)
    for out in ("s.csv", "s.parquet"):
        (folder / out).touch()
        call(*common, "--out", out)
        first = (folder / out).read_bytes()
        call(*common, "--out", out)
        call(*DIGITS, "--proxies", "snip", "--architectures", names, "--out", out)
        assert (folder / out).read_bytes() != first
        kept = (folder / out).read_bytes()
        for option, told in (
            (("--protocol", "abdelfattah2021"), "wanted protocol: abdelfattah2021, not clean"),
            (("--seed", "1"), "wanted seed: 1, not 0"),
        ):
            match = f"{out} holds scores of another configuration .*{told}.*another file with --out"
            with pytest.raises(StoreError, match=match) as caught:
                call(*common, *option, "--out", out)
            assert "\n" not in str(caught.value)
            assert (folder / out).read_bytes() == kept


@pytest.mark.parametrize("name", ["s.parquet", "s.csv"])
def test_a_run_goes_on_from_the_file_where_the_store_is_lost(folder: Path, name: str) -> None:
    common = (*DIGITS, "--architectures", write(folder / "names.txt", CONV, NONE), "--out", name)
    call(*common, "--proxies", "jacob_cov,params", "--store", "first.sqlite")
    first = read_scores(folder / name)
    (folder / "first.sqlite").unlink()
    call(*common, "--proxies", "snip", "--store", "second.sqlite")
    both = read_scores(folder / name)
    assert both.attrs["proxies"] == ["jacob_cov", "params", "snip"]
    for column in ("jacob_cov", "jacob_cov_failure", "params"):
        assert both[column].equals(first[column])
    assert both["snip"].notna().any()
    result = call(*common, "--proxies", "snip,jacob_cov", "--store", "third.sqlite")
    assert result.exit_code == 1
    assert "2 distinct, 0 scored now" in result.stdout
    assert f"disconnected such as jacob_cov: as {name} has it, which keeps no" in result.stdout
    assert set(read_scores(folder / name).attrs["proxies"]) == {"jacob_cov", "params", "snip"}
    with Store.read(folder / "third.sqlite") as store:
        assert store.versions() == both.attrs["versions"]


def test_a_score_of_the_file_goes_before_a_crash_of_the_store(folder: Path) -> None:
    names = write(folder / "names.txt", CONV)
    common = (*DIGITS, "--proxies", "snip", "--architectures", names, "--out", "s.csv")
    call(*common, "--store", "s.sqlite")
    first = read_scores(folder / "s.csv")
    with sqlite3.connect(folder / "s.sqlite") as connection:
        connection.execute("UPDATE scores SET value = NULL, failure = 'crashed'")
    assert "failed scores  none" in call(*common, "--store", "s.sqlite").stdout
    assert read_scores(folder / "s.csv")["snip"].equals(first["snip"])


@pytest.mark.parametrize("lost", [False, True])
def test_changed_proxies_are_scored_anew(folder: Path, lost: bool) -> None:
    """In the store and in the file, and for the architectures asked for alone."""
    names, one = write(folder / "names.txt", CONV, OTHER), write(folder / "one.txt", CONV)
    common = (*DIGITS, "--proxies", "snip,nwot", "--store", "s.sqlite", "--out", "s.csv")
    call(*common, "--architectures", names)
    right = read_scores(folder / "s.csv")
    with sqlite3.connect(folder / "s.sqlite") as connection:
        connection.execute("UPDATE scores SET value = 7")
    (folder / "s.csv").unlink()
    call(*common, "--architectures", names)
    assert set(read_scores(folder / "s.csv")["snip"]) == {7.0}
    if lost:
        (folder / "s.sqlite").unlink()
    result = call(*common, "--architectures", one, "--rescore", "snip")
    assert "1 distinct, 1 scored now" in result.stdout
    found = read_scores(folder / "s.csv")
    assert found["snip"].tolist() == [right["snip"][0], 7.0]
    assert found["nwot"].tolist() == [7.0, 7.0]


@pytest.mark.parametrize("minutes", [False, True])
def test_what_is_to_be_scored_anew_is_gone_from_the_file_at_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch, minutes: bool
) -> None:
    """Else the same command without the option took the old scores for those of a stopped run."""
    names = write(folder / "names.txt", CONV, OTHER)
    common = (*DIGITS, "--proxies", "snip,nwot", "--architectures", names, "--out", "s.csv")
    common += ("--workers", "1")
    call(*common)
    right = read_scores(folder / "s.csv")

    def stopped(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    if minutes:
        result = call(*common, "--rescore", "snip", "--minutes", "0")
        assert "1 left (the same command without --rescore goes on)" in result.stdout
    else:
        with monkeypatch.context() as patched:
            patched.setattr("zcproxy.runs.coordinator.Pool.results", stopped)
            with pytest.raises(InterruptedRun, match="the same command without --rescore goes on"):
                call(*common, "--rescore", "snip")
    left = read_scores(folder / "s.csv")
    assert (left["snip_failure"] == "not_scored").sum() == (1 if minutes else 2)
    assert left["nwot"].equals(right["nwot"])
    assert f"2 distinct, {1 if minutes else 2} scored now" in call(*common).stdout
    assert read_scores(folder / "s.csv")["snip"].equals(right["snip"])


@pytest.mark.parametrize("wrong", [("--device", "cuda:7"), ("--batch-size", "100000000")])
def test_nothing_is_deleted_where_a_run_cannot_begin(folder: Path, wrong: tuple[str, ...]) -> None:
    names = write(folder / "names.txt", CONV)
    common = (*DIGITS, "--proxies", "snip", "--architectures", names, "--store", "s.sqlite")
    call(*common, "--out", "s.csv")
    kept = (folder / "s.csv").read_bytes()
    with pytest.raises((InputError, StoreError)):
        call(*common, "--out", "s.csv", "--rescore", "snip", *wrong)
    assert (folder / "s.csv").read_bytes() == kept
    assert "0 scored now" in call(*common, "--out", "s.csv").stdout


def test_only_what_is_asked_for_can_be_scored_anew(folder: Path) -> None:
    names = write(folder / "names.txt", CONV)
    with pytest.raises(InputError, match="--rescore nwot: not among --proxies"):
        call(*DIGITS, "--proxies", "snip", "--architectures", names, "--rescore", "nwot")
    with pytest.raises(InputError, match="no proxy named 'nwott'; did you mean 'nwot'"):
        call(*DIGITS, "--proxies", "snip", "--architectures", names, "--rescore", "nwott")


def test_columns_of_other_programs_are_not_lost(folder: Path) -> None:
    names = write(folder / "names.txt", CONV)
    common = (*DIGITS, "--proxies", "snip", "--architectures", names, "--out", "s.csv")
    call(*common)
    frame = read_scores(folder / "s.csv")
    write_scores(frame.assign(mine=1.0), folder / "s.csv")
    before = (folder / "s.csv").read_bytes()
    with pytest.raises(StoreError, match=r"s\.csv also holds scores by mine, which this run would"):
        call(*common)
    assert (folder / "s.csv").read_bytes() == before
    write_scores(frame.assign(snip=np.inf), folder / "s.csv")
    with pytest.raises(StoreError, match="snip is inf in a table of scores"):
        call(*common, "--store", "new.sqlite")


def test_other_architectures_are_added_to_the_file(folder: Path) -> None:
    call(*DIGITS, "--proxies", "snip", "--sample", "3", "--out", "s.csv", "--store", "a.sqlite")
    first = read_scores(folder / "s.csv")
    names = write(folder / "names.txt", CONV)
    call(*DIGITS, "--proxies", "plain", "--architectures", names, "--out", "s.csv")
    both = read_scores(folder / "s.csv")
    assert list(both["architecture"]) == [*first["architecture"], CONV]
    assert list(both["snip"][:3]) == list(first["snip"])
    assert list(both["snip_failure"][3:]) == ["not_scored"]
    assert list(both["plain_failure"][:3]) == ["not_scored"] * 3


def test_a_run_stops_when_its_time_is_up(folder: Path) -> None:
    arguments = (*DIGITS, "--proxies", "snip", "--sample", "4", "--workers", "1", "--out", "s.csv")
    result = call(*arguments, "--minutes", "0")
    assert result.exit_code == 1
    assert "distinct, 1 scored now, 3 left (the same command goes on)" in result.stdout
    frame = read_scores(folder / "s.csv")
    assert sorted(frame["snip_failure"].dropna()) == ["not_scored"] * 3
    result = call(*arguments)
    assert result.exit_code == 0
    assert "distinct, 3 scored now\n" in result.stdout
    assert "snip_failure" not in read_scores(folder / "s.csv")


@pytest.mark.parametrize("text", ["architecture,mine\na,1\n", "my notes\n"])
def test_a_file_that_is_no_table_of_scores_is_not_overwritten(folder: Path, text: str) -> None:
    (folder / "s.csv").write_text(text)
    names = write(folder / "names.txt", CONV)
    arguments = (*DIGITS, "--proxies", "params", "--architectures", names, "--out", "s.csv")
    with pytest.raises(StoreError, match=r"s\.csv is there and no table of this run") as caught:
        call(*arguments)
    assert "\n" not in str(caught.value)
    assert (folder / "s.csv").read_text() == text
    assert list(folder.glob("*.sqlite")) == []


def test_settings_reach_the_run(folder: Path) -> None:
    names = write(folder / "names.txt", CONV)
    call(
        *DIGITS,
        *("--proxies", "snip", "--architectures", names, "--protocol", "abdelfattah2021"),
        *("--seed", "4", "--batch-seed", "2", "--workers", "1", "--store", "mine.sqlite"),
    )
    with Store.read(folder / "mine.sqlite") as store:
        settings = store.configuration
    assert (settings.protocol, settings.seed, settings.batch_seed) == ("abdelfattah2021", 4, 2)
    assert (settings.space, settings.dataset, settings.batch_size) == ("digits201", "digits", 16)


def test_a_sample_is_drawn(folder: Path) -> None:
    common = (*DIGITS, "--proxies", "params", "--sample", "5", "--store", "s.sqlite")
    call(*common, "--out", "a.csv")
    call(*common, "--out", "b.csv", "--sample-seed", "1")
    first, second = read_scores(folder / "a.csv"), read_scores(folder / "b.csv")
    assert len(first) == len(second) == 5
    assert set(first["architecture"]) != set(second["architecture"])


WRONG = {
    "no subject": ((), InputError, "give either --space NAME or --model"),
    "two subjects": ((*DIGITS, "--model", "a:b"), InputError, "give either --space NAME or"),
    "proxy": ((*DIGITS, "--proxies", "snipp"), InputError, "did you mean 'snip'"),
    "no proxy": ((*DIGITS, "--proxies", ","), InputError, "names none"),
    "space": (("--space", "digits"), InputError, "no space named 'digits'"),
    "protocol": ((*DIGITS, "--protocol", "clear"), InputError, "did you mean 'clean'"),
    "both choices": (
        (*DIGITS, "--sample", "3", "--architectures", "x"),
        InputError,
        "either --architectures or --sample",
    ),
    "no file": ((*DIGITS, "--architectures", "missing.txt"), DataError, "cannot be read"),
    "file and table": (
        (*DIGITS, "--table", "digits201", "--architectures", "x"),
        InputError,
        "either --architectures or --table",
    ),
    "table of another space": (
        (*DIGITS[2:], "--space", "nasbench201", "--table", "digits201"),
        InputError,
        "holds architectures of digits201, not of nasbench201",
    ),
    "too large a sample": (
        (*DIGITS, "--table", "digits201", "--sample", "9999"),
        InputError,
        "cannot draw 9999 architectures from the 500",
    ),
    "place": ((*DIGITS, "--out", "/proc/s.csv"), StoreError, "/proc/s.csv cannot be written"),
    "ending": ((*DIGITS, "--out", "s.xlsx"), InputError, "neither .parquet nor .csv"),
    "out folder": ((*DIGITS, "--out", "missing/s.csv"), StoreError, "no folder missing"),
    "store folder": ((*DIGITS, "--sample", "1", "--store", "missing/s"), StoreError, "no folder"),
    "store is a folder": ((*DIGITS, "--sample", "1", "--store", "."), StoreError, "is a folder"),
    "store with model": (("--model", "a:b", "--store", "s"), InputError, "belong to --space"),
    "device with model": (("--model", "a:b", "--device", "cuda"), InputError, "belong to --space"),
    "unknown device": ((*DIGITS, "--sample", "1", "--device", "tpu"), InputError, "device 'tpu'"),
    "stacks on Ray": (
        (*DIGITS, "--sample", "1", "--stack", "2", "--ray", "local"),
        InputError,
        "workers on Ray score one by one",
    ),
}


@pytest.mark.parametrize("case", sorted(WRONG))
def test_wrong_use_is_one_line_and_leaves_nothing(folder: Path, case: str) -> None:
    arguments, kind, message = WRONG[case]
    with pytest.raises(kind, match=message) as caught:
        call(*arguments)
    assert "\n" not in str(caught.value)
    assert list(folder.iterdir()) == []


def test_those_of_a_table_are_scored_with_accuracies_for_all(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZCPROXY_DATA", str(folder / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    common = (*DIGITS, "--table", "digits201", "--proxies", "params")
    call(*common, "--out", "all.csv")
    call(*common, "--sample", "5", "--out", "few.csv")
    everything = list(read_scores(folder / "all.csv")["architecture"])
    assert everything == list(tables.load("digits201")["architecture"])
    drawn = list(read_scores(folder / "few.csv")["architecture"])
    assert len(drawn) == 5
    assert drawn == [a for a in everything if a in drawn]


def test_the_data_set_is_that_of_the_space(folder: Path) -> None:
    names = write(folder / "names.txt", CONV)
    call("--space", "digits201", "--proxies", "params", "--architectures", names)
    (store,) = folder.glob("*.sqlite")
    with Store.read(store) as opened:
        assert opened.configuration.dataset == "digits"


def test_a_table_that_cannot_be_written_loses_no_score(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = write(folder / "names.txt", CONV)
    common = (*DIGITS, "--proxies", "snip", "--architectures", names, "--store", "s.sqlite")
    call(*common)
    with pytest.raises(StoreError) as caught:
        write_kept(Path("s.sqlite"), [CONV], ["snip"], Path("/proc/s.parquet"))
    told = str(caught.value)
    assert told.startswith("/proc/s.parquet cannot be written: ")
    assert "all scores are kept in s.sqlite: the same command with another --out writes" in told
    assert "partial" not in told and "\n" not in told
    result = call(*common, "--out", "s.csv")
    assert "1 distinct, 0 scored now" in result.stdout


def test_the_help_has_examples() -> None:
    text = score.__doc__ or ""
    assert text.count("`zcproxy score --") >= 4


def test_no_data_is_one_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZCPROXY_DATA", str(folder / "nothing"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    with pytest.raises(DataError, match="cifar10"):
        call("--space", "nasbench201", "--sample", "1")
    assert list(folder.iterdir()) == []


def test_no_store_is_one_line(folder: Path) -> None:
    (folder / "s.sqlite").write_text("not a store, but long enough to be something else")
    with pytest.raises(StoreError, match="not a store of scores"):
        call(*DIGITS, "--sample", "1", "--store", "s.sqlite")


@pytest.fixture
def models(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A module of models in the current folder."""
    name = "models_of_score_tests"
    (folder / f"{name}.py").write_text(MODELS)
    monkeypatch.syspath_prepend(str(folder))
    yield name
    sys.modules.pop(name, None)


def test_a_model_of_ones_own_is_scored(models: str) -> None:
    arguments = ("--model", f"{models}:small", "--dataset", "digits", "--proxies", "params,snip")
    table = call(*arguments)
    assert table.exit_code == 0
    values = json.loads(call(*arguments, "--json").stdout)
    assert values["params"]["value"] == 650
    assert values["snip"]["value"] > 0
    assert values["snip"]["failure"] is None
    assert "650" in table.stdout
    assert f"{values['snip']['value']:.6g}" in table.stdout
    other = json.loads(call(*arguments, "--json", "--seed", "1").stdout)
    assert other["snip"]["value"] != values["snip"]["value"]


def test_a_model_without_a_score_says_why_and_exits_1(models: str) -> None:
    result = call("--model", f"{models}:blind", "--dataset", "digits", "--proxies", "snip")
    assert result.exit_code == 1
    assert "not_applicable" in result.stdout


@pytest.mark.parametrize(
    ("factory", "told"),
    [
        ("quits", "quits failed: SystemExit: usage: models"),
        ("forgets", "forgets: expected a torch.nn.Module, .* got NoneType"),
    ],
)
def test_a_factory_without_a_model_is_one_line(models: str, factory: str, told: str) -> None:
    with pytest.raises(InputError, match=told) as caught:
        call("--model", f"{models}:{factory}", "--dataset", "digits")
    assert "\n" not in str(caught.value)


def test_several_models_belong_to_rank(models: str) -> None:
    with pytest.raises(InputError, match="gives 2 models; zcproxy rank"):
        call("--model", f"{models}:two", "--dataset", "digits", "--proxies", "snip")


def test_interrupting_keeps_what_is_done_and_exits_130(folder: Path) -> None:
    arguments = [*DIGITS, "--sample", "2000", "--store", "s.sqlite", "--proxies", "snip"]

    def rows() -> int:
        try:
            with Store.read(folder / "s.sqlite") as store:
                return len(store.rows())
        except StoreError:
            return 0

    command = [sys.executable, "-c", "from zcproxy.cli import main; main()", "score", *arguments]
    listen = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # not so in the background
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=listen) as process:
        eventually(lambda: rows() > 2 or process.poll() is not None)
        os.kill(process.pid, signal.SIGINT)
        assert process.stderr is not None
        told = process.stderr.read().splitlines()
    assert process.returncode == 130
    assert told[-1].startswith(f"stopped: {rows():,} of ")
    assert told[-1].endswith("kept in s.sqlite; the same command goes on from there")
    assert not any("Traceback" in line for line in told)


def test_the_name_of_a_store_tells_its_settings() -> None:
    settings = Configuration("nasbench201", "cifar10", "00", (3, 32, 32), 10)
    name = default_store(settings).name
    assert name == f"zcproxy-nasbench201-cifar10-clean-{settings.key[:8]}.sqlite"


def test_proxies_keep_their_order_and_come_once() -> None:
    assert parse_proxies(" snip, plain,snip ") == ["snip", "plain"]
    assert parse_proxies("all") == catalogue.names()
    cheap = parse_proxies("cheap")
    assert set(catalogue.names()) - set(cheap) == set(catalogue.DEAR)
    assert parse_proxies("grasp,cheap,snip") == ["grasp", *cheap]


def test_progress_is_readable() -> None:
    assert describe(Progress(0, 5260, 0, 0.0, 0.0, None)) == "0/5,260 networks"
    assert describe(Progress(12, 50, 3, 9.0, 1.305, 29.1)) == (
        "12/50 networks, 1.30 per second, 29 s left, 3 scores failed"
    )
    assert describe(Progress(1, 2, 0, 0.0, 0.0, None, "here")) == "1/2 networks, here"
