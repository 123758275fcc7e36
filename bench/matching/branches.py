"""Whom two branches have in common: ``python -m bench.matching.branches --owners 10000 --seed 1 --locale en``.

A made clinic is taken apart into two branches of a chain: the records of each circle of people go to either, so that
partners, parents and children of one name, flat-mates and people registered twice, at other times and in other
words, stand in both. Then VetBridge joins the clients by its own path, and the truth says who was one person.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from bench.matching.locales import LOCALES, PARTS, words_for
from vetbridge.connector.clock import SystemClock
from vetbridge.core.records import Client, Pet
from vetbridge.ledger import accounts, chains, mirror
from vetbridge.ledger.database import Ledger, open_ledger
from vetbridge.ledger.sealing import new_key
from vetbridge.sync.joining import Joiner
from vetbridge.testing.population import Dice, OwnerCard, PetCard, Population, Shares, Words
from vetbridge.testing.population.shares import CIRCLES

ACCOUNTS = ("north", "south")
CHAIN = Shares(circles={**CIRCLES, "duplicate": 0.25, "parent_child": 0.03, "relatives": 0.04, "rehomed": 0.03})
"""More people than usual who were registered twice: of those, and of whom they may be taken for, this is about."""
_BATCH = 1000
_STREAM = 77


@dataclass(slots=True)
class Branches:
    """Two branches, by account: their records, and which people each client stands for."""

    records: dict[str, list[Client | Pet]] = field(default_factory=lambda: {each: [] for each in ACCOUNTS})
    people: dict[chains.Client, frozenset[int]] = field(default_factory=dict)
    active: set[chains.Client] = field(default_factory=set)

    def add(self, account: str, card: OwnerCard) -> None:
        """One more client."""
        client = _client(card)
        key = (account, card.owner_id)
        self.records[account] += [client, *(_pet(card, pet) for pet in card.pets)]
        self.people[key] = frozenset(each.number for each in card.people)
        if client.active:
            self.active.add(key)

    def both(self) -> set[tuple[chains.Client, chains.Client]]:
        """Those who have just one active record in each branch, and nobody else with them on it."""
        of: dict[frozenset[int], dict[str, list[chains.Client]]] = {}
        for key, people in self.people.items():
            if key in self.active:
                of.setdefault(people, {}).setdefault(key[0], []).append(key)
        pairs = [[held.get(account, []) for account in ACCOUNTS] for held in of.values()]
        return {(one[0], other[0]) for one, other in pairs if len(one) == len(other) == 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What came of joining."""

    clients: int
    both: int
    """People who have one record in each branch."""
    joined: int
    right: int
    false: tuple[tuple[chains.Client, chains.Client], ...]
    missed: tuple[tuple[chains.Client, chains.Client], ...]
    seconds: float = 0.0

    @property
    def precision(self) -> float:
        """Right ones of all joins."""
        return self.right / self.joined if self.joined else 1.0

    @property
    def recall(self) -> float:
        """Of those who have one record in each branch, the part that was joined."""
        return 1 - len(self.missed) / self.both if self.both else 1.0


def apart(seed: int, owners: int, words: Words, shares: Shares = CHAIN) -> Branches:
    """A made clinic in two parts. A few records stand in both, word for word."""
    found = Branches()
    for circle in Population(seed, owners, words, shares).circles():
        dice = Dice(seed, _STREAM, circle.number)
        first = dice.below(2)
        for place, card in enumerate(circle.cards):
            found.add(ACCOUNTS[(first + place) % 2], card)
            if dice.chance(0.05):
                found.add(ACCOUNTS[(first + place + 1) % 2], card)
    return found


def join(ledger: Ledger, branches: Branches, country: str) -> Score:
    """Puts both branches into a ledger and joins them."""
    with ledger.write() as tx:
        for account in ACCOUNTS:
            accounts.enrol(tx, account, "files", country=country)
    for account, records in branches.records.items():
        for batch in _batches(records):
            with ledger.write() as tx:
                mirror.put(tx, account, batch)
        with ledger.write() as tx:
            mirror.completed(tx, account, first=True)
    joiner = Joiner(ledger, dict.fromkeys(ACCOUNTS, ()), batch=_BATCH)
    began = time.perf_counter()
    while joiner.pass_():
        pass
    return _score(ledger, branches, time.perf_counter() - began)


def _score(ledger: Ledger, branches: Branches, seconds: float) -> Score:
    one, _ = ACCOUNTS
    with ledger.read() as tx:
        ids = [id_ for account, id_ in branches.people if account == one]
        joined = {((one, id_), each) for id_, held in chains.joined_with(tx, one, ids).items() for each in held}
    both = branches.both()
    false = tuple(sorted(pair for pair in joined if branches.people[pair[0]] != branches.people[pair[1]]))
    return Score(
        clients=len(branches.people),
        both=len(both),
        joined=len(joined),
        right=len(joined) - len(false),
        false=false,
        missed=tuple(sorted(both - joined)),
        seconds=seconds,
    )


def _batches(records: Iterable[Client | Pet]) -> Iterator[list[Client | Pet]]:
    left = iter(records)
    while batch := list(islice(left, _BATCH)):
        yield batch


def _client(card: OwnerCard) -> Client:
    return Client(
        id=card.owner_id,
        given_name=card.first_name,
        family_name=card.last_name,
        phones=tuple(each for each in (card.phone_mobile, card.phone_home) if each),
        emails=(card.email,) if card.email else (),
        street=card.street,
        postcode=card.postcode,
        city=card.city,
        registered_on=card.created_on,
        active=card.active,
    )


def _pet(card: OwnerCard, pet: PetCard) -> Pet:
    born = pet.animal.birth_date if pet.birth_date == pet.animal.birth_date.isoformat() else None
    return Pet(
        id=pet.patient_id,
        client_id=card.owner_id,
        name=pet.name,
        species=pet.species or None,
        breed=pet.breed,
        sex=pet.sex or None,
        birth_date=born,
        deceased=pet.deceased,
        active=pet.current,
    )


def main(arguments: Sequence[str]) -> int:
    """Prints a row of the table in docs/chains.md; on standard error the false joins, and the first missed ones."""
    parser = argparse.ArgumentParser(prog="python -m bench.matching.branches", description=__doc__)
    parser.add_argument("--owners", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--locale", choices=LOCALES, default="en")
    parser.add_argument("--part", choices=PARTS, default="all")
    given = parser.parse_args(arguments)
    words = words_for(given.locale, given.part)
    branches = apart(given.seed, given.owners, words)
    with (
        tempfile.TemporaryDirectory(prefix="vetbridge-branches-") as folder,
        closing(open_ledger(Path(folder) / "ledger.db", new_key(), SystemClock())) as ledger,
    ):
        found = join(ledger, branches, words.country)
        for name, pairs in (("false", found.false), ("missed", found.missed[:20])):
            for pair in pairs:
                print(f"{name}:", *_shown(ledger, pair), sep="\n  ", file=sys.stderr)
    print(
        f"| {given.locale} | {found.clients} | {found.both} | {found.joined} | {len(found.false)} | "
        f"{found.recall:.1%} | {found.clients / found.seconds:.0f} |"
    )
    return 0


def _shown(ledger: Ledger, pair: tuple[chains.Client, chains.Client]) -> list[str]:
    """Both records of a pair, of people who are made up."""
    with ledger.read() as tx:
        return [repr(each) for key in pair for each in mirror.comparable(tx, key[0], [key[1]])]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
