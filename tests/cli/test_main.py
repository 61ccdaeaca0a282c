"""The command as a whole: wrong use is one line, and exit codes."""

from __future__ import annotations

import sys

import pytest

from zcproxy.cli import main


def call(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str
) -> tuple[object, str, str]:
    """Exit code, standard output and standard error."""
    monkeypatch.setattr(sys, "argv", ["zcproxy", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    captured = capsys.readouterr()
    return ended.value.code, captured.out, captured.err


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("foo",), "error: no such command 'foo' (zcproxy --help shows how)"),
        (("score", "--workers", "0"), "error: invalid value for '--workers': "),
        (("correlate",), "error: missing argument "),
        (("demo", "--netwroks", "3"), "error: no such option: --netwroks "),
        (("data", "foo"), "(zcproxy data --help shows how)"),
        (("score",), "error: give either --space NAME or --model"),
    ],
)
def test_wrong_use_is_one_line(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    line: str,
) -> None:
    code, out, err = call(monkeypatch, capsys, *arguments)
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert line in err


def test_without_arguments_comes_the_help(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = call(monkeypatch, capsys)
    assert code == 2
    assert "demo" in out + err
    assert "error" not in err


def test_what_is_well_exits_0(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from zcproxy import __version__

    code, out, err = call(monkeypatch, capsys, "--version")
    assert (code or 0, out.strip(), err) == (0, __version__, "")


@pytest.mark.parametrize(("raised", "code", "told"), [(KeyboardInterrupt(), 130, "interrupted")])
def test_ctrl_c_exits_130(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    raised: BaseException,
    code: int,
    told: str,
) -> None:
    def fail(*_: object) -> None:
        raise raised

    monkeypatch.setattr("zcproxy.cli.evaluation.evaluate", fail)
    found, _, err = call(monkeypatch, capsys, "correlate", "x.parquet")
    assert (found, err.strip()) == (code, told)
