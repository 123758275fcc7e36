"""What holds for every page: who may, no form without its token, and that it is drawn in each language."""

from __future__ import annotations

import pytest
from fastapi.routing import APIRoute

from tests.unit.desk.practice import Parked, Settled
from tests.unit.web.served import Served
from tests.unit.web.test_page_find import by_hand
from vetbridge.core.roles import Role, may
from vetbridge.desk.language import LANGUAGES
from vetbridge.ledger import audit as audit_log
from vetbridge.ledger.audit import Act
from vetbridge.ledger.tables import Change, ChangeState
from vetbridge.web import audit, failures, find, history, review, today, worklist

MODULES = (today, review, failures, worklist, find, history, audit)

ROUTES: dict[tuple[str, str], Role] = {
    ("GET", "/"): Role.READER,
    ("GET", "/review"): Role.READER,
    ("GET", "/review/{number}"): Role.READER,
    ("GET", "/review/{number}/pets"): Role.RECEPTION,
    ("POST", "/review/{number}/answer"): Role.RECEPTION,
    ("POST", "/review/{number}/undo"): Role.RECEPTION,
    ("POST", "/review/{number}/later"): Role.RECEPTION,
    ("POST", "/review/{number}/take"): Role.RECEPTION,
    ("POST", "/review/{number}/release"): Role.RECEPTION,
    ("POST", "/review/{number}/assign"): Role.RECEPTION,
    ("POST", "/review/{number}/note"): Role.RECEPTION,
    ("GET", "/failures"): Role.READER,
    ("POST", "/failures/preview"): Role.SUPPORT,
    ("POST", "/failures/replay"): Role.SUPPORT,
    ("POST", "/failures/acknowledge"): Role.SUPPORT,
    ("GET", "/worklist"): Role.READER,
    ("GET", "/worklist/print"): Role.READER,
    ("GET", "/worklist/table.csv"): Role.RECEPTION,
    ("POST", "/worklist/{number}/done"): Role.RECEPTION,
    ("POST", "/worklist/{number}/undone"): Role.RECEPTION,
    ("GET", "/find"): Role.READER,
    ("GET", "/changes/{number}"): Role.READER,
    ("GET", "/audit"): Role.ADMIN,
}


def test_the_table_names_every_route(served: Served) -> None:
    found = {
        (method, route.path)
        for module in MODULES
        for route in module.routes(served.frame).routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }
    assert found == set(ROUTES)


def test_each_route_is_for_its_role_and_those_above_it(served: Served, parked: Parked, settled: Settled) -> None:
    settled(ChangeState.FAILED, "expired")
    for role in Role:
        browser = served.browser(role.capitalize(), role)
        token = iter([browser.token("/find") for _ in ROUTES])
        for (method, path), needed in ROUTES.items():
            address = path.format(number=99 if method == "POST" else 1)
            sent = (
                browser.get(address)
                if method == "GET"
                else browser.send(address, {"form_token": next(token), "group": "none@none"})
            )
            assert (sent.status_code == 403) == (not may(role, needed)), (role, method, path)
            assert sent.status_code < 500, (role, method, path)


def test_no_form_is_taken_without_its_token(served: Served, parked: Parked) -> None:
    browser = served.browser("Ada", Role.ADMIN)
    fields = {"choice": "new", "group": "a@b", "change": "1", "text": "a note", "to": "Ada"}
    for path in [path for method, path in ROUTES if method == "POST"]:
        sent = browser.send(path.format(number=1), fields)
        assert sent.status_code == 403
        assert "This form is not taken" in sent.text
    with served.ledger.read() as tx:
        assert tx.session.get_one(Change, parked.change).state == ChangeState.REVIEW
        assert {each.act for each in audit_log.entries(tx)} == {Act.STAFF_ADDED}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_page_is_drawn_in_every_language(
    served: Served, parked: Parked, settled: Settled, language: str
) -> None:
    by_hand(served, parked)
    settled(ChangeState.FAILED, "expired")
    browser = served.browser("Ada", Role.ADMIN, language=language)
    pages = [path.format(number=1) for method, path in ROUTES if method == "GET" and not path.endswith(".csv")]
    for path in (*pages, "/find?q=harris", "/review?pairing=1", "/review/1?search=ja"):
        shown = browser.get(path)
        assert shown.status_code == 200, path
        assert f'<html lang="{language}">' in shown.text
        assert shown.text.count("<h1>") == 1
        assert shown.headers["cache-control"] == "no-store"
