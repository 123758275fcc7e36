"""What one branch of a chain knows of a client counts in the others."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.ledgers import ledger_place
from tests.rig import Rig
from vetbridge.core.answers import Answer, Choice
from vetbridge.core.joining import Asked
from vetbridge.core.matching import Forms
from vetbridge.core.records import Client, Kind, Pet
from vetbridge.desk.find import find
from vetbridge.desk.review import find_item
from vetbridge.ledger import accounts, chains, mirror, reviews
from vetbridge.ledger.database import Ledger, Transaction, open_ledger
from vetbridge.sync import joining
from vetbridge.sync.engine import Engine
from vetbridge.sync.joining import Joiner
from vetbridge.testing.clock import FakeClock

NORTH, SOUTH, WEST = "pims-north", "pims-south", "pims-west"
PHONE = "+447912000001"
JOHN = Client(id="1", given_name="John", family_name="Smith", phones=("07700 900123",), emails=("j@example.com",))
BELLA = Pet(id="n1", client_id="123", name="Bella", species="dog", deceased=True)
REX = Pet(id="p1", client_id="1", name="Rex", species="dog", breed="Border Collie")
TOWN = [Client(id=f"t{n:02}", given_name="Zoe", family_name=f"Person{n}") for n in range(20)]


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = open_ledger(ledger_place(tmp_path, migrated=True), "the key of a ledger that tests make", FakeClock())
    with opened.write() as tx:
        for account in (NORTH, SOUTH, WEST):
            accounts.enrol(tx, account, "memory", country="GB")
            mirror.put(tx, account, TOWN if account == NORTH else [replace(TOWN[0], family_name="Novak")])
            mirror.completed(tx, account, first=account != WEST)
    yield opened
    opened.close()


@pytest.fixture
def joiner(ledger: Ledger) -> Joiner:
    return Joiner(ledger, dict.fromkeys((NORTH, SOUTH, WEST), ()))


def at(client_id: str, client: Client = JOHN, **changed: object) -> Client:
    return replace(client, id=client_id, **changed)  # type: ignore[arg-type]


def put(ledger: Ledger, account: str, *records: Client | Pet) -> None:
    with ledger.write() as tx:
        mirror.put(tx, account, records)


def same(ledger: Ledger, account: str, client_id: str) -> tuple[chains.Client, ...]:
    with ledger.read() as tx:
        return chains.same_person(tx, account, client_id)


def through(joiner: Joiner) -> int:
    """Until nobody is left to be compared."""
    total = 0
    while looked := joiner.pass_():
        total += looked
    return total


# -- who is joined ---------------------------------------------------------------------------------------------------


def test_a_client_of_two_branches_is_found_and_each_is_looked_at_once(ledger: Ledger, joiner: Joiner) -> None:
    put(ledger, NORTH, JOHN, REX)
    put(ledger, SOUTH, at("77"))
    assert through(joiner) == len(TOWN) + 3
    assert same(ledger, NORTH, "1") == ((SOUTH, "77"),)
    assert same(ledger, SOUTH, "77") == ((NORTH, "1"),)
    assert same(ledger, NORTH, "t01") == ()
    assert joiner.pass_() == 0, "nobody has changed"
    put(ledger, NORTH, replace(REX, deceased=True))
    assert joiner.pass_() == 1, "the owner of the pet that has changed"
    assert same(ledger, NORTH, "1") == ((SOUTH, "77"),)


def test_a_round_compares_so_many_clients_and_the_next_goes_on(ledger: Ledger) -> None:
    put(ledger, NORTH, JOHN)
    put(ledger, SOUTH, at("77"))
    joiner = Joiner(ledger, {NORTH: (), SOUTH: ()}, batch=8)
    assert [joiner.pass_() for _ in range(4)] == [8, 8, 7, 0]
    assert same(ledger, SOUTH, "77") == ((NORTH, "1"),)


def test_a_single_pass_goes_through_all_but_for_so_many(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "WINDOW", 6)
    put(ledger, NORTH, JOHN)
    put(ledger, SOUTH, at("77"))
    chain = dict.fromkeys((NORTH, SOUTH, WEST), ())
    assert Joiner(ledger, chain, batch=4).through(8) == 8
    assert Joiner(ledger, chain, batch=4).through(100) == len(TOWN) + 3 - 8
    assert Joiner(ledger, chain).through(100) == 0
    assert same(ledger, SOUTH, "77") == ((NORTH, "1"),)
    assert Joiner(ledger, {NORTH: (), WEST: ()}).through(100) == 0, "one mirror is not complete"


def test_many_alike_are_looked_for_once_each(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shelter with a record for each of its cats, at both branches: nobody can tell them apart."""
    for account in (NORTH, SOUTH):
        cats = [Pet(id=f"c{n}", client_id=f"s{n}", name="Cat", species="cat", breed="Mix") for n in range(20)]
        put(ledger, account, *(replace(JOHN, id=f"s{n}", phones=(), emails=()) for n in range(20)), *cats)
    asked: list[str] = []
    ask = chains.asked

    def counted(tx: Transaction, account: str, client: Forms, but: Collection[str]) -> Asked:
        asked.append(client.client_id)
        return ask(tx, account, client, but)

    monkeypatch.setattr(chains, "asked", counted)
    through(Joiner(ledger, {NORTH: (), SOUTH: ()}))
    assert max(asked.count(f"s{n}") for n in range(20)) <= 4, "once or twice at each branch, not for each other one"
    assert same(ledger, NORTH, "s1") == ()


def test_a_mirror_that_is_not_complete_is_not_compared(ledger: Ledger, joiner: Joiner) -> None:
    put(ledger, NORTH, JOHN)
    put(ledger, WEST, at("88"))
    through(joiner)
    assert same(ledger, NORTH, "1") == ()
    with ledger.write() as tx:
        mirror.completed(tx, WEST, first=True)
    through(joiner)
    assert same(ledger, NORTH, "1") == ((WEST, "88"),)


def test_a_placeholder_is_nobody(ledger: Ledger) -> None:
    put(ledger, NORTH, JOHN)
    put(ledger, SOUTH, at("77"))
    through(Joiner(ledger, {NORTH: ("1",), SOUTH: ()}))
    assert same(ledger, NORTH, "1") == ()


# -- when it ends ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("account", "changed"),
    [
        (SOUTH, at("77", given_name="Mary")),
        (SOUTH, at("77", phones=(), emails=())),
        (NORTH, at("1", active=False)),
        (NORTH, at("1", family_name="Jones")),
    ],
)
def test_a_join_ends_when_either_changes(ledger: Ledger, joiner: Joiner, account: str, changed: Client) -> None:
    put(ledger, NORTH, JOHN)
    put(ledger, SOUTH, at("77"))
    through(joiner)
    assert same(ledger, NORTH, "1")
    put(ledger, account, changed)
    through(joiner)
    assert same(ledger, NORTH, "1") == same(ledger, SOUTH, "77") == ()


def test_one_registered_twice_is_joined_once_one_of_the_two_was_merged_away(ledger: Ledger, joiner: Joiner) -> None:
    put(ledger, NORTH, JOHN)
    put(ledger, SOUTH, at("77"))
    through(joiner)
    put(ledger, SOUTH, at("78"))
    through(joiner)
    assert same(ledger, NORTH, "1") == (), "nobody can tell which"
    put(ledger, SOUTH, at("77", active=False))
    through(joiner)
    assert same(ledger, NORTH, "1") == ((SOUTH, "78"),)


def test_who_is_gone_from_the_mirror_is_gone_from_the_chain(ledger: Ledger, joiner: Joiner) -> None:
    put(ledger, NORTH, JOHN)
    put(ledger, SOUTH, at("77"))
    through(joiner)
    with ledger.write() as tx:
        mirror.remove(tx, NORTH, {"1"}, set())
    joiner.pass_()
    assert same(ledger, SOUTH, "77") == ()


def test_a_branch_that_left_the_chain_knows_nobody_of_it(ledger: Ledger, joiner: Joiner) -> None:
    put(ledger, NORTH, JOHN)
    put(ledger, SOUTH, at("77"))
    through(joiner)
    with ledger.write() as tx:
        chains.keep_only(tx, [{NORTH, WEST}])
    assert same(ledger, NORTH, "1") == ()
    with ledger.write() as tx:
        chains.keep_only(tx, [{NORTH, SOUTH, WEST}])
    through(joiner)
    assert same(ledger, NORTH, "1") == ((SOUTH, "77"),)


def test_who_changed_while_being_compared_is_joined_the_next_time(
    ledger: Ledger, joiner: Joiner, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(ledger, NORTH, JOHN)
    put(ledger, SOUTH, at("77"))
    write = ledger.write

    def changed_first() -> object:
        monkeypatch.undo()
        put(ledger, SOUTH, at("77", given_name="Mary"))
        return write()

    monkeypatch.setattr(ledger, "write", changed_first)
    joiner.pass_()
    assert same(ledger, NORTH, "1") == ()
    assert through(joiner) == 1
    assert same(ledger, NORTH, "1") == ()


# -- what it does to a booking ---------------------------------------------------------------------------------------


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    """A town whose chain has a second branch, North Vets."""
    made = Rig(tmp_path)
    pair = replace(made.pair, branches={NORTH: "North Vets"})
    made.engine = Engine([pair], made.ledger, made.clock, made.timings)
    with made.ledger.write() as tx:
        accounts.enrol(tx, NORTH, "memory", country="GB")
    return made


def north_knows(rig: Rig, *pets: Pet, **changed: object) -> None:
    """The other branch has the town's owner, too, with these pets; both mirrors are compared."""
    rig.refresher.pass_()
    north = Client(id="123", given_name="John", family_name="Smith", phones=(PHONE,))
    put(rig.ledger, NORTH, replace(north, **changed), *pets)  # type: ignore[arg-type]
    with rig.ledger.write() as tx:
        mirror.completed(tx, NORTH, first=True)
    through(Joiner(rig.ledger, {"pims": (rig.placeholder.client_id,), NORTH: ()}))


def test_a_pet_that_died_at_another_branch_is_asked_about(rig: Rig) -> None:
    rig.owner("John", "Smith", PHONE, "Bella", "Max")
    north_knows(rig, BELLA)
    rig.book("John", "Smith", PHONE, "Bella")
    rig.run()
    (visit,) = rig.visits()
    assert visit["owner"] == rig.placeholder.client_id, "it does not wait"
    (item,) = rig.questions()
    assert item.why == "pet-deceased"
    with rig.ledger.read() as tx:
        shown = find_item(tx, rig.sites(), item.id or 0)
    assert shown is not None
    assert shown.words == shown.candidates[0].veto_words[0] == "the pet is deceased at North Vets"


def test_another_pet_of_that_owner_is_linked_as_ever(rig: Rig) -> None:
    rig.owner("John", "Smith", PHONE, "Bella", "Max")
    north_knows(rig, BELLA)
    rig.book("John", "Smith", PHONE, "Max")
    rig.run()
    assert rig.questions() == ()
    assert rig.visits()[0]["owner"] != rig.placeholder.client_id


def test_a_booking_that_names_no_pet_is_for_none_because_of_what_another_branch_knows(rig: Rig) -> None:
    """A join may cost a question, and answers none: Max is not meant because Bella died at another branch."""
    owner = rig.owner("John", "Smith", PHONE, "Bella", "Max")
    (max_,) = (row["id"] for row in rig.pims.rows(Kind.PET) if row["name"] == "Max")
    north_knows(rig, BELLA)
    rig.book("John", "Smith", PHONE, "", animal=None)
    rig.run()
    assert [item.why for item in rig.questions()] == ["pet-not-named"]
    assert (owner, max_) not in [(visit["owner"], visit.get("animal")) for visit in rig.visits()]


def test_a_booking_that_names_no_pet_is_asked_about_where_the_only_one_died_at_another_branch(rig: Rig) -> None:
    rig.owner("John", "Smith", PHONE, "Bella")
    north_knows(rig, BELLA)
    rig.book("John", "Smith", PHONE, "", animal=None)
    rig.run()
    assert len(rig.questions()) == 1


@pytest.mark.parametrize(
    ("pet", "changed"),
    [
        (replace(BELLA, deceased=False), {}),
        (replace(BELLA, species="cat"), {}),
        (BELLA, {"given_name": "Mary"}),
    ],
)
def test_what_is_no_certain_knowledge_changes_nothing(rig: Rig, pet: Pet, changed: dict[str, object]) -> None:
    rig.owner("John", "Smith", PHONE, "Bella")
    north_knows(rig, pet, **changed)
    rig.book("John", "Smith", PHONE, "Bella")
    rig.run()
    assert rig.questions() == ()


def test_an_owner_who_is_linked_already_is_asked_about_too(rig: Rig) -> None:
    rig.owner("John", "Smith", PHONE, "Bella")
    rig.book("John", "Smith", PHONE, "Bella")
    rig.run()
    assert rig.questions() == ()
    north_knows(rig, BELLA)
    rig.book("John", "Smith", PHONE, "Bella")
    rig.run()
    assert [item.why for item in rig.questions()] == ["pet-deceased"]


def test_who_has_said_that_it_lives_is_asked_again_only_when_the_other_branch_has_something_new(rig: Rig) -> None:
    owner = rig.owner("John", "Smith", PHONE, "Bella", "Max")
    north_knows(rig, BELLA, replace(BELLA, id="n2", name="Max"))
    rig.book("John", "Smith", PHONE, "Bella")
    rig.run()
    with rig.ledger.write() as tx:
        (item,) = reviews.open_items(tx)
        reviews.answer(tx, item, Answer(choice=Choice.LINK, client_id=owner), "Kim")
    rig.run()
    rig.clock.advance(60)
    rig.book("John", "Smith", PHONE, "Bella")
    rig.run()
    assert rig.questions() == ()
    assert [visit["owner"] for visit in rig.visits()] == [owner, owner]
    rig.book("John", "Smith", PHONE, "Max")
    rig.run()
    assert [item.why for item in rig.questions()] == ["pet-deceased"], "of that pet nobody has said so"
    put(rig.ledger, NORTH, replace(BELLA, breed="Collie"))
    rig.book("John", "Smith", PHONE, "Bella")
    rig.run()
    assert [item.why for item in rig.questions()] == ["pet-deceased"] * 2


def test_what_was_said_before_the_pet_died_elsewhere_says_nothing_of_it(rig: Rig) -> None:
    owner = rig.owner("John", "Smith", PHONE, "Bella")
    (bella,) = (row["id"] for row in rig.pims.rows(Kind.PET) if row["owner"] == owner)
    rig.pims.edit(Kind.PET, bella, {"dead": True})
    rig.refresher.pass_()
    rig.book("John", "Smith", PHONE, "Bella")
    rig.run()
    with rig.ledger.write() as tx:
        (item,) = reviews.open_items(tx)
        assert item.why == "pet-deceased"
        reviews.answer(tx, item, Answer(choice=Choice.LINK, client_id=owner, pet_id=bella), "Kim")
    rig.run()
    rig.pims.edit(Kind.PET, bella, {"dead": False})
    rig.clock.advance(60)
    north_knows(rig, BELLA)
    rig.book("John", "Smith", PHONE, "Bella")
    rig.run()
    assert [item.why for item in rig.questions()] == ["pet-deceased"]


def test_find_says_where_else_a_client_is_one(rig: Rig) -> None:
    rig.owner("John", "Smith", PHONE, "Bella")
    rig.book("John", "Smith", PHONE, "Bella")
    rig.run()
    north_knows(rig, BELLA)
    town = rig.sites()["town"]
    north = town.model_copy(
        update={
            "name": "North Vets",
            "organisation": "happy-vets",
            "pims": town.pims.model_copy(update={"account": NORTH}),
        }
    )
    sites = {"town": town.model_copy(update={"organisation": "happy-vets"}), "north": north}
    with rig.ledger.read() as tx:
        (visit,) = find(tx, sites, "smith").visits
        (alone,) = find(tx, {"town": town}, "smith").visits
    assert visit.elsewhere == ("Also at North Vets (client 123).", "The pet is deceased at North Vets.")
    assert alone.elsewhere == ()
