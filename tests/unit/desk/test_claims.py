"""Who sees to a question: claimed, assigned and noted by people, each act written down; one answer for several."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import col

from tests.rig import KEY, Rig
from vetbridge.config.models import Site
from vetbridge.core import finding
from vetbridge.core.answers import Answer, Choice
from vetbridge.core.records import Kind
from vetbridge.desk import answering, claims
from vetbridge.desk.answering import BOOKED_PET, CLAIM, CannotAnswer, Taken
from vetbridge.desk.review import ReviewItem, find_item, open_items, siblings
from vetbridge.ledger import audit, reviews, subjects
from vetbridge.ledger.database import Ledger, open_ledger
from vetbridge.ledger.tables import Audit, Subject, SubjectKey

PHONE = "+447912000001"
NEW = Answer(choice=Choice.NEW)


class House:
    """Bookings whose owner is not certain, as the engine parks them, and the desk over them."""

    def __init__(self, folder: Path) -> None:
        self.rig = Rig(folder)
        self.ledger: Ledger = self.rig.ledger
        self.sites: Mapping[str, Site] = self.rig.sites()
        self.rig.refresher.pass_()
        self.john = self.rig.owner("John", "Smith", PHONE, "Bella", "Rocky")
        self.rig.refresher.pass_()

    def book(self, pet: str = "Rocky", given: str = "Peter", family: str = "Jones", phone: str = PHONE) -> None:
        self.rig.book(given, family, phone, pet)
        self.rig.run()

    def items(self) -> tuple[ReviewItem, ...]:
        with self.ledger.read() as tx:
            return open_items(tx, self.sites)

    def item(self, number: int = 1) -> ReviewItem:
        with self.ledger.read() as tx:
            found = find_item(tx, self.sites, number)
        assert found is not None
        return found

    def do(self, act: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        with self.ledger.write() as tx:
            return act(tx, self.sites, *arguments, **named)

    def audited(self) -> list[tuple[str, str, str, str, str]]:
        """Who did what by which door to which item, and what it says; the oldest first."""
        with self.ledger.read() as tx:
            rows: tuple[Audit, ...] = audit.entries(tx, subject="review")
        return [(row.by, row.act, row.via, row.subject_id, row.says) for row in reversed(rows)]

    def siblings(self, number: int = 1) -> list[int]:
        with self.ledger.read() as tx:
            return [each.id for each in siblings(tx, self.sites, self.item(number))]

    def people(self) -> list[tuple[str, str]]:
        """Owner's and pet's names of every visit in the PIMS."""
        owners = {row["id"]: row["name"]["family"] for row in self.rig.pims.rows(Kind.CLIENT)}
        pets = {row["id"]: row["name"] for row in self.rig.pims.rows(Kind.PET)}
        return [(owners[row["owner"]], pets[row["pet"]]) for row in self.rig.visits()]


@pytest.fixture
def house(tmp_path: Path) -> House:
    made = House(tmp_path)
    made.book()
    assert [item.choices for item in made.items()] == [("link", "new")]
    return made


# -- claims ---------------------------------------------------------------------------------------------------------


def test_a_claim_lasts_ten_minutes_and_is_prolonged(house: House) -> None:
    house.do(claims.claim, 1, by="ann")
    house.rig.clock.advance(400)
    item = house.do(claims.claim, 1, by="ann")
    assert (item.claimed_by, item.claimed_until) == ("ann", house.rig.clock.now() + CLAIM)
    house.rig.clock.advance(CLAIM.total_seconds() - 1)
    assert house.item().claimed_by == "ann"
    house.rig.clock.advance(1)
    assert (house.item().claimed_by, house.item().claimed_until) == ("", None)
    assert house.audited() == [("ann", "claimed", "command", "1", "")], "a claim that is prolonged is no second act"


def test_what_another_has_is_not_taken_unasked(house: House) -> None:
    house.do(claims.claim, 1, by="ann")
    house.rig.clock.advance(120)
    for act in (
        lambda: house.do(claims.claim, 1, by="bob"),
        lambda: house.do(answering.give, 1, NEW, by="bob"),
        lambda: house.do(answering.postpone, 1, 1.0, by="bob"),
    ):
        with pytest.raises(CannotAnswer, match="ann has been at item 1 for 2 minutes") as refused:
            act()
        assert refused.value.code == "claimed"
    assert (house.item().state, house.item().claimed_by, house.item().snoozed_until) == ("open", "ann", None)
    assert house.do(claims.claim, 1, by="bob", via=audit.PAGE, take=True).claimed_by == "bob"
    assert house.audited()[-1] == ("bob", "claimed", "page", "1", "taken-over")


def test_who_has_claimed_it_answers_it_and_nobody_has_it_then(house: House) -> None:
    house.do(claims.claim, 1, by="ann")
    house.do(answering.give, 1, NEW, by="ann", via=audit.API)
    assert (house.item().given is not None, house.item().claimed_by) == (True, "")
    assert house.audited()[-1] == ("ann", "answered", "api", "1", "new")


def test_a_claim_that_is_over_holds_nobody_up(house: House) -> None:
    house.do(claims.claim, 1, by="ann")
    house.rig.clock.advance(CLAIM.total_seconds())
    assert house.do(answering.give, 1, NEW, by="bob").choice is Choice.NEW


def test_only_who_has_claimed_it_gives_it_up(house: House) -> None:
    house.do(claims.claim, 1, by="ann")
    assert house.do(claims.release, 1, by="bob").claimed_by == "ann"
    assert house.do(claims.release, 1, by="ann").claimed_by == ""
    assert [entry[:2] for entry in house.audited()] == [("ann", "claimed"), ("ann", "given-up")]


def test_what_is_not_open_is_not_claimed(house: House) -> None:
    house.do(answering.give, 1, NEW, by="bob")
    with pytest.raises(CannotAnswer, match="bob answered 'new'") as refused:
        house.do(claims.claim, 1, by="ann")
    assert refused.value.code == "not-open"
    with pytest.raises(CannotAnswer, match="no item 99"):
        house.do(claims.claim, 99, by="ann")
    assert house.do(claims.release, 1, by="ann").state == "answered", "who leaves it need not ask first"


def test_it_is_assigned_and_taken_away_again(house: House) -> None:
    assert house.do(claims.assign, 1, " Ann\x1b[31m\n", by="bob").assigned_to == "Ann [31m"
    assert house.do(claims.assign, 1, "", by="bob").assigned_to == ""
    assert [entry[1:] for entry in house.audited()] == [
        ("assigned", "command", "1", ""),
        ("assigned", "command", "1", "anybody"),
    ]


def test_notes_are_kept_sealed_on_one_line(house: House) -> None:
    house.do(claims.add_note, 1, "calls back\n> 1\u202e at \x1b]0;x\x07ten", by="ann")
    house.rig.clock.advance(60)
    house.do(claims.add_note, 1, "has a second dog", by="bob")
    first, second = house.item().notes
    assert (first.by, first.text) == ("ann", "calls back > 1 at ]0;x ten")
    assert (second.by, second.text, second.at - first.at) == ("bob", "has a second dog", timedelta(seconds=60))
    assert [note.text for note in house.items()[0].notes] == [first.text, second.text]
    with house.ledger.read() as tx:
        from sqlmodel import select  # noqa: PLC0415

        from vetbridge.ledger.tables import ReviewNote  # noqa: PLC0415

        assert all(b"dog" not in (row.text_sealed or b"") for row in tx.session.exec(select(ReviewNote)))
    assert all("dog" not in entry[4] for entry in house.audited())


@pytest.mark.parametrize(
    ("text", "code"),
    [("", "note-empty"), (" \n\x00", "note-empty"), ("x" * 1001, "note-too-long"), ("x" * 10**6, "note-too-long")],
)
def test_a_note_is_no_book(house: House, text: str, code: str) -> None:
    house.do(claims.add_note, 1, "y" * 1000, by="ann")
    with pytest.raises(CannotAnswer) as refused:
        house.do(claims.add_note, 1, text, by="ann")
    assert (refused.value.code, len(house.item().notes)) == (code, 1)


def test_an_item_says_how_long_it_has_waited(house: House) -> None:
    house.rig.clock.advance(2 * 86400)
    assert house.item().waits == "waits for 2 days"
    house.do(answering.give, 1, NEW, by="ann")
    assert house.item().waits == ""


# -- answers --------------------------------------------------------------------------------------------------------


def test_what_people_do_about_answers_is_written_down(house: House) -> None:
    house.do(answering.postpone, 1, 1.0, by="ann", via=audit.PAGE)
    house.do(answering.give, 1, Answer(choice=Choice.LINK, client_id=house.john), by="bob")
    house.do(answering.undo, 1, by="eve", via=audit.API)
    assert house.audited() == [
        ("ann", "put-off", "page", "1", "later"),
        ("bob", "answered", "command", "1", "link"),
        ("eve", "taken-back", "api", "1", "link"),
    ]


def test_what_was_seen_must_still_be_so(house: House) -> None:
    saw = answering.seen(house.item())
    assert saw == answering.seen(house.items()[0])
    house.rig.booking.edit(Kind.APPOINTMENT, house.item().remote_id, {"notes": "limps"})
    house.rig.run()
    with pytest.raises(CannotAnswer, match="has changed meanwhile"):
        house.do(answering.give, 1, NEW, by="ann", seen=saw)
    house.do(answering.give, 1, NEW, by="ann", seen=answering.seen(house.item()))


def test_of_two_who_answer_at_once_one_wins_and_the_other_is_told(house: House) -> None:
    ready = threading.Barrier(2)
    said: dict[str, str] = {}

    def answer(name: str, given: Answer) -> None:
        mine = open_ledger(house.rig.place, KEY, house.rig.clock)
        try:
            with mine.read() as tx:
                item = find_item(tx, house.sites, 1)
            ready.wait()
            try:
                with mine.write() as tx:
                    answering.give(tx, house.sites, 1, given, by=name, shown=item)
                said[name] = "taken"
            except CannotAnswer as refusal:
                said[name] = f"{refusal.code}: {refusal.message}"
        finally:
            mine.close()

    people = {"ann": NEW, "bob": Answer(choice=Choice.LINK, client_id=house.john)}
    threads = [threading.Thread(target=answer, args=each) for each in people.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    given = house.item().given
    assert given is not None
    loser = next(name for name in people if name != given.by)
    assert (said[given.by], given.choice) == ("taken", people[given.by].choice)
    assert said[loser].startswith(f"not-open: item 1 is not open any more: {given.by} answered '{given.choice}'")
    assert [entry[:2] for entry in house.audited()] == [(given.by, "answered")]


# -- the same people ------------------------------------------------------------------------------------------------


def test_siblings_share_a_contact_and_a_name(house: House) -> None:
    house.book("Fido", "Peter", "Jones")  # the owner's name
    house.book("ROCKY (bites!)", "Petra", "Jonas")  # the pet's name
    house.book("Fido", "Petra", "Jonas")  # the contact alone
    house.book("Rocky", "Peter", "Jones", "+447912000999")  # the names alone
    assert len(house.items()) >= 4
    assert house.siblings() == [2, 3]
    house.do(answering.give, 2, NEW, by="ann")
    assert house.siblings() == [3], "what is answered is asked nobody"


def test_siblings_are_looked_for_among_those_of_the_same_contact_alone(house: House) -> None:
    house.book("Fido", "Peter", "Jones")
    house.book("Rocky", "Peter", "Jones", "+447912000999")
    site = house.item().site
    with house.ledger.write() as tx:
        asked = {row.id: row.record_id for row in reviews.open_items(tx)}
        same = subjects.fitting(tx, [finding.contact_part([PHONE], [])])
        assert {row.id for row in reviews.about_any(tx, site, same)} == {1, 2}
        # As in a ledger from before it was kept by what a record is found.
        tx.session.execute(sa.delete(SubjectKey).where(col(SubjectKey.record_id) == asked[2]))
        tx.session.execute(sa.delete(Subject).where(col(Subject.record_id) == asked[2]))
        assert {row.id for row in reviews.about_any(tx, site, same)} == {1, 2}
    assert house.siblings() == [2]


def test_each_sibling_gets_its_own_pet(house: House) -> None:
    house.book("Bella")
    house.book("Rocky")
    answer = Answer(choice=Choice.LINK, client_id=house.john, pet_id=BOOKED_PET)
    with house.ledger.read() as tx:
        rocky = answering.propose(tx, house.sites, 1, answer).answer
    house.do(answering.give, 1, rocky, by="ann")
    given = house.do(answering.give_all, house.siblings(), rocky, like=1, by="ann")
    assert [(number, type(each)) for number, each in given] == [(2, Taken), (3, Taken)]
    house.rig.run()
    assert house.people() == [("Smith", "Rocky"), ("Smith", "Bella"), ("Smith", "Rocky")]
    assert [entry[:4] for entry in house.audited()] == [
        ("ann", "answered", "command", number) for number in ("1", "2", "3")
    ]


def test_one_that_is_refused_leaves_the_others_as_they_are(house: House) -> None:
    house.book()
    house.book()
    house.do(claims.claim, 2, by="bob")
    saw = {1: answering.seen(house.item(1)), 3: "what nobody has seen"}
    given = dict(house.do(answering.give_all, [1, 2, 3, 99, 1], NEW, by="ann", seen=saw))
    assert isinstance(given[1], Taken)
    codes = {number: each.code for number, each in given.items() if isinstance(each, CannotAnswer)}
    assert codes == {2: "claimed", 3: "changed-meanwhile", 99: "unknown-item"}
    assert [item.id for item in house.items()] == [2, 3]
    assert house.do(answering.give_all, [], NEW, by="ann") == ()


def test_one_new_owner_of_several_bookings_is_made_once(house: House) -> None:
    house.book("Rocky")
    house.book("Fido")
    before = len(house.rig.pims.rows(Kind.CLIENT))
    house.do(answering.give_all, [1, *house.siblings()], NEW, by="ann")
    house.rig.run()
    house.rig.settle()
    assert sorted(house.people()) == [("Jones", "Fido"), ("Jones", "Rocky"), ("Jones", "Rocky")]
    assert len(house.rig.pims.rows(Kind.CLIENT)) == before + 1
    names = [row["name"] for row in house.rig.pims.rows(Kind.PET) if row["owner"] != house.john]
    assert sorted(names) == ["Fido", "Placeholder", "Rocky"]


def test_whom_a_person_saw_and_called_somebody_else_is_not_taken(house: House) -> None:
    house.do(answering.give, 1, NEW, by="ann")
    house.rig.run()
    peter = house.rig.visits()[0]["owner"]
    house.rig.owner("Peter", "Jones", PHONE, "Rocky")
    house.rig.refresher.pass_()
    house.book("Rocky")  # two of this name now: it is asked which, and both are shown
    (item,) = house.items()
    assert peter in [each.client_id for each in item.candidates]
    house.do(answering.give, item.id, NEW, by="ann")
    house.rig.run()
    assert house.rig.visits()[1]["owner"] not in [each.client_id for each in item.candidates]
