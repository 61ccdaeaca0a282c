"""Controls keep the numbers they promise to keep, and change what they promise to change."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from zcproxy.errors import InputError
from zcproxy.pruning import Mask, prune, saliency_scores
from zcproxy.pruning.controls import erk_like, inverted, random_like, reinitialized, shuffled


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(32, 10))


@pytest.fixture
def mask() -> Mask:
    return prune(network(), method="magnitude", density=0.2)


def counts(mask: Mask) -> list[int]:
    return [int(bits.sum()) for bits in mask.values()]


@pytest.mark.parametrize("control", [shuffled, random_like])
def test_positions_change_and_counts_of_layers_do_not(mask: Mask, control: object) -> None:
    one, same, other = (control(mask, seed) for seed in (0, 0, 1))  # type: ignore[operator]
    assert counts(one) == counts(other) == counts(mask)
    assert one == same
    assert one != other
    for name, bits in mask.items():
        assert one[name].shape == bits.shape
        assert not torch.equal(one[name], bits)
    assert shuffled(mask, 0) != random_like(mask, 0)
    assert one.recipe["of"] == mask.recipe


def test_every_position_is_as_likely() -> None:
    mask = Mask({"w": torch.arange(8).view(2, 4) < 2})
    for control in (shuffled, random_like):
        times = torch.stack([control(mask, seed)["w"].float() for seed in range(400)]).mean(0)
        assert float((times - 0.25).abs().max()) < 0.08
    two = Mask({"a": mask["w"], "b": mask["w"]})
    assert any(not torch.equal(shuffled(two, s)["a"], shuffled(two, s)["b"]) for s in range(3)), (
        "layers are shuffled independently"
    )


def test_erk_keeps_the_total_and_divides_by_summed_sizes(mask: Mask) -> None:
    found = erk_like(mask, network(), 0)
    assert found.kept == mask.kept
    assert counts(found) == counts(prune(network(), method="random", density=0.2, scope="erk"))
    assert found != erk_like(mask, network(), 1)
    with pytest.raises(InputError, match="another network"):
        erk_like(mask, nn.Linear(2, 2), 0)


def test_inverted_keeps_the_lowest_scores(mask: Mask) -> None:
    scores = saliency_scores(network(), None, method="magnitude")
    scores["0.weight"][0] = 0
    found = inverted(mask, scores)
    assert counts(found) == counts(mask)
    for name, bits in found.items():
        assert float(scores[name][bits].max()) <= float(scores[name][~bits].min())
    everywhere = inverted(mask, scores, "global")
    values = torch.cat([s.flatten() for s in scores.values()])
    bits = torch.cat([b.flatten() for b in everywhere.values()])
    assert everywhere.kept == mask.kept
    assert float(values[bits].max()) <= float(values[~bits].min())
    assert bool(everywhere["0.weight"][0].all()), "zero is the lowest score"
    with pytest.raises(InputError, match="scope"):
        inverted(mask, scores, "erk")
    with pytest.raises(InputError, match="no parameter named '3.weight'"):
        inverted(mask, {"0.weight": scores["0.weight"]})


def test_reinitialized_draws_other_weights_of_the_same_kind() -> None:
    net = network()
    before = {n: p.clone() for n, p in net.named_parameters()}
    state = torch.get_rng_state()
    one, same, other = (reinitialized(net, seed) for seed in (5, 5, 6))
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(5)
    expected = nn.Conv2d(3, 8, 3)
    assert torch.equal(one[0].weight, expected.weight)  # type: ignore[index,union-attr,arg-type]
    for (name, p), q, r in zip(
        one.named_parameters(), same.parameters(), other.parameters(), strict=True
    ):
        assert torch.equal(p, q)
        assert torch.equal(p, r) == name.startswith("1.")
    assert all(torch.equal(p, before[n]) for n, p in net.named_parameters())

    def constant(module: nn.Module) -> None:
        for p in module.parameters():
            p.fill_(float(torch.rand(())))

    drawn = reinitialized(net, 1, constant)
    assert len(drawn[0].weight.unique()) == 1  # type: ignore[index,union-attr,operator]


def test_what_cannot_be_drawn_anew_is_said() -> None:
    class Token(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.token = nn.Parameter(torch.zeros(3))

    with pytest.raises(InputError, match="0 has parameters and no reset_parameters"):
        reinitialized(nn.Sequential(Token()), 0)
