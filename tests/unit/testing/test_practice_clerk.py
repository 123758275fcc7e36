"""A clerk types what the work list says, late and with mistakes, and reports which record came of which line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.animana.simulator import AnimanaPractice
from tests.rig import Rig
from vetbridge.config.models import Config
from vetbridge.desk import worklist
from vetbridge.testing.clinic import make_clinic
from vetbridge.testing.clock import FakeClock
from vetbridge.testing.memory import MemorySide, by_hand, memory_capabilities
from vetbridge.testing.practice import DATABASE_FILE, Clerk, Deed, KeptVisit, Practice, Slip
from vetbridge.web.api.shapes import plain

TEN = datetime(2026, 3, 3, 10)  # noqa: DTZ001 - the clinic's wall clock
STAMP = "VB-7F3K9Q2MXX"


class Listed:
    """A work list of lines that a test writes."""

    def __init__(self) -> None:
        self.standing: dict[int, dict[str, Any]] = {}
        self.ticked: list[int] = []

    def lines(self) -> Sequence[Mapping[str, Any]]:
        return list(self.standing.values())

    def tick(self, number: int) -> None:
        self.ticked.append(number)
        self.standing[number]["state"] = "done"

    def put(self, number: int, task: str = "book", remote_id: str = "", **fields: Any) -> dict[str, Any]:
        """A line that asks for these fields; those of an owner or a pet as mappings."""
        people = {name: fields.pop(name, None) for name in ("client", "pet")}
        steps = [{"field": name, "value": value, "part": "visit"} for name, value in fields.items()]
        line = {
            "id": number,
            "task": task,
            "state": "open",
            "remote_id": remote_id,
            "steps": steps,
            **people,
            "candidates": [],
        }
        self.standing[number] = line
        return line


class Desk:
    """A practice, its clerk, and the list that it works off."""

    def __init__(self, practice: Practice, clock: FakeClock) -> None:
        self.practice = practice
        self.clock = clock
        self.list = Listed()
        self.clerk = Clerk(practice, self.list, clock, delay=60.0)

    def visit(self, number: int = 1, **fields: Any) -> dict[str, Any]:
        """A line for a visit of the first owner and pet at ten."""
        wanted = {
            "start": "2026-03-03T10:00:00+00:00",
            "duration": 1200,
            "resource": "vet_2",
            "appointment_type": "dental",
            "client": {"id": "1001"},
            "pet": {"id": "5001"},
            "remark": STAMP,
        }
        return self.list.put(number, **{**wanted, **fields})

    def later(self, seconds: float = 90.0) -> tuple[Deed, ...]:
        """What the clerk does who looks now, and again after so long."""
        first = self.clerk.work()
        self.clock.advance(seconds)
        return first + self.clerk.work()

    def typed(self) -> KeptVisit:
        (visit,) = self.practice.visits()
        return visit


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    clock = FakeClock()
    with AnimanaPractice(tmp_path / DATABASE_FILE, now=clock.now) as practice:
        practice.fill(make_clinic(1, 12))
        yield Desk(practice, clock)


def test_a_visit_is_typed_some_time_later_and_ticked(desk: Desk) -> None:
    desk.visit()
    assert desk.later(seconds=29) == ()
    assert [deed.did for deed in desk.later(seconds=61)] == ["booked", "ticked"]
    visit = desk.typed()
    assert (visit.start, visit.minutes, visit.resource, visit.appointment_type) == (TEN, 20, "vet_2", "dental")
    assert (visit.client_id, visit.pet_id, visit.notes) == ("1001", "5001", STAMP)
    assert desk.list.ticked == [1]
    assert [(deed.line, deed.id, deed.slip) for deed in desk.clerk.deeds if deed.id] == [(1, visit.id, None)]
    assert desk.later() == ()


def test_new_owners_and_pets_are_registered_once(desk: Desk) -> None:
    nina = {
        "id": "",
        "name": "Nina van New",
        "given_name": "Nina",
        "family_name": "van New",
        "phones": ["+447912000009"],
        "emails": ["n@example.org"],
        "is_new": True,
    }
    for number, name in ((1, "Milo"), (2, "Fido")):
        pet = {"id": "", "name": name, "species": "Dog", "sex": "male, neutered", "breed": "Beagle", "is_new": True}
        desk.visit(number, client=nina, pet=pet)
    assert [deed.did for deed in desk.later()].count("registered") == 3
    (client,) = (one for one in desk.practice.clients() if one.family_name == "van New")
    assert (client.given_name, client.phones, client.email) == ("Nina", ("+447912000009",), "n@example.org")
    milo, fido = sorted(desk.practice.pets_of(client.id), key=lambda pet: pet.name, reverse=True)
    assert (milo.name, milo.species, milo.sex, milo.breed) == ("Milo", "dog", "male_neutered", "Beagle")
    assert {visit.pet_id for visit in desk.practice.visits()} == {milo.id, fido.id}


def test_who_is_called_so_and_has_the_phone_is_not_registered_again(desk: Desk) -> None:
    card = desk.practice.client("1002")
    name = f"{card.given_name} {card.family_name}".upper()
    desk.visit(client={"id": "", "name": name, "phones": [f"+44{card.phones[0][1:]}"], "is_new": True}, pet=None)
    desk.later()
    assert desk.typed().client_id == card.id
    assert len(desk.practice.clients()) == 12


@pytest.mark.parametrize(
    ("booked", "chosen"),
    [
        ({"name": "Somebody Else", "phones": ["phone of 1004"]}, "1004"),
        ({"name": "name of 1003", "phones": ["+447912000009"]}, "1003"),
        ({"name": "Somebody Else", "phones": ["+447912000009"]}, "1000000"),
    ],
)
def test_of_several_owners_the_one_is_chosen_whose_card_agrees(
    desk: Desk, booked: dict[str, Any], chosen: str
) -> None:
    cards = {id_: desk.practice.client(id_) for id_ in ("1003", "1004")}
    words = {f"name of {id_}": f"{card.given_name} {card.family_name}" for id_, card in cards.items()}
    words |= {f"phone of {id_}": card.phones[0] for id_, card in cards.items()}
    phones = [words.get(phone, phone) for phone in booked["phones"]]
    client = {"id": "", "name": words.get(booked["name"], booked["name"]), "phones": phones, "is_new": False}
    line = desk.visit(client=client, pet={"id": "", "name": "Bella", "species": "", "is_new": False})
    line["candidates"] = [{"id": "1003"}, {"id": "1004"}]
    desk.later()
    assert desk.typed().client_id == chosen


def test_somebody_else_may_choose_the_owner(desk: Desk) -> None:
    desk.clerk = Clerk(desk.practice, desk.list, desk.clock, choose=lambda line: "1004")
    line = desk.visit(client={"id": "", "name": "Anybody", "phones": [], "is_new": False}, pet=None)
    line["candidates"] = [{"id": "1003"}, {"id": "1004"}]
    desk.later()
    assert desk.typed().client_id == "1004"


def test_a_changed_line_puts_right_what_was_typed_for_it(desk: Desk) -> None:
    desk.visit()
    desk.later()
    desk.visit(start="2026-03-03T15:00:00+00:00")
    assert [deed.did for deed in desk.later()] == ["changed", "ticked"]
    assert desk.typed().start == TEN + timedelta(hours=5)


def test_lines_of_visits_that_stand(desk: Desk) -> None:
    visit = desk.practice.book(pet_id="5001", start=TEN)
    gone = desk.practice.book(pet_id="5001", start=TEN)
    desk.list.put(1, "change", visit.id, start="2026-03-03T11:30:00+00:00", resource="vet_3")
    desk.list.put(2, "cancel", gone.id)
    desk.list.put(3, "cancel", "nowhere")
    other = desk.practice.pets_of("1002")[0]
    moved = desk.practice.book(pet_id="5001", start=TEN + timedelta(days=1))
    desk.list.put(4, "relink", moved.id, client_id="1002", pet_id=other.id)
    desk.list.put(5, "contact", "1003", phones=["+447912000001"], emails=["new@example.org"])
    assert [deed.line for deed in desk.later() if deed.did == "missed"] == [3]
    changed = desk.practice.visit(visit.id)
    assert (changed.start, changed.resource) == (TEN + timedelta(minutes=90), "vet_3")
    assert desk.practice.visit(gone.id).deleted
    assert (desk.practice.visit(moved.id).client_id, desk.practice.visit(moved.id).pet_id) == ("1002", other.id)
    assert desk.practice.client("1003").phones == ("+447912000001",)
    assert desk.list.ticked == [1, 2, 4, 5]


# -- mistakes


def test_what_is_typed_wrong_is_reported_and_corrected_when_a_line_says_so(desk: Desk) -> None:
    desk.visit()
    desk.clerk.arm(Slip.HOUR)
    desk.later()
    wrong = desk.typed()
    assert abs(wrong.start - TEN) == timedelta(hours=1)
    assert [deed.slip for deed in desk.clerk.deeds if deed.did == "booked"] == [Slip.HOUR]
    desk.list.standing.clear()
    desk.list.put(2, "change", wrong.id, start="2026-03-03T10:00:00+00:00")
    desk.later()
    assert desk.typed().start == TEN


def test_the_vet_beside_and_another_pet(desk: Desk) -> None:
    owner = next(one for one in desk.practice.clients() if len(desk.practice.pets_of(one.id)) > 1)
    pet = next(one for one in desk.practice.pets_of(owner.id))
    desk.clerk.arm(Slip.NEIGHBOUR)
    desk.visit(1)
    desk.later()
    assert desk.typed().resource == "vet_1"
    desk.clerk.arm(Slip.OTHER_PET)
    desk.visit(2, client={"id": owner.id}, pet={"id": pet.id})
    desk.later()
    assert desk.practice.visits()[-1].client_id == owner.id
    assert desk.practice.visits()[-1].pet_id != pet.id


def test_a_new_owner_with_two_letters_swapped(desk: Desk) -> None:
    desk.clerk.arm(Slip.NAME)
    desk.visit(client={"id": "", "name": "Nina Newman", "phones": [], "is_new": True}, pet=None)
    desk.later()
    assert desk.practice.client(desk.typed().client_id).family_name == "Nweman"


def test_done_and_not_ticked(desk: Desk) -> None:
    desk.clerk.arm(Slip.NOT_TICKED)
    desk.visit()
    assert [deed.did for deed in desk.later()] == ["booked", "left"]
    assert desk.list.ticked == []
    assert desk.later() == ()
    assert desk.typed()


@pytest.mark.parametrize(("slip", "did"), [(Slip.ONLY_TICKED, "ticked"), (Slip.FORGOTTEN, "forgot")])
def test_not_done_until_somebody_notices(desk: Desk, slip: Slip, did: str) -> None:
    desk.clerk.arm(slip)
    desk.visit()
    assert [deed.did for deed in desk.later()] == [did]
    assert desk.later() == ()
    assert desk.practice.visits() == ()
    assert "booked" in {deed.did for deed in desk.later(seconds=1800)}
    assert desk.typed().start == TEN


def test_a_visit_that_was_typed_twice_stands_once_when_somebody_notices(desk: Desk) -> None:
    desk.clerk.arm(Slip.TWICE)
    desk.visit()
    desk.later()
    assert len(desk.practice.visits()) == 2
    desk.later(seconds=1800)
    assert desk.typed().start == TEN
    last = desk.clerk.deeds[-1]
    assert (last.did, last.slip) == ("cancelled", Slip.TWICE)


def test_of_two_that_are_the_same_one_is_left_where_a_line_takes_the_other_away(desk: Desk) -> None:
    desk.clerk.arm(Slip.TWICE)
    desk.visit()
    desk.later()
    first, second = desk.practice.visits()
    desk.list.standing.clear()
    desk.list.put(2, "cancel", first.id)
    desk.later()
    desk.later(seconds=1800)
    assert desk.typed().id == second.id


def two_copies(desk: Desk) -> tuple[KeptVisit, KeptVisit]:
    """A visit that the clerk has typed twice; the list is empty then."""
    desk.clerk.arm(Slip.TWICE)
    desk.visit()
    desk.later()
    desk.list.standing.clear()
    first, second = desk.practice.visits()
    return first, second


def test_the_last_of_two_is_left_though_a_line_still_says_to_take_it_away(desk: Desk) -> None:
    first, _ = two_copies(desk)
    desk.later(seconds=1800)  # the clerk has noticed, and the line comes late
    desk.list.put(2, "cancel", first.id)
    assert [deed.did for deed in desk.later()] == ["left"]
    assert desk.typed().id == first.id
    assert desk.list.ticked == [1]
    assert desk.later() == ()


def test_the_last_of_two_is_cancelled_where_its_owner_does_not_come(desk: Desk) -> None:
    first, _ = two_copies(desk)
    desk.later(seconds=1800)
    desk.list.put(2, "cancel", first.id, reason="Cancelled online.")
    assert [deed.did for deed in desk.later()] == ["cancelled", "ticked"]
    assert desk.practice.visits() == ()


@pytest.mark.parametrize("which", [0, 1])
def test_where_somebody_else_took_one_of_two_away_nobody_notices_a_double(desk: Desk, which: int) -> None:
    copies = two_copies(desk)
    desk.practice.cancel(copies[which].id)
    assert desk.later(seconds=1800) == ()
    assert desk.typed().id == copies[1 - which].id


def test_the_dice_are_the_same_for_one_seed(desk: Desk) -> None:
    def slips(seed: int) -> list[Slip | None]:
        listed = Listed()
        desk.list = listed
        desk.clerk = Clerk(desk.practice, listed, desk.clock, seed=seed, slips=dict.fromkeys(Slip, 0.1))
        for number in range(40):
            desk.visit(number)
        desk.later()
        return [deed.slip for deed in desk.clerk.deeds]

    first = slips(1)
    assert slips(1) == first
    assert slips(2) != first
    assert len({slip for slip in first if slip}) > 3


def test_it_reads_the_lines_that_the_desk_answers(tmp_path: Path) -> None:
    rig = Rig(tmp_path, pims=MemorySide(by_hand(memory_capabilities())))
    booking = rig.book("Nina", "New", "+447912000009", "Milo")
    rig.run()
    config = Config.model_construct(sites={})  # type: ignore[call-arg]

    class Answered:
        def lines(self) -> Sequence[Mapping[str, Any]]:
            with rig.ledger.read() as tx:
                found: list[Mapping[str, Any]] = plain(worklist.lines(tx, config))
            return found

        def tick(self, number: int) -> None:
            with rig.ledger.write() as tx:
                worklist.done(tx, config, number, by="clerk")

    with AnimanaPractice(tmp_path / DATABASE_FILE, now=rig.clock.now) as practice:
        clerk = Clerk(practice, Answered(), rig.clock, delay=0.0)
        assert [deed.did for deed in clerk.work()] == ["registered", "registered", "booked", "ticked"]
        (visit,) = practice.visits()
        client = practice.client(visit.client_id)
        row = rig.booking.row("appointment", booking)
        assert row is not None
        assert (client.given_name, client.family_name, client.phones) == ("Nina", "New", ("+447912000009",))
        assert practice.pet(visit.pet_id).name == "Milo"
        assert visit.start == datetime.fromisoformat(row["start"]).replace(tzinfo=None)
        assert visit.minutes * 60 == row["seconds"]
        assert visit.notes.startswith("VB-")
        assert Answered().lines()[0]["state"] == "done"


def test_a_tick_that_came_when_its_line_was_about_another_visit_is_made_good(desk: Desk) -> None:
    desk.visit()
    desk.later()
    first = desk.typed().id
    second = desk.practice.book(pet_id="5001", start=TEN - timedelta(hours=1)).id
    desk.list.put(2, "change", remote_id=first, start="2026-03-03T11:00:00+00:00")
    desk.later()
    line = desk.list.put(2, "change", remote_id=second, start="2026-03-03T11:00:00+00:00")
    line["state"] = "done"
    desk.later()
    assert desk.practice.visit(second).start == TEN + timedelta(hours=1)
