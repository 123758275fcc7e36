"""A client who wants no messages at one branch is sent none by any, and nobody at a desk is overruled in a loop."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.rig import Rig
from vetbridge.connector.accounted import Accounted
from vetbridge.connector.interface import ExactlyOnce, Operation, Write
from vetbridge.core.policy import must_opt_out
from vetbridge.core.records import Client, Kind
from vetbridge.ledger import accounts, changes, disclosure, holdings, links, owners, pauses
from vetbridge.ledger.content import plain, rich
from vetbridge.ledger.tables import Joined
from vetbridge.mapping import Mapper, load_table
from vetbridge.sync import opting_out
from vetbridge.sync.engine import Engine, nowhere
from vetbridge.sync.pair import End, Pair
from vetbridge.sync.receiving import Receiver
from vetbridge.sync.refreshing import Refresher
from vetbridge.sync.undoing import Undoer
from vetbridge.testing.memory import MemorySide, memory_capabilities, redeclared

TABLE = """
mapping: consenting
extends: memory
kinds:
  client:
    opted_out: {path: silent, codec: flag}
"""
ANN = ("Ann", "Weiss", "+447912000001")
BOB = ("Bob", "Weiss", "+447912000001")


class Branch:
    """One booking side that keeps opt-outs, on a PIMS."""

    def __init__(self, chain: Chain, site: str, pims: End, *, vet: str = "v1", mapper: Mapper | None = None) -> None:
        self.chain = chain
        self.vet = vet
        self.site = site
        self.account = f"booking-{site}"
        can = memory_capabilities("booking", create=chain.level, changed=chain.level)
        known = can.of(Kind.CLIENT).update | {"opted_out"}
        self.side = MemorySide(redeclared(can, Kind.CLIENT, update=known), clock=chain.rig.clock)
        rig = chain.rig
        booking = End(
            account=self.account,
            connector=Accounted(self.side, self.account, rig.clock),
            mapper=mapper or chain.mapper,
            timeout=10.0,
        )
        self.pair: Pair = replace(rig.pair, site=site, booking=booking, pims=pims)
        with rig.ledger.write() as tx:
            accounts.enrol(tx, self.account, "memory", country="GB")
        self.receiver = Receiver(self.pair, rig.ledger)

    def card(self, given: str, family: str, phone: str, *, silent: bool | None = False) -> str:
        return self.side.add(
            Kind.CLIENT, {"name": {"given": given, "family": family}, "phones": [phone], "silent": silent}
        )

    def book(self, card: str, pet: str = "Tom") -> None:
        row = self.side.row(Kind.CLIENT, card)
        assert row is not None
        self.chain.hours += 1
        self.side.add(
            Kind.APPOINTMENT,
            {
                "owner": card,
                "booker": {**row["name"], "phones": row["phones"]},
                "animal": {"name": pet, "species": "D"},
                "start": (self.chain.rig.clock.now() + timedelta(hours=48 + self.chain.hours)).isoformat(),
                "seconds": 900,
                "type": "2",
                "who": self.vet,
            },
        )

    def say(self, card: str, silent: bool) -> None:
        self.side.edit(Kind.CLIENT, card, {"silent": silent})

    def silent(self, card: str) -> bool | None:
        row = self.side.row(Kind.CLIENT, card)
        assert row is not None
        return row.get("silent")

    def writes(self) -> list[Write]:
        return [each for each in self.side.written if "silent" in each.native]


class Chain:
    """Two branches on one PIMS."""

    def __init__(self, folder: Path, *, level: ExactlyOnce = ExactlyOnce.LOOK) -> None:
        self.level = level
        self.hours = 0
        self.rig = Rig(folder)
        path = folder / "consenting.yaml"
        path.write_text(TABLE)
        self.mapper = Mapper(load_table(path), zone="Europe/London", country="GB")
        vets = {"resource": {f"vet_{n}": f"w{n}" for n in range(1, 5)}}
        self.north_mapper = Mapper(load_table(path), zone="Europe/London", country="GB", codes=vets)
        self.pims = self.rig.pims
        self.town = Branch(self, "town", self.rig.pair.pims)
        north = replace(
            self.rig.pair.pims,
            mapper=Mapper(load_table("memory"), zone="Europe/London", country="GB", codes=vets),
        )
        self.north = Branch(self, "north", north, vet="w1", mapper=self.north_mapper)
        self.branches = [self.town, self.north]
        self.begin()

    def begin(self) -> None:
        """VetBridge works for all branches that there are."""
        pairs = [each.pair for each in self.branches]
        self.rig.engine = Engine(pairs, self.rig.ledger, self.rig.clock, self.rig.timings)

    def open_far(self) -> tuple[Branch, MemorySide]:
        """A third branch, with a PIMS of its own."""
        side = MemorySide()
        side.add(Kind.PET, {"name": "Placeholder", "owner": side.add(Kind.CLIENT, {})})
        connector = Accounted(side, "pims-far", self.rig.clock)
        with self.rig.ledger.write() as tx:
            accounts.enrol(tx, "pims-far", "memory", country="GB")
        far = Branch(self, "far", replace(self.rig.pair.pims, account="pims-far", connector=connector))
        self.branches.append(far)
        self.begin()
        return far, side

    def desk_visit(self, owner: str, vet: str) -> None:
        """A visit that is made in the PIMS, for the branch of that vet."""
        start = self.rig.clock.now() + timedelta(hours=90)
        visit = {"owner": owner, "start": start.isoformat(), "seconds": 900, "type": "1", "who": vet}
        self.pims.add(Kind.APPOINTMENT, visit)

    def run(self) -> None:
        for branch in self.branches:
            Refresher(branch.pair, self.rig.ledger).pass_()
            branch.receiver.poll_desk()
            branch.receiver.poll()
        self.rig.settle()

    def quiet(self) -> None:
        """Nothing more is written, however often all sides are read."""
        written = sum(len(each.side.written) for each in self.branches)
        for _ in range(2):
            self.run()
        assert sum(len(each.side.written) for each in self.branches) == written

    def codes(self) -> list[str]:
        return [change.code for change in self.rig.changes() if change.kind == Kind.CLIENT]


@pytest.fixture
def chain(tmp_path: Path) -> Chain:
    return Chain(tmp_path)


def two(chain: Chain, *, silent: bool = False) -> tuple[str, str]:
    """One owner who books at two branches."""
    chain.rig.owner(*ANN, "Tom")
    cards = chain.town.card(*ANN, silent=silent), chain.north.card(*ANN)
    chain.town.book(cards[0])
    chain.north.book(cards[1])
    chain.run()
    return cards


def test_who_opts_out_at_one_branch_is_opted_out_at_the_other(chain: Chain) -> None:
    town, north = two(chain)
    assert (chain.town.silent(town), chain.north.silent(north)) == (False, False)
    chain.town.say(town, True)
    chain.run()
    assert chain.north.silent(north) is True
    assert "opted-out" in chain.codes()
    (write,) = chain.north.writes()
    assert (write.operation, write.native) == (Operation.UPDATE, {"silent": True})
    assert chain.town.writes() == []
    chain.quiet()


def test_who_had_opted_out_before_she_was_known_at_the_other_branch_is_opted_out_there_too(chain: Chain) -> None:
    _, north = two(chain, silent=True)
    assert chain.north.silent(north) is True
    chain.quiet()


@pytest.mark.parametrize("silent", [True, False])
def test_a_card_that_vetbridge_makes_is_opted_out_where_another_one_is(chain: Chain, silent: bool) -> None:
    owner = chain.rig.owner(*ANN, "Tom")
    chain.town.book(chain.town.card(*ANN, silent=silent))
    chain.run()
    chain.desk_visit(owner, "w1")
    chain.run()
    (made,) = [each for each in chain.north.side.written if each.kind is Kind.CLIENT]
    assert made.operation is Operation.CREATE
    assert made.native.get("silent") is (True if silent else None)
    (card,) = chain.north.side.rows(Kind.CLIENT)
    assert card["silent"] is (True if silent else None)
    chain.quiet()


def test_a_card_that_vetbridge_opted_out_as_it_made_it_may_be_opted_in_by_hand(chain: Chain) -> None:
    owner = chain.rig.owner(*ANN, "Tom")
    chain.town.book(chain.town.card(*ANN, silent=True))
    chain.run()
    chain.desk_visit(owner, "w1")
    chain.run()
    (card,) = chain.north.side.rows(Kind.CLIENT)
    chain.north.say(card["id"], False)
    chain.run()
    assert chain.north.silent(card["id"]) is False
    chain.quiet()


def test_nobody_is_ever_opted_in_again(chain: Chain) -> None:
    town, north = two(chain, silent=True)
    chain.town.say(town, False)
    chain.run()
    assert (chain.town.silent(town), chain.north.silent(north)) == (False, True)
    assert "opted-in-by-hand" in chain.codes()
    assert all(write.native["silent"] is True for each in chain.branches for write in each.writes())
    chain.quiet()


def test_who_is_opted_in_by_hand_where_vetbridge_had_opted_her_out_stays_in(chain: Chain) -> None:
    town, north = two(chain, silent=True)
    chain.north.say(north, False)
    chain.run()
    assert (chain.town.silent(town), chain.north.silent(north)) == (True, False)
    assert "opted-in-by-hand" in chain.codes()
    chain.quiet()


def test_a_new_opt_out_counts_also_after_somebody_was_opted_in_by_hand(chain: Chain) -> None:
    town, north = two(chain, silent=True)
    chain.north.say(north, False)
    chain.run()
    chain.town.say(town, False)
    chain.run()
    chain.town.say(town, True)
    chain.run()
    assert chain.north.silent(north) is True
    chain.quiet()


def test_a_question_about_her_phone_does_not_hold_it_up(chain: Chain) -> None:
    town, north = two(chain)
    chain.north.side.edit(Kind.CLIENT, north, {"phones": ["+447912000099"]})
    chain.town.say(town, True)
    chain.run()
    assert chain.north.silent(north) is True
    (question,) = chain.rig.questions()
    assert question.why == "contact-changed"
    assert chain.north.side.row(Kind.CLIENT, north)["phones"] == ["+447912000099"]  # type: ignore[index]


def test_an_opt_out_settles_nothing_else_of_the_client(chain: Chain) -> None:
    """What the desk changed meanwhile is still carried, whatever comes first."""
    town, north = two(chain)
    owner = next(row["id"] for row in chain.pims.rows(Kind.CLIENT) if row["name"]["given"] == "Ann")
    chain.pims.edit(Kind.CLIENT, owner, {"emails": ["ann@example.org"]})
    chain.town.say(town, True)
    chain.run()
    row = chain.north.side.row(Kind.CLIENT, north)
    assert row is not None
    assert (row["silent"], row["emails"]) == (True, ["ann@example.org"])
    chain.quiet()


def test_what_the_desk_changes_of_a_client_reaches_each_of_her_cards(chain: Chain) -> None:
    town, north = two(chain)
    (owner,) = (row["id"] for row in chain.pims.rows(Kind.CLIENT) if row["name"]["given"] == "Ann")
    chain.pims.edit(Kind.CLIENT, owner, {"emails": ["ann@example.org"]})
    chain.run()
    rows = chain.town.side.row(Kind.CLIENT, town), chain.north.side.row(Kind.CLIENT, north)
    assert [row and row["emails"] for row in rows] == [["ann@example.org"]] * 2
    chain.quiet()


# -- households and chains ------------------------------------------------------------------------------------------


def couple(chain: Chain) -> tuple[str, str, str]:
    """Ann and Bob share a card in town; each has one of her and his own elsewhere. Returns all three."""
    ann = chain.rig.owner("Ann", "Weiss", "+447912000001", "Tom")
    bob = chain.rig.owner("Bob", "Weiss", "+447912000001", "Rex")
    shared = chain.town.card("Ann", "Weiss", "+447912000001")
    annes = chain.north.card("Ann", "Weiss", "+447912000001")
    far, _ = chain.open_far()
    bobs = far.card("Bob", "Weiss", "+447912000002")
    chain.run()
    with chain.rig.ledger.write() as tx:
        for branch, card, client, role in (
            (chain.town, shared, ann, "primary"),
            (chain.town, shared, bob, "member"),
            (chain.north, annes, ann, "primary"),
            (far, bobs, bob, "primary"),
        ):
            ends = {
                "site": branch.site,
                "booking_account": branch.account,
                "booking_id": card,
                "pims_account": "pims",
                "pims_id": client,
                "origin": "matched",
            }
            if role == "primary":
                link = links.put(tx, kind=Kind.CLIENT, **ends)
                links.note(tx, link, {"opted_out": False})
            else:
                links.put_member(tx, **ends)
    far.pair = replace(far.pair, pims=chain.town.pair.pims)
    chain.begin()
    return shared, annes, bobs


def test_of_a_household_the_strictest_wins(chain: Chain) -> None:
    shared, annes, bobs = couple(chain)
    chain.town.say(shared, True)
    chain.run()
    assert (chain.north.silent(annes), chain.branches[2].silent(bobs)) == (True, True)
    chain.quiet()


def test_what_one_of_a_couple_wants_elsewhere_counts_for_the_card_they_share_and_not_for_the_partners_own(
    chain: Chain,
) -> None:
    shared, annes, bobs = couple(chain)
    chain.north.say(annes, True)
    chain.run()
    assert (chain.town.silent(shared), chain.branches[2].silent(bobs)) == (True, False)
    chain.quiet()
    chain.branches[2].say(bobs, True)
    chain.run()
    chain.quiet()


def test_clients_that_were_joined_in_the_chain_are_one_person(chain: Chain) -> None:
    far, pims = chain.open_far()
    here = chain.rig.owner(*ANN, "Tom")
    there = pims.add(Kind.CLIENT, {"name": {"given": "Ann", "family": "Weiss"}, "phones": [ANN[2]]})
    pims.add(Kind.PET, {"owner": there, "name": "Tom", "species": "D"})
    town, card = chain.town.card(*ANN, silent=True), far.card(*ANN)
    chain.town.book(town)
    far.book(card)
    chain.run()
    assert far.silent(card) is False
    with chain.rig.ledger.write() as tx:
        tx.session.add(
            Joined(
                account="pims",
                client_id=here,
                other_account="pims-far",
                other_id=there,
                probability=1.0,
                joined_at=tx.now,
            )
        )
        tx.session.flush()
        opting_out.joined(tx, "pims-far", there)
    chain.rig.settle()
    assert far.silent(card) is True
    chain.quiet()


# -- as any other write ---------------------------------------------------------------------------------------------


def test_an_opt_out_whose_answer_was_lost_is_looked_for_and_done_once(chain: Chain) -> None:
    town, north = two(chain)
    chain.north.side.lose_answers(done=True)
    chain.town.say(town, True)
    chain.run()
    assert chain.north.silent(north) is True
    assert len(chain.north.writes()) == 1
    chain.quiet()


def test_an_opt_out_that_was_lost_on_its_way_is_sent_again(chain: Chain) -> None:
    town, north = two(chain)
    chain.north.side.lose_answers(done=False)
    chain.town.say(town, True)
    chain.run()
    assert chain.north.silent(north) is True
    chain.quiet()


def test_a_paused_branch_gets_it_when_it_is_resumed(chain: Chain) -> None:
    town, north = two(chain)
    with chain.rig.ledger.write() as tx:
        pauses.pause(tx, "site", "north", until=None, by="Kim")
    chain.town.say(town, True)
    chain.run()
    assert chain.north.silent(north) is False
    with chain.rig.ledger.write() as tx:
        pauses.resume(tx, "site", "north")
    chain.rig.settle()
    assert chain.north.silent(north) is True


def test_an_undo_opts_nobody_in(chain: Chain) -> None:
    town, north = two(chain)
    with chain.rig.ledger.write() as tx:
        run_id = chain.rig.ledger.run_id = changes.begin_run(tx, "sync")
    chain.town.say(town, True)
    chain.run()
    with chain.rig.ledger.write() as tx:
        chain.rig.ledger.run_id = changes.begin_run(tx, "sync --undo")
    pairs = [each.pair for each in chain.branches]
    undoer = Undoer(run_id, pairs, chain.rig.ledger, chain.rig.clock, chain.rig.timings, nowhere)
    chain.rig.engine.only, chain.rig.engine.instead = undoer.begin(), undoer.work
    chain.rig.settle(limit=600.0)
    assert [(fate.undone, fate.code) for fate in undoer.finish()] == [(False, "stays-opted-out")]
    assert chain.north.silent(north) is True


def test_what_is_held_of_somebody_tells_it(chain: Chain) -> None:
    town, _ = two(chain, silent=True)
    with chain.rig.ledger.read() as tx:
        owner = owners.owner_of(tx, [owners.Key(chain.town.account, Kind.CLIENT, town)])
        told = disclosure.disclosed(tx, holdings.held(tx, owner))
    cards = [each["booking_base"] for each in told["links"] if each["kind"] == Kind.CLIENT]
    assert [card["opted_out"] for card in cards] == [True, True]


def test_a_side_that_says_nothing_of_it_is_left_alone(chain: Chain) -> None:
    plain_mapper = Mapper(load_table("memory"), zone="Europe/London", country="GB")
    chain.north.pair = replace(chain.north.pair, booking=replace(chain.north.pair.booking, mapper=plain_mapper))
    chain.begin()
    town, _ = two(chain)
    chain.town.say(town, True)
    chain.run()
    assert chain.north.writes() == []


# -- the rule, and what is kept -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "others", "known", "by_people", "due"),
    [
        (False, {1}, set(), {1}, True),
        (False, {1}, set(), set(), True),
        (None, {1}, set(), {1}, True),
        (False, {1}, {1}, {1}, False),
        (False, {1, 2}, {1}, {1, 2}, True),
        (False, {1, 2}, {1}, {1}, False),
        (False, {2}, {1}, set(), True),
        (True, {1}, set(), {1}, False),
        (False, set(), {1}, set(), False),
    ],
)
def test_one_is_opted_out_for_what_nobody_has_overruled(
    now: bool | None, others: set[int], known: set[int], by_people: set[int], due: bool
) -> None:
    assert must_opt_out(now, others, known, by_people) is due


def test_content_that_says_nothing_of_it_is_what_it_was_before() -> None:
    silent: dict[str, Any] = plain(Client(id="1"))["$client"]
    assert "opted_out" not in silent
    for value in (True, False):
        assert rich(plain(Client(id="1", opted_out=value))) == Client(id="1", opted_out=value)
