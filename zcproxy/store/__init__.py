"""Scores on disk: one SQLite file per run, and the table it exports. Nothing here needs torch."""

from zcproxy.store.database import Row, Store
from zcproxy.store.frame import export, read_scores, write_scores

__all__ = ["Row", "Store", "export", "read_scores", "write_scores"]
