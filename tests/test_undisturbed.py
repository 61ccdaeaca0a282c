"""What is set for a measurement is given back afterwards, on machines with GPUs too."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from zcproxy import undisturbed
from zcproxy.undisturbed import full_precision, undisturbed_randomness


def settings() -> tuple[object, ...]:
    cudnn = torch.backends.cudnn
    precision = [
        getattr(where, name)
        for where in (getattr(cudnn, "conv", cudnn), torch.backends.cuda.matmul)
        for name in ("fp32_precision" if hasattr(cudnn, "conv") else "allow_tf32",)
    ]
    return (*precision, cudnn.deterministic)


@pytest.fixture
def in_use(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As if GPUs were in use."""
    monkeypatch.setattr(undisturbed, "_gpus_in_use", lambda: True)
    yield


@pytest.mark.usefixtures("in_use")
def test_gpus_compute_in_full_precision_and_get_their_settings_back() -> None:
    before = settings()
    with pytest.raises(RuntimeError, match="on purpose"), full_precision():
        assert settings() in (("ieee", "ieee", True), (False, False, True))
        raise RuntimeError("on purpose")
    assert settings() == before
    assert settings() != ("ieee", "ieee", True)


def test_nothing_is_set_where_no_gpu_is_in_use() -> None:
    before = settings()
    with full_precision():
        assert settings() == before


def test_a_gpu_that_is_not_in_use_is_not_seeded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "manual_seed_all", None)  # would be called, and fail
    with undisturbed_randomness(3):
        found = torch.rand(2)
    assert torch.equal(found, torch.rand(2, generator=torch.Generator().manual_seed(3)))
