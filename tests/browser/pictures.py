"""Draws the pictures of the pages in docs/, from a VetBridge at work: `python -m tests.browser.pictures`."""

from __future__ import annotations

import tempfile
from datetime import timedelta
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from tests.browser.conftest import CHROMIUM
from tests.browser.office import UNMAPPED, Office, office
from tests.browser.test_pages import DESK, PHONE, sign_in

DOCS = Path(__file__).parents[2] / "docs"
PAGES = {
    **{"/": "today", "/review": "questions", "/review/1": "question", "/failures": "failures"},
    "/worklist": "worklist",
}


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
    to_type(place, str(place.place.contact_id(owners[1])))
    for name, size, looks in (("ann", DESK, "desk"), ("jan", PHONE, "phone")):
        context = browser.new_context(**size, device_scale_factor=1)
        page = context.new_page()
        sign_in(page, f"{place.url}/", name)
        for path, what in PAGES.items():
            page.goto(f"{place.url}{path}")
            page.screenshot(path=DOCS / f"page-{what}-{looks}.png", full_page=True)
        context.close()


def to_type(place: Office, known: str) -> None:
    """Visits on the work list: of a new owner, soon; of one who is not certain, tomorrow."""
    nina = {"name": "Nina Berg", "given_name": "Nina", "family_name": "Berg", "phones": ("+447700900321",)}
    pet = {"id": None, "name": "Momo", "species": "cat", "sex": "female_neutered", "is_new": True}
    visit = {
        "resource": "vet_1",
        "appointment_type": "vaccination",
        "remark": "VB-7F3K9Q2MXX She hides when it rings",
    }
    place.to_type(1, ahead=timedelta(minutes=40), client={**nina, "is_new": True}, pet=pet, **visit)
    unsure = {**nina, "is_new": False, "candidates": [{"client_id": known}]}
    visit["remark"] = "VB-2Q8N4T6RAB"
    place.to_type(2, ahead=timedelta(days=1), client=unsure, pet={"name": "Rex"}, **visit)


def main() -> None:
    """Draws them all."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright, office(Path(folder)) as place:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        draw(browser, place)
        browser.close()


if __name__ == "__main__":
    main()
