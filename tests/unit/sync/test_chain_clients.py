"""What one branch of a chain knows of a client counts in the others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.ledgers import ledger_place
from vetbridge.core.records import Client, Pet
from vetbridge.ledger import accounts, chains, mirror
from vetbridge.ledger.database import Ledger, open_ledger
from vetbridge.sync.joining import Joiner
from vetbridge.testing.clock import FakeClock

NORTH, SOUTH, WEST = "pims-north", "pims-south", "pims-west"
JOHN = Client(id="1", given_name="John", family_name="Smith", phones=("07700 900123",), emails=("j@example.com",))
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
