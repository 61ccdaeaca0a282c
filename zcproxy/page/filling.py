"""The page put together: template, style, scripts and data in one file."""

from __future__ import annotations

import html
import json
import os
import re
from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from zcproxy.errors import InputError
from zcproxy.page.content import Part, Settings, content
from zcproxy.page.packing import Blobs

__all__ = ["filled", "script_safe", "write_page"]

SCRIPTS = ("read", "ranks", "cells", "filters", "scales", "scatter", "agreement", "detail", "page")
"""The scripts in the order in which they stand in the page, one scope for all."""


def write_page(
    path: str | Path,
    parts: Sequence[Part],
    settings: Settings | None = None,
    command: str = "",
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write one HTML file that shows `parts`, of which the reader chooses one at a time.

    The same input gives the same bytes. `progress(done, total)` counts tables of agreement.

    Raises InputError where there is nothing to show or the file cannot be written.
    """
    place = Path(path)
    if not parts:
        raise InputError("a page needs at least one file of scores")
    if not place.absolute().parent.is_dir():
        raise InputError(f"there is no folder {place.parent} to write {place.name} into; create it")
    text = filled(parts, settings or Settings(), command, progress)
    partial = place.with_name(f".{place.name}.{os.getpid()}.partial")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(place)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise InputError(f"{place} cannot be written: {error.strerror or error}") from error
    return place


def filled(
    parts: Sequence[Part],
    settings: Settings,
    command: str = "",
    progress: Callable[[int, int], None] | None = None,
) -> str:
    """The whole page as text."""
    blobs = Blobs()
    total = sum(len(part.accuracies.columns) for part in parts)
    done = 0

    def step() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, total)

    shown = [content(part, blobs, settings, step) for part in parts]
    for file in shown:
        file["notes"] += differing(parts)
    title = f"Scores and accuracies: {', '.join(part.name for part in parts)}"
    data = {"title": title, "command": command, "files": shown, "blobs": blobs.texts}
    return substituted(
        piece("page.html"),
        {
            "title": html.escape(title),
            "style": piece("page.css"),
            "scripts": "\n".join(piece(f"{name}.js") for name in SCRIPTS),
            "data": script_safe(data),
        },
    )


def differing(parts: Sequence[Part]) -> list[str]:
    """What must be said of files that were not scored in the same way, each with its own."""
    if len(set(map(way, parts))) < 2:
        return []
    told = "; ".join(f"{part.name}: {way(part)}" for part in parts)
    return [f"The files of this page were not scored in the same way. {told}."]


def way(part: Part) -> str:
    """The protocol and batch size of a file of scores, in words."""
    run = part.source.run
    if not run.get("protocol"):
        return "protocol not stated"
    size = run.get("batch_size")
    return f"protocol {run['protocol']}" + ("" if size is None else f", batch size {size}")


def substituted(template: str, values: dict[str, str]) -> str:
    """`template` with every `{{name}}` replaced, in one pass: what comes in is not read again."""
    return re.sub(r"\{\{(\w+)\}\}", lambda match: values[match[1]], template)


def script_safe(data: Any) -> str:
    r"""JSON that may stand in a script element whatever its texts are: no `<`, `>` or `&` is left.

    >>> script_safe("</script><!--")
    '"\\u003c/script\\u003e\\u003c!--"'
    """
    text = json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def piece(name: str) -> str:
    """One of the files beside this one."""
    return files("zcproxy.page").joinpath(name).read_text(encoding="utf-8")
