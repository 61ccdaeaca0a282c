"""Items in stacks: who stands beside whom, what fails alone, and what the store keeps."""

from __future__ import annotations

import itertools
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from zcproxy import scoring, spaces
from zcproxy.errors import InputError
from zcproxy.networks.stacked import StackedNetwork
from zcproxy.runs import Progress, Setup, prepare, run, stacks
from zcproxy.runs.items import Item, plan, score_item
from zcproxy.runs.pool import Pool
from zcproxy.runs.selection import sample
from zcproxy.runs.stacks import Stack, StackedPool, Stacking, score_stack, stacked, wanted
from zcproxy.store import Row, Store

SPACE = spaces.get("digits201")
NONE = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"
CHOSEN = [*sample(SPACE, 14, seed=5), NONE]
PROXIES = ["snip", "nwot", "jacob_cov"]
ON_CPU = Stacking("cpu", 4, "cpu")


@pytest.fixture(scope="module")
def setup() -> Setup:
    return prepare("digits201", "digits", batch_size=8)


def items(*names: str, proxies: tuple[str, ...] = ("snip",)) -> list[Item]:
    return [Item(name, "", proxies, 2.0) for name in names]


def planned(*proxies: str) -> list[Item]:
    return plan(SPACE, CHOSEN, proxies, {})


def connected(count: int) -> list[Item]:
    """So many items of networks that can be stacked."""
    found = [i for i in planned("snip") if SPACE.blueprint(i.architecture).connected]
    assert len(found) >= count
    return found[:count]


def by_network(rows: list[Row]) -> dict[tuple[str, str], Row]:
    found = {(row.network, row.proxy): row for row in rows}
    assert len(found) == len(rows)
    return found


def agree(found: list[Row], expected: list[Row], rel: float = 1e-3) -> bool:
    """Whether rows are the same but for rounding and time."""
    one, other = by_network(found), by_network(expected)
    assert one.keys() == other.keys()
    return all(
        (row.failure, row.message) == (other[key].failure, other[key].message)
        and row.value == (None if row.value is None else pytest.approx(other[key].value, rel=rel))
        for key, row in one.items()
    )


def test_only_equal_work_is_stacked() -> None:
    given = [*items(*"abcde"), *items("f", "g", proxies=("snip", "nwot"))]
    made = stacked(given, 2, alone=["c"])
    together = sorted("".join(item.network for item in stack.items) for stack in made)
    assert together == ["ab", "c", "de", "fg"]
    assert {stack.proxies for stack in made} == {("snip",), ("snip", "nwot")}
    assert [stack.cost for stack in made] == [4.0, 4.0, 4.0, 2.0]
    assert len({stack.network for stack in made}) == 4


def test_networks_of_similar_cost_stand_side_by_side() -> None:
    costs = {"a": 1, "b": 9, "c": 2, "d": 8}
    given = [Item(name, "", ("snip",), cost) for name, cost in costs.items()]
    assert [stack.network.split("\n") for stack in stacked(given, 2)] == [["b", "d"], ["c", "a"]]


def test_a_stack_has_the_rows_of_its_items_one_by_one(setup: Setup) -> None:
    alone = [SPACE.key(NONE)]
    for stack in stacked(planned(*PROXIES), 4, alone):
        expected = [row for item in stack.items for row in score_item(item, setup)]
        assert agree(score_stack(stack, setup), expected)


def test_a_stack_without_memory_is_scored_in_halves(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    whole = scoring.measure_stacked

    def short_of_memory(network: StackedNetwork, *args: object) -> object:
        sizes.append(network.members)
        if network.members > 2:
            raise torch.OutOfMemoryError("on purpose")
        return whole(network, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(scoring, "measure_stacked", short_of_memory)
    (stack,) = stacked(connected(5), 5)
    expected = [row for item in stack.items for row in score_item(item, setup)]
    assert agree(score_stack(stack, setup), expected)
    assert sizes == [5, 2, 3, 2]  # and the one of three that is left, alone


def test_a_network_that_cannot_be_built_fails_alone(setup: Setup) -> None:
    good = connected(2)
    (stack,) = stacked([*good, Item("bad", "no architecture", ("snip",), 1.0)], 3)
    found = by_network(score_stack(stack, setup))
    assert found["bad", "snip"].failure == "error"
    assert "not a NAS-Bench-201 architecture" in str(found["bad", "snip"].message)
    assert all(found[item.network, "snip"].value is not None for item in good)


def test_a_network_that_kills_its_worker_fails_alone(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    import scorers

    from zcproxy.runs import pool as pools

    monkeypatch.setattr(pools, "ATTEMPTS", 1)  # fewer workers to start
    pool = StackedPool(setup, 1, ON_CPU)
    pool._pool = Pool(setup, 1, scorers.die_in_a_stack)
    chosen = connected(4)
    killer = Item("killer", chosen[2].architecture, ("snip",), 1.0)
    found = dict(pool.results([*chosen, killer]))
    assert {item.network for item in found} == {item.network for item in chosen} | {"killer"}
    assert [row.failure for row in found[killer]] == ["crashed"]
    assert all(found[item] == [Row(item.network, "snip", 1.0)] for item in chosen)


def test_a_run_in_stacks_resumes_and_keeps_how_it_was_made(setup: Setup, tmp_path: Path) -> None:
    told: list[Progress] = []
    once, stack = tmp_path / "once.sqlite", tmp_path / "stack.sqlite"
    run(setup, CHOSEN, PROXIES, once)
    run(setup, CHOSEN[:5], PROXIES, stack, stack=3)
    summary = run(setup, CHOSEN, PROXIES, stack, stack=4, progress=told.append)
    assert summary.failures == {"disconnected": 2}
    assert summary.scored < summary.networks
    assert told[0].place.startswith("4 side by side on cpu, up to 0.0")
    assert told[-1].done == told[-1].total == summary.networks
    with Store.read(once) as one, Store.read(stack) as other:
        assert agree(other.rows(), one.rows())
        assert "device" not in one.versions()[0]
        assert [(v["device"], v["stack"]) for v in other.versions()] == [("cpu", "3"), ("cpu", "4")]
        assert other.configuration.key == one.configuration.key
    assert run(setup, CHOSEN, PROXIES, stack).scored == 0


def test_processors_go_one_by_one_unless_told() -> None:
    assert wanted("cpu", None) is None
    assert wanted("cpu", 1) is None
    assert wanted("cpu", 3) == Stacking("cpu", 3, "cpu")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("cuda", None), r"no device cuda here: torch .* finds 0 GPUs; use --device cpu"),
        (("cuda:3", 2), "no device cuda:3 here"),
        (("gpu", 2), "no device 'gpu'; known: cpu, cuda, cuda:0"),
        (("cuda:x", 2), "no device 'cuda:x'"),
        (("cpu", 0), "0 networks cannot stand side by side"),
        (("cpu", 2, "local"), "workers on Ray score one by one"),
    ],
)
def test_what_cannot_be_is_refused(
    arguments: tuple[str, int | None], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(InputError, match=message):
        wanted(*arguments)


def gpu_with(gib: float, monkeypatch: pytest.MonkeyPatch) -> Stacking:
    """A stacking on a stand-in for a GPU with so much free memory."""
    free = int(gib * (1 << 30))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "stand-in")
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (free, free))
    found = wanted("cuda", None)
    assert found is not None
    return found


def test_free_memory_decides_how_many_stand_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    conv = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|"
    conv += "+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|"
    space = spaces.get("nasbench201")
    largest, smallest = space.blueprint(conv), space.blueprint(conv.replace("nor_conv", "avg_pool"))
    sizes = {}
    for gib, workers in itertools.product((20, 140), (1, 2)):
        stacking = gpu_with(gib, monkeypatch)
        settled = stacking.settled([largest, smallest] * 99, 64, ["grasp"], workers)
        sizes[gib, workers] = settled.size
        assert settled.told.startswith(f"{settled.size} side by side on stand-in, up to 2.")
        assert settled.provenance == {"device": "stand-in", "stack": str(settled.size)}
    assert sizes[140, 1] == pytest.approx(7 * (sizes[20, 1] or 0), abs=7)
    assert sizes[140, 1] == pytest.approx(2 * (sizes[140, 2] or 0), abs=1)
    assert sizes[20, 1] == pytest.approx(0.8 * 20 / 2.5, abs=1)
    small = gpu_with(140, monkeypatch).settled([smallest], 64, ["grasp"], 1)
    assert small.size == stacks.MOST


def test_not_even_one_network_is_refused_with_the_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    blueprint = spaces.get("nasbench201").blueprint(CHOSEN[0])
    stacking = gpu_with(0.5, monkeypatch)
    with pytest.raises(
        InputError, match=r"1 side by side on a batch of 1,024 .* and 0\.50 GiB are"
    ):
        stacking.settled([blueprint], 1024, ["grasp"], 1)


def test_a_stack_that_does_not_fit_on_processors_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stacks.memory, "available", lambda: 1 << 20)
    blueprint = spaces.get("nasbench201").blueprint(CHOSEN[0])
    with pytest.raises(InputError, match="3 side by side .* in each of 2 workers, and 0.00 GiB"):
        Stacking("cpu", 5, "cpu").settled([blueprint] * 3, 64, ["snip"], 2)


def test_the_device_reaches_the_network(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []

    def stand_in(network: StackedNetwork, inputs: torch.Tensor, *_: object) -> object:
        seen.extend([inputs.device.type, *{p.device.type for p in network.parameters()}])
        result = scoring.Result(1.0, None, None, 0.0)
        return [{"snip": result} for _ in range(network.members)]

    monkeypatch.setattr(scoring, "measure_stacked", stand_in)
    monkeypatch.setattr(torch, "cuda", SimpleNamespace(empty_cache=lambda: None))
    (stack,) = stacked(connected(2), 2)
    assert isinstance(stack, Stack)
    score_stack(stack, setup, "meta")
    assert seen == ["meta", "meta"]
