"""The sample of networks: distinct, connected, and the same on every machine."""

from __future__ import annotations

import hashlib

import pytest

from zcproxy import spaces
from zcproxy.embedded.plan import SPACE, representatives, sample
from zcproxy.errors import InputError

space = spaces.get(SPACE)


def test_one_architecture_per_connected_network() -> None:
    chosen = representatives()
    keys = {space.key(a) for a in chosen}
    assert len(chosen) == len(keys) == 5259
    everything = {space.key(a) for a in space.architectures()}
    assert len(everything - keys) == 1  # the disconnected network
    assert all(space.blueprint(a).connected for a in chosen)


def test_representatives_have_no_dead_operations() -> None:
    for architecture in representatives():
        blueprint = space.blueprint(architecture)
        assert blueprint.dead == ()
        assert blueprint.params == blueprint.live_params


def test_a_beginning_is_a_beginning_of_every_longer_sample() -> None:
    assert sample(30) == sample(80)[:30]


def test_the_order_is_pinned() -> None:
    text = "\n".join(representatives())
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "242bf2b007b4ad10"


@pytest.mark.parametrize("networks", [0, 5260])
def test_numbers_out_of_range(networks: int) -> None:
    with pytest.raises(InputError, match="5,259 connected distinct networks"):
        sample(networks)
