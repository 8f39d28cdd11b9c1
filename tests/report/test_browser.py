"""A report in a real browser: renders without a complaint, filters, is readable narrow, on paper and by machines."""

import os
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

import pytest

from hyops_gitops.adapters.files import report_templates
from hyops_gitops.report.render import report_files
from tests.report.hostile import hostile_facts
from tests.support.browser import Reader, chromium, write_pages
from tests.support.reported import POSTGRES, pages_of, story
from tests.support.repository import ROOT

KINDS = ("index.html", "timeline-0001.html", "entries-0000.html", "exceptions.html", "endpoints.html")
PAGES = (*KINDS, f"endpoint-{POSTGRES}.html")
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
CHECKED: Mapping[Literal["light", "dark"], list[str]] = {"light": WCAG, "dark": ["color-contrast"]}  # all that differs
SHOWN = "[...document.querySelectorAll('.timeline > li')].filter((item) => !item.hidden).length"
STATUS = "[role=status]"


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """With the report of a year, and beside it one of hostile text."""
    folder = tmp_path_factory.mktemp("report")
    with chromium() as browser:
        write_pages(folder, pages_of(story().log()))
        hostile = report_files(hostile_facts(), report_templates())
        write_pages(folder / "hostile", {name: content.decode() for name, content in hostile})
        write_pages(folder / "short", pages_of(story(releases=1).log()))  # axe takes its time for each element
        yield Reader.of(browser.new_page(), folder)


@pytest.mark.parametrize("name", [*PAGES, *(f"hostile/{name}" for name in KINDS)])
def test_a_page_renders_without_a_complaint_and_loads_nothing(reader: Reader, name: str) -> None:
    page = reader.open(name)
    assert page.locator("h1").is_visible()
    # A page whose style did not apply would be as narrow as its text.
    assert page.evaluate("getComputedStyle(document.body).maxWidth") == "1184px"
    assert reader.complaints == []
    assert [url for url in reader.requested if url != "about:blank"] == [reader.address(name)]


def test_filters_by_who_and_by_outcome(reader: Reader) -> None:
    page = reader.open("timeline-0001.html")
    every = page.evaluate(SHOWN)
    page.select_option("select[name=person]", "linus")
    assert page.inner_text(STATUS) == f"9 of {every} shown"
    page.select_option("select[name=kind]", "incident")
    assert page.evaluate(SHOWN) == 1
    assert page.url.endswith("#kind=incident&person=linus")
    page.click("button[type=reset]")
    page.wait_for_function(f"{SHOWN} === {every}")
    page.select_option("select[name=outcome]", "refused")
    assert page.evaluate(SHOWN) == 1


def test_filters_by_a_part_of_a_name_from_the_keyboard(reader: Reader) -> None:
    page = reader.open("timeline-0001.html")
    page.focus("input[name=name]")
    page.keyboard.type("SEARCH.prod")
    assert page.inner_text(STATUS).startswith("4 of")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.name") == "environment"


def test_a_number_on_the_summary_leads_to_the_filtered_timeline(reader: Reader) -> None:
    page = reader.open("index.html")
    page.click(".finders a:text-is('barbara')")
    assert page.inner_text(STATUS).startswith("8 of")


def test_the_first_key_leads_past_the_navigation(reader: Reader) -> None:
    page = reader.open("entries-0000.html")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"


@pytest.mark.parametrize("name", PAGES)
def test_nothing_has_to_be_scrolled_sideways_at_400_pixels(reader: Reader, name: str) -> None:
    page = reader.open(name, width=400)
    assert page.evaluate("document.documentElement.scrollWidth") <= 400


def test_hostile_text_does_not_widen_a_page(reader: Reader) -> None:
    for name in KINDS:
        page = reader.open(f"hostile/{name}", width=400)
        assert page.evaluate("document.documentElement.scrollWidth") <= 400, name


def test_without_javascript_everything_is_there(reader: Reader) -> None:
    browser = reader.page.context.browser
    assert browser is not None
    page = browser.new_page(java_script_enabled=False)
    page.goto(reader.address("timeline-0001.html"))
    assert not page.locator("form").is_visible()
    assert page.locator(".timeline > li").count() == 39
    assert page.locator(".timeline > li").last.is_visible()
    page.close()


def test_on_paper_the_commands_are_open_and_the_navigation_is_gone(reader: Reader) -> None:
    page = reader.open("entries-0000.html")
    count = "window.onPaper = document.querySelectorAll('[open]').length"
    page.evaluate(f"addEventListener('beforeprint', () => {{ {count} }})")
    assert page.pdf()[:5] == b"%PDF-"
    assert page.evaluate("window.onPaper") == page.locator("article").count()
    assert page.evaluate("document.querySelectorAll('[open]').length") == 0
    page.emulate_media(media="print")
    assert not page.locator("nav").first.is_visible()


@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing_by_wcag_aa(reader: Reader, name: str) -> None:
    package = pytest.importorskip("axe_playwright_python", reason="axe-core is not installed")
    rules = (Path(package.__file__).parent / "axe.min.js").read_text()
    page = reader.open(f"short/{name}")
    page.evaluate(rules)
    for scheme, asked in CHECKED.items():
        page.emulate_media(color_scheme=scheme)
        # Of what passes one element is listed; to describe each takes most of the time.
        found = page.evaluate(f"axe.run({{runOnly: {asked}, resultTypes: ['violations']}})")
        wrong = [
            f"{rule['id']}: {rule['help']}: {node['html'][:120]}"
            for rule in found["violations"]
            for node in rule["nodes"][:3]
        ]
        assert wrong == [], scheme
        passed = {rule["id"] for rule in found["passes"]}
        assert "color-contrast" in passed
        assert len(passed) > 15 or scheme == "dark"


SHOTS = {"report-summary.png": "index.html", "report-change.png": "entries-0000.html#e55"}


@pytest.mark.parametrize("shot", SHOTS)
def test_the_screenshots_of_the_documentation(reader: Reader, shot: str) -> None:
    """HYOPS_WRITE_DOCS=1 makes them again; what they show depends on the fonts of the machine."""
    file = ROOT / "docs" / shot
    if os.environ.get("HYOPS_WRITE_DOCS"):
        page = reader.open(SHOTS[shot], height=760)
        page.screenshot(path=file)
    content = file.read_bytes()
    assert struct.unpack(">4x4s2I", content[8:24]) == (b"IHDR", 1200, 760)
    assert len(content) < 200_000
