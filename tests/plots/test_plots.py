import matplotlib
import numpy as np
import pandas as pd
import pytest

from zcproxy.analysis import agreement_table, align, proxy_correlations
from zcproxy.plots import agreement_dots, heat_map, save, score_panels
from zcproxy.plots.scales import error_scale, from_log_error, log_error, score_scale


@pytest.fixture
def made():
    """Scores, accuracies and their table: one proxy over 40 orders of magnitude, one failing."""

    def make(n):
        rng = np.random.default_rng(0)
        quality = rng.normal(size=n)
        scores = pd.DataFrame(
            {
                "architecture": [str(i) for i in range(n)],
                "synflow": 10 ** (20 + 10 * quality),
                "grasp": np.sinh(5 * quality),
                "nwot": np.where(rng.random(n) < 0.1, np.nan, quality + rng.normal(size=n)),
                "flat": 1.0,
                "none": np.nan,
                "live_params": np.round(quality),
            }
        )
        accuracy = 90 + quality
        truth = pd.Series(accuracy, index=scores["architecture"], name="digits_test_3")
        return *align(scores, truth), agreement_table(scores, truth, resamples=20)

    return make


def texts(figure):
    return "\n".join(
        text.get_text() for text in figure.findobj(matplotlib.text.Text) if text.get_visible()
    )


def test_values_choose_their_axis():
    rng = np.random.default_rng(0)
    assert score_scale(rng.normal(100, 5, size=500)).name == "linear"
    assert score_scale(rng.normal(0, 5, size=500)).name == "linear"
    assert score_scale(np.exp(10 * rng.normal(size=500))).name == "log"
    assert score_scale(np.sinh(8 * rng.normal(size=500))).name == "symlog"
    assert score_scale(-np.exp(8 * rng.normal(size=500))).name == "symlog"
    assert score_scale(np.zeros(3)).name == "linear"
    assert score_scale(np.array([-1.0, 2.0, 5.0])).name == "linear"


@pytest.mark.parametrize("n", [12, 20, 80, 300, 2000])
def test_outliers_do_not_squeeze_the_others_into_a_line(n):
    rng = np.random.default_rng(0)
    around_zero = rng.normal(8, 8, size=n)
    positive = rng.uniform(5, 40, size=n)
    assert score_scale(around_zero).name == score_scale(positive).name == "linear"
    many = max(1, n // 100)  # as many as the axis still has to show
    around_zero[:many], positive[:many] = 510, 510
    assert score_scale(around_zero).name == "symlog"
    assert score_scale(positive).name == "log"
    mirrored = score_scale(-positive)
    assert mirrored.name == "symlog"
    assert mirrored.threshold == pytest.approx(np.quantile(positive, 0.25))
    figure = score_panels(*one_proxy(around_zero), "accuracy")
    panel = figure.axes[0]
    ends = panel.transData.transform([(x, 0.0) for x in np.quantile(around_zero, [0.05, 0.9])])
    assert ends[1, 0] - ends[0, 0] > 0.3 * panel.bbox.width


def one_proxy(values):
    """Scores of one proxy, accuracies, and their table."""
    names = [str(i) for i in range(len(values))]
    scores = pd.DataFrame({"architecture": names, "grasp": values})
    truth = pd.Series(np.linspace(80, 90, len(values)), index=names, name="digits_test_3")
    return *align(scores, truth), agreement_table(scores, truth, resamples=20, baseline=None)


@pytest.mark.parametrize("n", [80, 2000])
def test_a_symlog_axis_says_so(made, n):
    values, truth, table = made(n)
    figure = score_panels(values, truth, table, "accuracy")
    labels = {panel.get_xscale(): panel.get_xlabel() for panel in figure.axes[: len(table)]}
    assert labels == {"linear": "", "log": "", "symlog": "(symlog)"}


def test_equal_proxies_keep_the_order_of_the_table():
    rng = np.random.default_rng(0)
    n = 200
    quality = rng.normal(size=n)
    equal = [f"proxy{i}" for i in rng.permutation(30)]
    names = [*equal[:15], "best", *equal[15:]]
    scores = pd.DataFrame({name: np.round(quality) for name in names})
    scores["best"] = quality
    scores.insert(0, "architecture", [str(i) for i in range(n)])
    truth = pd.Series(90 + quality, index=scores["architecture"], name="digits_test_3")
    table = agreement_table(scores, truth, baseline=None, resamples=0)
    assert table["proxy"].tolist() == names
    dots = agreement_dots(table, "accuracy").axes[0]
    from_above = [tick.get_text() for tick in dots.get_yticklabels()][::-1]
    assert from_above == ["best", *equal]
    panels = score_panels(*align(scores, truth), table, "accuracy").axes
    titles = [panel.texts[0].get_text() for panel in panels[: len(names)]]
    assert titles == ["best", *equal]


def test_the_error_axis_is_for_accuracies_crowded_at_the_top():
    crowded = np.concatenate([np.linspace(10, 80, 20), np.linspace(88, 94, 100)])
    assert error_scale(crowded)
    assert not error_scale(np.linspace(80, 95, 100))
    assert not error_scale(np.append(crowded, 100.0))
    np.testing.assert_allclose(from_log_error(log_error(crowded)), crowded)
    assert (np.diff(log_error(crowded)) > 0).all()


@pytest.mark.parametrize("n", [80, 2000])
def test_every_panel_says_rho_interval_n_and_failures(made, n):
    values, truth, table = made(n)
    figure = score_panels(values, truth, table, "digits test accuracy (%)")
    text = texts(figure)
    for row in table.to_dict("records"):
        assert row["proxy"] in text
        assert f"$n$ = {row['n']:,}" in text
        if not pd.isna(row["spearman"]):
            assert f"{row['spearman']:.2f} [{row['spearman_low']:.2f}, " in text
    failed = int(table.set_index("proxy").loc["nwot", "failures"])
    assert f"{failed:,} failed" in text
    assert "no value" in text
    assert "digits test accuracy (%)" in text
    assert ("architectures per cell" in text) == (n == 2000)


def test_scores_of_many_magnitudes_are_on_a_log_axis(made):
    figure = score_panels(*made(80), "accuracy")
    scales = [panel.get_xscale() for panel in figure.axes[:3]]
    assert {"log", "symlog"} <= set(scales)


def test_all_architectures_in_view_are_counted_once(made):
    values, truth, table = made(2000)
    figure = score_panels(values, truth, table, "accuracy")
    mesh = figure.axes[0].collections[0]
    assert 0.99 * 2000 <= mesh.get_array().sum() <= 2000


def test_the_heat_map_writes_every_cell(made):
    values, _, _ = made(80)
    correlations = proxy_correlations(values, ["synflow", "grasp", "nwot", "live_params"])
    text = texts(heat_map(correlations)).split("\n")
    assert text.count("1.00") >= 6
    expected = f"{correlations.loc['nwot', 'grasp']:.2f}".replace("0.", ".", 1)
    assert text.count(expected) == 4
    for name in correlations.columns:
        assert text.count(name) == 2


def test_a_missing_correlation_is_a_dash(made):
    values, _, _ = made(80)
    text = texts(heat_map(proxy_correlations(values, ["synflow", "flat", "nwot"]))).split("\n")
    assert text.count("–") == 5


def test_dots_mark_the_baseline_and_list_n_ties_failures(made):
    _, _, table = made(80)
    figure = agreement_dots(table, "digits test accuracy")
    text = texts(figure).split("\n")
    assert "baseline live_params" in text
    assert {"n", "ties", "failures"} <= set(text)
    assert str(int(table.set_index("proxy").loc["nwot", "failures"])) in text
    labels = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    ordered = table.sort_values("spearman", ascending=False, na_position="last")["proxy"]
    assert labels[::-1][:4] == ordered.tolist()[:4]
    assert any("digits test accuracy" in line for line in text)


def test_pictures_are_small_deterministic_and_leave_matplotlib_alone(made, tmp_path):
    values, truth, table = made(2000)
    before, backend = dict(matplotlib.rcParams), matplotlib.get_backend()
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        paths = save(score_panels(values, truth, table, "accuracy"), tmp_path / folder / "scores")
        assert [path.name for path in paths] == ["scores.png", "scores.svg"]
    for name in ("scores.png", "scores.svg"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert (tmp_path / "one" / "scores.svg").stat().st_size < 1_000_000
    assert "<dc:date>" not in (tmp_path / "one" / "scores.svg").read_text(encoding="utf-8")
    assert dict(matplotlib.rcParams) == before
    assert matplotlib.get_backend() == backend
