"""Draws the pictures of the pages in docs/, from a VetBridge at work: `python -m tests.browser.pictures`."""

from __future__ import annotations

import tempfile
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from tests.browser.conftest import CHROMIUM
from tests.browser.office import UNMAPPED, Office, office
from tests.browser.test_pages import DESK, PHONE, sign_in

DOCS = Path(__file__).parents[2] / "docs"
PAGES = {"/": "today", "/review": "questions", "/review/1": "question", "/failures": "failures"}


def draw(browser: Browser, place: Office) -> None:
    """A morning with a question and a failure, at a desk in English and on a phone in German."""
    place.start_without(UNMAPPED.code)
    place.add_staff("ann", "support")
    place.add_staff("jan", "support", "de")
    owners = [place.place.plain_owner(number) for number in range(4)]
    place.failing(owners[1])
    place.failing(owners[2])
    place.ambiguous(owners[0], fullname="Eva Novakova", pet=owners[0].pets[0].name)
    place.ambiguous(owners[3], fullname="Tomas Dvorak", pet="Rex")
    for name, size, looks in (("ann", DESK, "desk"), ("jan", PHONE, "phone")):
        context = browser.new_context(**size, device_scale_factor=1)
        page = context.new_page()
        sign_in(page, f"{place.url}/", name)
        for path, what in PAGES.items():
            page.goto(f"{place.url}{path}")
            page.screenshot(path=DOCS / f"page-{what}-{looks}.png", full_page=True)
        context.close()


def main() -> None:
    """Draws them all."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright, office(Path(folder)) as place:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        draw(browser, place)
        browser.close()


if __name__ == "__main__":
    main()
