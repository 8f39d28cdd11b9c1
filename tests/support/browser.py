"""Debian's Chromium, or another one, driven by playwright; pages come from a folder."""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@contextmanager
def chromium() -> Iterator["Browser"]:
    """A browser; skips where there is none, except in continuous integration."""
    program = next((found for name in _NAMES if (found := shutil.which(name))), None)
    if program is None and "CI" not in os.environ:
        pytest.skip(f"no browser: none of {', '.join(_NAMES)} is installed (apt-get install chromium)")
    assert program is not None, "continuous integration has to have a browser"
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program)
        yield browser
        browser.close()


@dataclass
class Reader:
    """A window that reads a report, and what it complained about.

    There is one window, for another one costs a second.
    """

    page: "Page"
    folder: Path
    complaints: list[str] = field(default_factory=list)
    requested: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, page: "Page", folder: Path) -> "Reader":
        """A reader that takes note of everything from now on."""
        reader = cls(page, folder)
        page.on("console", lambda message: reader.complaints.append(message.text))
        page.on("pageerror", lambda error: reader.complaints.append(str(error)))
        page.on("dialog", lambda dialog: reader.complaints.append(f"a dialog: {dialog.message}"))
        page.on("request", lambda request: reader.requested.append(request.url))
        return reader

    def address(self, name: str) -> str:
        """Where a page is."""
        return f"{self.folder.as_uri()}/{name}"

    def open(
        self, name: str, *, width: int = 1200, height: int = 900, scheme: Literal["light", "dark"] = "light"
    ) -> "Page":
        """One page, opened from the file system."""
        self.complaints.clear()
        self.requested.clear()
        self.page.set_viewport_size({"width": width, "height": height})
        self.page.emulate_media(media="screen", color_scheme=scheme)
        self.page.goto("about:blank")  # else another fragment of the same page would not be read again
        self.page.goto(self.address(name))
        return self.page


def write_pages(folder: Path, pages: Mapping[str, str]) -> None:
    """A report, as files."""
    folder.mkdir(exist_ok=True)
    for name, text in pages.items():
        (folder / name).write_text(text)
