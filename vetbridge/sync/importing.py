"""Clients from a file into the PIMS: who is there already, who is new, who is for a person to say.

Creating is the engine's work, as all writing is. A row is a record of the PIMS account whose id is a keyed hash of
what the row says, so that the same file again meets what became of it. Its values are in no table: they stand in the
memory of the import and, once a write is intended, in that write's sealed payload. So a daemon that meets a row whose
import was killed finds out what became of its write, and creates nobody; the file imported again does the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from vetbridge.connector.clock import Clock
from vetbridge.core import normalise
from vetbridge.core.instants import Instant
from vetbridge.core.matching import REASONS, Match, Verdict, contact_keys, forms_of
from vetbridge.core.records import Appointment, Client, Kind
from vetbridge.ledger import actions, changes, file_rows
from vetbridge.ledger.database import Ledger
from vetbridge.ledger.matcher import Matcher
from vetbridge.ledger.tables import OPEN_STATES, Change, ChangeState
from vetbridge.sync.answering import given_answer, mark_applied
from vetbridge.sync.job import Ending, Job
from vetbridge.sync.keeping import Keeper
from vetbridge.sync.pair import Pair, Timings
from vetbridge.sync.placing import Placer
from vetbridge.sync.resolving import Resolver
from vetbridge.sync.writing import Point, Writer

if TYPE_CHECKING:
    from vetbridge.sync.engine import Engine

SOURCE = "import"
"""Source of the changes of an import."""
BATCH = 100
"""So many rows are decided upon, then written, before the next ones; at the most."""

CREATED = Ending(state=ChangeState.DONE, code="created", message="made in the PIMS from a row of a file")
NOT_AT_HAND = Ending(
    state=ChangeState.SKIPPED,
    code="file-not-at-hand",
    message="its import was stopped before this row was written; import the file again",
)
OFF = Ending(
    state=ChangeState.SKIPPED,
    code="creating-clients-is-off",
    message="the config lets VetBridge make no clients (create.clients)",
)
ALREADY_THERE = Ending(
    state=ChangeState.SKIPPED, code="already-there", message="the PIMS has the client of this row already"
)


class Result(StrEnum):
    """What became of a row."""

    LINKED = "linked"
    """The PIMS has the client; nothing was written."""
    CREATED = "created"
    REVIEW = "review"
    """A person has to say who is meant; nothing was written."""
    FAILED = "failed"
    WAITING = "waiting"
    """It could not be written yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one row, and why."""

    result: Result
    code: str
    words: str
    client_id: str | None = None
    """In the PIMS."""
    candidates: tuple[str, ...] = ()
    """Ids of PIMS clients who may be meant."""


class Importer:
    """The work on the rows of one pair."""

    def __init__(self, pair: Pair, ledger: Ledger, clock: Clock, timings: Timings, point: Point) -> None:
        self.pair = pair
        self._ledger = ledger
        self._clock = clock
        self._keeper = Keeper(pair)
        self._matcher = Matcher(ledger, pair.pims.account, country=pair.country, branches=pair.branches)
        self._resolver = Resolver(pair, ledger, clock, timings)
        self._writer = Writer(pair.pims, ledger, clock, timings, point, fuse=pair.fuse, quota=pair.quota)
        self._placer = Placer(pair, ledger, self._writer, self._keeper)
        self._rows: dict[str, Client] = {}
        self.matches: dict[str, Match] = {}
        """What was found about a row when it was worked on, by its id."""

    def at_hand(self, rows: Mapping[str, Client]) -> None:
        """These rows, and no others, may be written now; by their ids."""
        self._rows = dict(rows)
        self.matches = {}

    def match(self, client: Client) -> Match:
        """Who is meant by a row, as the mirror tells it."""
        return self._matcher.match(client, None, but=self.pair.never_meant).match

    def work(self, job: Job) -> Ending:
        """Makes the client of one row, unless the PIMS has it. What became of an earlier try is found out first."""
        given = given_answer(self._ledger, job)
        self._writer.settle_unknown(job, self._keeper.in_pims(job), given.said if given else None)
        if given is not None:
            mark_applied(self._ledger, job, given)
        with self._ledger.read() as tx:
            made = actions.made(tx, job.record_id, Kind.CLIENT, self.pair.pims.account)
        if made is not None:
            return CREATED
        client = self._rows.get(job.remote_id)
        if client is None:
            return NOT_AT_HAND
        if not self.pair.may_create_clients:
            return OFF
        self._writer.reserve(job, "contact", _contacts(client, self.pair.country), "record with the same contact")
        # The resolver asks for a booking; of a row there is no visit, and nobody looks at its time.
        booking = Appointment(booker=client, start=Instant(self._clock.now(), self.pair.zone), duration=0)
        resolution = self._resolver.resolve(booking)
        self.matches[job.remote_id] = resolution.match
        if resolution.verdict is Verdict.LINKED:
            return ALREADY_THERE
        if resolution.verdict is Verdict.REVIEW:
            reason = resolution.match.reason
            return Ending(state=ChangeState.SKIPPED, code=reason, message=REASONS.get(reason, resolution.match.words))
        self._placer.create_client(job, booking, linked=False)
        return CREATED


def import_clients(
    engine: Engine, importer: Importer, ledger: Ledger, rows: Iterable[Client], drain: Callable[[], None]
) -> Iterator[Outcome]:
    """Decides about each row, makes those who are new, and says what became of each, in their order.

    ``drain`` works on what is due. Stops making clients where the PIMS does not answer: what is left waits.
    """
    seen: set[str] = set()
    for batch in _batches(rows, importer.pair.country):
        yield from _batch(engine, importer, ledger, batch, seen, drain)
    engine.only = None
    importer.at_hand({})


def _batches(rows: Iterable[Client], country: str) -> Iterator[list[Client]]:
    """The rows in their order, in batches in which no two share a contact: of two, the first is there first."""
    batch: list[Client] = []
    taken: set[str] = set()
    for client in rows:
        contacts = _contacts(client, country)
        if len(batch) == BATCH or not taken.isdisjoint(contacts):
            yield batch
            batch, taken = [], set()
        batch.append(client)
        taken |= contacts
    if batch:
        yield batch


def _batch(
    engine: Engine,
    importer: Importer,
    ledger: Ledger,
    batch: Sequence[Client],
    seen: set[str],
    drain: Callable[[], None],
) -> Iterator[Outcome]:
    account = importer.pair.pims.account
    with ledger.read() as tx:
        ids = [file_rows.row_id(tx, _values(client, importer.pair.country)) for client in batch]
        before = file_rows.newest_changes(tx, account, ids)
    decided: dict[int, Outcome] = {}
    wanted: dict[str, Client] = {}
    for place, (id_, client) in enumerate(zip(ids, batch, strict=True)):
        if id_ in seen:
            decided[place] = Outcome(
                result=Result.LINKED, code="row-twice", words="an earlier row of the file says the same"
            )
            continue
        seen.add(id_)
        known = before.get(id_)
        if known is None or known.state not in OPEN_STATES:
            outcome = _decided(importer.match(client))
            if outcome is not None:
                decided[place] = outcome
                continue
        wanted[id_] = client
    if wanted:
        importer.at_hand(wanted)
        with ledger.write() as tx:
            engine.only = frozenset(
                changes.receive(
                    tx, site=importer.pair.site, account=account, kind=Kind.CLIENT, remote_id=id_, source=SOURCE
                ).record_id
                for id_ in wanted
            )
        drain()
        with ledger.read() as tx:
            after = file_rows.newest_changes(tx, account, list(wanted))
            made = {id_: actions.made(tx, change.record_id, Kind.CLIENT, account) for id_, change in after.items()}
    for place, id_ in enumerate(ids):
        yield decided.get(place) or _became(after[id_], made[id_], importer.matches.get(id_))


def _decided(match: Match) -> Outcome | None:
    """What the mirror tells about a row; None where nobody alike is in it."""
    words = REASONS.get(match.reason, match.words)
    if match.verdict is Verdict.LINKED:
        return Outcome(result=Result.LINKED, code=match.reason, words=words, client_id=match.client_id)
    if match.verdict is Verdict.REVIEW:
        return Outcome(result=Result.REVIEW, code=match.reason, words=words, candidates=_candidates(match))
    return None


def _became(change: Change, made: str | None, match: Match | None) -> Outcome:
    """What became of a row that was worked on."""
    if change.state == ChangeState.DONE:
        return Outcome(result=Result.CREATED, code=change.code, words=change.message, client_id=made)
    if change.state == ChangeState.SKIPPED:
        decided = None if match is None else _decided(match)
        return decided or Outcome(result=Result.REVIEW, code=change.code, words=change.message)
    if change.state == ChangeState.REVIEW:
        words = f"{change.message}; `vetbridge review list` asks about it"
        return Outcome(result=Result.REVIEW, code=change.code, words=words)
    if change.state == ChangeState.FAILED:
        return Outcome(result=Result.FAILED, code=change.code, words=change.message)
    words = f"{change.message or 'the PIMS is not asked now'}; import the file again later"
    return Outcome(result=Result.WAITING, code=change.code or "not-begun", words=words)


def _contacts(client: Client, country: str) -> frozenset[str]:
    return contact_keys(forms_of(client, [], country))


def _candidates(match: Match) -> tuple[str, ...]:
    return tuple(candidate.client_id for candidate in match.candidates)


def _values(client: Client, country: str) -> list[str]:
    """What makes a row the same row, however it is written."""
    phones = sorted({number for text in client.phones for number in normalise.phones(text, country)})
    emails = sorted({address for text in client.emails for address in normalise.emails(text)})
    return [normalise.name(client.given_name), normalise.name(client.family_name), *phones, *emails]
