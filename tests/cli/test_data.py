"""`zcproxy data`: list, fetch, import."""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import replace
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from zcproxy import downloads, spaces, tables
from zcproxy.cli.data import data_app
from zcproxy.errors import DataError, InputError
from zcproxy.store import write_scores

A, B = spaces.get("nasbench201").architectures()[:2]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("ZCPROXY_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path / "data"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(data_app, list(arguments))


def csv(tmp_path: Path, header: str = "cell,acc,speed") -> Path:
    path = tmp_path / "mine.csv"
    path.write_text(f"{header}\n{A},91.5,3\n{B},88,4\n")
    return path


def test_list_with_nothing_here_says_how_to_get_everything() -> None:
    result = run("list")
    assert result.exit_code == 0
    for command in ("nasbench201", "cifar10", "cifar100"):
        assert f"zcproxy data fetch {command}" in result.stdout
    assert "1,000 training and 797 test images" in result.stdout


def test_list_shows_what_is_here(folder: Path, tmp_path: Path) -> None:
    run("import", str(csv(tmp_path)), "--column", "acc=cifar10/test/200")
    pixels = np.zeros((5, 32, 32, 3), np.uint8)
    np.savez(folder / "cifar10.npz", x_train=pixels, y_train=np.arange(5))
    (folder / "tables" / "bad.parquet").write_bytes(b"bad")
    text = run("list").stdout
    assert f"nasbench201: 2 architectures of nasbench201, {folder}" in text
    assert "cifar10: cifar10_test_200" in text
    assert "cifar10: 5 training and 0 test images" in text
    assert "bad: damaged" in text
    rows = json.loads(run("list", "--json").stdout)
    states = {row["name"]: row for row in rows["tables"]}
    assert states["nasbench201"]["columns"][0]["epochs"] == 200
    assert states["bad"]["state"] == "damaged"
    images = {row["name"]: row for row in rows["datasets"]}
    assert images["cifar10"]["places"][0]["train"] == 5
    assert images["cifar100"]["get"] == "zcproxy data fetch cifar100"


def test_import_writes_a_table_and_says_what_was_left_out(folder: Path, tmp_path: Path) -> None:
    result = run("import", str(csv(tmp_path)), "--column", "acc=cifar10/test/200/3")
    assert result.exit_code == 0
    assert "2 architectures, 1 accuracy columns" in result.stdout
    assert "left out (not known to be accuracies): speed" in result.stderr
    assert "2 of the 15,625 architectures" in result.stderr
    assert tables.load("nasbench201")["cifar10_test_200_seed3"].tolist() == [91.5, 88.0]


def test_import_elsewhere_and_over(folder: Path, tmp_path: Path) -> None:
    source = str(csv(tmp_path, "cell,c10_test_acc_200,speed"))
    out = tmp_path / "out.parquet"
    assert run("import", source, "--architecture-column", "cell", "--out", str(out)).exit_code == 0
    assert not folder.exists()
    again = run("import", source, "--out", str(out))
    assert isinstance(again.exception, InputError)
    assert "--overwrite" in str(again.exception)
    assert run("import", source, "--out", str(out), "--overwrite").exit_code == 0
    wrong = run("import", source, "--out", str(tmp_path / "out.csv"))
    assert "not" in str(wrong.exception) and ".parquet" in str(wrong.exception)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--space", "nasbench202"], "did you mean 'nasbench201'"),
        (["--column", "acc"], "CSVNAME=dataset/split/epochs"),
        (["--architecture-column", "arch"], "no column 'arch'"),
        ([], "--column CSVNAME="),
    ],
)
def test_wrong_imports(tmp_path: Path, folder: Path, arguments: list[str], told: str) -> None:
    result = run("import", str(csv(tmp_path)), *arguments)
    assert isinstance(result.exception, InputError)
    assert told in str(result.exception)
    assert not folder.exists()


def test_official_import_tells_about_pickles(shared_data: Path, folder: Path) -> None:
    sample = shared_data / "nats_bench_official_sample" / "NATS-tss-v1_0-3ffb9-simple"
    refused = run("import", str(sample))
    assert isinstance(refused.exception, InputError)
    result = run("import", str(sample), "--trust-pickle")
    assert result.exit_code == 0
    assert "without restriction" in result.stderr
    assert "3 architectures, 81 accuracy columns" in result.stdout
    assert "single seeds 111, 777, 888, 999" in run("list").stdout


def test_a_folder_that_is_none_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert f"names {folder}, which does not exist" in run("list").stdout
    folder.write_text("")
    assert f"names {folder}, which is no folder" in run("list").stdout
    assert "no folder" in json.loads(run("list", "--json").stdout)["problem"]
    monkeypatch.delenv("ZCPROXY_DATA")
    assert json.loads(run("list", "--json").stdout)["problem"] is None


def test_a_file_of_scores_is_told_from_accuracies(tmp_path: Path) -> None:
    frame = pd.DataFrame({"architecture": [A, B], "snip": [1.0, 2.0]})
    frame.attrs = {"space": "nasbench201", "proxies": ["snip"]}
    for name in ("scores.csv", "scores.parquet"):
        write_scores(frame, tmp_path / name)
        refused = run("import", str(tmp_path / name))
        assert isinstance(refused.exception, DataError)
        assert f"zcproxy correlate {tmp_path / name} reads it" in str(refused.exception)


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


def test_fetch(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    public = tmp_path / "public"
    public.mkdir()
    (public / "cifar-10-python.tar.gz").write_bytes(b"images")
    pinned = replace(downloads.REMOTES["cifar10"], sha256=hashlib.sha256(b"images").hexdigest())
    monkeypatch.setitem(downloads.REMOTES, "cifar10", pinned)

    def handler(*arguments: object) -> Quiet:
        return Quiet(*arguments, directory=str(public))  # type: ignore[arg-type]

    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        base = f"http://127.0.0.1:{server.server_port}"
        first = run("fetch", "cifar10", "--base-url", base)
        second = run("fetch", "cifar10", "--base-url", base)
        absent = run("fetch", "cifar100", "--base-url", base)
        server.shutdown()
        thread.join()
    path = folder / "cifar10" / "cifar-10-python.tar.gz"
    assert first.stdout.strip() == str(path)
    assert path.read_bytes() == b"images"
    assert "was here already" in second.stdout
    assert isinstance(absent.exception, DataError)
    assert "404" in str(absent.exception)
    place = folder / "cifar100" / "cifar-100-python.tar.gz"
    assert f"by hand and put it at {place})" in str(absent.exception)


def test_help_has_examples_and_hides_the_test_address() -> None:
    for command in ("list", "fetch", "import"):
        result = run(command, "--help")
        assert f"zcproxy data {command}" in result.stdout
        assert "base-url" not in result.stdout
