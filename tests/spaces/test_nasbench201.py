"""NAS-Bench-201: its strings, its order, and its counts against the benchmark's own."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zcproxy import spaces
from zcproxy.errors import InputError
from zcproxy.spaces.nasbench201 import OPERATIONS, parse

SPACE = spaces.get("nasbench201")
VALID = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|none~1|nor_conv_1x1~2|"
GRAMMAR = re.compile(
    r"\|OP~0\|\+\|OP~0\|OP~1\|\+\|OP~0\|OP~1\|OP~2\|".replace(
        "OP", "(none|skip_connect|nor_conv_1x1|nor_conv_3x3|avg_pool_3x3)"
    )
)


@pytest.fixture(scope="module")
def table(shared_data: Path) -> pd.DataFrame:
    return pd.read_csv(shared_data / "nasbench201" / "accuracies.csv.gz")


def test_the_official_order_is_pinned() -> None:
    text = "\n".join(SPACE.architectures())
    digest = hashlib.sha256(text.encode()).hexdigest()
    assert digest == "83abc799e45cf34e9d2163654668ab998b9a54d01c39e72ca1f71f2cdf356d84"
    assert len(set(SPACE.architectures())) == 15_625


def test_the_official_order_is_that_of_the_benchmark(table: pd.DataFrame) -> None:
    assert SPACE.architectures() == table.sort_values("index")["arch_str"].tolist()


def test_both_spaces_have_the_same_strings() -> None:
    assert spaces.get("digits201").architectures() == SPACE.architectures()
    assert spaces.names() == ["digits201", "nasbench201"]


def test_a_list_of_architectures_is_the_callers_own() -> None:
    SPACE.architectures().clear()
    assert len(SPACE.architectures()) == 15_625


def test_how_many_are_connected_live_and_distinct() -> None:
    everything = SPACE.subset("all")
    connected, live = SPACE.subset("connected"), SPACE.subset("live")
    assert len(everything) - len(connected) == 341
    assert len(live) == 9_445
    # 5,260: sums flattened, identities contracted, equal poolings of one value merged; 6,466 in
    # the benchmark's paper forgets sharing, and 5,044 would need pooling to be linear in sums
    assert len({SPACE.key(a) for a in everything}) == 5_260
    assert len({SPACE.key(a) for a in connected}) == 5_259


def test_the_live_subset_is_the_one_others_scored(shared_data: Path) -> None:
    scores = pd.read_csv(shared_data / "nasbench201" / "reference_proxies_nbsz_release.csv.gz")
    scored = scores[scores["dataset"] == "cifar10"]["index"]
    everything = SPACE.architectures()
    assert [everything[i] for i in sorted(scored)] == SPACE.subset("live")


def test_an_unknown_subset_is_refused() -> None:
    with pytest.raises(InputError, match="no subset named 'alive'"):
        SPACE.subset("alive")


@pytest.mark.parametrize(
    ("dataset", "suffix"), [("cifar10", "c10"), ("cifar100", "c100"), ("imagenet16-120", "in16")]
)
def test_params_and_flops_of_all_equal_the_benchmarks(
    table: pd.DataFrame, dataset: str, suffix: str
) -> None:
    counts = [SPACE.counts(a, dataset) for a in table["arch_str"]]
    params = [round(c["params"]) for c in counts]
    flops = [round(c["flops"]) for c in counts]
    assert params == [round(v * 1e6) for v in table[f"params_M_{suffix}"]]
    # flops are published with five decimals of a million: exact to ten operations
    assert [round(v, -1) for v in flops] == [
        round(round(v * 1e6), -1) for v in table[f"flops_M_{suffix}"]
    ]
    assert all(c["live_params"] <= c["params"] for c in counts)


def test_live_params_of_a_live_network_are_its_params() -> None:
    counts = [SPACE.counts(a) for a in SPACE.subset("live")[::50]]
    assert all(c["live_params"] == c["params"] for c in counts)
    dead = "|none~0|+|none~0|none~1|+|none~0|nor_conv_1x1~1|none~2|"
    assert SPACE.counts(dead)["live_params"] == 0


def test_blanks_around_a_string_are_dropped() -> None:
    assert SPACE.canonical(f"  {VALID}\n") == VALID
    assert SPACE.key(f" {VALID}") == SPACE.key(VALID)


@pytest.mark.parametrize(
    ("wrong", "position", "reason"),
    [
        ("", 0, "expected '|'"),
        (VALID[1:], 0, "expected '|'"),
        (VALID[:-1], len(VALID) - 1, "expected '|'"),
        (VALID + "|", len(VALID), "expected the end"),
        (VALID.replace("none~0", "none~1"), VALID.index("none~0") + 5, "edge 2 comes from ~0"),
        (
            VALID.replace("skip_connect", "skipconnect"),
            VALID.index("skip"),
            "no operation 'skipconnect'",
        ),
        (VALID.replace("+|avg", "|avg"), VALID.index("+|avg"), "expected '+|'"),
        (
            VALID.replace("nor_conv_1x1~2", "nor_conv_1x1~²"),
            VALID.index("nor_conv_1x1"),
            "expected an operation",
        ),
        (
            VALID.replace("nor_conv_1x1~2", "nor_conv_1x1~٢"),
            VALID.index("2|"),
            "edge 6 comes from ~2",
        ),
    ],
)
def test_a_wrong_string_is_shown_where(wrong: str, position: int, reason: str) -> None:
    with pytest.raises(InputError) as caught:
        parse(wrong)
    assert f"at position {position}," in str(caught.value)
    assert reason in str(caught.value)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_mutated_string_is_valid_or_refused(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(SPACE.architectures()[:50]))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text)))
        cut = data.draw(st.integers(0, 3))
        put = data.draw(
            st.sampled_from(["", "|", "+", "~", "0", "1", "none", "x", " ", "\u0660", "\n"])
        )
        text = text[:at] + put + text[at + cut :]
    match = GRAMMAR.fullmatch(text)
    if match:
        assert parse(text) == match.groups()
    else:
        with pytest.raises(InputError, match="at position"):
            parse(text)


def test_operations_are_those_of_the_benchmark() -> None:
    assert set(OPERATIONS) == {
        "none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"
    }  # fmt: skip


def test_an_unknown_space_names_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'nasbench201'"):
        spaces.get("nasbench-201")


@pytest.mark.parametrize("wrong", [None, 3, ["|none~0|"], b"|none~0|"])
def test_what_is_no_string_is_no_architecture(wrong: Any) -> None:
    name = {type(None): "None"}.get(type(wrong), type(wrong).__name__)
    methods = SPACE.blueprint, SPACE.counts, SPACE.key, SPACE.canonical, SPACE.network, parse
    for method in methods:
        with pytest.raises(InputError, match=rf"an architecture is a string, .* not {name}$"):
            method(wrong)


def test_wrong_arguments_of_a_network_are_refused() -> None:
    for classes, message in ((0, "at least 1, not 0"), ("10", "a whole number, not str")):
        for method in (SPACE.network, SPACE.blueprint):
            with pytest.raises(InputError, match=f"classes must be {message}"):
                method(VALID, classes=classes)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="seed must be a whole number, not str"):
        SPACE.network(VALID, seed="a")  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [None, 3, ["nasbench201"]])
def test_what_is_no_string_is_no_space(wrong: Any) -> None:
    with pytest.raises(InputError, match="a space is named by a string, such as 'nasbench201'"):
        spaces.get(wrong)


def test_classes_and_images_of_the_data_sets() -> None:
    assert SPACE.blueprint(VALID).classes == 10
    assert SPACE.blueprint(VALID, classes=7).classes == 7
    digits = spaces.get("digits201").blueprint(VALID)
    shape = (digits.channels, digits.cells, digits.in_channels, digits.image)
    assert shape == (8, 2, 1, 8)
