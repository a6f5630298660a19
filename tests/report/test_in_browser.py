"""Both kinds of reports in a real Chromium: quiet, whole, narrow, dark, and the peak on hover."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from edgeserve.bundle_store import Bundle
from edgeserve.cli import main
from tests.report.browser import Browser
from tests.report.conftest import make_phone_bundle
from tests.report.test_accuracy_section import RECORD

pytestmark = pytest.mark.xdist_group("chromium")

NARROW = 360


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    browser = Browser(tmp_path_factory.mktemp("chromium"))
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def pages(digits: Bundle, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    bundles = {"board": digits, "phone": make_phone_bundle(folder / "camera")}
    sha256 = bundles["phone"].facts.model_sha256
    bundles["phone"].record_accuracy(replace(RECORD, model_sha256=sha256))
    for kind, bundle in bundles.items():
        assert main(["report", str(bundle.path), "-o", str(folder / f"{kind}.html")]) == 0
    return {kind: folder / f"{kind}.html" for kind in bundles}


@pytest.mark.parametrize("kind", ["board", "phone"])
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [NARROW, 1200])
def test_it_is_quiet_fetches_nothing_and_fits_the_window(
    browser: Browser, pages: dict[str, Path], kind: str, dark: bool, width: int
) -> None:
    browser.open(pages[kind], width=width, dark=dark)
    assert browser.complaints() == []
    assert browser.requests() == [pages[kind].as_uri()]
    assert browser.ask("document.documentElement.scrollWidth <= window.innerWidth")
    assert browser.ask("document.querySelectorAll('section').length") == 10
    back = browser.ask("getComputedStyle(document.body).backgroundColor")
    ink = browser.ask("getComputedStyle(document.body).color")
    assert (back, ink) == (
        ("rgb(20, 24, 29)", "rgb(230, 234, 239)")
        if dark
        else ("rgb(255, 255, 255)", "rgb(29, 35, 43)")
    )


@pytest.mark.parametrize("kind", ["board", "phone"])
def test_wide_tables_are_whole_in_a_wide_window_and_told_in_a_narrow_one(
    browser: Browser, pages: dict[str, Path], kind: str
) -> None:
    scrolled = "[...document.querySelectorAll('.wide')].filter(e => e.scrollWidth > e.clientWidth)"
    browser.open(pages[kind], width=1200)
    assert browser.ask(f"{scrolled}.map(e => e.ariaLabel)") == []
    browser.open(pages[kind], width=NARROW)
    assert browser.ask(f"{scrolled}.length") >= 3
    # The caption of a table that is wider than the window is read without scrolling, and after it.
    inside = (
        f"{scrolled}.map(e => e.querySelector('caption span')).filter(e => e).every(e => "
        "{ const b = e.getBoundingClientRect(); return b.left >= 0 && b.right <= innerWidth; })"
    )
    assert browser.ask(inside)
    browser.ask(f"{scrolled}.forEach(e => {{ e.scrollLeft = 1000; }}), 1")
    assert browser.ask(inside)
    options = "[...document.querySelectorAll('.option')]"
    assert browser.ask(f"{options}.length") >= 2
    assert browser.ask(f"{options}.every(e => e.getClientRects().length == 1)")


def test_it_would_be_seen_if_the_page_asked_for_something_or_were_too_wide(
    browser: Browser, tmp_path: Path
) -> None:
    """What the other tests look for can be found."""
    page = tmp_path / "bad.html"
    page.write_text(
        "<!DOCTYPE html><img src='https://example.invalid/x.png'><div style='width:900px'>x</div>"
        "<script>console.error('no'); nothing.here()</script>"
    )
    browser.open(page, width=NARROW)
    browser.ask("new Promise(done => setTimeout(() => done(1), 200))")
    assert len(browser.complaints()) >= 2
    assert "https://example.invalid/x.png" in browser.requests()
    assert not browser.ask("document.documentElement.scrollWidth <= window.innerWidth")


def test_its_policy_holds_against_a_script(
    browser: Browser, pages: dict[str, Path], tmp_path: Path
) -> None:
    document = pages["board"].read_text()
    spoiled = tmp_path / "spoiled.html"
    spoiled.write_text(document.replace("</main>", "<script>document.title = 'x'</script></main>"))
    browser.open(spoiled)
    assert browser.ask("document.title") == "digits: edgeserve report"
    assert any("Content Security Policy" in complaint for complaint in browser.complaints())


def test_the_peaks_tensors_show_on_hover_and_on_focus(
    browser: Browser, pages: dict[str, Path]
) -> None:
    browser.open(pages["board"])
    shown = "getComputedStyle(document.querySelector('.peak')).visibility"
    assert browser.ask(shown) == "hidden"
    browser.hover(".fullest .grip")
    assert browser.ask(shown) == "visible"
    told = browser.ask("document.querySelector('.peak').innerText")
    assert "fullest: turn" in told
    assert "1,024 bytes: digits_1/re_lu_1" in told
    browser.hover("h1")
    assert browser.ask(shown) == "hidden"
    browser.call("Input.dispatchKeyEvent", type="keyDown", key="Tab")
    browser.ask("document.querySelector('.fullest').focus({focusVisible: true})")
    assert browser.ask(shown) == "visible"


def test_pictures_take_the_colours_of_the_scheme(browser: Browser, pages: dict[str, Path]) -> None:
    line = (
        "[...document.querySelectorAll('svg.chart path')]"
        ".map(e => getComputedStyle(e).stroke).filter(c => c === '{}').length"
    )
    light, dark = "rgb(47, 109, 179)", "rgb(127, 178, 238)"
    browser.open(pages["phone"])
    assert browser.ask(line.format(light)) >= 3
    assert browser.ask(line.format(dark)) == 0
    browser.open(pages["phone"], dark=True)
    assert browser.ask(line.format(dark)) >= 3
    assert browser.ask(line.format(light)) == 0
    width = browser.ask("document.querySelector('svg.chart').getBoundingClientRect().width")
    assert width > 300
    assert "throttled from 362 s" in browser.ask("document.querySelector('#heat').textContent")


@pytest.mark.parametrize("kind", ["board", "phone"])
def test_all_of_it_is_printed(browser: Browser, pages: dict[str, Path], kind: str) -> None:
    browser.open(pages[kind], width=700)
    browser.call("Emulation.setEmulatedMedia", media="print")
    try:
        assert browser.ask("getComputedStyle(document.querySelector('nav')).display") == "none"
        assert browser.ask("document.documentElement.scrollWidth <= window.innerWidth")
        folded = "[...document.querySelectorAll('details table')]"
        assert browser.ask(f"{folded}.every(t => t.checkVisibility())")
        assert browser.ask(f"{folded}.length") == (3 if kind == "board" else 1)
    finally:
        browser.call("Emulation.setEmulatedMedia", media="")
