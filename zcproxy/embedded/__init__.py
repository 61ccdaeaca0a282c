"""The benchmark that comes with the package: networks of `digits201`, trained by zcproxy itself."""

from zcproxy.embedded.builder import RECIPE, Progress, build, description, retrain
from zcproxy.embedded.ledger import Ledger, Training
from zcproxy.embedded.plan import SPACE, representatives, sample

__all__ = [
    "RECIPE",
    "SPACE",
    "Ledger",
    "Progress",
    "Training",
    "build",
    "description",
    "representatives",
    "retrain",
    "sample",
]
