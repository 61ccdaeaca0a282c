"""`zcproxy analyze`: what agreement tables do not show. One file per question."""

from __future__ import annotations

import typer

from zcproxy.cli.analyze.bias import bias
from zcproxy.cli.analyze.hardware import hardware
from zcproxy.cli.analyze.ranges import ranges
from zcproxy.cli.analyze.redundancy import redundancy
from zcproxy.cli.analyze.stability import stability
from zcproxy.cli.analyze.supervised import supervised
from zcproxy.cli.analyze.transfer import transfer

__all__ = ["analyze_app"]

analyze_app = typer.Typer(
    name="analyze",
    help="Ask more of scores: stability, redundancy, bias, ranges, transfer, hardware, supervised.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)
for command in (stability, redundancy, bias, ranges, transfer, hardware, supervised):
    analyze_app.command()(command)
