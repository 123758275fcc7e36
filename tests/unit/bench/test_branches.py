"""Two branches of a made chain: nobody is joined with somebody else, and most who are in both are found."""

from __future__ import annotations

import pytest

from bench.matching.branches import ACCOUNTS, Branches, Score, apart, join
from tests.ledgers import ledger_place
from tests.unit.testing.test_population import WORDS
from vetbridge.core.records import Client
from vetbridge.ledger.database import open_ledger
from vetbridge.testing.clock import FakeClock


@pytest.fixture(scope="module")
def branches() -> Branches:
    return apart(7, 900, WORDS)


@pytest.fixture(scope="module")
def score(branches: Branches, tmp_path_factory: pytest.TempPathFactory) -> Score:
    place = ledger_place(tmp_path_factory.mktemp("chain"), migrated=True)
    ledger = open_ledger(place, "the key of a ledger that tests make", FakeClock())
    try:
        return join(ledger, branches, WORDS.country)
    finally:
        ledger.close()


def test_the_chain_has_what_makes_it_hard(branches: Branches) -> None:
    assert min(sum(account == at for at, _ in branches.people) for account in ACCOUNTS) > 300
    assert len(branches.both()) > 80
    bearers: dict[tuple[str, ...], set[frozenset[int]]] = {}
    for account in ACCOUNTS:
        for client in branches.records[account]:
            if isinstance(client, Client):
                for phone in client.phones:
                    named = (client.full_name.casefold(), "".join(filter(str.isdecimal, phone))[-7:])
                    bearers.setdefault(named, set()).add(branches.people[account, client.id or ""])
    assert any(len(people) > 1 for people in bearers.values()), "a parent and a child of one name, and one phone"


def test_nobody_is_joined_with_somebody_else(score: Score) -> None:
    assert score.false == ()
    assert score.precision == 1.0


def test_most_who_have_one_record_in_each_branch_are_found(score: Score) -> None:
    assert score.joined > 50
    assert score.recall > 0.5
