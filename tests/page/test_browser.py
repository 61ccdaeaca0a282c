"""The page in a real browser: what it shows is right, and it can be used."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pandas as pd
import pytest
from scipy.stats import rankdata, spearmanr

from zcproxy import spaces
from zcproxy.page import Part, write_page
from zcproxy.spaces.nasbench201 import EDGES, OPERATIONS, parse

DESKTOP = {"viewport": {"width": 1280, "height": 900}}
PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}


@pytest.fixture(scope="session")
def browser(chromium):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture
def visit(browser, page_file):
    """Open the page; afterwards nothing was complained about, and nothing asked for."""
    contexts, complaints = [], []

    def opened(address="", device=DESKTOP, file=page_file, **options):
        context = browser.new_context(**device, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        page.on(
            "request",
            lambda asked: (
                None
                if asked.url.startswith(("data:", file.as_uri()))
                else complaints.append(f"asked for {asked.url}")
            ),
        )
        page.goto(file.as_uri() + address)
        ready(page)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []


def ready(page):
    page.wait_for_function("document.documentElement.dataset.ready !== undefined")


def settled(page, act):
    """Do something, and wait until the page has drawn what follows from it."""
    before = page.evaluate("document.documentElement.dataset.ready")
    act()
    page.wait_for_function(
        "before => document.documentElement.dataset.ready !== before", arg=before
    )


def number(page, name):
    text = page.locator(f"#{name}").get_attribute("data-value")
    return float(text) if text else None


def shown(page):
    return page.evaluate("window.zcproxyPage.shown()")


def frame_of(part):
    """Scores and accuracies in one frame, in the order of the page's rows."""
    truths = part.accuracies.loc[part.scores["architecture"]].reset_index(drop=True)
    return pd.concat([part.scores.reset_index(drop=True), truths], axis=1)


def agrees(page, frame, x, y, expected):
    """The page shows the rows of a mask that have both values, and scipy's Spearman of them."""
    both = frame[expected & frame[x].notna() & frame[y].notna()]
    assert sorted(shown(page)) == both.index.tolist()
    assert number(page, "shown") == len(both)
    rho = spearmanr(both[x], both[y]).statistic
    assert number(page, "spearman") == pytest.approx(rho, abs=1e-12)
    text = page.locator("#spearman").inner_text()
    assert float(text.replace("−", "-")) == pytest.approx(rho, abs=5.1e-4)
    assert re.fullmatch(r"−?\d\.\d{3}", text)


def picture(page):
    return page.evaluate("document.getElementById('points').toDataURL()")


def test_the_first_view_and_its_spearman(visit, sampled):
    page, frame = visit(), frame_of(sampled)
    best = sampled.scores[["nwot", "synflow"]].corrwith(
        frame["cifar10_test_200"], method="spearman"
    )
    first = str(best.idxmax())
    assert page.locator("#x").input_value() == first
    assert page.locator("#y").input_value() == "cifar10_test_200"
    agrees(page, frame, first, "cifar10_test_200", np.ones(len(frame), bool))
    assert page.locator("#title").inner_text() == "cells"
    assert "not measured on ImageNet16-120" in page.locator("#standin").inner_text()
    assert "zcproxy report </script>" in page.locator("#made").inner_text()


def test_choosing_draws_again(visit, sampled):
    page, frame = visit(), frame_of(sampled)
    everything = np.ones(len(frame), bool)
    seen = {picture(page)}
    for x, y in (
        ("live_params", "cifar10_test_200"),
        ("live_params", "cifar10_test_12"),
        ("synflow", "nwot"),
    ):
        for name, value in (("x", x), ("y", y)):
            if page.locator(f"#{name}").input_value() != value:
                settled(page, lambda n=name, v=value: page.locator(f"#{n}").select_option(v))
        agrees(page, frame, x, y, everything)
        seen.add(picture(page))
    for scale in ("linear", "log", "rank"):
        settled(page, lambda s=scale: page.locator("#xscale").select_option(s))
        agrees(page, frame, "synflow", "nwot", everything)
        seen.add(picture(page))
    assert len(seen) == 6  # the automatic scale of synflow is the logarithm


def test_points_lie_where_their_values_say(visit, sampled):
    """A linear axis keeps ratios of distances, a rank axis those of ranks."""
    frame = frame_of(sampled)
    for scale in ("linear", "rank"):
        page = visit(f"#x=nwot&y=cifar10_test_12&xscale={scale}&yscale={scale}")
        rows = shown(page)
        places = page.evaluate("rows => rows.map((row) => window.zcproxyPage.where(row))", rows)
        for name, key in (("nwot", "x"), ("cifar10_test_12", "y")):
            values = frame[name].to_numpy()
            if scale == "rank":
                values = rankdata(values, nan_policy="omit")
            at = np.array([place[key] for place in places])
            slope, start = np.polyfit(values[rows], at, 1)
            assert (slope > 0) == (key == "x")
            np.testing.assert_allclose(at, start + slope * values[rows], atol=0.01)


def column(page, key):
    head = [cell.get_attribute("data-key") for cell in page.locator("thead button").all()]
    cells = page.locator(f"tbody tr > :nth-child({head.index(key) + 1 + (key != 'proxy')})")
    texts = cells.all_inner_texts()
    return [text.split("\n")[0].split(" ")[0].replace("−", "-").replace(",", "") for text in texts]


@pytest.mark.parametrize("key", ["kendall", "partial", "top10", "regret@10", "ties", "failures"])
def test_the_table_sorts_by_any_column(visit, key):
    page = visit()
    head = page.locator(f"thead button[data-key='{key}']")
    cell = head.locator("xpath=..")
    assert cell.get_attribute("aria-sort") == "none"
    assert page.locator("[aria-sort=descending] button").get_attribute("data-key") == "spearman"
    for act, order in ((head.click, "descending"), (lambda: head.press("Enter"), "ascending")):
        settled(page, act)
        assert cell.get_attribute("aria-sort") == order
        assert page.locator("thead [aria-sort]:not([aria-sort=none])").count() == 1
        values = [float(t) for t in column(page, key) if t not in ("–", "baseline")]
        assert len(values) >= 2
        assert values == sorted(values, reverse=order == "descending")
        absent = [t in ("–", "baseline") for t in column(page, key)]
        assert absent == sorted(absent)  # what is missing comes last, whatever the order
    assert page.evaluate("document.activeElement.dataset.key") == key


def test_names_sort_from_a_to_z_and_choose_the_plot(visit):
    page = visit()
    settled(
        page,
        page.locator("thead button[data-key=proxy]").click,
    )
    names = page.locator("tbody th button").all_inner_texts()
    assert names == sorted(names)
    settled(page, page.get_by_role("button", name="live_params", exact=True).click)
    assert page.locator("#x").input_value() == "live_params"
    assert page.locator("tr[aria-current=true]").get_attribute("data-proxy") == "live_params"
    assert "baseline" in page.locator("tr.baseline").inner_text()


def test_reasons_are_shown(visit):
    page = visit()
    told = page.locator("#missing").inner_text()
    assert "nwot has no value for some architectures: disconnected" in told
    assert "all 600 scores are equal" in told
    flat = page.locator("tr[data-proxy=flat] td.absent").first
    assert "all 600 scores are equal" in flat.get_attribute("title")
    assert "[" in page.locator("tr[data-proxy=synflow] small").first.inner_text()
    settled(page, lambda: page.locator("#y").select_option("cifar10_test_12"))
    assert page.locator("td small").count() == 0
    assert (
        "intervals were made for CIFAR-10 test accuracy, 200 epochs alone"
        in page.locator("#table-of").inner_text()
    )


def alone(page):
    """A shown row without another one within a few pixels, and its place."""
    rows = shown(page)
    places = page.evaluate("rows => rows.map((row) => window.zcproxyPage.where(row))", rows)
    at = np.array([[place["x"], place["y"]] for place in places])
    for i, row in enumerate(rows):
        apart = np.hypot(*(at - at[i]).T)
        if np.sort(apart)[1] > 4:
            return row, {"x": float(at[i, 0]), "y": float(at[i, 1])}
    raise AssertionError("all points lie on each other")


def test_hovering_shows_the_architecture_and_clicking_keeps_it(visit, sampled):
    page = visit()
    row, place = alone(page)
    assert "Point at the plot, or tap it" in page.locator("#detail").inner_text()
    page.locator("#marks").hover(position=place)
    architecture = page.locator("#architecture")
    architecture.wait_for()
    assert architecture.inner_text() == sampled.scores["architecture"][row]
    index = spaces.get("nasbench201").architectures().index(sampled.scores["architecture"][row])
    assert f"#{index}" in page.locator("#detail").inner_text()
    page.locator("#title").hover()
    architecture.wait_for(state="detached")
    page.locator("#marks").click(position=place)
    page.locator("#title").hover()
    assert architecture.inner_text() == sampled.scores["architecture"][row]
    assert f"row={row}" in page.url


def test_a_click_keeps_what_is_pointed_at(visit):
    """A click tells whole pixels only, too few just beside the middle of two dots."""
    page = visit("#x=synflow&xscale=rank&yscale=rank")
    page.evaluate("document.fonts.ready")
    box = page.locator("#marks").bounding_box()
    rows = shown(page)
    places = page.evaluate("rows => rows.map((row) => window.zcproxyPage.where(row))", rows)
    at = np.array([[place["x"], place["y"]] for place in places])
    corner = np.array([box["x"], box["y"]])

    def nearest(place):
        return int(np.argmin(np.hypot(*(at - place).T)))

    found = []
    for i, j in itertools.combinations(range(len(rows)), 2):
        middle = (at[i] + at[j]) / 2
        if not 3 < np.hypot(*(at[i] - at[j])) < 9:
            continue
        place = middle + 0.1 * (at[j] - at[i]) / np.hypot(*(at[j] - at[i]))
        if nearest(place) == j and nearest(np.floor(corner + place) - corner) == i:
            found.append((rows[j], corner + place))
    assert len(found) >= 8
    for row, place in found[:8]:
        page.mouse.move(*place)
        page.wait_for_function(
            "row => document.getElementById('detail').dataset.row === row", arg=str(row)
        )
        page.mouse.click(*place)
        assert page.evaluate("window.zcproxyPage.state().kept") == row
        page.locator("#title").hover()
        assert page.locator("#detail").get_attribute("data-row") == str(row)


@pytest.mark.parametrize("device", [DESKTOP, PHONE])
def test_every_architecture_of_one_place_can_be_reached(visit, sampled, device):
    page, frame = visit("#x=live_params&y=cifar10_test_12", device=device), frame_of(sampled)
    together = frame.groupby(["live_params", "cifar10_test_12"]).groups.values()
    same = max((rows.tolist() for rows in together), key=len)
    assert len(same) >= 2
    place = page.evaluate("row => window.zcproxyPage.where(row)", same[0])
    marks = page.locator("#marks")
    act = marks.click if device is DESKTOP else marks.tap
    seen = []
    for _ in range(len(same) + 1):
        act(position=place)
        seen.append(page.evaluate("window.zcproxyPage.state().kept"))
        told = page.locator("#here").inner_text()
        assert told.startswith(f"{same.index(seen[-1]) + 1} of {len(same)} here")
        if device is DESKTOP:
            marks.hover(position=place)
            assert page.locator("#detail").get_attribute("data-row") == str(seen[-1])
    assert sorted(seen[:-1]) == same
    assert seen[-1] == seen[0]
    row, alone_at = alone(page)
    act(position=alone_at)
    act(position=alone_at)
    assert page.evaluate("window.zcproxyPage.state().kept") == row
    assert page.locator("#here").count() == 0


def test_counts_are_shown_exactly_and_rounded_scores_are_not(visit, tmp_path):
    rng = np.random.default_rng(0)
    counts = rng.integers(117_000_000, 118_000_000, 600)
    scores = pd.DataFrame({"architecture": [f"net{i}" for i in range(600)], "flops": counts})
    scores["synflow"] = rng.random(600) * 1e8
    truth = pd.DataFrame(index=scores["architecture"])
    part = Part("counted", scores, ["flops", "synflow"], truth, None)
    file = write_page(tmp_path / "counted.html", [part])
    page = visit("#x=flops&y=synflow&row=7", file=file)
    flops, synflow = page.locator("#detail .value:not(.head)").all_inner_texts()
    assert flops == f"{counts[7]:,}"
    mantissa, _ = f"{scores['synflow'][7]:.3e}".split("e")
    assert synflow.startswith(f"{mantissa}×10")


@pytest.mark.parametrize("wrong", ["2.5", "7", "-1", "99"])
def test_fields_of_counts_take_counts_alone(visit, wrong):
    page = visit("#x=synflow")
    everything = number(page, "shown")
    field = page.locator("[data-least=nor_conv_3x3]")
    settled(page, lambda: field.fill("1"))
    assert number(page, "shown") < everything
    settled(page, lambda: field.fill(wrong))
    assert field.get_attribute("aria-invalid") == "true"
    assert number(page, "shown") == everything
    assert "least" not in page.url
    field.blur()
    assert field.input_value() == "0"
    assert field.get_attribute("aria-invalid") is None
    assert number(visit(f"#x=synflow&least.nor_conv_3x3={wrong}"), "shown") == everything


def test_tapping_on_a_phone_shows_the_architecture(visit, sampled):
    page = visit(device=PHONE)
    row, place = alone(page)
    page.locator("#marks").tap(position=place)
    assert page.locator("#architecture").inner_text() == sampled.scores["architecture"][row]
    frame = frame_of(sampled)
    told = page.locator("#detail .value:not(.head)").all_inner_texts()
    assert told[1] == f"{frame['cifar10_test_200'][row]:.2f} %"
    better = int((frame["cifar10_test_200"][shown(page)] > frame["cifar10_test_200"][row]).sum())
    place_told = page.locator("#detail .rank:not(.head)").all_inner_texts()[1]
    assert place_told == f"{better + 1} of {len(shown(page))}"


def test_what_is_not_compared_has_no_rank(visit, sampled):
    row = int(np.flatnonzero(sampled.scores["nwot"].isna())[0])
    page = visit(f"#x=nwot&row={row}")
    assert page.locator("#detail .value:not(.head)").first.inner_text() == "no value"
    assert page.locator("#detail .rank:not(.head)").all_inner_texts() == ["–", "–"]
    assert "not among the architectures compared" in page.locator("#detail").inner_text()


def test_keys_walk_along_the_axes(visit, sampled):
    page, frame = visit("#x=nwot&y=cifar10_test_200"), frame_of(sampled)
    order = frame.loc[shown(page)].sort_values(["nwot", "cifar10_test_200"]).index.tolist()
    page.locator("#marks").focus()
    for key, expected in (
        ("ArrowRight", 0),
        ("ArrowRight", 1),
        ("Shift+ArrowRight", 101),
        ("ArrowLeft", 100),
    ):
        page.keyboard.press(key)
        assert page.evaluate("window.zcproxyPage.state().kept") == order[expected]
    page.keyboard.press("Escape")
    assert page.locator("#architecture").count() == 0


def paths(operations):
    """Edges that lie on a path from node 0 to 3 without `none`, by trying all of them."""
    usable = {edge for edge, name in zip(EDGES, operations, strict=True) if name != "none"}
    alive = set()
    for length in (0, 1, 2):
        for inner in itertools.permutations((1, 2), length):
            steps = set(itertools.pairwise((0, *inner, 3)))
            if steps <= usable:
                alive |= steps
    return alive


def test_the_drawn_cell_is_the_architecture(visit, sampled):
    page = visit()
    labels = {"conv1x1": "conv 1×1", "conv3x3": "conv 3×3", "avgpool3x3": "avg pool 3×3"}
    cells = [(row, parse(a)) for row, a in enumerate(sampled.scores["architecture"][:60])]
    some_dead = 0
    for row, operations in cells[::4]:
        settled(page, lambda r=row: page.evaluate("r => { location.hash = `row=${r}`; }", r))
        texts = page.locator("svg.cell > g:last-child text")
        expected = [labels.get(OPERATIONS[name], OPERATIONS[name]) for name in operations]
        assert texts.all_text_contents() == expected
        dead = ["dead" in (t.get_attribute("class") or "") for t in texts.all()]
        assert dead == [edge not in paths(operations) for edge in EDGES]
        some_dead += any(d and name != "none" for d, name in zip(dead, operations, strict=True))
        edges = page.locator("svg.cell path").evaluate_all(
            "all => all.map((one) => one.classList.value)"
        )
        assert ["dead" in names for names in edges] == dead
        assert page.locator("svg.cell circle").count() == 4
    assert some_dead


def test_filters_change_what_is_compared(visit, sampled):
    page, frame = visit("#x=synflow"), frame_of(sampled)
    space = spaces.get("nasbench201")
    operations = np.array([parse(a) for a in frame["architecture"]])
    count = {name: (operations == name).sum(axis=1) for name in OPERATIONS}
    truth = frame["cifar10_test_200"]
    mask = np.ones(len(frame), bool)

    def check(act, also):
        nonlocal mask
        settled(page, act)
        mask = mask & also
        agrees(page, frame, "synflow", "cifar10_test_200", mask)

    networks = page.locator("#networks")
    live = frame["architecture"].isin(space.subset("live"))
    connected = frame["architecture"].isin(space.subset("connected"))
    assert 0 < (~connected).sum() < (~live).sum()
    for name, members in (("live", live), ("connected", connected)):
        settled(page, lambda n=name: networks.select_option(n))
        agrees(page, frame, "synflow", "cifar10_test_200", members)
    mask = mask & connected
    least = page.locator("[data-least=nor_conv_3x3]")
    check(lambda: least.fill("1"), count["nor_conv_3x3"] >= 1)
    most = page.locator("[data-most=none]")
    check(lambda: most.fill("2"), count["none"] <= 2)
    edge = page.locator("[data-edge='3']")
    check(lambda: edge.select_option("skip_connect"), operations[:, 3] == "skip_connect")
    best = page.locator("#best")
    bar = np.sort(truth)[::-1][round(0.4 * len(truth)) - 1]
    check(lambda: best.fill("40"), truth >= bar)
    search = page.locator("#search")
    text = "|nor_conv_1x1~0|"
    check(lambda: search.fill(text.upper()), frame["architecture"].str.contains(text, regex=False))
    assert mask.sum() > 2
    assert page.locator("#filter-count").inner_text() == "(6 set)"
    kept = page.url
    settled(page, page.locator("#clear").click)
    agrees(page, frame, "synflow", "cifar10_test_200", np.ones(len(frame), bool))
    assert search.input_value() == "" and best.input_value() == "100"
    again = visit(kept.partition("page.html")[2])
    agrees(again, frame, "synflow", "cifar10_test_200", mask)
    assert again.locator("[data-least=nor_conv_3x3]").input_value() == "1"


@pytest.mark.parametrize("accuracy", ["cifar10_test_200", "cifar10_test_12"])
@pytest.mark.parametrize("percent", [7, 7.75, 33.3])
def test_the_best_by_accuracy(visit, sampled, accuracy, percent):
    """So many as asked for, and all that tie with the last of them."""
    page, frame = visit(f"#x=synflow&y={accuracy}&best={percent}"), frame_of(sampled)
    truth = frame[accuracy]
    better = np.array([(truth > value).sum() for value in truth])
    agrees(page, frame, "synflow", accuracy, better < round(len(truth) * percent / 100))


def test_search_by_index(visit, sampled):
    row = 17
    index = spaces.get("nasbench201").architectures().index(sampled.scores["architecture"][row])
    page = visit("#x=synflow")
    settled(page, lambda: page.locator("#search").fill(f"#{index}"))
    assert shown(page) == [row]
    assert page.locator("#spearman").inner_text() == "–"
    assert "needs two architectures" in page.locator("#aside").inner_text()
    settled(page, lambda: page.locator("#search").fill("no such thing"))
    assert shown(page) == []
    assert "No architecture passes" in page.locator("#aside").inner_text()


def test_the_address_holds_the_state(visit):
    page = visit("#x=live_params&y=cifar10_test_12&xscale=rank&row=5&sort=ties+up&edge.0=none")
    assert page.locator("#x").input_value() == "live_params"
    assert page.locator("#xscale").input_value() == "rank"
    assert page.locator("[aria-sort=ascending] button").get_attribute("data-key") == "ties"
    before = (
        number(page, "shown"),
        number(page, "spearman"),
        page.locator("#architecture").inner_text(),
    )
    settled(page, lambda: page.locator("#yscale").select_option("log"))
    page.reload()
    ready(page)
    assert page.locator("#yscale").input_value() == "log"
    after = (
        number(page, "shown"),
        number(page, "spearman"),
        page.locator("#architecture").inner_text(),
    )
    assert after == before


def test_a_wrong_address_is_the_first_view(visit):
    wrong = (
        "#file=9&x=nothing&y=%3Cscript%3E&row=99999&least.none=x&edge.77=none&edge.0=bad&best=-3"
    )
    page = visit(wrong)
    assert number(page, "shown") > 500
    assert page.locator("#filter-count").inner_text() == ""


def test_several_files_and_names_that_bite(visit, named):
    page = visit()
    settled(page, lambda: page.locator("#file").select_option("1"))
    assert "file=2" in page.url
    assert page.locator("#title").inner_text() == "mine</title>"
    assert page.evaluate("window.hacked") is None
    assert page.locator("#table").is_hidden()
    assert page.locator("#networks").count() == 0 and page.locator("[data-edge]").count() == 0
    agrees(page, named.scores, "snip", "a<b>&c", np.ones(30, bool))
    row, place = alone(page)
    page.locator("#marks").click(position=place)
    assert page.locator("#architecture").inner_text() == named.scores["architecture"][row]
    assert page.locator("svg.cell").count() == 0
    settled(page, lambda: page.locator("#search").fill("net1<"))
    assert shown(page) == [1]
    settled(page, lambda: page.locator("#file").select_option("0"))
    assert page.locator("#networks").count() == 1


def overflowing(page):
    return page.evaluate(
        """() => ({ page: document.documentElement.scrollWidth - window.innerWidth,
        wide: [...document.querySelectorAll('body *')].filter((one) => one.checkVisibility()
          && !one.closest('#scroll *, .skip, option')
          && one.getBoundingClientRect().right > window.innerWidth + 1)
          .map((one) => one.outerHTML.slice(0, 80)) })"""
    )


@pytest.mark.parametrize("address", ["#row=3", "#file=2&row=3"])
def test_nothing_overflows_on_a_phone(visit, address):
    page = visit(address, device=PHONE)
    for details in page.locator("details:visible > summary").all():
        if not details.locator("xpath=..").evaluate("one => one.open"):
            details.click()
    page.locator(".all-values .values").wait_for()
    assert overflowing(page) == {"page": 0, "wide": []}
    small = page.evaluate(
        """() => [...document.querySelectorAll('select, input, button, summary')]
        .filter((one) => one.checkVisibility())
        .map((one) => [one.getBoundingClientRect().height, one.outerHTML.slice(0, 60)])
        .filter(([height]) => height < 44)"""
    )
    assert small == []
    if "file" not in address:
        box = page.locator("#scroll")
        assert box.evaluate("one => one.scrollWidth > one.clientWidth")
        box.evaluate("one => { one.scrollLeft = 300; }")
        assert page.locator("tbody .first").first.bounding_box()["x"] < 30


def luminance(color):
    parts = [int(part) / 255 for part in re.findall(r"\d+", color)[:3]]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return float(np.dot([0.2126, 0.7152, 0.0722], linear))


def contrast(page, selector, back):
    of = "([selector, name]) => getComputedStyle(document.querySelector(selector))[name]"
    one, two = (
        luminance(page.evaluate(of, pair))
        for pair in ([selector, "color"], [back, "backgroundColor"])
    )
    return (max(one, two) + 0.05) / (min(one, two) + 0.05)


def test_light_and_dark_can_be_read(visit):
    backs, pictures = set(), set()
    for scheme in ("light", "dark"):
        page = visit("#row=3", color_scheme=scheme)
        backs.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        pictures.add(picture(page))
        for selector in (
            "h2",
            ".rho",
            "#table-of",
            "tbody button",
            "thead button",
            "td b",
            "td small",
            ".axis",
            "summary",
        ):
            assert contrast(page, selector, ".card") >= 4.5, (scheme, selector)
        for selector in ("#headline", "dt", "#made"):
            assert contrast(page, selector, "body") >= 4.5, (scheme, selector)
        assert contrast(page, "#standin", "#standin") >= 4.5
    assert len(backs) == len(pictures) == 2
    before = picture(page)
    page.emulate_media(color_scheme="light")
    page.wait_for_function(
        "before => document.getElementById('points').toDataURL() !== before", arg=before
    )


def test_it_prints_on_white(visit):
    page = visit(color_scheme="dark")
    assert page.pdf().startswith(b"%PDF")
    page.emulate_media(media="print")
    assert page.locator(".controls").is_hidden() and page.locator("#filters").is_hidden()
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert page.evaluate("document.documentElement.className") == ""


def test_everything_can_be_reached_with_the_keyboard(visit):
    page = visit()
    reached = set()
    for _ in range(80):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate(
                "(({ id, dataset, textContent }) => id || dataset.key || textContent)"
                "(document.activeElement)"
            )
        )
    assert {"file", "x", "xscale", "y", "yscale", "marks", "networks", "best", "search"} <= reached
    assert {"scroll", "spearman", "regret@10", "live_params"} <= reached


def test_every_control_has_a_name(visit):
    page = visit("#row=3")
    nameless = page.evaluate(
        """() => [...document.querySelectorAll('select, input, button, canvas[role], [role=region],'
          + 'svg[role]')].filter((one) => !(one.getAttribute('aria-label')
          || one.getAttribute('aria-labelledby') || one.labels?.length || one.textContent.trim()))
        .map((one) => one.outerHTML.slice(0, 80))"""
    )
    assert nameless == []


def test_all_of_nasbench201(visit, shared_data, tmp_path):
    """The real scores: the file is small, and the page has the numbers of the analysis."""
    from pathlib import Path

    from zcproxy.analysis import spearman
    from zcproxy.cli.exploring import part
    from zcproxy.page import write_page
    from zcproxy.page.content import Settings

    committed = Path(__file__).parents[2] / "data" / "scores" / "nasbench201-cifar10.parquet"
    found = part(committed, None, None, "nwot,synflow,l2_norm", "all")
    place = write_page(tmp_path / "page.html", [found], Settings(resamples=0, ks=(10,)))
    assert place.stat().st_size < 2_000_000
    frame = frame_of(found)
    page = visit("#x=nwot&networks=live", file=place)
    live = frame["architecture"].isin(spaces.get("nasbench201").subset("live"))
    known = live & frame["nwot"].notna()
    assert number(page, "shown") == known.sum()
    assert page.locator("#networks").inner_text().count("15,284") == 1
    assert page.locator("#networks").inner_text().count("9,445") == 1
    exact = spearman(frame["nwot"][known], frame["cifar10_test_200"][known])
    assert number(page, "spearman") == pytest.approx(exact, abs=1e-12)
