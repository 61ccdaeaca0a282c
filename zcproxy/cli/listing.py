"""`zcproxy list`: what there is to choose from."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated

import typer

__all__ = ["listing"]


class Kind(StrEnum):
    """What can be listed."""

    proxies = "proxies"
    saliencies = "saliencies"
    spaces = "spaces"
    protocols = "protocols"
    tables = "tables"
    models = "models"
    combinations = "combinations"


def listing(
    kind: Annotated[Kind | None, typer.Argument(help="Only these.", show_default="all")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """List proxies, saliencies, spaces, protocols, tables, models, combinations, a line on each.

    Examples:

        zcproxy list

        zcproxy list proxies
    """
    shown = {k.value: _entries(k) for k in ([kind] if kind else Kind)}
    if as_json:
        typer.echo(json.dumps(shown, indent=2))
        return
    width = max(len(name) for entries in shown.values() for name in entries)
    blocks = [
        "\n".join([f"{title}:", *(f"  {name:<{width}}  {text}" for name, text in entries.items())])
        for title, entries in shown.items()
    ]
    typer.echo("\n\n".join(blocks))


def _entries(kind: Kind) -> dict[str, str]:
    """Names of one kind and a sentence on each."""
    from zcproxy import catalogue, models, protocols, proxies, saliencies, spaces

    if kind is Kind.proxies:
        return {name: proxies.summary(name) for name in proxies.names()}
    if kind is Kind.saliencies:
        return {name: catalogue.summary("zcproxy.saliencies", name) for name in saliencies.NAMES}
    if kind is Kind.spaces:
        return {name: spaces.get(name).summary for name in spaces.names()}
    if kind is Kind.protocols:
        return {name: protocols.description(name) for name in protocols.names()}
    if kind is Kind.combinations:
        from zcproxy.analysis import NAMED

        return {
            name: f"{', '.join(made.proxies)}, joined by {made.rule}"
            for name, made in NAMED.items()
        }
    if kind is Kind.models:
        return {name: models.summary(name) for name in models.names()}
    from zcproxy import tables

    return {name: f"accuracies of the space {name} (zcproxy data list)" for name in tables.names()}
