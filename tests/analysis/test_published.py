"""The numbers of the shared reference data, from its released scores and accuracies."""

import pandas as pd
import pytest

from zcproxy.analysis import (
    agreement,
    agreement_table,
    combine,
    kendall,
    partial_spearman,
    spearman,
)
from zcproxy.analysis.combine import Combination

SPEARMAN = {
    "epe_nas": (0.772, 0.321),
    "fisher": (0.552, 0.485),
    "flops": (0.770, 0.690),
    "grad_norm": (0.600, 0.543),
    "grasp": (0.537, 0.523),
    "jacov": (0.799, 0.785),
    "l2_norm": (0.746, 0.739),
    "nwot": (0.811, 0.797),
    "params": (0.799, 0.718),
    "plain": (-0.352, -0.341),
    "snip": (0.603, 0.542),
    "synflow": (0.778, 0.728),
    "zen": (0.115, 0.111),
}
"""With test accuracy at 200 epochs, 9,445 live architectures: CIFAR-10, ImageNet16-120."""

OWN_ACCURACY = {
    "jacov": (0.818, 0.632, 0.781, 0.600),
    "nwot": (0.792, 0.603, 0.795, 0.612),
    "epe_nas": (0.787, 0.589, 0.319, 0.216),
    "params": (0.747, 0.568, 0.718, 0.547),
    "synflow": (0.732, 0.536, 0.725, 0.538),
    "l2_norm": (0.720, 0.527, 0.737, 0.544),
    "zen": (0.101, 0.096, 0.112, 0.092),
    "flops": (0.714, 0.519, 0.690, 0.501),
    "snip": (0.552, 0.400, 0.542, 0.403),
    "grad_norm": (0.550, 0.399, 0.543, 0.404),
    "fisher": (0.501, 0.360, 0.485, 0.358),
    "grasp": (0.491, 0.340, 0.521, 0.373),
}
"""Spearman and tau-b with the accuracy column of NAS-Bench-Suite-Zero: CIFAR-10, ImageNet16-120."""

TOP = {
    "grad_norm": (-0.35, 0.12),
    "snip": (-0.34, 0.13),
    "grasp": (-0.33, 0.10),
    "fisher": (-0.40, 0.09),
    "synflow": (0.19, 0.43),
    "jacov": (0.15, 0.05),
}
"""Spearman among the best 10 % by that column: CIFAR-10, ImageNet16-120."""

DATASETS = [("cifar10", "c10", 0), ("ImageNet16-120", "in16", 1)]


@pytest.fixture(scope="module")
def accuracies(shared_data):
    return pd.read_csv(shared_data / "nasbench201" / "accuracies.csv.gz")


@pytest.fixture(scope="module")
def released(shared_data, accuracies):
    scores = pd.read_csv(shared_data / "nasbench201" / "reference_proxies_nbsz_release.csv.gz")
    names = accuracies[["index", "arch_str"]].rename(columns={"arch_str": "architecture"})
    return scores.merge(names, on="index")


def table_of(released, accuracies, dataset, column, **settings):
    scores = released[released["dataset"] == dataset].drop(columns=["dataset", "index"])
    truth = accuracies.set_index("arch_str")[column]
    return agreement_table(scores, truth, **{"baseline": "params", "resamples": 0} | settings)


@pytest.mark.parametrize(("dataset", "short", "place"), DATASETS)
def test_spearman_with_test_accuracy(released, accuracies, dataset, short, place):
    table = table_of(released, accuracies, dataset, f"{short}_test_acc_200")
    assert table["n"].tolist() == [9445] * 13
    found = table.set_index("proxy")["spearman"]
    for proxy, expected in SPEARMAN.items():
        assert found[proxy] == pytest.approx(expected[place], abs=0.00051), proxy


@pytest.mark.parametrize(("dataset", "short", "place"), DATASETS)
def test_both_coefficients_with_the_suites_own_accuracy(
    released, accuracies, dataset, short, place
):
    table = table_of(released, accuracies, dataset, f"{short}_nbsz_val_accuracy")
    found = table.set_index("proxy")
    for proxy, expected in OWN_ACCURACY.items():
        rho, tau = expected[2 * place : 2 * place + 2]
        assert found.loc[proxy, "spearman"] == pytest.approx(rho, abs=0.00051), proxy
        assert found.loc[proxy, "kendall"] == pytest.approx(tau, abs=0.00051), proxy


@pytest.mark.parametrize(("dataset", "short", "place"), DATASETS)
def test_correlation_among_the_best(released, accuracies, dataset, short, place):
    table = table_of(released, accuracies, dataset, f"{short}_nbsz_val_accuracy")
    found = table.set_index("proxy")["top10"]
    for proxy, expected in TOP.items():
        assert found[proxy] == pytest.approx(expected[place], abs=0.0055), proxy


def test_the_interval_is_as_wide_as_theory_says(released, accuracies):
    """Fieller's sd of Spearman's rho is about 1.03 (1 - rho^2) / sqrt(n - 3) without skew."""
    table = table_of(
        released,
        accuracies,
        "cifar10",
        "c10_test_acc_200",
        proxies=["zen"],
        baseline=None,
        resamples=100,
    )
    row = table.iloc[0]
    half = (row["spearman_high"] - row["spearman_low"]) / 2
    assert half == pytest.approx(1.96 * 1.03 / 9442**0.5, rel=0.35)
    assert row["spearman_low"] < row["spearman"] < row["spearman_high"]


def test_counting_parameters_on_all_architectures(accuracies):
    accuracy = accuracies["c10_test_acc_200"]
    for count in ("params_M_c10", "flops_M_c10"):
        assert spearman(accuracies[count], accuracy) == pytest.approx(0.753, abs=0.00051)


def test_other_released_scores_on_all_architectures(accuracies, shared_data):
    scores = pd.read_csv(shared_data / "nasbench201" / "reference_zen_naswot_all.csv.gz")
    assert scores["index"].tolist() == accuracies["index"].tolist()
    for proxy, expected in (("naswot_v1_c10", 0.694), ("zen_c10", 0.386)):
        found = agreement(scores[proxy], accuracies["c10_test_acc_200"], resamples=0)
        assert found.spearman == pytest.approx(expected, abs=0.00051)


def test_two_proxies_together_beat_each(released, accuracies):
    scores = released[released["dataset"] == "cifar10"].set_index("architecture")
    truth = accuracies.set_index("arch_str")["c10_nbsz_val_accuracy"].loc[scores.index]
    both = combine(scores, Combination(("jacov", "params"), "log-rank"))
    assert spearman(both, truth) == pytest.approx(0.905, abs=0.00051)


def test_flops_say_less_than_nothing_beyond_parameters(released, accuracies):
    """A proxy's own correlation may hide that the baseline does the work: .77 and -.48."""
    scores = released[released["dataset"] == "cifar10"].set_index("architecture")
    truth = accuracies.set_index("arch_str")["c10_test_acc_200"].loc[scores.index]
    assert kendall(scores["flops"], truth) > 0.5
    assert partial_spearman(scores["flops"], truth, scores["params"]) < -0.4
