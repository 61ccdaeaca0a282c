"""Scores of many architectures: work items, processes, and one writer."""

from zcproxy.configuration import Configuration
from zcproxy.runs.coordinator import Progress, Summary, run
from zcproxy.runs.items import Item, Setup, prepare, score_item

__all__ = ["Configuration", "Item", "Progress", "Setup", "Summary", "prepare", "run", "score_item"]
