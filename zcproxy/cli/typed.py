"""The command line as text, for files that others read: without the folders of this machine."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

__all__ = ["command_line", "shown", "without_folders"]


def command_line() -> str:
    """The command that runs, as typed but for absolute paths, which are `shown`."""
    return shlex.join(["zcproxy", *(_word(word) for word in sys.argv[1:])])


def _word(word: str) -> str:
    """A word with its path, or the one behind `=`, as it is `shown`."""
    path = _path(word)
    return word.removesuffix(path) + shown(path)


def _path(word: str) -> str:
    """The word, or what stands behind `=`, as in `--out=FILE`."""
    name, _, value = word.partition("=")
    return value if Path(value).is_absolute() and not Path(name).is_absolute() else word


def without_folders(text: str) -> str:
    """A text in which the absolute paths of the command line are `shown`, the longest first."""
    given = {path for path in map(_path, sys.argv[1:]) if Path(path).is_absolute()}
    for path in sorted(given, key=len, reverse=True):
        text = text.replace(path, shown(path))
    return text


def shown(path: str | Path) -> str:
    """A path as seen from the current folder; of an absolute one elsewhere the last part alone.

    A relative path, or any other word, stays as it is.
    """
    given = Path(path)
    if not given.is_absolute():
        return str(path)
    here = Path.cwd()
    return str(given.relative_to(here)) if given.is_relative_to(here) else given.name
