"""The command `zcproxy`. Each subcommand lives in a module of its own."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from zcproxy.cli.build import build_data
from zcproxy.cli.correlate import correlate
from zcproxy.cli.data import data_app
from zcproxy.cli.demo import demo
from zcproxy.cli.listing import listing
from zcproxy.cli.rank import rank
from zcproxy.cli.report import report
from zcproxy.cli.score import score
from zcproxy.errors import InterruptedRun, ZcproxyError

__all__ = ["app", "main"]

app = typer.Typer(
    name="zcproxy",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(demo)
app.command()(score)
app.command()(correlate)
app.command()(rank)
app.command()(report)
app.command(name="list")(listing)
app.add_typer(data_app, name="data")
data_app.command(name="build")(build_data)


@app.callback(invoke_without_command=True)
def zcproxy(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Score untrained networks, and say how well the scores predict trained accuracy.

    Start with `zcproxy demo`: it scores networks of the embedded benchmark, with nothing to
    download. Results go to standard output, progress to standard error. Exit status: 0 done,
    1 some scores have no value, 2 wrong use or missing data, 130 interrupted.
    """
    if version:
        from zcproxy import __version__

        typer.echo(__version__)
        raise typer.Exit


def main() -> None:
    """Run the command line; what went wrong is one line on standard error."""
    try:
        app()
    except InterruptedRun as stopped:
        typer.echo(str(stopped), err=True)
        sys.exit(130)
    except ZcproxyError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(2)
    except OSError as error:
        typer.echo(
            f"error: {error.strerror or error}: {error.filename or ''}".rstrip(": "), err=True
        )
        sys.exit(2)
    except SystemExit as end:
        if end.code == 130:
            typer.echo("interrupted", err=True)
        raise
