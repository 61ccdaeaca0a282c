import itertools

import matplotlib
import numpy as np
import pandas as pd
import pytest

from zcproxy.analysis.stability import stability
from zcproxy.plots.fronts import front_panels, trade_panels
from zcproxy.plots.grid import value_grid
from zcproxy.plots.reliability import agreement_at, nearness, reliability_panels


def texts(figure):
    return [t.get_text() for t in figure.findobj(matplotlib.text.Text) if t.get_visible()]


def test_every_cell_of_a_grid_is_written_out():
    frame = pd.DataFrame(
        {"params": [0.5, -0.25], "depth": [pd.NA, -0.001]}, index=["snip", "nwot"], dtype="Float64"
    )
    figure = value_grid(frame, "rho", rules=[1], lines=[1], note="n = 7")
    found = texts(figure)
    for text in (".50", "−.25", "–", ".00", "snip", "nwot", "params", "depth", "rho", "n = 7"):
        assert text in found
    assert "−.00" not in found
    image = figure.axes[0].images[0]
    assert image.get_array()[0, 0] == 0.5
    assert image.get_array().mask[0, 1]
    assert image.get_clim() == (-1, 1)
    assert value_grid(frame.abs(), "share", ends=(0, 1)).axes[0].images[0].get_clim() == (0, 1)


def test_dark_cells_have_light_text():
    frame = pd.DataFrame({"a": [-0.95, 0.1, 0.95]})
    axes = value_grid(frame, "rho").axes[0]
    assert [t.get_color() for t in axes.texts] == ["white", "black", "white"]


@pytest.fixture
def curve():
    rng = np.random.default_rng(0)
    quality = rng.normal(size=40)
    index = pd.Index([f"a{i}" for i in range(40)])
    runs = {
        f"seed {i}": pd.DataFrame(
            {"snip": quality + 0.3 * rng.normal(size=40), "flat": 1.0}, index=index
        )
        for i in range(4)
    }
    return stability(runs, ["snip", "flat"], resamples=30).curve


def test_averages_are_drawn_where_they_are(curve):
    figure = reliability_panels(curve, "seed")
    snip, flat = figure.axes[:2]
    mine = curve[curve["proxy"] == "snip"]
    line = snip.lines[1]
    assert line.get_ydata() == pytest.approx(mine["predicted"].to_numpy(float))
    points = np.asarray(snip.collections[1].get_offsets())
    assert points[:, 0].tolist() == [1, 2]
    assert points[:, 1] == pytest.approx(mine["measured"].dropna().to_numpy(float))
    assert "snip, $n$ = 40" in texts(figure)
    assert "no agreement" in [t.get_text() for t in flat.texts]


def drawn(figure):
    """The figure with everything in its place, and a renderer to measure it with."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return canvas.get_renderer()


def inside(figure, artists):
    """Whether nothing of the artists is cut off."""
    renderer = drawn(figure)
    boxes = [artist.get_window_extent(renderer) for artist in artists]
    page = figure.bbox
    return all(
        page.x0 <= b.x0 and b.x1 <= page.x1 and page.y0 <= b.y0 and b.y1 <= page.y1 for b in boxes
    )


def test_labels_of_agreements_do_not_touch(curve):
    figure = reliability_panels(curve, "seed")
    renderer = drawn(figure)
    labels = [t for t in figure.axes[0].get_yticklabels() if t.get_text()]
    boxes = sorted((t.get_window_extent(renderer) for t in labels), key=lambda box: box.y0)
    assert len(boxes) >= 5
    pairs = itertools.pairwise(boxes)
    assert all(below.y1 + 0.4 * below.height < above.y0 for below, above in pairs)


def test_the_name_of_a_combination_is_not_cut(curve):
    long = curve.replace({"proxy": {"flat": "nwot+live_params+jacob_cov:log-rank"}})
    figure = reliability_panels(long, "seed")
    titles = [axes.title if axes.title.get_text() else axes._left_title for axes in figure.axes]
    assert inside(figure, titles)
    assert "log-rank" in titles[1].get_text().replace("\n", "")


def test_agreements_are_spread_by_what_they_lack():
    values = np.array([0.0, 0.5, 0.9, 0.99, 0.999])
    assert nearness(values) == pytest.approx([0, np.log10(2), 1, 2, 3])
    assert agreement_at(nearness(values)) == pytest.approx(values)
    assert nearness(np.array([1.0, 0.99999])) == pytest.approx([4, 4])


def test_only_what_varies_as_asked_is_drawn(curve):
    other = curve.assign(varying="batch", predicted=0.1)
    figure = reliability_panels(pd.concat([curve, other]), "seed")
    assert figure.axes[0].lines[1].get_ydata()[0] > 0.5


def test_fronts_show_the_cloud_the_truth_and_the_choices():
    cloud = pd.DataFrame({"value": [1.0, 2.0, 2.0, 3.0], "accuracy": [60.0, 70.0, 72.0, 80.0]})
    fronts = pd.DataFrame(
        {
            "cost": "pi_latency",
            "proxy": ["(accuracy)", "(accuracy)", "snip", "snip"],
            "value": [1.0, 3.0, 2.0, 2.0],
            "accuracy": [60.0, 80.0, 70.0, 72.0],
        }
    )
    figure = front_panels(
        {"pi_latency": cloud}, fronts, ["snip"], {"pi_latency": "ms"}, "accuracy (%)", "(accuracy)"
    )
    axes = figure.axes[0]
    assert len(axes.collections[0].get_offsets()) == 4
    assert axes.lines[0].get_drawstyle() == "steps-post"
    assert np.asarray(axes.collections[1].get_offsets()).tolist() == [[2.0, 71.0]]
    found = texts(figure)
    for text in ("pi_latency, $n$ = 4", "latency (ms)", "true front", "snip chooses"):
        assert text in found


def test_scores_against_accuracy_against_cost():
    rng = np.random.default_rng(0)
    index = pd.Index([f"a{i}" for i in range(40)])
    cloud = pd.DataFrame({"value": rng.random(40), "accuracy": 60 + rng.random(40)}, index=index)
    scores = pd.DataFrame({"snip": rng.random(40), "nwot": rng.random(40)}, index=index)
    scores.iloc[:3, 0] = np.nan
    fronts = pd.DataFrame(
        {
            "proxy": ["(accuracy)", "(accuracy)", "snip", "snip"],
            "value": [0.1, 0.9, 0.2, 0.2],
            "accuracy": [60.5, 61.0, 60.2, 60.4],
        }
    )
    figure = trade_panels(cloud, scores, fronts, "pi_latency", "ms", "accuracy (%)", "(accuracy)")
    snip, nwot = figure.axes[:2]
    failed, painted = snip.collections[:2]
    assert len(failed.get_offsets()) == 3
    places = np.ma.getdata(painted.get_offsets())
    assert places == pytest.approx(cloud.to_numpy())
    colors = painted.get_array()
    expected = scores["snip"].rank(pct=True).to_numpy()
    assert np.ma.getdata(colors)[3:] == pytest.approx(expected[3:])
    assert painted.get_clim() == (0, 1)
    truth, chosen = snip.lines
    assert truth.get_drawstyle() == "steps-post"
    assert chosen.get_xydata().tolist() == [[0.2, pytest.approx(60.3)]]
    assert len(nwot.collections[0].get_offsets()) == 0
    found = texts(figure)
    for text in ("pi_latency (ms)", "true front", "front of score and cost", "snip\n$n$ = 37"):
        assert text in found
    assert inside(figure, figure.legends)


@pytest.mark.parametrize("names", [["a"], ["pi_latency"], ["pi_latency", "tpu_energy"]])
def test_nothing_of_a_picture_is_cut(names):
    cloud = pd.DataFrame({"value": [1.0, 2.0], "accuracy": [60.0, 70.0]})
    proxies = ["az_expressivity", "az_trainability", "blind_derivatives", "live_params"]
    fronts = pd.DataFrame(
        {"cost": names[0], "proxy": proxies, "value": 1.0, "accuracy": 65.0}, index=range(4)
    )
    figure = front_panels(
        dict.fromkeys(names, cloud), fronts, proxies, dict.fromkeys(names, "ms"), "accuracy", "-"
    )
    assert inside(figure, figure.legends)
    note = "n = 15,625. 95 % intervals reach at most .31 to either side."
    for row in ("b", "a row with a name"):
        frame = pd.DataFrame(0.5, index=[row], columns=names)
        figure = value_grid(frame, "share", note=note)
        axes = figure.axes[0]
        assert inside(figure, [axes._left_title])
        assert axes.get_title(loc="left").replace("\n", " ") == note


@pytest.mark.parametrize(("panels", "rows", "columns"), [(1, 1, 1), (4, 2, 2), (5, 2, 3)])
def test_panels_fill_a_page(panels, rows, columns):
    cloud = pd.DataFrame({"value": [1.0, 2.0], "accuracy": [60.0, 70.0]})
    fronts = pd.DataFrame(columns=["cost", "proxy", "value", "accuracy"])
    names = [f"d{i}_energy" for i in range(panels)]
    figure = front_panels(
        dict.fromkeys(names, cloud),
        fronts,
        [],
        dict.fromkeys(names, "mJ"),
        "accuracy",
        "(accuracy)",
    )
    grid = figure.axes[0].get_gridspec()
    assert (grid.nrows, grid.ncols) == (rows, columns)
