import pytest

from zcproxy import spaces
from zcproxy.errors import InputError
from zcproxy.spaces.operations import chosen_operations, operation_counts

ONE = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|none~1|nor_conv_1x1~2|"


def test_every_edge_is_counted_once():
    assert operation_counts(ONE) == {
        "n_none": 2,
        "n_skip": 1,
        "n_conv1x1": 1,
        "n_conv3x3": 1,
        "n_avgpool3x3": 1,
    }


def test_counts_are_those_of_the_text():
    names = {"none": "none", "skip": "skip_connect", "conv1x1": "nor_conv_1x1"}
    names |= {"conv3x3": "nor_conv_3x3", "avgpool3x3": "avg_pool_3x3"}
    for architecture in spaces.get("nasbench201").architectures()[::777]:
        found = operation_counts(architecture)
        assert sum(found.values()) == 6
        for ours, theirs in names.items():
            assert found[f"n_{ours}"] == architecture.count(f"{theirs}~")


def test_one_of_five_is_chosen_on_each_edge():
    found = chosen_operations(ONE)
    assert len(found) == 30
    assert [name for name, one in found.items() if one] == [
        "edge_0_1_conv3x3",
        "edge_0_2_none",
        "edge_1_2_skip",
        "edge_0_3_avgpool3x3",
        "edge_1_3_none",
        "edge_2_3_conv1x1",
    ]
    assert set(found.values()) == {0, 1}


def test_choices_tell_all_strings_apart_and_add_up_to_counts():
    rows = set()
    for architecture in spaces.get("nasbench201").architectures():
        found = chosen_operations(architecture)
        rows.add(tuple(found.values()))
        summed = {}
        for name, one in found.items():
            kind = f"n_{name.rpartition('_')[2]}"
            summed[kind] = summed.get(kind, 0) + one
        assert summed == operation_counts(architecture)
    assert len(rows) == 15625


@pytest.mark.parametrize("read", [operation_counts, chosen_operations])
def test_other_texts_are_refused(read):
    with pytest.raises(InputError, match="not a NAS-Bench-201"):
        read("resnet18")
