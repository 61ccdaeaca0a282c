"""Published tables of NAS-Bench-201 beside what our scores give, cell by cell with a verdict."""

from zcproxy.reproduction.cells import RULE, Cell, cells
from zcproxy.reproduction.choice import Missing, missing
from zcproxy.reproduction.material import Scored, joined
from zcproxy.reproduction.published import Published, names, published

__all__ = [
    "RULE",
    "Cell",
    "Missing",
    "Published",
    "Scored",
    "cells",
    "joined",
    "missing",
    "names",
    "published",
]
