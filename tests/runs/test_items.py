"""Work items: what is planned, and that each is scored alone."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
import torch

from zcproxy import datasets, protocols, proxies, scoring, spaces
from zcproxy.errors import InputError, MeasureError
from zcproxy.runs.items import Item, Setup, batch_of, plan, prepare, score_item, versions
from zcproxy.sampling import place
from zcproxy.store import Row

SPACE = spaces.get("digits201")
CONV = "|none~0|+|none~0|none~1|+|nor_conv_3x3~0|none~1|none~2|"
DEAD = "|nor_conv_1x1~0|+|none~0|none~1|+|nor_conv_3x3~0|none~1|none~2|"
SMALL = "|none~0|+|none~0|none~1|+|nor_conv_1x1~0|none~1|none~2|"
SKIP = "|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|"
NONE = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"
MEASURED = [name for name in proxies.names() if name not in proxies.COUNTS]


@pytest.fixture(scope="module")
def setup() -> Setup:
    return prepare("digits201", "digits", batch_size=16)


def item(architecture: str, *names: str) -> Item:
    return Item(SPACE.key(architecture), architecture, names, 1.0)


def bits(rows: list[Row]) -> dict[str, tuple[str | None, str | None]]:
    return {
        row.proxy: (None if row.value is None else row.value.hex(), row.failure) for row in rows
    }


def test_a_network_is_planned_once_however_many_strings_it_has() -> None:
    items = plan(SPACE, [CONV, DEAD, SKIP], ["snip"], {})
    assert sorted(item.network for item in items) == sorted([SPACE.key(CONV), SPACE.key(SKIP)])


def test_costs_grow_with_what_there_is_to_compute() -> None:
    items = plan(SPACE, [NONE, SKIP, SMALL, CONV], ["snip"], {})
    costs = {item.architecture: item.cost for item in items}
    assert 0 < costs[NONE] < costs[SKIP] < costs[SMALL] < costs[CONV]


def test_every_beginning_of_a_plan_scores_a_random_sample_of_architectures() -> None:
    everything = SPACE.architectures()
    items = plan(SPACE, everything, ["snip"], {})
    assert len(items) == len({SPACE.key(a) for a in everything})
    begun = {item.network for item in items[:800]}
    order = sorted(everything, key=place)
    sample = list(itertools.takewhile(lambda a: SPACE.key(a) in begun, order))
    assert len(sample) > 1400  # 800 networks are enough for that
    sizes = np.array([SPACE.counts(a, "digits")["live_params"] for a in everything])
    drawn = np.array([SPACE.counts(a, "digits")["live_params"] for a in sample])
    error = sizes.std() / np.sqrt(len(sample))
    assert abs(drawn.mean() - sizes.mean()) < 4 * error < 0.2 * sizes.mean()
    some = [item.architecture for item in plan(SPACE, everything[::7], ["snip"], {})]
    assert some == sorted(some, key=place)  # so that samples are nested


def test_the_plan_does_not_depend_on_the_order_of_architectures() -> None:
    names = SPACE.architectures()[:200]
    forth, back = plan(SPACE, names, ["snip"], {}), plan(SPACE, names[::-1], ["snip"], {})
    assert [(i.network, i.cost) for i in forth] == [(i.network, i.cost) for i in back]


def test_only_what_is_missing_is_planned() -> None:
    done = {SPACE.key(CONV): {"snip"}, SPACE.key(SKIP): {"snip", "plain"}}
    items = plan(SPACE, [CONV, SKIP, SMALL], ["snip", "plain"], done)
    assert {item.architecture: item.proxies for item in items} == {
        CONV: ("plain",),
        SMALL: ("snip", "plain"),
    }
    assert plan(SPACE, [CONV], [], {}) == []
    assert plan(SPACE, [], ["snip"], {}) == []


def test_scores_are_those_of_the_live_network_at_the_seed(setup: Setup) -> None:
    seeded = dataclasses.replace(
        setup, configuration=dataclasses.replace(setup.configuration, seed=3)
    )
    network = SPACE.network(CONV, classes=10, seed=3, live=True)
    inputs, targets = torch.from_numpy(setup.inputs), torch.from_numpy(setup.targets)
    expected = scoring.score(network, inputs, targets, ["snip", "l2_norm"], seed=3)
    rows = score_item(item(DEAD, "snip", "l2_norm"), seeded)
    assert {row.proxy: row.value for row in rows} == expected
    other = score_item(item(DEAD, "snip", "l2_norm"), setup)
    assert all(a.value != b.value for a, b in zip(rows, other, strict=True))


def test_the_protocol_reaches_the_measures(setup: Setup) -> None:
    seen = {}
    for name in protocols.names():
        settings = dataclasses.replace(setup.configuration, protocol=name)
        seen[name] = bits(
            score_item(item(NONE, "l2_norm"), dataclasses.replace(setup, configuration=settings))
        )
    assert seen["clean"] != seen["abdelfattah2021"]


@pytest.mark.parametrize("architecture", [CONV, SKIP, NONE, SPACE.architectures()[3]])
def test_a_score_does_not_depend_on_what_else_is_asked_for(setup: Setup, architecture: str) -> None:
    together = bits(score_item(item(architecture, *MEASURED), setup))
    alone = [bits(score_item(item(architecture, name), setup)) for name in reversed(MEASURED)]
    assert together == {name: cell for answer in alone for name, cell in answer.items()}
    assert together.keys() == set(MEASURED)


def test_a_failure_is_a_row_with_kind_and_message(setup: Setup) -> None:
    (row,) = score_item(item(NONE, "jacob_cov"), setup)
    assert (row.value, row.failure) == (None, "disconnected")
    assert row.message


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (ValueError("on purpose"), "error", "ValueError: on purpose"),
        (MemoryError(), "memory", "MemoryError: "),
        (MeasureError("degenerate", "all the same"), "degenerate", "all the same"),
    ],
)
def test_an_exception_fails_all_proxies_of_the_network(
    setup: Setup, monkeypatch: pytest.MonkeyPatch, error: Exception, kind: str, message: str
) -> None:
    def fail(*args: object, **options: object) -> None:
        raise error

    monkeypatch.setattr(scoring, "measure", fail)
    rows = score_item(item(CONV, "snip", "plain"), setup)
    assert rows == [Row(SPACE.key(CONV), p, None, kind, message) for p in ("snip", "plain")]


def test_scoring_leaves_the_batch_as_it_was(setup: Setup) -> None:
    inputs, targets = setup.inputs.copy(), setup.targets.copy()
    score_item(item(CONV, *MEASURED), setup)
    assert np.array_equal(setup.inputs, inputs)
    assert np.array_equal(setup.targets, targets)


def test_the_configuration_tells_the_batch(setup: Setup) -> None:
    settings = setup.configuration
    assert (settings.space, settings.dataset, settings.classes) == ("digits201", "digits", 10)
    assert (settings.shape, settings.batch_size) == ((1, 8, 8), 16)
    assert setup.inputs.shape == (16, 1, 8, 8)
    following = prepare("digits201", "digits", batch_size=16, batch_seed=1)
    assert following.configuration.batch_sha256 != settings.batch_sha256
    assert prepare("digits201", "digits", batch_size=16).configuration == settings


@pytest.mark.parametrize("dataset", ["noise", "ones"])
def test_made_images_have_the_shape_of_the_space(dataset: str) -> None:
    small = prepare("digits201", dataset, batch_size=4)
    assert small.inputs.shape == (4, 1, 8, 8)
    assert small.configuration.shape == (1, 8, 8)
    assert prepare("nasbench201", dataset, batch_size=4).inputs.shape == (4, 3, 32, 32)


def test_images_that_do_not_fit_the_space_are_refused() -> None:
    with pytest.raises(InputError, match=r"of nasbench201 take images of 3 channels, .* have 1"):
        prepare("nasbench201", "digits")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("digits202", "digits", "clean"), "did you mean 'digits201'"),
        (("digits201", "digit", "clean"), "did you mean 'digits'"),
        (("digits201", "digits", "clear"), "did you mean 'clean'"),
    ],
)
def test_unknown_names_get_the_nearest(names: tuple[str, str, str], message: str) -> None:
    space, dataset, protocol = names
    with pytest.raises(InputError, match=message):
        prepare(space, dataset, protocol=protocol)


def test_a_protocol_brings_its_batch_and_its_initialization() -> None:
    made = prepare("digits201", "digits", protocol="aznas", seed=4)
    settings = made.configuration
    assert (settings.dataset, settings.classes, settings.batch_size) == ("digits", 10, 64)
    noise = datasets.batch("noise", 64, shape=(1, 8, 8))
    assert np.array_equal(made.inputs, noise.inputs.numpy())
    assert settings.batch_sha256 != prepare("digits201", "digits").configuration.batch_sha256
    assert prepare("digits201", "digits", protocol="aznas", batch_seed=1, seed=4) != made
    names = ("snip", "l2_norm", "live_convs")
    rows = score_item(item(CONV, *names), made)
    network = SPACE.network(CONV, seed=4, live=True, initialization="kaiming")
    expected = scoring.measure(network, noise.inputs, noise.targets, names, "aznas", 4)
    assert {row.proxy: row.value for row in rows} == {n: r.value for n, r in expected.items()}
    default = score_item(item(CONV, *names), prepare("digits201", "digits", seed=4))
    assert rows[1].value != default[1].value


def test_a_protocol_has_a_batch_size_that_can_be_overruled() -> None:
    def size(**settings: object) -> int:
        return prepare("digits201", "digits", **settings).configuration.batch_size  # type: ignore

    assert size() == 64
    assert size(protocol="nas_bench_suite_zero") == 32
    assert size(protocol="nas_bench_suite_zero", batch_size=16) == 16


def test_noise_takes_the_classes_of_the_data_set_it_stands_in_for() -> None:
    batch = batch_of("imagenet16-120-standin", "aznas", 500)
    assert (batch.name, batch.classes) == ("imagenet16-120-standin", 120)
    assert batch.inputs.shape == (500, 3, 16, 16)
    assert int(batch.targets.max()) > 100
    assert abs(float(batch.inputs.std()) - 1) < 0.01
    with pytest.raises(InputError, match="draws noise; choose another data set than ones"):
        prepare("digits201", "ones", protocol="aznas")
    made = prepare("digits201", "noise", protocol="aznas", batch_size=8).configuration
    assert (made.dataset, made.shape) == ("noise", (1, 8, 8))


def test_versions_name_what_computes() -> None:
    assert versions()["torch"] == torch.__version__
    assert versions().keys() == {"zcproxy", "torch", "python", "machine"}
