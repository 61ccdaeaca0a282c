"""The kinds of failure that are no proxy's own, and which of all say nothing about a network."""

from __future__ import annotations

__all__ = [
    "CRASHED",
    "ERROR",
    "FAILURE",
    "MEMORY",
    "NOT_APPLICABLE",
    "NOT_SCORED",
    "UNKNOWN",
    "kind_stated",
]

FAILURE = "_failure"
"""What follows a proxy's name in the column of its kinds of failure (see `zcproxy.store.frame`)."""

NOT_SCORED = "not_scored"
"""What a run has not reached yet."""

CRASHED = "crashed"
"""The process that scored the network ended, was killed, or took too long."""

ERROR = "error"
"""A proxy raised what it should not, or returned no number."""

MEMORY = "memory"
"""The network was refused, or given up, for want of memory."""

NOT_APPLICABLE = "not_applicable"
"""The proxy is not defined for networks of this kind."""

UNKNOWN = (NOT_SCORED, CRASHED, ERROR, MEMORY)
"""Kinds that say nothing about the network: its score is not known, not bad."""


def kind_stated(text: object) -> str:
    """The kind in what a table states of a failure, which may have a message behind a colon.

    >>> kind_stated("error: KeyError: 'x'")
    'error'
    """
    return str(text).partition(":")[0]
