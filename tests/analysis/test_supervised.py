import numpy as np
import pandas as pd
import pytest
from scipy import stats

from zcproxy.analysis.features import feature_sets, scaled_ranks
from zcproxy.analysis.predictors import MODELS
from zcproxy.analysis.supervised import held_out, label_order, rows_known, supervised
from zcproxy.errors import InputError

N = 90
NAMES = [f"a{i}" for i in range(N)]
NETWORKS = {name: f"network {i // 2 if i < 40 else i}" for i, name in enumerate(NAMES)}
"""Twenty networks of two strings each, fifty of one."""


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    quality = rng.normal(size=N)
    scores = pd.DataFrame({"architecture": NAMES, "snip": quality + rng.normal(size=N)})
    scores["nwot"] = quality + 0.5 * rng.normal(size=N)
    scores.loc[[3, 70], "nwot"] = np.nan
    truth = pd.Series(80 + quality, index=NAMES, name="cifar10_test_200").drop(["a5", "a60"])
    carried = pd.DataFrame(rng.integers(0, 2, size=(N, 6)), index=NAMES, dtype=float)
    return scores, truth, carried


@pytest.fixture
def data_with_flat(data):
    scores, truth, carried = data
    return scores.assign(flat=1.0), truth, carried


def by_hand(scores, truth, carried, labels, draws, seed):
    """Spearman of every draw, by loops over strings: models, nwot beside them, and n held out."""
    sets = feature_sets(scores, ["snip", "nwot"], carried)
    judged = [i for i, name in enumerate(NAMES) if name in truth.index]
    distinct = sorted({NETWORKS[NAMES[i]] for i in judged})
    found = {}
    for draw in range(draws):
        codes = np.array([distinct.index(NETWORKS[NAMES[i]]) for i in judged])
        first_seen = list(dict.fromkeys(codes.tolist()))
        codes = np.array([first_seen.index(code) for code in codes])
        order = label_order(codes, np.random.default_rng([seed, draw]))
        for n in labels:
            trained = [judged[i] for i in order[:n]]
            taken = {NETWORKS[NAMES[i]] for i in trained}
            held = [i for i in judged if NETWORKS[NAMES[i]] not in taken]
            y = np.array([truth[NAMES[i]] for i in held])
            targets = (stats.rankdata([truth[NAMES[i]] for i in trained]) - 1) / (n - 1)
            for name, block in sets.items():
                for model, fit in MODELS.items():
                    rho = stats.spearmanr(fit(block[trained], targets, block[held]), y).statistic
                    found.setdefault((name, model, n), []).append(rho)
            last = scores["nwot"].fillna(-100.0).to_numpy()[held]
            found.setdefault(("nwot", n), []).append(stats.spearmanr(last, y).statistic)
            found.setdefault(("n", n), []).append(len(held))
    return found


def test_numbers_are_those_of_plain_loops(data):
    scores, truth, carried = data
    result = supervised(
        scores, truth, NETWORKS, operations=carried, labels=(8, 20), beside=("nwot",), draws=4,
        seed=3,
    )  # fmt: skip
    expected = by_hand(scores, truth, carried, (8, 20), 4, 3)
    assert len(result.table) == len(result.beside) == 3 * 2 * 2
    for _, row in result.table.iterrows():
        rho = expected[row["features"], row["model"], row["labels"]]
        assert row["spearman"] == pytest.approx(np.mean(rho))
        assert row["spearman_low"] == pytest.approx(np.quantile(rho, 0.025))
        assert row["spearman_high"] == pytest.approx(np.quantile(rho, 0.975))
        sizes = expected["n", row["labels"]]
        assert (row["n"], row["n_most"], row["draws"]) == (min(sizes), max(sizes), 4)
        assert row["n"] < N - 2 - row["labels"]
        assert row["reason"] is None
    last = scores["nwot"].fillna(-100.0)[scores["architecture"].isin(truth.index)]
    for _, row in result.beside.iterrows():
        ours = np.array(expected[row["features"], row["model"], row["labels"]])
        theirs = np.array(expected["nwot", row["labels"]])
        assert row["spearman"] == pytest.approx(theirs.mean())
        assert row["spearman_high"] == pytest.approx(np.quantile(theirs, 0.975))
        assert row["spearman_all"] == pytest.approx(stats.spearmanr(last, truth).statistic)
        assert row["difference"] == pytest.approx((ours - theirs).mean())
        assert row["difference_low"] == pytest.approx(np.quantile(ours - theirs, 0.025))
        assert row["difference_high"] == pytest.approx(np.quantile(ours - theirs, 0.975))


def test_labels_are_different_networks_and_every_string_can_be_one():
    codes = np.array([0, 0, 0, 1, 2, 2, 3])
    drawn = dict.fromkeys(range(7), 0)
    first = dict.fromkeys(range(4), 0)
    for seed in range(3000):
        order = label_order(codes, np.random.default_rng(seed))
        assert sorted(codes[order]) == [0, 1, 2, 3]
        for row in order:
            drawn[row] += 1
        first[codes[order[0]]] += 1
    share = [drawn[row] / 3000 for row in range(7)]
    assert share == pytest.approx([1 / 3, 1 / 3, 1 / 3, 1, 1 / 2, 1 / 2, 1], abs=0.04)
    assert [first[code] / 3000 for code in range(4)] == pytest.approx([0.25] * 4, abs=0.04)


def test_strings_are_drawn_in_turn_and_repeated_networks_skipped():
    codes = np.array([0, 0, 0, 1, 2, 2, 3])
    firsts = [0] * 4
    for seed in range(3000):
        shuffled = np.random.default_rng(seed).permutation(7).tolist()
        expected = []
        for row in shuffled:
            if all(codes[row] != codes[one] for one in expected):
                expected.append(row)
        order = label_order(codes, np.random.default_rng(seed), "strings")
        assert order.tolist() == expected
        firsts[codes[order[0]]] += 1
    assert np.array(firsts) / 3000 == pytest.approx([3 / 7, 1 / 7, 2 / 7, 1 / 7], abs=0.04)


def test_the_sample_is_that_asked_for(data):
    scores, truth, _ = data
    fixed = {"labels": (8,), "beside": ("nwot",), "draws": 10}
    networks, strings = (
        supervised(scores, truth, NETWORKS, sample=sample, **fixed).table["n"].iloc[0]
        for sample in ("networks", "strings")
    )
    assert strings < networks  # networks of two strings are drawn more often


def test_no_string_of_a_network_trained_on_is_held_out():
    codes = np.array([0, 1, 0, 2, 1, 3, 0])
    assert held_out(codes, np.array([2, 3])).tolist() == [1, 4, 5]
    rng = np.random.default_rng(0)
    for _ in range(50):
        codes = rng.integers(0, 12, size=40)
        codes = np.unique(codes, return_inverse=True)[1]
        trained = label_order(codes, rng)[:5]
        held = set(held_out(codes, trained).tolist())
        for row in range(40):
            equal = any(codes[row] == codes[one] for one in trained)
            assert (row in held) != equal


def test_a_model_that_memorizes_gains_nothing_from_equal_strings(monkeypatch):
    """Features that name the network would tell its accuracy wherever a twin was judged on."""
    rng = np.random.default_rng(0)
    names = [f"{side}{i}" for i in range(40) for side in "lr"]
    networks = {name: name[1:] for name in names}
    accuracy = np.repeat(rng.normal(size=40), 2)
    scores = pd.DataFrame({"architecture": names, "name": np.repeat(np.arange(40.0), 2)})
    truth = pd.Series(accuracy, index=names)
    seen = []

    def nearest(known, targets, asked):
        apart = np.abs(asked[:, None, 0] - known[None, :, 0])
        seen.append(apart.min())
        return targets[apart.argmin(axis=1)]

    monkeypatch.setitem(MODELS, "ridge", nearest)
    told = supervised(scores, truth, networks, labels=(34,), beside=("name",), draws=10)
    assert min(seen) > 1e-6
    seen.clear()
    leaking = {name: name for name in names}
    leaked = supervised(scores, truth, leaking, labels=(34,), beside=("name",), draws=10)
    assert min(seen) == 0
    gain = [r.table.set_index("model").loc["ridge", "spearman"] for r in (told, leaked)]
    assert gain[1] > gain[0] + 0.2


def test_accuracies_of_others_change_nothing_that_is_learned(data, monkeypatch):
    """What models are given besides the labels holds no accuracy."""
    scores, truth, carried = data
    calls = []

    def noted(known, targets, asked):
        calls.append((known.tobytes(), targets.tobytes(), asked.tobytes()))
        return asked[:, 0]

    monkeypatch.setitem(MODELS, "ridge", noted)
    arguments = {"operations": carried, "labels": (8,), "beside": ("nwot",), "draws": 1}
    supervised(scores, truth, NETWORKS, **arguments)
    first = list(calls)
    codes = pd.factorize(np.array([NETWORKS[name] for name in truth.index]))[0]
    trained = label_order(codes, np.random.default_rng([0, 0]))[:8]
    changed = truth.sample(frac=1, random_state=1).set_axis(truth.index)
    changed.iloc[trained] = truth.iloc[trained]
    calls.clear()
    supervised(scores, changed, NETWORKS, **arguments)
    assert calls == first
    changed.iloc[trained[0]] = truth.max() + 1
    calls.clear()
    supervised(scores, changed, NETWORKS, **arguments)
    assert calls != first


def test_one_seed_gives_the_same_numbers_and_another_other_ones(data):
    scores, truth, carried = data

    def made(seed, labels):
        return supervised(
            scores, truth, NETWORKS, operations=carried, labels=labels, beside=("nwot",), draws=2,
            seed=seed,
        )  # fmt: skip

    one, same, other = made(1, (8, 20)), made(1, (8, 20)), made(2, (8, 20))
    pd.testing.assert_frame_equal(one.table, same.table, check_exact=True)
    pd.testing.assert_frame_equal(one.beside, same.beside, check_exact=True)
    assert (one.table["spearman"] != other.table["spearman"]).all()
    alone = made(1, (20,)).table  # whatever else is asked for
    twenty = one.table[one.table["labels"] == 20].reset_index(drop=True)
    pd.testing.assert_frame_equal(alone, twenty, check_exact=True)


def test_labels_of_more_contain_those_of_fewer(data, monkeypatch):
    scores, truth, _ = data
    seen = []
    monkeypatch.setitem(MODELS, "ridge", lambda known, _, asked: seen.append(known) or asked[:, 0])
    supervised(scores, truth, NETWORKS, labels=(8, 20), beside=("nwot",), draws=2)
    assert (seen[1][:8] == seen[0]).all()
    assert (seen[3][:8] == seen[2]).all()
    assert not (seen[2] == seen[0]).all()


def test_ranks_are_among_all_rows_and_labels_among_themselves(data, monkeypatch):
    """Also among those without an accuracy, as ranks need none."""
    scores, truth, _ = data
    seen = []

    def noted(known, targets, asked):
        seen.append((known, targets, asked))
        return asked[:, 0]

    monkeypatch.setitem(MODELS, "ridge", noted)
    supervised(scores, truth, NETWORKS, ["snip"], labels=(8,), beside=("nwot",), draws=1)
    known, targets, asked = seen[0]
    ranks = scaled_ranks(scores["snip"].to_numpy())
    every = (ranks - ranks.mean()) / ranks.std()
    places = [int(np.argmin(np.abs(every - value))) for value in known[:, 0]]
    assert known[:, 0] == pytest.approx(every[places])
    labels = truth[[NAMES[place] for place in places]]
    assert targets == pytest.approx((stats.rankdata(labels) - 1) / 7)
    assert len(asked) < N - 2 - 8


def test_missing_numbers_have_reasons(data_with_flat):
    scores, truth, _ = data_with_flat
    result = supervised(
        scores, truth, NETWORKS, ["flat"], labels=(8,), beside=("flat", "nwot"), draws=2
    )
    assert result.table["spearman"].isna().all()
    assert result.table["reason"].str.contains("scores are equal").all()
    assert (result.table["draws"] == 0).all()
    rows = result.beside.set_index(["model", "beside"])
    assert rows["difference"].isna().all()
    assert pd.isna(rows.loc[("ridge", "flat"), "spearman_all"])
    assert rows.loc[("ridge", "nwot"), "spearman"] > 0
    assert rows["reason"].notna().all()
    tied = truth * 0 + 80.0
    tied.iloc[:4] = [1.0, 2.0, 3.0, 4.0]
    some = supervised(scores, tied, NETWORKS, labels=(4,), beside=("nwot",), draws=12).table
    assert some["draws"].between(1, 11).all()
    told = f"{12 - some['draws'].iloc[0]} of 12 draws left out: the accuracies of all labels"
    assert told in some["reason"].iloc[0]
    none = supervised(
        scores, truth * 0 + 80.0, NETWORKS, labels=(4,), beside=("nwot",), draws=2
    ).table
    assert none["reason"].str.contains("accuracies of all labels are equal").all()


def test_one_draw_has_no_interval(data):
    scores, truth, _ = data
    row = supervised(scores, truth, NETWORKS, labels=(8,), beside=("nwot",), draws=1).table.iloc[0]
    assert row["spearman"] > 0
    assert pd.isna(row["spearman_low"])
    assert row["reason"] is None


def test_combinations_rank_among_all_rows(data):
    scores, truth, _ = data
    result = supervised(
        scores, truth, NETWORKS, labels=(8,), beside=("snip+nwot:mean-rank",), draws=1
    )
    both = scores.dropna()
    joined = both["snip"].rank() + both["nwot"].rank()
    last = joined.reindex(scores.index).fillna(-1e9)[scores["architecture"].isin(truth.index)]
    assert result.beside["spearman_all"].iloc[0] == pytest.approx(
        stats.spearmanr(last, truth).statistic
    )


def test_progress_counts_fits(data):
    scores, truth, carried = data
    told = []
    supervised(
        scores, truth, NETWORKS, operations=carried, labels=(4, 8), beside=("nwot",), draws=2,
        progress=lambda *both: told.append(both),
    )  # fmt: skip
    assert told == [(i + 1, 24) for i in range(24)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": (2,)}, "2 labels are too few to learn from; give 3 or more"),
        ({"labels": ()}, "at least one number of labels"),
        ({"labels": (8, 68)}, "68 labels are too many: 69 different networks have scores and"),
        ({"draws": 0}, "at least 1 draw"),
        ({"sample": "string"}, "no sample of labels named 'string'; did you mean 'strings'"),
        ({"proxies": []}, "no proxy to learn from"),
        ({"proxies": ["snipp"]}, "no proxy among the scores named 'snipp'; did you mean 'snip'"),
        ({"beside": ("blind",)}, "no proxy among the scores named"),
        ({"networks": {"a0": "x"}}, "the network of a1 is not given"),
        ({"operations": pd.DataFrame({"x": [1.0]}, index=["a0"])}, "of 89 architectures lack"),
        ({"accuracies": pd.Series([1.0], index=["b"])}, "none of the 90 scored architectures"),
    ],
)
def test_mistakes_are_told(data, changes, message):
    scores, truth, _ = data
    arguments = {"accuracies": truth, "networks": NETWORKS, "labels": (8,), "beside": ("nwot",)}
    with pytest.raises(InputError, match=message):
        supervised(scores, **{**arguments, **changes})


def test_repeated_rows_are_told(data):
    scores, truth, _ = data
    twice = pd.concat([scores, scores[5:6]])
    with pytest.raises(InputError, match="a5 occurs more than once"):
        supervised(twice, truth, NETWORKS, labels=(8,), beside=("nwot",))


def test_as_many_labels_as_leave_two_networks(data):
    scores, truth, _ = data
    most = supervised(scores, truth, NETWORKS, labels=(67,), beside=("nwot",), draws=1).table
    assert (most["n"] >= 2).all()


@pytest.mark.parametrize("kind", ["not_scored", "error: KeyError: 'x'"])
@pytest.mark.parametrize("beside", ["nwot", "snip+nwot:vote"])
def test_rows_that_are_not_known_are_left_out(data, kind, beside):
    """Row 3 is not known, row 70 a failure of the network: that alone is ranked last."""
    scores, truth, carried = data
    stated = scores.assign(nwot_failure=None).astype({"nwot_failure": object})
    stated.loc[[3, 70], "nwot_failure"] = [kind, "disconnected"]
    asked = {"operations": carried, "labels": [8], "beside": [beside], "draws": 2}
    found = supervised(stated, truth, NETWORKS, ["snip"], **asked)
    without = scores.drop(3).reset_index(drop=True)
    expected = supervised(without, truth, NETWORKS, ["snip"], **asked)
    pd.testing.assert_frame_equal(found.table, expected.table)
    pd.testing.assert_frame_equal(found.beside, expected.beside)
    assert rows_known(stated, [beside])["architecture"].tolist() == [
        name for name in NAMES if name != NAMES[3]
    ]
    assert len(rows_known(stated, ["snip"])) == len(NAMES)
