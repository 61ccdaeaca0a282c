import matplotlib
import numpy as np
import pandas as pd
import pytest

from zcproxy.analysis.supervised import supervised
from zcproxy.plots.learning import learning_panels

N = 60


@pytest.fixture
def result():
    rng = np.random.default_rng(0)
    quality = rng.normal(size=N)
    names = [f"a{i}" for i in range(N)]
    scores = pd.DataFrame({"architecture": names, "snip": quality + rng.normal(size=N)})
    carried = pd.DataFrame(rng.normal(size=(N, 2)), index=names)
    return supervised(
        scores, pd.Series(quality, index=names), {name: name for name in names},
        operations=carried, labels=(20, 5), beside=("snip",), draws=3,
    )  # fmt: skip


def texts(figure):
    return [t.get_text() for t in figure.findobj(matplotlib.text.Text) if t.get_visible()]


def test_a_line_per_features_with_the_band_of_its_draws(result):
    figure = learning_panels(result.table, result.beside, "cifar10_test_200")
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["ridge", "gaussian process"]
    for axes, model in zip(figure.axes, ("ridge", "gaussian_process"), strict=True):
        assert axes.get_xscale() == "log"
        rows = result.table[result.table["model"] == model]
        drawn = {line.get_label(): line for line in axes.lines}
        bands = dict(zip(("proxies", "operations", "both"), axes.collections, strict=True))
        for name, band in bands.items():
            mine = rows[rows["features"] == name].sort_values("labels")
            line = drawn[f"trained on {name}"]
            assert line.get_xdata().tolist() == [5, 20]
            assert line.get_ydata() == pytest.approx(mine["spearman"].to_numpy(float))
            corners = band.get_paths()[0].vertices[:, 1]
            assert corners.min() == pytest.approx(mine["spearman_low"].min())
            assert corners.max() == pytest.approx(mine["spearman_high"].max())
        plain = drawn["snip, no label"]
        assert set(plain.get_ydata()) == {result.beside["spearman_all"].iloc[0]}
    found = texts(figure)
    assert "accuracies trained on; mean and 95 % of 3 draws" in found
    assert "Spearman with cifar10_test_200,\nheld out $n$ = 40 to 55" in found


def test_what_is_missing_is_not_drawn(result):
    gone = result.table.assign(spearman=pd.NA)
    beside = result.beside.assign(spearman_all=pd.NA)
    figure = learning_panels(gone, beside, "accuracy")
    assert all(len(line.get_xdata()) == 0 for line in figure.axes[0].lines)


def test_one_draw_has_no_band(result):
    ends = {"spearman_low": pd.NA, "spearman_high": pd.NA}
    figure = learning_panels(result.table.assign(**ends, draws=1), result.beside, "accuracy")
    assert len(figure.axes[0].lines[0].get_xdata()) == 2
    assert "accuracies trained on; one draw" in texts(figure)
