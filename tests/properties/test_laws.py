"""The ten laws of the architecture (section 5) under one state machine: two hostile sides, people, faults and kills.

A short run is part of every test run, always the same one. ``make torture`` runs it long and at random: set
``HYPOTHESIS_PROFILE=torture``. Law 10 (quiet) is about messages that a memory side does not send: it is asserted by
tests/system/test_quiet.py on a side that does.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from sqlmodel import col, select

from tests.hostile import BEGUN, PEOPLE, Entry, Setting, Town, Visit, moment
from vetbridge.connector.interface import Operation, Relink, Unlinked
from vetbridge.core.answers import FUSE, SLOT_TAKEN, TWICE, Choice
from vetbridge.core.records import Kind
from vetbridge.ledger import reviews, worklist
from vetbridge.ledger.tables import OPEN_STATES, Change, ChangeState, Review

TORTURE = os.environ.get("HYPOTHESIS_PROFILE") == "torture"


# -- what the laws need to know ------------------------------------------------------------------------------------


@dataclass
class Facts:
    """A town after quiescence, and what its ledger says is still open."""

    town: Town
    changes: list[Change]
    questions: list[Review]
    """Open ones."""
    asked: set[int]
    """Visits about which a question is open."""
    twice: set[int]
    """Visits that stand twice, as a question says."""
    held: set[int]
    """Visits whose change waits for a person or failed."""
    on_list: set[int]
    """Visits that a line of the work list is about."""
    answered: set[int]
    """Numbers of the questions whose answer was carried out."""

    def excused(self, visit: Visit) -> bool:
        """A person has to decide about it, or has decided that its sides may differ."""
        return visit.seconds in self.asked | self.held | self.on_list or visit.kept or visit.poisoned

    def begun(self, row: dict[str, Any]) -> bool:
        """The visit has begun: nothing is carried over any more."""
        return moment(row["start"]) <= self.town.clock.now()


def facts(town: Town) -> Facts:
    """Reads the ledger of a town."""
    with town.rig.ledger.read() as tx:
        questions = list(reviews.open_items(tx))
        asked = {visit.seconds for one in questions if one.record_id and (visit := town.visit_of(tx, one.record_id))}
        open_ = tx.session.exec(select(Change).where(col(Change.state).in_([*OPEN_STATES, ChangeState.FAILED]))).all()
        held = {visit.seconds for one in open_ if (visit := town.visit_of(tx, one.record_id))}
        lines = {visit.seconds for one in worklist.lines(tx) if (visit := town.visit_of(tx, one.record_id))}
        applied = {one.id for one in tx.session.exec(select(Review).where(col(Review.applied_at).is_not(None)))}
        twice = {
            visit.seconds
            for one in questions
            if one.why == TWICE and one.record_id and (visit := town.visit_of(tx, one.record_id))
        }
    return Facts(town, town.rig.changes(), questions, asked, twice, held, lines, {one for one in applied if one})


def writes(town: Town) -> int:
    """How many writes of VetBridge took effect so far."""
    return len(town.booking.journal) + len(town.pims.journal)


# -- the laws ------------------------------------------------------------------------------------------------------


def law_1_twice_is_once(town: Town) -> None:
    """Law 1. Running again on settled state plans nothing."""
    before = writes(town)
    town.rig.run()
    town.rig.sweeper.sweep()
    town.rig.settle()
    new = [entry.write for entry in (*town.booking.journal, *town.pims.journal)]
    assert writes(town) == before, ("law 1", new[-3:])


def law_2_no_echo(f: Facts) -> None:
    """Law 2. Our own write, seen as a change, is skipped."""
    town = f.town
    before, last = writes(town), max((change.id or 0 for change in town.rig.changes()), default=0)
    told = set()
    for account in ("booking", "pims"):
        for row in town.side(account).rows(Kind.APPOINTMENT):
            if not f.excused(town.visits[row["seconds"]]) and not f.begun(row):
                town.rig.hint_kind(Kind.APPOINTMENT, row["id"], account)
                told.add((account, row["id"]))
    town.rig.settle()
    seen = [change for change in town.rig.changes() if (change.id or 0) > last]
    for change in seen:
        if (change.account, change.remote_id) in told:
            assert change.state == ChangeState.SKIPPED, ("law 2", change)
    assert writes(town) == before, "law 2"


def law_3_newest_read(f: Facts) -> None:
    """Law 3. For one record decisions follow the newest read, in whatever order hints came."""
    for visit in f.town.visits.values():
        if f.excused(visit) or visit.answers or visit.purged or visit.reopened:
            continue
        said = [name for name in ("booking", "pims") if visit.last[name]]
        if len(said) != 1:
            continue
        (name,) = said
        rows = f.town.side(name).visits(visit.seconds, standing=False)
        assert len(rows) == 1, ("law 3", visit, rows)
        (row,) = rows
        assert moment(row["start"]) == moment(visit.last[name]["start"]), ("law 3", visit, row)
        assert row["state"] == visit.last[name]["state"], ("law 3", visit, row)


def law_4_alone(f: Facts) -> None:
    """Law 4. One change's failure alters no other change's outcome but its dependants'."""
    with f.town.rig.ledger.read() as tx:
        ended = [change for change in f.changes if change.state == ChangeState.FAILED]
        failed = [(change, f.town.visit_of(tx, change.record_id)) for change in ended]
    for change, visit in failed:
        assert change.code == "expired" or (visit is not None and visit.poisoned), ("law 4", change)


def law_5_nothing_lost_nothing_doubled(f: Facts) -> None:
    """Law 5. Killed at any point and restarted, the end is the same or a person is asked."""
    town = f.town
    _nobody_stands_in_their_own_way(f)
    for visit in town.visits.values():
        here, there = town.booking.visits(visit.seconds), town.pims.visits(visit.seconds)
        if not visit.reopened and visit.seconds not in f.twice:
            assert len(here) <= 1, ("law 5: booked twice", visit, here)
            assert len(there) <= 1, ("law 5: written twice", visit, there)
        if f.excused(visit):
            continue
        if visit.born == "booking" and here and not f.begun(here[0]):
            assert there, ("law 5: lost in the PIMS", visit, here)
        if there and not f.begun(there[0]) and not town.stands_in(there[0]["owner"]):
            assert here, ("law 5: lost at the booking side", visit, there)
    if not f.twice:
        _no_person_twice(f)


def _nobody_stands_in_their_own_way(f: Facts) -> None:
    """A time is never taken by the very visit that is to be written: that one was written, and nobody knows it."""
    with f.town.rig.ledger.read() as tx:
        for one in f.questions:
            visit = f.town.visit_of(tx, one.record_id) if one.record_id else None
            other = (reviews.question(tx, one) or {}).get("other")
            if one.why == SLOT_TAKEN and visit is not None and other is not None:
                assert other.duration != visit.seconds, ("law 5: written, and not known", visit)


def _no_person_twice(f: Facts) -> None:
    town = f.town
    clients = Counter(_name(row) for row in town.pims.rows(Kind.CLIENT))
    for person in PEOPLE:
        said = sum(visit.said_new for visit in town.visits.values() if person in visit.bookers)
        most = (2 if person is PEOPLE[0] else 1) + said
        assert clients[person.name] <= most, ("law 5: client made twice", person, clients)
    pets = Counter((row["owner"], row["name"].casefold()) for row in town.pims.rows(Kind.PET))
    assert max(pets.values()) == 1, ("law 5: pet made twice", pets)
    made = Counter(
        (str(native.get("phones")), native.get("owner"), str(native["name"]))
        for entry in town.booking.journal
        if entry.write.kind is not Kind.APPOINTMENT
        and entry.write.operation is Operation.CREATE
        and (native := town.booking.row(entry.write.kind, entry.id)) is not None
    )
    assert all(count == 1 for count in made.values()), ("law 5: made twice at the booking side", made)


def _name(row: dict[str, Any]) -> str:
    return f"{row['name']['given']} {row['name']['family']}".casefold()


def law_6_fuse(f: Facts) -> None:
    """Law 6. No more than the limit is cancelled, moved or overwritten within an hour; additions still flow; nothing
    in the past or completed is cancelled because a row vanished."""
    town = f.town
    # Slightly less than the hour: a write takes effect a little after it was counted.
    window = timedelta(minutes=50)
    counted = sorted(
        entry.at
        for side in (town.booking, town.pims)
        for entry in side.journal
        if entry.moves and _by_itself(town, entry)
    )
    for index, first in enumerate(counted):
        within = [at for at in counted[index:] if at < first + window]
        assert len(within) <= town.setting.fuse, ("law 6: the limit", len(within), town.setting.fuse)
    for name in ("booking", "pims"):
        for entry in town.side(name).journal:
            if entry.write.operation is Operation.CANCEL and entry.write.kind is Kind.APPOINTMENT:
                _not_of_the_past(town, name, entry)


def _by_itself(town: Town, entry: Entry) -> bool:
    """Nobody has asked for just this write, nor let the many through within an hour of it."""
    visit = town.visits.get(entry.seconds or 0)
    hour = timedelta(hours=1)
    return visit is not None and not visit.answers and all(abs(at - entry.at) > hour for at in town.allowed_at)


def _not_of_the_past(town: Town, name: str, entry: Entry) -> None:
    visit = town.visits[entry.before["seconds"]]
    over = moment(entry.before["start"]) < entry.at - timedelta(minutes=5) or entry.before["state"] in BEGUN
    other = "pims" if name == "booking" else "booking"
    if over and other in visit.purged and not visit.answers:
        raise AssertionError(("law 6: cancelled because a row vanished", visit, entry))


def law_7_converge(f: Facts) -> None:
    """Law 7. Both sides agree on every owned field, up to declared loss."""
    town = f.town
    for visit in town.visits.values():
        here, there = town.booking.visits(visit.seconds), town.pims.visits(visit.seconds)
        if f.excused(visit) or visit.reopened or not (here or there) or f.begun((here or there)[0]):
            continue
        if not here:
            assert town.stands_in(there[0]["owner"]), ("law 7", visit, there)
            continue
        assert there, ("law 7", visit, here)
        mine, theirs = here[0], there[0]
        assert moment(mine["start"]) == moment(theirs["start"]), ("law 7: start", visit, mine, theirs)
        for name in ("state", "who", "type"):
            assert mine[name] == theirs[name], ("law 7", name, visit, mine, theirs)
        starts = {moment(start) for start in visit.starts}
        assert moment(mine["start"]) in starts, ("law 7: a time that nobody gave", visit, mine)
        if visit.born == "booking" and town.setting.notes_limit is None:
            assert mine["notes"].strip() in theirs["notes"], ("law 7: the comment", visit, mine, theirs)


def law_8_accounted_for(f: Facts) -> None:
    """Law 8. Every change ends done, skipped, in review or failed, with a reason."""
    blown = any(question.why == FUSE for question in f.questions)
    for change in f.changes:
        assert change.code or change.state == "received", ("law 8", change)
        if change.state == "waiting" and change.code == FUSE and blown:
            continue
        if change.state == "waiting" and change.code == "own-write" and f.twice:
            continue  # until somebody says which of the two it is
        assert change.state in ("done", "skipped", "review", "failed"), ("law 8", change)
        assert change.message, ("law 8", change)


def law_9_people_win(f: Facts) -> None:
    """Law 9. A person's answer is never overruled on the same facts, and the same is not asked again."""
    town = f.town
    for said in town.said:
        visit = town.visits.get(said.seconds or 0)
        if visit is None or visit.touched != said.touched or len(town.merged) != said.merges:
            continue
        later = [
            one for one in town.said if one.record == said.record and town.said.index(one) > town.said.index(said)
        ]
        if (
            later
            or said.item not in f.answered
            or visit.answers != sum(one.seconds == said.seconds for one in town.said)
        ):
            continue
        again = [one for one in f.questions if one.record_id == said.record and one.why == said.why]
        assert not again, ("law 9: asked again", said, visit)
        there = town.pims.visits(visit.seconds)
        if said.choice is Choice.LINK and there and visit.seconds not in f.asked | f.on_list:
            assert there[0]["owner"] == said.client, ("law 9: the answer stands", said, there)


def nobody_else_gets_the_visit(f: Facts) -> None:
    """Above all laws: a visit is never on a wrong owner's record; who is not certain is asked about."""
    town = f.town
    for visit in town.visits.values():
        for row in town.pims.visits(visit.seconds):
            owner = row["owner"]
            if town.stands_in(owner):
                _asked_about(f, visit, row)
                continue
            meant = _meant(town, visit)
            assert owner in meant, ("wrong owner", visit, row, meant)
            pet = town.pims.row(Kind.PET, row["pet"]) if row["pet"] else None
            if pet is not None and "pims" not in visit.regiven and not town.merged:
                assert pet["owner"] == owner, ("wrong pet", visit, row, pet)


def _meant(town: Town, visit: Visit) -> set[str | None]:
    """On whom a visit may stand: whom its booking names, and whom people named since."""
    meant = set(visit.claims)
    for person in visit.bookers if visit.born == "booking" or visit.said_new else ():
        if person.known:
            meant.add(town.clients[person])
        if (not person.known and not person.ambiguous) or visit.said_new:
            meant |= {row["id"] for row in town.pims.rows(Kind.CLIENT) if _name(row) == person.name}
    return meant | {into for source, into in town.merged.items() if source in meant}


def _asked_about(f: Facts, visit: Visit, row: dict[str, Any]) -> None:
    if f.begun(row) or f.excused(visit):
        return
    certain = visit.person is not None and visit.person.known and not visit.person.ambiguous
    untouched = not visit.touched and not visit.answers and not f.town.merged and visit.born == "booking"
    assert not (certain and untouched), ("the owner was certain", visit, row)
    of_desk = visit.born == "pims" and visit.person is not None  # what the desk made, the desk may put anywhere
    assert of_desk, ("on the placeholder, and nobody is asked", visit, row)


def laws(town: Town) -> None:
    """All laws that a quiet town must show."""
    f = facts(town)
    law_8_accounted_for(f)
    nobody_else_gets_the_visit(f)
    law_5_nothing_lost_nothing_doubled(f)
    law_4_alone(f)
    law_3_newest_read(f)
    law_7_converge(f)
    law_6_fuse(f)
    law_9_people_win(f)
    law_1_twice_is_once(town)
    law_2_no_echo(f)


# -- the machine ---------------------------------------------------------------------------------------------------


settings_of_towns = st.builds(
    Setting,
    season=st.sampled_from(["spring", "autumn"]),
    fuse=st.sampled_from([100, 3, 1]),
    notes_limit=st.sampled_from([None, None, 500]),
    recase=st.booleans(),
    lag=st.sampled_from([0.0, 0.0, 15.0]),
    exclusive=st.booleans(),
    silent_deletions=st.booleans(),
    relink=st.sampled_from([Relink.YES, Relink.YES, Relink.UNVERIFIED, Relink.NO]),
    unlinked=st.sampled_from([Unlinked.PLACEHOLDER, Unlinked.YES]),
    page_size=st.sampled_from([50, 2]),
    whole_seconds=st.booleans(),
    slow_requests=st.booleans(),
    prompt=st.booleans(),
)

PEOPLE_DO = {
    "book": 4, "book_badly": 1, "book_soon": 1, "desk_books": 3, "left_without_owner": 1, "collide": 1,
    "move": 3, "move_both": 1, "there_and_back": 1, "cancel": 2, "ill": 2, "reopen": 1, "status": 1, "comment": 1,
    "purge": 1, "merge": 1, "desk_gives": 1, "desk_takes_off": 1, "owner_gives": 1, "contact": 1,
}  # fmt: skip
RECEPTION_SAYS = {"answer": 5, "undo": 1, "work_list": 2}
VETBRIDGE_DOES = {"hint": 3, "poll": 3, "sweep": 1, "work": 6, "step": 8, "finish": 2, "calm": 1}
WHAT_BEFALLS = {
    "kill": 1, "kill_at": 4, "lease_ends": 2, "lose": 5, "refuse": 1, "revoke": 1, "wait": 4,
}  # fmt: skip
"""How often each move is made."""

numbers = st.integers(0, 63)


def often(moves: Mapping[str, int]) -> st.SearchStrategy[str]:
    """One of some moves, each as often as it says."""
    return st.sampled_from([move for move, times in moves.items() for _ in range(times)])


class Laws(RuleBasedStateMachine):
    """Whatever happens in a town: once it is quiet, the laws hold."""

    def __init__(self) -> None:
        super().__init__()
        self.town: Town | None = None
        self.broken = False

    @initialize(setting=settings_of_towns)
    def begin(self, setting: Setting) -> None:
        self.town = Town(setting)

    @rule(move=often(PEOPLE_DO), n=numbers)
    def people(self, move: str, n: int) -> None:
        self._do(move, n)

    @rule(move=often(RECEPTION_SAYS), n=numbers)
    def reception(self, move: str, n: int) -> None:
        self._do(move, n)

    @rule(move=often(VETBRIDGE_DOES), n=numbers)
    def vetbridge(self, move: str, n: int) -> None:
        self._do(move, n)

    @rule(move=often(VETBRIDGE_DOES), n=numbers)
    def vetbridge_again(self, move: str, n: int) -> None:
        self._do(move, n)

    @rule(move=often(WHAT_BEFALLS), n=numbers)
    def fate(self, move: str, n: int) -> None:
        self._do(move, n)

    def _do(self, move: str, n: int) -> None:
        assert self.town is not None
        self.broken = True
        self.town.do(move, n)
        if move == "calm":
            laws(self.town)
        self.broken = False

    def teardown(self) -> None:
        """The end, unless it has come already."""
        if self.town is None:
            return
        try:
            if not self.broken:
                end(self.town)
        finally:
            self.town.close()


def end(town: Town) -> None:
    """The end of a history: quiet, and all laws; then every question is answered, and the laws once more."""
    if town.setting.prompt:
        # Every webhook came. What was missed all the same is not to be mended by the lists.
        town.still()
        law_3_newest_read(facts(town))
        law_7_converge(facts(town))
    town.do("calm")
    laws(town)
    for turn in range(ANSWER_TURNS):
        with town.rig.ledger.read() as tx:
            asked = len(reviews.open_items(tx))
        if not asked:
            return
        for number in range(asked):
            town.do("answer", 7 * (turn + number))
        town.do("calm")
    laws(town)


ANSWER_TURNS = 4
"""An answer may meet something new, and be asked again."""

TestLaws = Laws.TestCase
TestLaws.settings = settings(
    max_examples=1000 if TORTURE else 6,
    stateful_step_count=100 if TORTURE else 40,
    derandomize=not TORTURE,
    print_blob=True,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink] if TORTURE else [Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
    database=None,
)
