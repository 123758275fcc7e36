"""The two questions of pairing at the desk: is it one visit, and who is this client in the PIMS."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.rig import Rig
from tests.unit.desk.practice import ZONE, Desk, hold, receive
from tests.unit.desk.test_review_walk import Desktop
from vetbridge.config.models import Site
from vetbridge.core.answers import PAIR_CLIENT, PAIR_VISIT, Answer, Choice
from vetbridge.core.instants import Instant
from vetbridge.core.records import Appointment, Client, Kind, Pet
from vetbridge.desk import answering
from vetbridge.desk.answering import CannotAnswer, Outcome
from vetbridge.desk.review import open_items
from vetbridge.ledger import changes, links, mirror, reviews
from vetbridge.ledger.database import Ledger
from vetbridge.ledger.tables import Change


def ask_card(
    ledger: Ledger, remote_id: str, given: str, family: str, *, candidates: tuple[str, ...] = ("1002",)
) -> int:
    """Pairing's question about a client of the booking side; its number."""
    question = {
        "why": PAIR_CLIENT,
        "words": "names agree, but no phone does",
        "booking": Client(id=remote_id, given_name=given, family_name=family, phones=("+447700900124",)),
        "pets": [Pet(id=f"{remote_id}/a", client_id=remote_id, name="Mon\x1b[31mty", species="cat")],
        "candidates": [
            {"client_id": id_, "pet_id": "5002", "score": 0.6, "vetoes": [], "evidence": []} for id_ in candidates
        ],
    }
    with ledger.write() as tx:
        mirror.put(
            tx,
            "ezyvet-city",
            [
                Client(id="1002", given_name="Jim", family_name="Harris", phones=("07700 900123",)),
                Client(id="1003", given_name="Jo", family_name="Harris", active=False),
                Pet(id="5002", client_id="1002", name="Monty", species="cat"),
                Pet(id="5003", client_id="1002", name="Rex", species="dog"),
            ],
        )
        change = changes.receive(
            tx, site="city", account="altegio-city", kind=Kind.CLIENT, remote_id=remote_id, source="pairing"
        )
        item = reviews.ask(tx, change, why=PAIR_CLIENT, visit_at=None, question=question)
        return item.id or 0


def ask_visit(desk: Desk, ledger: Ledger, *, fields: tuple[str, ...], hours: int = 2) -> int:
    """Pairing's question about a booking and a visit two hours later."""
    start = desk.clock.now().replace(minute=0, second=0) + timedelta(days=1)
    booker = Client(id="2001", given_name="James", family_name="Harris")
    booking = Appointment(
        id="30001",
        client_id="2001",
        booker=booker,
        booked_pet=Pet(name="Monty", species="cat"),
        start=Instant(start, ZONE),
        duration=900,
        resource="vet_1",
    )
    visit = Appointment(
        id="77",
        client_id="1002",
        pet_id="5002",
        start=Instant(start + timedelta(hours=hours), ZONE),
        duration=1800,
        resource="vet_1",
    )
    with ledger.write() as tx:
        mirror.put(
            tx,
            "ezyvet-city",
            [
                Client(id="1002", given_name="Jim", family_name="Harris"),
                Pet(id="5002", client_id="1002", name="Monty", species="cat"),
            ],
        )
        row = tx.session.get_one(Change, receive(tx, "30001"))
        question = {"why": PAIR_VISIT, "booking": booking, "pims": visit, "fields": list(fields)}
        return reviews.ask(tx, row, why=PAIR_VISIT, visit_at=start, question=question).id or 0


# -- is it one visit ------------------------------------------------------------------------------------------------


def test_a_visit_that_may_be_one_is_shown_with_both_sides(desk: Desk, ledger: Ledger) -> None:
    ask_visit(desk, ledger, fields=("duration", "start"))
    text = " ".join(desk.run("review", "list").stdout.split())
    assert "may be one and the same" in text
    assert "Booked as: James Harris" in text
    assert "in the PIMS: Jim Harris" in text
    assert "in the PIMS: Monty (cat)" in text
    assert "answer 1 pims/booking/again/keep" in text


def test_each_answer_says_what_it_comes_to(desk: Desk, ledger: Ledger) -> None:
    item = ask_visit(desk, ledger, fields=("duration", "start"))
    one, two = "They are one visit, and ", "They are two visits: the booking is written to the PIMS"
    for choice, says, stays in (
        ("pims", f"{one}the PIMS's time holds: the booking follows: time", True),
        ("booking", f"{one}the booking's time holds: the PIMS follows: time", True),
        ("again", two, False),
        ("keep", "nothing is carried over", False),
    ):
        text = " ".join(desk.run("review", "answer", str(item), choice, "--plan").stdout.split())
        assert says in text
        assert "length 30 minutes" not in text, "its length is not brought into line"
        assert ("As it is on each side stays: length." in text) == stays


def test_one_visit_at_one_time_needs_no_write(desk: Desk, ledger: Ledger) -> None:
    item = ask_visit(desk, ledger, fields=(), hours=0)
    text = desk.run("review", "answer", str(item), "pims", "--plan").stdout
    assert "They are one visit, and nothing has to be written." in " ".join(text.split())


# -- who is this client ---------------------------------------------------------------------------------------------


def test_clients_come_last_family_by_family_and_only_their_number_is_told(desk: Desk, ledger: Ledger) -> None:
    ask_card(ledger, "9001", "Zoe", "Young")
    ask_card(ledger, "9002", "", "Ann Abbott")
    ask_card(ledger, "9003", "Bo", "Young")
    visit = ask_visit(desk, ledger, fields=("start",))
    hold(ledger, {"31": "a cancellation"}, first_visit=desk.clock.now() + timedelta(hours=5))
    order = [item["why"] for item in desk.data("review", "list")]
    assert order[-3:] == [PAIR_CLIENT] * 3
    assert set(order[:2]) == {PAIR_VISIT, "fuse-blown"}
    told = desk.run("review", "list").stdout
    assert "2 questions need you" in told
    assert "Abbott" not in told
    assert "3 clients of the booking side may stand in the PIMS already" in " ".join(told.split())
    every = desk.run("review", "list", "--pairing").stdout
    assert f"item {visit}" in every
    assert every.index("Ann Abbott") < every.index("Zoe Young") < every.index("Bo Young")
    assert "When there is time" not in every


def test_a_client_is_shown_with_its_pets_and_what_the_matcher_said(desk: Desk, ledger: Ledger) -> None:
    ask_card(ledger, "9001", "James", "Harris")
    result = desk.run("review", "list", "--pairing")
    text = " ".join(result.stdout.split())
    assert "Client 9001 at altegio-city" in text
    assert "James Harris +447700900124 pets: Monty (cat)" in text
    assert "may stand in the PIMS already: names agree, but no phone does" in text
    assert "Jim Harris" in text
    assert "\x1b" not in result.stdout


def test_no_pet_has_to_be_said(desk: Desk, ledger: Ledger) -> None:
    item = ask_card(ledger, "9001", "James", "Harris")
    text = " ".join(desk.run("review", "link", str(item), "1", "--plan").stdout.split())
    assert text.startswith("James Harris (client 9001) at the booking side is Jim Harris (client 1002) in the PIMS")
    assert "Nothing is written" in text


def test_what_cannot_be_meant_is_refused(desk: Desk, ledger: Ledger) -> None:
    item = ask_card(ledger, "9001", "James", "Harris")
    for arguments, code in (
        (("1", "--pet", "5002"), "pet-not-asked"),
        (("--client", "4711"), "unknown-client"),
        (("--client", "1003"), "client-inactive"),
        (("2",), "unknown-candidate"),
    ):
        result = desk.run("review", "link", str(item), *arguments, "--json")
        assert result.exit_code == 2
        assert json.loads(result.stdout)["problems"][0]["code"] == code
    assert [each["state"] for each in desk.data("review", "list")] == ["open"]


def test_the_walk_takes_them_after_all_else_a_number_and_enter_each(desk: Desk, ledger: Ledger) -> None:
    first = ask_card(ledger, "9001", "Ann", "Abbott")
    second = ask_card(ledger, "9002", "Zoe", "Young")
    visit = ask_visit(desk, ledger, fields=("start",))
    seen = Desktop(desk, ledger, "p", "", "1", "", "k", "")
    assert seen.answers == 3
    given = {id_: (seen.item(id_).answer, seen.item(id_).answer_client_id) for id_ in (visit, first, second)}
    assert given == {visit: ("pims", None), first: ("link", "1002"), second: ("keep", None)}
    assert "p one visit, the PIMS's time holds, b one visit, the booking's time holds, a two visits" in seen.text
    assert "1 to link, k nobody of these, l not now, s search" in seen.text
    assert "2 clients of the booking side may stand in the PIMS already" in seen.text


# -- from the answer to the link ------------------------------------------------------------------------------------


class Shadow:
    """A pair in the shadow whose two cards of one person only a person can tell to be one."""

    def __init__(self, folder: Path) -> None:
        self.rig = Rig(folder)
        self.rig.meet()
        self.sites = {
            "town": Site.model_validate(
                {
                    "name": "Town",
                    "zone": "Europe/London",
                    "country": "GB",
                    "booking": {"account": "booking"},
                    "pims": {"account": "pims"},
                }
            )
        }
        self.client = self.rig.owner("John", "Smith", "+447912000001", "Bella")
        self.card = self.rig.booking.add(
            Kind.CLIENT, {"name": {"given": "Peter", "family": "Jones"}, "phones": ["+447912000001"]}
        )
        self.rig.pair_up()

    def item(self) -> int:
        with self.rig.ledger.read() as tx:
            return next(each.id for each in open_items(tx, self.sites) if each.why == PAIR_CLIENT)

    def give(self, **answer: Any) -> answering.Taken:
        item = self.item()
        with self.rig.ledger.write() as tx:
            return answering.give(tx, self.sites, item, Answer(**answer), by="ann")

    def outcome(self, taken: answering.Taken) -> Outcome:
        with self.rig.ledger.read() as tx:
            return answering.outcome(tx, self.sites, taken)

    def linked(self) -> str | None:
        with self.rig.ledger.read() as tx:
            link = links.of_booking(tx, "booking", Kind.CLIENT, self.card)
            return None if link is None else link.pims_id


@pytest.fixture
def shadow(tmp_path: Path) -> Shadow:
    return Shadow(tmp_path)


def test_in_the_shadow_the_next_pairing_carries_it_out(shadow: Shadow) -> None:
    taken = shadow.give(choice=Choice.LINK, client_id=shadow.client)
    told = shadow.outcome(taken)
    assert (told.state, told.settled) == ("written-down", True)
    assert "when both sides are paired next" in told.message
    shadow.rig.pair_up()
    assert shadow.linked() == shadow.client
    done = shadow.outcome(taken)
    assert done.state == "applied"
    assert done.message == f"Done: Peter Jones (client {shadow.card}) is linked with client {shadow.client}."
    with shadow.rig.ledger.read() as tx, pytest.raises(CannotAnswer, match="the two clients are linked"):
        answering.undo_consequence(tx, shadow.sites, taken.item.id)


def test_what_is_not_carried_out_yet_is_taken_back(shadow: Shadow) -> None:
    taken = shadow.give(choice=Choice.LINK, client_id=shadow.client)
    with shadow.rig.ledger.write() as tx:
        answering.undo(tx, shadow.sites, taken.item.id, by="ann")
    shadow.rig.pair_up()
    assert shadow.linked() is None
    assert shadow.item() == taken.item.id


def test_nobody_of_these_is_not_asked_about_again_by_pairing(shadow: Shadow) -> None:
    shadow.give(choice=Choice.KEEP)
    shadow.rig.pair_up()
    assert shadow.linked() is None
    with shadow.rig.ledger.read() as tx:
        assert open_items(tx, shadow.sites) == ()


def test_after_approval_it_is_carried_out_at_once(shadow: Shadow) -> None:
    shadow.rig.approve()
    taken = shadow.give(choice=Choice.LINK, client_id=shadow.client)
    shadow.rig.settle()
    assert shadow.linked() == shadow.client
    assert shadow.outcome(taken).state == "applied"
