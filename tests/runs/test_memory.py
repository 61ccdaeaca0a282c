"""The memory of workers: stated, and refused where it is not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from zcproxy import spaces
from zcproxy.errors import InputError, is_shortage
from zcproxy.kinds import MEMORY
from zcproxy.runs import memory, prepare, run

ALL = ["snip", "grasp"]
CELL = "|{0}~0|+|{0}~0|{0}~1|+|{0}~0|{0}~1|{0}~2|"
LARGE, POOLS = CELL.format("nor_conv_3x3"), CELL.format("avg_pool_3x3")


@pytest.mark.parametrize(
    ("architecture", "batch", "proxies", "megabytes"),
    [
        (LARGE, 64, ["snip"], 843),
        (LARGE, 64, ALL, 2042),
        (LARGE, 128, ALL, 3688),
        (LARGE, 32, ALL, 1166),
        (POOLS, 64, ["snip"], 444),
        (POOLS, 64, ALL, 612),
    ],
)
def test_needed_is_above_what_was_measured_but_not_far(
    architecture: str, batch: int, proxies: list[str], megabytes: int
) -> None:
    blueprint = spaces.get("nasbench201").blueprint(architecture)
    estimate = memory.needed(blueprint, batch, proxies) / (1 << 20)
    assert megabytes < estimate < 1.25 * megabytes + 300


def test_what_fits_passes_and_what_does_not_is_refused_with_the_numbers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    blueprint = spaces.get("nasbench201").blueprint(LARGE)
    each = memory.needed(blueprint, 64, ALL)
    monkeypatch.setattr(memory, "available", lambda: 2 * each)
    memory.check([blueprint], 64, ALL, 2)
    with pytest.raises(InputError, match=r"in each of 3 workers.*--workers 2\b"):
        memory.check([blueprint], 64, ALL, 3)
    monkeypatch.setattr(memory, "available", lambda: each - 1)
    with pytest.raises(InputError, match="smaller --batch-size"):
        memory.check([blueprint], 64, ALL, 1)
    monkeypatch.setattr(memory, "available", lambda: None)
    memory.check([blueprint], 64, ALL, 99)


def test_a_run_is_refused_before_anything_is_scored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "available", lambda: 1 << 20)
    setup = prepare("digits201", "digits", batch_size=8)
    with pytest.raises(InputError, match="a batch of 8 images needs up to"):
        run(setup, [LARGE], ["snip"], tmp_path / "store.sqlite")


def test_this_machine_has_some_memory_and_not_more_than_is_possible() -> None:
    free = memory.available()
    assert free is not None
    assert 1 << 26 < free < 1 << 50


def test_a_control_group_without_a_limit_is_no_limit(tmp_path: Path) -> None:
    (tmp_path / "max").write_text("max\n")
    (tmp_path / "limit").write_text("1000\n")
    (tmp_path / "usage").write_text("300\n")
    usage = str(tmp_path / "usage")
    assert memory._rest(str(tmp_path / "max"), usage) is None
    assert memory._rest(str(tmp_path / "limit"), usage) == 700
    assert memory._rest(str(tmp_path / "absent"), usage) is None


def test_a_worker_gets_no_more_than_its_bound_and_the_network_fails_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A third worker's worth of address space: enough to import torch, not for 20,000 images."""
    monkeypatch.setattr(memory, "needed", lambda *_: 0)
    monkeypatch.setattr(memory, "bound", lambda _: 1_600 << 20)
    setup = prepare("digits201", "noise", batch_size=20_000)
    summary = run(setup, [LARGE], ["grasp"], tmp_path / "store.sqlite")
    assert summary.failures == {MEMORY: 1}


def test_a_shortage_is_known_by_its_cause() -> None:
    inner = RuntimeError(
        "DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes"
    )
    try:
        raise ValueError("the network cannot be computed") from inner
    except ValueError as error:
        assert is_shortage(error)
    assert is_shortage(MemoryError())
    assert not is_shortage(ValueError("something else"))
