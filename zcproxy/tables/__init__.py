"""Trained accuracies of benchmarks, in percent, each with data set, split, epochs and seed.

A table is a data frame with the column `architecture` and accuracy columns named as
`zcproxy.tables.columns` says; `frame.attrs["columns"]` describes each of them.
"""

from zcproxy.tables.columns import Column
from zcproxy.tables.compact import read, write
from zcproxy.tables.finding import Found, available, find, load, names
from zcproxy.tables.frame import finish

__all__ = ["Column", "Found", "available", "find", "finish", "load", "names", "read", "write"]
