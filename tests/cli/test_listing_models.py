"""`zcproxy list models`."""

from __future__ import annotations

import json

import typer
from typer.testing import CliRunner

from zcproxy import models
from zcproxy.cli.listing import listing


def test_models_are_listed() -> None:
    app = typer.Typer()
    app.command()(listing)
    shown = json.loads(CliRunner().invoke(app, ["models", "--json"]).stdout)
    assert shown == {"models": {name: models.summary(name) for name in models.names()}}
