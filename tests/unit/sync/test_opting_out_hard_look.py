"""Opt-outs where sides say less than they should, and where VetBridge's own ticks meet what people have said."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.sync.test_opting_out import ANN, Chain, two
from vetbridge.core.records import Client, Kind
from vetbridge.ledger import links, pauses
from vetbridge.sync import opting_out


@pytest.fixture
def chain(tmp_path: Path) -> Chain:
    return Chain(tmp_path)


def say_nothing(chain: Chain, card: str) -> None:
    """Town's user may not see the field any more."""
    chain.town.side.edit(Kind.CLIENT, card, {"silent": None})


def base(chain: Chain, account: str, card: str) -> dict[str, object]:
    with chain.rig.ledger.read() as tx:
        link = links.of_booking(tx, account, Kind.CLIENT, card)
        assert link is not None
        return links.bases(tx, link)[0] or {}


def test_a_card_that_says_nothing_any_more_is_as_it_was(chain: Chain) -> None:
    town, _ = two(chain, silent=True)
    before = len(chain.codes())
    say_nothing(chain, town)
    chain.run()
    assert base(chain, chain.town.account, town)["opted_out"] is True
    assert chain.codes()[before:] == [], "nothing is news"
    chain.quiet()


def test_who_was_opted_in_by_hand_is_not_opted_out_as_another_card_says_nothing_for_a_while(chain: Chain) -> None:
    town, north = two(chain, silent=True)
    chain.north.say(north, False)
    chain.run()
    say_nothing(chain, town)
    chain.town.side.edit(Kind.CLIENT, town, {"emails": ["ann@example.org"]})
    chain.run()
    assert "opted-in-by-hand" in chain.codes()
    chain.town.say(town, True)
    chain.run()
    assert chain.north.silent(north) is False, "nobody has opted her out anew"
    chain.quiet()


def test_a_card_that_vetbridge_opts_out_later_overrules_nobody(chain: Chain) -> None:
    """A third location is resumed after people have opted her in again at the second: it is no new wish."""
    owner = chain.rig.owner(*ANN, "Tom")
    chain.pims.edit(Kind.CLIENT, owner, {"phones": [ANN[2], "+447912000002"]})
    town, north = chain.town.card(*ANN, silent=True), chain.north.card(*ANN)
    chain.town.book(town)
    chain.north.book(north)
    chain.run()
    chain.north.say(north, False)
    chain.run()
    late = chain.north.card("Ann", "Weiss", "+447912000002")
    chain.north.book(late)
    chain.run()
    assert chain.north.silent(late) is True
    assert chain.north.silent(north) is False, "people have said so, of what town wants"
    chain.quiet()


def test_who_is_opted_out_anew_while_a_branch_is_paused_is_opted_out_there_too(chain: Chain) -> None:
    town, north = two(chain, silent=True)
    chain.north.say(north, False)
    chain.run()
    with chain.rig.ledger.write() as tx:
        pauses.pause(tx, "site", "north", until=None, by="Kim")
    for silent in (False, True):
        chain.town.say(town, silent)
        chain.run()
    with chain.rig.ledger.write() as tx:
        pauses.resume(tx, "site", "north")
    chain.rig.settle()
    assert chain.north.silent(north) is True
    chain.quiet()


def test_a_card_that_vetbridge_opted_out_says_nothing_of_who_gets_its_phone_later(chain: Chain) -> None:
    """Ann was opted out in town, so VetBridge opted her card in the north out; her number is Carl's now."""
    _, north = two(chain, silent=True)
    carl = chain.rig.owner("Carl", "Novak", "+447912000009", "Rex")
    carls = chain.town.card("Carl", "Novak", "+447912000009")
    chain.town.book(carls, "Rex")
    chain.run()
    with chain.rig.ledger.write() as tx:
        before = links.of_booking(tx, chain.north.account, Kind.CLIENT, north)
        assert before is not None
        links.end(tx, before)
        links.put(
            tx,
            site="north",
            kind=Kind.CLIENT,
            booking_account=chain.north.account,
            booking_id=north,
            pims_account="pims",
            pims_id=carl,
            origin="matched",
        )
        opting_out.met(tx, chain.north.pair, north, Client(id=north))
    chain.rig.settle()
    assert chain.town.silent(carls) is False, "nobody has said that Carl wants no messages"
    chain.north.say(north, False)
    chain.run()
    chain.north.say(north, True)
    chain.run()
    assert chain.town.silent(carls) is True, "now people have"


def test_what_was_opted_out_by_mistake_and_put_right_goes_nowhere_while_clients_are_paused(chain: Chain) -> None:
    town, north = two(chain)
    with chain.rig.ledger.write() as tx:
        pauses.pause(tx, "kind", "north/client", until=None, by="Kim")
    chain.town.say(town, True)
    chain.run()
    chain.town.say(town, False)
    chain.run()
    with chain.rig.ledger.write() as tx:
        pauses.resume(tx, "kind", "north/client")
    chain.run()
    assert (chain.town.silent(town), chain.north.silent(north)) == (False, False)
    assert chain.north.writes() == []
