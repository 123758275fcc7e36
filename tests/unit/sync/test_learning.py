"""What a person answers is remembered: the same booking asks nobody again, until the answer is taken back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlmodel import col, select

from tests.ledgers import rows
from tests.rig import Rig
from tests.unit.sync.test_both_ways import answer, pet_of
from vetbridge.core.answers import Answer, Choice
from vetbridge.core.matching.observing import Observation as Seen
from vetbridge.core.records import Kind
from vetbridge.ledger import aliases, links, observations, reviews, statements
from vetbridge.ledger.tables import Alias, Observation, Review

PHONE = "+447912000001"
BOOKED = ("Igor", "Stravinsky", PHONE, "Bella")
"""Another name, with John Smith's phone and his pet's name."""


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    made = Rig(tmp_path)
    made.owner("John", "Smith", PHONE, "Bella")
    made.owner("Mary", "Jones", "+447912000002", "Rex")
    made.run()
    return made


def client(rig: Rig, place: int) -> str:
    return str(rig.pims.rows(Kind.CLIENT)[place]["id"])


def owner_of(rig: Rig, booking: str) -> str:
    """On whom the visit of a booking stands in the PIMS."""
    with rig.ledger.read() as tx:
        link = links.of_booking(tx, "booking", Kind.APPOINTMENT, booking)
    assert link is not None
    row = rig.pims.row(Kind.APPOINTMENT, link.pims_id)
    assert row is not None
    return str(row["owner"])


def asked(rig: Rig) -> int:
    """Books what nobody can be sure of; returns the number of its question."""
    rig.book(*BOOKED)
    rig.run()
    (item,) = rig.questions()
    return item.id or 0


def link_to(rig: Rig, item: int, to: str) -> None:
    answer(rig, item, Choice.LINK, client_id=to, pet_id=pet_of(rig, to))
    rig.run()


def taught(rig: Rig) -> list[Alias]:
    with rig.ledger.read() as tx:
        return list(tx.session.exec(select(Alias).order_by(col(Alias.id))).all())


def observed(rig: Rig) -> list[Observation]:
    with rig.ledger.read() as tx:
        return list(tx.session.exec(select(Observation).order_by(col(Observation.id))).all())


def test_the_same_booking_again_asks_nobody_until_the_answer_is_taken_back(rig: Rig) -> None:
    john = client(rig, 1)
    item = asked(rig)
    link_to(rig, item, john)

    again = rig.book(*BOOKED)
    rig.run()
    assert owner_of(rig, again) == john
    assert rig.questions() == ()

    answer(rig, item, Choice.UNDO)
    third = rig.book(*BOOKED)
    rig.run()
    assert owner_of(rig, third) == rig.placeholder.client_id
    assert {one.id for one in rig.questions()} > {item}
    assert all(one.ended_at is not None and one.made_by == "Kim" for one in taught(rig))


def test_an_answer_counts_no_more_as_soon_as_somebody_takes_it_back(rig: Rig) -> None:
    item = asked(rig)
    link_to(rig, item, client(rig, 1))
    with rig.ledger.write() as tx:
        row = reviews.item(tx, item)
        assert row is not None
        reviews.answer(tx, row, Answer(choice=Choice.UNDO), "Kim")  # nobody has carried it out yet
    found = rig.engine  # the pass below works on the new booking alone
    assert found.open_changes() == 1
    with rig.ledger.read() as tx:
        assert all(one.ended_at is None for one in taught(rig))
        hashes = {one.key_hash for one in taught(rig)}
        said = statements.rows_of(tx, aliases._TAUGHT, (Choice.LINK.value, "pims"), sorted(hashes))
        assert list(said) == []


def test_an_alias_never_links_to_a_client_who_is_inactive(rig: Rig) -> None:
    john = client(rig, 1)
    link_to(rig, asked(rig), john)
    rig.pims.edit(Kind.CLIENT, john, {"active": False})
    again = rig.book(*BOOKED)
    rig.run()
    assert owner_of(rig, again) == rig.placeholder.client_id
    assert rig.questions() != ()


def test_two_clients_who_were_taught_for_one_booking_say_nothing(rig: Rig) -> None:
    first = asked(rig)
    rig.book(*BOOKED)
    rig.run()
    link_to(rig, first, client(rig, 1))
    (second,) = rig.questions()
    link_to(rig, second.id or 0, client(rig, 2))
    assert {one.client_id for one in taught(rig) if one.ended_at is None} == {client(rig, 1), client(rig, 2)}
    third = rig.book(*BOOKED)
    rig.run()
    assert owner_of(rig, third) == rig.placeholder.client_id


def test_a_new_owner_is_a_label_and_no_alias(rig: Rig) -> None:
    item = asked(rig)
    answer(rig, item, Choice.NEW)
    rig.run()
    assert taught(rig) == []
    (row,) = observed(rig)
    assert (row.label, row.review_id) == ("[]", item)


def test_an_answer_is_a_label_that_ends_with_it(rig: Rig) -> None:
    item = asked(rig)
    (row,) = observed(rig)
    assert row.label is None
    link_to(rig, item, client(rig, 1))
    (row,) = observed(rig)
    assert row.label == f"[{json.loads(row.client_ids).index(client(rig, 1))}]"
    with rig.ledger.read() as tx:
        ((_, seen),) = observations.read(tx, "pims")
    assert seen.meant == tuple(json.loads(row.label))

    answer(rig, item, Choice.UNDO)
    rig.run()
    (row,) = observed(rig)
    assert (row.label, row.review_id, row.labelled_at) == (None, None, None)
    with rig.ledger.read() as tx:
        ((_, seen),) = observations.read(tx, "pims")
    assert seen.meant is None


def test_a_client_whom_the_question_did_not_show_is_somebody_else(rig: Rig) -> None:
    link_to(rig, asked(rig), client(rig, 2))
    (row,) = observed(rig)
    assert row.label == "[-1]"


def test_each_decision_is_observed_once_whatever_came_of_it(rig: Rig) -> None:
    rig.book(*BOOKED)
    rig.book("Mary", "Jones", "+447912000002", "Rex")
    rig.book("Ann", "Weiss", "+447912000009", "Luna")
    rig.run()
    found = [Seen.unpacked(json.loads(row.content)) for row in observed(rig)]
    assert sorted(one.verdict for one in found if one) == ["linked", "new", "review"]
    assert len({row.change_id for row in observed(rig)}) == 3


def test_nothing_that_was_learnt_names_anybody(rig: Rig) -> None:
    link_to(rig, asked(rig), client(rig, 1))
    kept = repr(rows(rig.place, "SELECT * FROM alias") + rows(rig.place, "SELECT * FROM observation"))
    for value in ("Igor", "Stravinsky", "Bella", "Smith", "7912000001", "stravinsky", "bella"):
        assert value not in kept


def test_only_the_newest_observations_of_each_account_are_kept(rig: Rig) -> None:
    for place in range(4):
        rig.book("John", "Smith", PHONE, "Bella", hours=48 + place)
    rig.run()
    kept = [row.id for row in observed(rig)]
    assert observations.trim(rig.ledger, most=3) == 1
    assert [row.id for row in observed(rig)] == kept[1:]
    assert observations.trim(rig.ledger, most=3) == 0


def test_a_second_answer_about_the_same_visit_takes_the_place_of_the_first(rig: Rig) -> None:
    item = asked(rig)
    link_to(rig, item, client(rig, 1))
    answer(rig, item, Choice.UNDO)
    rig.run()
    link_to(rig, item, client(rig, 2))
    assert {one.client_id for one in taught(rig) if one.ended_at is None} == {client(rig, 2)}
    with rig.ledger.read() as tx:
        assert tx.session.get_one(Review, item).answer_client_id == client(rig, 2)
