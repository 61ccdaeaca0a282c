"""Training one small network: one loop, deterministic for a seed, resumable to the bit."""

from zcproxy.training.loop import accuracy, fit, train
from zcproxy.training.recipe import Recipe
from zcproxy.training.stream import shifted

__all__ = ["Recipe", "accuracy", "fit", "shifted", "train"]
