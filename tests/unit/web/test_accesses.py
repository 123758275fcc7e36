"""Who looks at an owner's data on the page or by the API is noted: who, when, by which door, and at what by id."""

from __future__ import annotations

from tests.unit.desk.practice import Parked
from tests.unit.web.served import Served
from tests.unit.web.test_page_find import about
from vetbridge.ledger import access


def looks(served: Served) -> set[tuple[str, str, str, str, str]]:
    with served.ledger.read() as tx:
        found = access.entries(tx)
    return {(row.by, row.via, row.what, row.subject, row.subject_id) for row in found}


def test_looking_at_a_question_a_search_and_a_history_on_the_page_is_noted(served: Served, parked: Parked) -> None:
    about(served, parked.change)
    browser = served.browser("Ann")
    for address in ("/review/1", "/find?q=harris", f"/changes/{parked.change}", "/find?q=nobody"):
        assert browser.get(address).status_code == 200
    assert looks(served) == {
        ("Ann", "page", "question", "review", "1"),
        ("Ann", "page", "search", "record", "1"),
        ("Ann", "page", "history", "change", str(parked.change)),
    }
