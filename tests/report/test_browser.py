"""The page of a selection in a real browser: it opens without a network, and map, search and colours work."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

from assay.neighbors import local_density
from assay.report import Choice, Pool, Section, find, sections, write_page
from tests.conftest import Open, Opened

ROWS, CHOSEN = 240, 40
HOSTILE = "</script><img src=x onerror=alert(1)> & <b>bold</b>"


def _text(row: int) -> str:
    return HOSTILE if row == 5 else f"Row {row} speaks of {('Apples', 'pears', 'plums')[row % 3]}."


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of 240 rows, 40 of them chosen, 10 kept from the start."""
    vectors = np.random.default_rng(0).normal(size=(ROWS, 8)).astype(np.float32)
    pool = Pool(
        vectors=vectors,
        texts=[_text(row) for row in range(ROWS)],
        ids=[f"name-{row}" for row in range(ROWS)],
        reference=vectors,
        density=local_density(vectors),
        columns={"domain": [f"<b>d{min(row % 16, row % 13)}" for row in range(ROWS)]},
        kept=10,
        skipped=[("pool.jsonl:7", "messages must be a list")],
    )
    others = np.random.default_rng(1).permutation(np.arange(6, ROWS - 10))
    rows = np.concatenate([[5], others[: CHOSEN - 1]])
    choices = [Choice("mine", rows, np.linspace(2, 1, CHOSEN))]
    measuring = {"variant": "official", "neighbors": 10, "density_power": 0.5}
    findings = find(pool, choices, measuring=measuring, stage=lambda name: nullcontext())
    path = tmp_path_factory.mktemp("report") / "report.html"
    long = [{"path": "/a/very/long/path" * 20, "value": 1.0}]
    parts = [*sections(pool, choices, findings), Section("Wide", table=long)]
    write_page(
        path, title="x" * 90, sections=parts, subtitle="of " + "y" * 90, provenance={"command": "z" * 200}
    )
    return path


@pytest.fixture(scope="module")
def desk(opened: Open, file: Path) -> Opened:
    return opened(file)


def _place(page: Opened, trace: int, point: int) -> tuple[float, float]:
    """Return where a point of the map lies in the window."""
    plot = page.page.locator(".map .plot")
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    x, y = plot.evaluate(
        """(plot, [trace, point]) => {
            const { xaxis, yaxis } = plot._fullLayout, { x, y } = plot.data[trace];
            return [xaxis._offset + xaxis.l2p(x[point]), yaxis._offset + yaxis.l2p(y[point])];
        }""",
        [trace, point],
    )
    return box["x"] + x, box["y"] + y


def _names(page: Opened) -> list[str]:
    return page.page.locator(".map .plot").evaluate("plot => plot.data.map((trace) => trace.name)")


def _colour(page: Opened, name: str) -> None:
    page.page.locator("#map-colour").select_option(label=name)
    page.page.wait_for_timeout(300)


def _ink(page: Opened) -> list[str]:
    return page.page.evaluate(
        "[...document.querySelectorAll('.js-plotly-plot')].map((plot) => plot._fullLayout.font.color)"
    )


def _background(page: Opened) -> str:
    return page.page.evaluate("getComputedStyle(document.body).backgroundColor")


def test_it_opens_without_network_or_complaint(desk: Opened, file: Path) -> None:
    assert desk.said == []
    assert desk.asked == [file.as_uri()]
    assert desk.page.locator(".js-plotly-plot").count() == 5
    assert desk.page.locator("img").count() == 0


def test_the_map_is_drawn_by_webgl(desk: Opened) -> None:
    assert desk.page.locator(".map .plot").evaluate("plot => plot.data[0].type") == "scattergl"
    drawn = desk.page.locator(".map").evaluate(
        """(map) => [...map.querySelectorAll('.gl-canvas')].reduce((sum, gl) => {
            const flat = Object.assign(document.createElement('canvas'), { width: gl.width, height: gl.height });
            const pen = flat.getContext('2d');
            pen.drawImage(gl, 0, 0);
            const { data } = pen.getImageData(0, 0, gl.width, gl.height);
            for (let at = 3; at < data.length; at += 4) sum += data[at] > 0;
            return sum;
        }, 0)"""
    )
    assert drawn > ROWS  # pixels: more than one a point


def test_pointing_at_a_row_shows_its_text(desk: Opened) -> None:
    _colour(desk, "chosen")
    assert _names(desk) == [
        f"not chosen ({ROWS - CHOSEN - 10})",
        "kept from the start (10)",
        f"chosen ({CHOSEN})",
    ]
    x, y = _place(desk, 2, 0)
    desk.page.mouse.move(x - 2, y - 2)
    desk.page.mouse.move(x, y)
    tip = desk.page.locator(".tip")
    tip.wait_for(state="visible")
    shown = tip.inner_text()
    assert HOSTILE in shown
    assert "row 5, name-5" in shown
    assert f"chosen 1 of {CHOSEN}" in shown
    desk.page.mouse.move(2, 2)
    tip.wait_for(state="hidden")


def test_the_search_counts_marks_and_lists(desk: Opened) -> None:
    desk.page.locator("#map-search").fill("apples")
    found = desk.page.locator(".found")
    desk.page.wait_for_function("document.querySelector('.found').textContent !== ''")
    wanted = sum("apples" in _text(row).lower() for row in range(ROWS))
    assert found.inner_text() == f"{wanted} of {ROWS} rows"
    assert _names(desk)[-1] == f"matches ({wanted})"
    assert desk.page.locator(".matches li").count() == 8
    assert "Row 0 speaks of Apples." in desk.page.locator(".matches li").first.inner_text()
    desk.page.locator("#map-search").fill("no such words")
    desk.page.wait_for_function(f"document.querySelector('.found').textContent === '0 of {ROWS} rows'")
    assert not any("matches" in name for name in _names(desk))
    desk.page.locator("#map-search").fill("")
    desk.page.wait_for_function("document.querySelector('.found').textContent === ''")


def test_colours_can_be_changed(desk: Opened) -> None:
    _colour(desk, "novelty")
    marker = desk.page.locator(".map .plot").evaluate(
        "plot => [plot.data.length, plot.data[0].marker.showscale]"
    )
    assert marker == [1, True]
    assert "as if it alone joined the set" in desk.page.locator(".map > .note").inner_text()
    _colour(desk, "domain")
    names = _names(desk)
    assert len(names) == 8
    assert names[-1].startswith("6 others (")
    legend = desk.page.locator(".map .legendtext").first
    assert "<b>d" in legend.text_content()  # a label is shown as it is
    assert sum(int(name.rpartition("(")[2].rstrip(")")) for name in names) == ROWS
    _colour(desk, "chosen")
    assert desk.said == []


def test_light_and_dark(opened: Open, file: Path) -> None:
    page = opened(file, color_scheme="dark")
    assert _background(page) == "rgb(22, 22, 24)"
    assert set(_ink(page)) == {"#e6e6e6"}
    page.page.locator("#theme").click()
    page.page.wait_for_timeout(500)
    assert _background(page) == "rgb(255, 255, 255)"
    assert set(_ink(page)) == {"#1b1b1b"}
    page.page.locator("#theme").click()
    page.page.wait_for_timeout(500)
    # paper is white whatever the screen is
    page.page.emulate_media(media="print")
    page.page.wait_for_timeout(500)
    assert _background(page) == "rgb(255, 255, 255)"
    assert set(_ink(page)) == {"#1b1b1b"}
    assert not page.page.locator(".controls").is_visible()
    assert not page.page.locator("nav").is_visible()
    assert page.page.locator(".map .plot").is_visible()
    assert page.said == []


def test_on_a_phone_nothing_runs_off_the_side(opened: Open, file: Path) -> None:
    page = opened(file, width=360, height=740, has_touch=True, is_mobile=True)
    assert page.page.evaluate("document.documentElement.scrollWidth") == 360
    x, y = _place(page, 2, 0)
    page.page.touchscreen.tap(x, y)
    page.page.locator(".tip").wait_for(state="visible")
    box = page.page.locator(".tip").bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 360
    # a finger on the map scrolls the page
    before = page.page.evaluate("scrollY")
    finger = page.page.context.new_cdp_session(page.page)
    finger.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
    for step in range(1, 11):
        point = {"x": x, "y": y - 20 * step}
        finger.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [point]})
    finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    page.page.wait_for_function(f"scrollY > {before} + 50")
    assert page.said == []


def test_without_webgl_a_part_of_the_points_is_drawn_and_that_is_said(opened: Open, file: Path) -> None:
    page = opened(
        file,
        script="""const all = HTMLCanvasElement.prototype.getContext;
            HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
              return kind.startsWith('webgl') ? null : all.call(this, kind, ...rest);
            };""",
    )
    assert page.page.locator(".map .plot").evaluate("plot => plot.data[0].type") == "scatter"
    assert f"no WebGL: {ROWS} of {ROWS} points are drawn" in page.page.locator(".map > .note").inner_text()
    assert page.page.locator(".map .point").count() == ROWS
    assert page.said == []
