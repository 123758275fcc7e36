"""Search: whatever reception has at hand finds the client, and its ids."""

from __future__ import annotations

import pytest

from tests.unit.desk.practice import Desk
from vetbridge.core.records import Client, Pet
from vetbridge.desk.search import MOST
from vetbridge.ledger import mirror
from vetbridge.ledger.database import Ledger


@pytest.fixture
def clients(ledger: Ledger) -> None:
    with ledger.write() as tx:
        mirror.put(
            tx,
            "ezyvet-city",
            [
                Client(id="900", family_name="Placeholder"),
                Pet(id="901", client_id="900", name="Placeholder"),
                Client(
                    id="1",
                    given_name="Ann",
                    family_name="Weiß",
                    phones=("07700 900555",),
                    emails=("ann@example.org",),
                ),
                Pet(id="11", client_id="1", name="Bella"),
                Client(id="2", given_name="Anna", family_name="O'Brien", phones=("+44 7700 900777",)),
                Pet(id="21", client_id="2", name="Max"),
                Client(id="3", given_name="Zoë", family_name="Bell", active=False),
            ],
        )


@pytest.mark.parametrize(
    ("text", "found", "pets"),
    [
        ("bella", ["1", "2", "3"], [["11"], ["21", "11"], ["11"]]),
        ("bella zoe", ["3"], [["11"]]),
        ("anna bella", ["2"], [["21", "11"]]),
        ("11", ["1"], [["11"]]),
        ("anna", ["2"], [["21", "11"]]),
        ("max", ["2"], [["21", "11"]]),
    ],
)
def test_who_owns_a_share_is_found_with_that_pet(
    desk: Desk, clients: None, ledger: Ledger, text: str, found: list[str], pets: list[list[str]]
) -> None:
    with ledger.write() as tx:
        mirror.put(tx, "ezyvet-city", [Pet(id="11", client_id="1", name="Bella", co_owner_ids=("2",), carer_id="3")])
    hits = desk.data("review", "search", text)
    assert [hit["client_id"] for hit in hits] == found
    assert [[pet["id"] for pet in hit["pets"]] for hit in hits] == pets


@pytest.mark.parametrize(
    ("text", "found", "by"),
    [
        ("07700 900555", ["1"], "contact"),
        ("+447700900555", ["1"], "contact"),
        ("ANN@example.org", ["1"], "contact"),
        ("900777", ["2"], "phone"),
        ("weiss", ["1"], "name"),
        ("obrien anna", ["2"], "name"),
        ("ann", ["1", "2"], "name"),
        ("max", ["2"], "pet"),
        ("max obri", ["2"], "pet"),
        ("zoe", ["3"], "name"),
        ("21", ["2"], "id"),
        ("2", ["2"], "id"),
        ("placeholder", [], ""),
        ("900", [], ""),
        ("555", [], ""),
        ("nobody", [], ""),
        ("  ", [], ""),
        ("\x00\ud800", [], ""),
        ("'; drop table mirror", [], ""),
    ],
)
def test_what_is_at_hand_finds_the_client(desk: Desk, clients: None, text: str, found: list[str], by: str) -> None:
    hits = desk.data("review", "search", text)
    assert [hit["client_id"] for hit in hits] == found
    assert {hit["by"] for hit in hits} <= {by}


def test_the_text_has_names_first_and_the_ids_to_link_with(desk: Desk, clients: None) -> None:
    assert desk.run("review", "search", "ann", "weiss").stdout.splitlines() == [
        "Ann Weiß  07700 900555  ann@example.org  pets: Bella",
        "    --client 1; pets: Bella 11",
    ]
    assert "(inactive)" in desk.run("review", "search", "zoe").stdout
    assert "Nobody fits." in desk.run("review", "search", "nobody").stdout


def test_many_hits_stop_and_say_so(desk: Desk, ledger: Ledger) -> None:
    with ledger.write() as tx:
        mirror.put(tx, "ezyvet-city", [Client(id=f"{n:04}", family_name="Smith") for n in range(1200)])
    result = desk.run("review", "search", "smith")
    assert result.stdout.count("--client") == MOST
    assert "There are more" in result.stderr


def test_a_scan_sees_every_client_once(ledger: Ledger) -> None:
    with ledger.write() as tx:
        mirror.put(tx, "ezyvet-city", [Client(id=str(n), family_name="Smith") for n in range(1203)])
        mirror.put(tx, "ezyvet-city", [Pet(id=f"p{n}", client_id=str(n), name="Rex") for n in range(3)])
    with ledger.read() as tx:
        found = list(mirror.scan(tx, "ezyvet-city"))
    assert len({known.client_id for known in found}) == len(found) == 1203
    assert sum(len(known.pets) for known in found) == 3


def test_a_site_that_nobody_knows_is_wrong_use(desk: Desk, ledger: Ledger) -> None:
    assert desk.run("review", "search", "x", "--site", "nowhere").exit_code == 2
