"""What all tests share: one thread, and the way to the real data."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real benchmark data, or a skip that says how to get it."""
    named = os.environ.get("ZCPROXY_DATA", "")
    folder = Path(named)
    if not named or not (folder / "nasbench201" / "accuracies.csv.gz").is_file():
        pytest.skip("needs the real data: set ZCPROXY_DATA to the folder of benchmark files")
    return folder
