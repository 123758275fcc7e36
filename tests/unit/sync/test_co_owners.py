"""Two people own a pet, and the PIMS has one card for both: whoever of them books, it is that card's visit."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rig import Rig
from vetbridge.core.records import Kind

HOME, OWN = "+447912000001", "+447912000007"


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    made = Rig(tmp_path)
    made.owner("Ann", "Hill", HOME, "Bella", co_owners=["Bob Stone"])
    return made


def ann(rig: Rig) -> str:
    return next(str(row["id"]) for row in rig.pims.rows(Kind.CLIENT) if row["name"]["family"] == "Hill")


def test_who_is_named_on_the_card_books_as_its_owner_does(rig: Rig) -> None:
    rig.book("Bob", "Stone", HOME, "Bella")
    rig.book("Ann", "Hill", HOME, "Bella")
    rig.run()
    assert [row["owner"] for row in rig.visits()] == [ann(rig)] * 2
    named = next(one for one in rig.evidence(Kind.CLIENT) if one["field"] == "co_owner")
    assert named["there"] == "Bob Stone"
    row = rig.pims.row(Kind.CLIENT, ann(rig))
    assert row is not None
    assert (row["name"], row["phones"]) == ({"given": "Ann", "family": "Hill"}, [HOME]), "the PIMS stays as it is"
    assert len(rig.pims.rows(Kind.CLIENT)) == 2, "nobody was made"


def test_the_name_alone_is_a_question(rig: Rig) -> None:
    rig.book("Bob", "Stone", OWN, "Bella")
    rig.run()
    (item,) = rig.questions()
    assert item.why == "co-owner-unproven"
    assert [row["owner"] for row in rig.visits()] == [rig.placeholder.client_id]


def test_a_co_owners_card_stays_as_it_is_where_the_owners_changes(rig: Rig) -> None:
    rig.book("Bob", "Stone", HOME, "Bella")
    rig.run()
    owner = ann(rig)
    for news in ({"name": {"given": "Ann", "family": "Winter"}}, {"phones": [OWN]}):
        rig.pims.edit(Kind.CLIENT, owner, news)
        rig.run()
        (card,) = rig.booking.rows(Kind.CLIENT)
        assert (card["name"], card["phones"]) == ({"given": "Bob", "family": "Stone"}, [HOME])
    rig.book("Bob", "Stone", HOME, "Bella")
    rig.run()
    assert [row["owner"] for row in rig.visits()] == [owner] * 2
    assert not rig.questions()
