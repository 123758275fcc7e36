"""A ledger with another key: the old one opens nothing any more, and whatever was found before is found still."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.ledgers import contents, dump, rows
from tests.unit.ledger.conftest import KEY
from vetbridge.core.errors import LedgerError
from vetbridge.core.records import Client, Kind, Pet
from vetbridge.ledger import accounts, changes, links, mirror, rekeying
from vetbridge.ledger.database import Ledger, open_ledger
from vetbridge.ledger.sealing import Sealer, new_key
from vetbridge.testing.clock import FakeClock


@pytest.fixture
def sealed(ledger: Ledger) -> list[bytes]:
    """What is sealed in a ledger with an owner, two pets and a link."""
    with ledger.write() as tx:
        changes.receive(tx, site="town", account="a", kind=Kind.CLIENT, remote_id="7", source="poll")
        accounts.enrol(tx, "b", "memory", country="GB")
        pets = [Pet(id=name, client_id="7", name=name) for name in ("Bobik", "Rex")]
        mirror.put(tx, "b", [Client(id="7", given_name="Zebulonia", family_name="Quux"), *pets])
        links.put(
            tx,
            site="town",
            kind=Kind.CLIENT,
            booking_account="a",
            booking_id="7",
            pims_account="b",
            pims_id="7",
            origin="matched",
            evidence=[{"here": "Zebulonia"}],
        )
    found = rows(ledger.place, "SELECT content_sealed FROM mirror UNION ALL SELECT evidence_sealed FROM link")
    return [bytes(value) for (value,) in found]


def test_all_is_sealed_anew_and_hashes_stay(ledger: Ledger, sealed: list[bytes]) -> None:
    place, clock, new = ledger.place, FakeClock(), new_key()
    before = ledger.sealer.hash("+447700900111")
    ledger.close()
    counts = rekeying.sealed_values(place, KEY, clock)
    assert (counts["mirror.content_sealed"], counts["link.evidence_sealed"]) == (3, 1)
    told: list[int] = []
    assert rekeying.rekey(place, KEY, new, clock, by="Kim", progress=told.append) == sum(counts.values())
    assert told[-1] == 100
    assert len(sealed) == 4
    whole = contents(place)
    assert not any(value in whole for value in sealed), "nothing is left that the old key opens"
    with pytest.raises(LedgerError, match="ledger key"):
        open_ledger(place, KEY, clock)
    again = open_ledger(place, new, clock)
    assert again.sealer.hash("+447700900111") == before
    assert Sealer(new).hash("+447700900111") != before
    with again.read() as tx:
        known = mirror.client(tx, "b", "7")
        assert known is not None
        assert known.client.family_name == "Quux"
        assert sorted(pet.name for pet in known.pets) == ["Bobik", "Rex"]
    again.close()
    third = new_key()
    rekeying.rekey(place, new, third, clock, by="Kim")
    last = open_ledger(place, third, clock)
    assert last.sealer.hash("+447700900111") == before, "also after one more"
    last.close()
    assert rows(place, 'SELECT "by", act FROM audit') == [("Kim", "rekeyed")] * 2


def test_one_value_that_does_not_open_leaves_all_as_it_is(ledger: Ledger, sealed: list[bytes]) -> None:
    place = ledger.place
    ledger.close()
    rows(place, "UPDATE link SET evidence_sealed = ?", b"\0" * len(sealed[0]))
    before = dump(place)
    with pytest.raises(LedgerError, match="does not open"):
        rekeying.rekey(place, KEY, new_key(), FakeClock(), by="Kim")
    assert dump(place) == before


@pytest.mark.sqlite_file("a server's other connections are its operator's to end")
def test_whoever_else_has_it_open_would_go_on_with_the_old_key(ledger: Ledger, tmp_path: Path) -> None:
    with ledger.read() as tx:
        changes.last_id(tx)
    with pytest.raises(LedgerError, match="open in another program"):
        rekeying.rekey(ledger.place, KEY, new_key(), FakeClock(), by="Kim")
