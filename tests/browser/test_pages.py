"""Reception and support at the pages, in a real browser: at a desk and on a phone, by mouse, touch and keys."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.office import HOSTILE, PASSWORD, UNMAPPED, Office
from tests.system.town import BY_CLIENT, until

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

DESK: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}}
PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
LARGE: dict[str, Any] = {"viewport": {"width": 640, "height": 400}, "color_scheme": "dark"}
"""What a desk at 200 % is to a page; in the dark."""
SIZES = pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])


@contextmanager
def opened(chromium: Browser, size: dict[str, Any]) -> Iterator[Page]:
    """A window that nothing may pop up in, and in which nothing may go wrong unseen."""
    context = chromium.new_context(**size)
    context.set_default_timeout(15_000)
    page = context.new_page()
    trouble: list[str] = []
    page.on("dialog", lambda dialog: trouble.append(f"a dialog: {dialog.message}"))
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.on("console", lambda message: trouble.append(message.text) if message.type == "error" else None)
    yield page
    assert trouble == []
    context.close()


def sign_in(page: Page, url: str, name: str) -> None:
    """Opens a page of ours, and signs in on the way to it."""
    page.goto(url)
    page.get_by_label("Your name").fill(name)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("navigation").wait_for()


def sound(page: Page) -> None:
    """Nothing keeps anybody from using what is shown: axe finds nothing, and nothing sticks out at the side."""
    from axe_playwright_python.sync_playwright import Axe  # noqa: PLC0415 - may be missing

    found = Axe().run(page)
    assert found.violations_count == 0, f"{page.url}\n{found.generate_report()}"
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0, f"{page.url} is {wide} pixels too wide"


@SIZES
def test_a_question_is_answered_in_two_clicks_and_the_answer_taken_back(
    chromium: Browser, place: Office, size: dict[str, Any]
) -> None:
    town = place.place
    place.start()
    place.add_staff("ann", "reception")
    owner = town.plain_owner()
    record, record_hash = place.ambiguous(
        owner, fullname=HOSTILE, pet=next(p.name for p in owner.pets if not p.deceased)
    )
    placeholder = place.visit()["contact_id"]
    with opened(chromium, size) as page:
        sign_in(page, f"{place.url}/review", "ann")
        assert page.get_by_text(HOSTILE).count() == 1  # as it was typed: it is text, not markup
        sound(page)

        page.locator("main").get_by_role("listitem").get_by_role("link").first.click()
        sound(page)
        page.get_by_role("button", name=owner.family_name).click()
        page.get_by_role("status").wait_for()
        sound(page)
        contact = town.contact_id(owner)
        until(lambda: place.visit()["contact_id"] == contact, "the visit to be on its owner")

        page.get_by_role("button", name="Undo").click()
        until(lambda: place.visit()["contact_id"] == placeholder, "the visit to be on the placeholder again")

        page.goto(f"{place.url}/review")
        page.locator("main").get_by_role("listitem").get_by_role("link").first.click()
        page.get_by_role("button", name=owner.family_name).click()
        until(lambda: place.visit()["contact_id"] == contact, "the visit to be on its owner again")
    town.cancel(record, record_hash)
    until(lambda: not place.visit()["active"], "the owner's cancellation to be carried over")
    assert place.visit()["cancellation_reason"] == BY_CLIENT
    assert town.notices() == 0


@SIZES
def test_a_failure_is_looked_at_and_tried_again(chromium: Browser, place: Office, size: dict[str, Any]) -> None:
    place.start_without(UNMAPPED.code)
    place.add_staff("sam", "support")
    place.failing(place.place.plain_owner())
    assert place.place.visits() == []
    place.start()
    with opened(chromium, size) as page:
        sign_in(page, f"{place.url}/failures", "sam")
        sound(page)
        page.get_by_role("button", name="Try again: look first").first.click()
        page.wait_for_url("**/failures/preview")
        sound(page)
        assert place.place.visits() == []  # so far it was a look
        page.get_by_role("button", name="Try this one again now").click()
        until(lambda: len(place.place.visits()) == 1, "the booking to be carried over")
        page.goto(f"{place.url}/failures")
        sound(page)
        page.get_by_role("button", name="Acknowledge").first.click()  # of the whole group
        page.get_by_text("Nothing has failed").wait_for()
        page.goto(f"{place.url}/")
        page.get_by_role("link", name="Find").click()
        page.get_by_role("searchbox").fill(place.place.plain_owner().family_name)
        page.keyboard.press("Enter")
        page.wait_for_url("**/find?*")
        sound(page)
        page.get_by_role("link", name="History").first.click()
        sound(page)


def test_a_visit_is_typed_from_its_card_ticked_and_printed(chromium: Browser, place: Office) -> None:
    place.start()
    place.add_staff("ann", "reception")
    phones = ("+447700900321",)
    new = {"id": None, "name": HOSTILE, "phones": phones, "emails": ("eva@example.org",), "is_new": True}
    pet = {"id": None, "name": "Xerxes", "species": "cat", "is_new": True}
    soon = place.to_type(1, ahead=timedelta(minutes=40), client=new, pet=pet)
    place.to_type(2, ahead=timedelta(days=1), client={**new, "is_new": False, "candidates": []})
    with opened(chromium, PHONE) as page:
        sign_in(page, f"{place.url}/worklist", "ann")
        cards = page.locator("main").get_by_role("listitem").filter(has=page.get_by_role("heading", level=2))
        assert cards.count() == 2
        sound(page)
        first = cards.first
        assert first.get_by_text("Overdue").count() == 1
        assert "Register this owner first" in first.inner_text()
        value = first.locator(".value").first
        value.click()
        assert page.evaluate("getSelection().toString()").strip() == HOSTILE  # whole, to be copied

        first.get_by_role("button", name="Done").click()
        page.get_by_role("status").get_by_text(f"Line {soon} is ticked").wait_for()
        sound(page)
        page.get_by_role("status").get_by_role("button", name="Undo").click()
        page.get_by_text(f"Line {soon} is open again").wait_for()

        page.get_by_role("link", name="Page to print").click()
        page.wait_for_url("**/worklist/print*")
        sound(page)
        page.emulate_media(media="print")
        assert not page.get_by_role("navigation").is_visible()
        assert page.get_by_text("☐").count() == 2
        page.emulate_media(media="screen")
        page.goto(f"{place.url}/worklist")
        with page.expect_download() as table:
            page.get_by_role("link", name="CSV").click()
        assert table.value.suggested_filename == "worklist.csv"


def test_every_page_is_sound_at_every_size(chromium: Browser, place: Office) -> None:
    place.start()
    for language in ("en", "de"):
        place.add_staff(f"kim-{language}", "admin", language)
    place.ambiguous(place.place.plain_owner(), fullname=HOSTILE)
    place.to_type(1, ahead=timedelta(hours=1), client={"name": HOSTILE, "phones": ("1",), "is_new": True})
    (question,) = place.questions()
    for size, language in ((DESK, "en"), (PHONE, "de"), (LARGE, "de")):
        with opened(chromium, size) as page:
            page.goto(f"{place.url}/sign-in?language={language}")
            sound(page)
            page.locator("#name").fill(f"kim-{language}")
            page.locator("#password").fill(PASSWORD)
            page.keyboard.press("Enter")
            page.get_by_role("navigation").wait_for()
            for path in (
                "/",
                "/review",
                f"/review/{question}",
                "/failures",
                "/worklist",
                "/worklist/print",
                "/find?q=a",
                "/audit",
                "/changes/1",
            ):
                page.goto(f"{place.url}{path}")
                assert page.locator("html").get_attribute("lang") == language
                assert page.locator("h1").count() == 1
                sound(page)


def test_a_question_is_answered_by_keys_alone(chromium: Browser, place: Office) -> None:
    place.start()
    place.add_staff("ann", "reception")
    owner = place.place.plain_owner()
    place.ambiguous(owner)
    (question,) = place.questions()
    with opened(chromium, DESK) as page:
        sign_in(page, f"{place.url}/review/{question}", "ann")
        page.keyboard.press("Tab")
        assert page.locator(":focus").inner_text() == "Skip to the content"
        page.keyboard.press("Enter")
        for _ in range(20):
            page.keyboard.press("Tab")
            if owner.family_name in page.locator(":focus").inner_text():
                break
        page.keyboard.press("Enter")
        page.wait_for_url("**/pets?*")  # the owner is known, the pet is not
        page.get_by_role("button", name="Xerxes").press("Enter")
        page.get_by_role("status").wait_for()
    contact = place.place.contact_id(owner)
    until(lambda: place.visit()["contact_id"] == contact, "the visit to be on its owner")
