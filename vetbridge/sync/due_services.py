"""Keeps what stands on clients of the booking side, here called cards, about due services as the policy says, and
sends the notices.

VetBridge owns the fields of a card that are given to it for this, and no other: whatever people write there goes with
the next change. To take something off, the ledger is asked alone; before something is put there, and before a notice,
the owner, the pets and the card are read anew.

A notice is written down before it is sent, key by key, and is never sent again, whatever becomes of the answer. Where
the card has a field for it, it bears a stamp, by which a ledger that was restored from a backup knows what it has
forgotten.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import structlog

from vetbridge.connector.clock import Clock
from vetbridge.connector.interface import KindCapabilities, Operation, Write
from vetbridge.core import due as core
from vetbridge.core.due import DueNotice, DuePolicy
from vetbridge.core.errors import BadAnswer, OutcomeUnknown, Refused, Stale, VetBridgeError
from vetbridge.core.instants import Instant
from vetbridge.core.records import Client, Kind, Pet, Record, Reminder
from vetbridge.ledger import changes, due, going_live, mirror
from vetbridge.ledger.database import Ledger, Transaction
from vetbridge.ledger.due import Card, Standing, Told
from vetbridge.ledger.tables import Change, ChangeState
from vetbridge.sync.due_reading import DueReader, listed
from vetbridge.sync.forgotten import require_known
from vetbridge.sync.job import Ending, Enter, Job, PutOff
from vetbridge.sync.pair import NoticePolicy, Pair, Timings
from vetbridge.sync.succession import note_moves
from vetbridge.sync.writing import Point, Step, Writer

log = structlog.get_logger("vetbridge.sync")

MOST_OPEN = 20
"""So many cards of a site wait to be worked on at the most: bookings that come meanwhile stand behind no more."""
BATCH = 50
"""Cards that one transaction looks at."""
MOST_BATCHES = 20
"""So many of these in one round, at the least."""
MOST_NAMED = 5
"""So many pets, and so many services, a notice names at the most: some owners have hundreds."""
NOTICE_HOURS = "notice-hours"
"""Code of a change whose notice waits for the hours in which messages go out."""
NOTICE_LIMIT = "notice-limit"
"""The same for one that would be too many for the day."""
NOTICE_UNREAD = "notice-unread"
"""The same for one that waits until the PIMS was read that day: what is known may be out of date."""
NOTICE_BOOKING = "notice-booking"
"""The same for one whose owner has just booked or moved a visit: nobody knows yet whether that holds it back."""
NOTICE_CLOCK = "notice-clock"
"""The same for one on a machine whose clock both sides contradict."""
BY_DESIGN = (NOTICE_HOURS, NOTICE_LIMIT, NOTICE_BOOKING)
"""Of these, those for which nobody has to do anything about the notice."""
CLOCK_OFF = 3600.0
"""Seconds by which the clock may be off while notices go out."""
_LITTLE_WAIT = timedelta(minutes=10)
_BOOKING_WAIT = timedelta(seconds=30)

SAID = ("name", "pet_name", "due_on", "due_soon", "overdue")
"""What a card says about due services; a notice's stamp says nothing about them."""
_NEXT_DAYS = 8

_SHOWN = Ending(state=ChangeState.DONE, code="due-shown", message="the card says which service is due next")
_CLEARED = Ending(state=ChangeState.DONE, code="due-cleared", message="nothing is due any more, and the card says so")
_STANDS = Ending(state=ChangeState.SKIPPED, code="due-stands", message="the card says already what is due")
_NOTICED = Ending(state=ChangeState.DONE, code="notice-sent", message="the owner was sent a notice of what is due")
_UNSURE = Ending(
    state=ChangeState.DONE,
    code="notice-unsure",
    message="the answer to a notice was lost: the owner may have got it, and it is not sent again",
)
_NOT_WANTED = Ending(
    state=ChangeState.SKIPPED, code="due-not-wanted", message="nothing is to be done at this site about due services"
)
_NOT_LINKED = Ending(
    state=ChangeState.SKIPPED, code="due-not-linked", message="nobody knows which client of the PIMS this is"
)
_NOT_READ = Ending(
    state=ChangeState.SKIPPED, code="due-not-read", message="the PIMS's due services have not all been read yet"
)
_GONE = Ending(state=ChangeState.SKIPPED, code="gone", message="the booking side does not show this client")


@dataclass(frozen=True, slots=True)
class _Seen:
    """A card as it is now, and what holds for its owner."""

    card: Card | None
    stands: Standing | None
    shown: Reminder
    standing: core.Standing | None
    today: date
    looked_on: str
    """As ``due.looked_on`` told before anything was worked out."""


class DueServices:
    """The work on the cards of one pair."""

    def __init__(self, pair: Pair, ledger: Ledger, clock: Clock, timings: Timings, point: Point) -> None:
        self._pair = pair
        self._ledger = ledger
        self._clock = clock
        self._timings = timings
        self._point = point
        self._writer = Writer(pair.booking, ledger, clock, timings, point, fuse=pair.fuse)
        self._reader = DueReader(pair, ledger)

    def told(self, kind: Kind, remote_id: str) -> Ending:
        """Works on a hint about a vaccination or a due service of the PIMS."""
        return self._reader.one(kind, remote_id)

    def work(self, job: Job, enter: Enter) -> Ending:
        """Brings one card up to date, and sends a notice where one is due."""
        pair, card_id = self._pair, job.remote_id
        self._writer.settle_unknown(job, {Kind.REMINDER: self._keep})
        enter(job, changes.client_lane(pair.booking.account, card_id))
        unsure = self._doubt_notices(job)
        ending = self._work(job)
        return _UNSURE if unsure and ending.state is not ChangeState.FAILED else ending

    def _work(self, job: Job) -> Ending:
        policy = self._pair.due
        if policy is None or not serves(self._pair):
            return _NOT_WANTED
        shown = self._shown(job.remote_id)
        if shown is None:
            with self._ledger.write() as tx:
                changes.held(tx, job.leases)
                self._note_gone(tx, job.remote_id)
            return _GONE
        seen = self._see(job, shown, policy, silent=False)
        if seen.card is None and seen.stands is None:
            return _NOT_LINKED
        if seen.stands is None and not self._is_read():
            return _NOT_READ
        notice, fields = self._notice(job, seen), self._fields(seen)
        if any(fields.values()) or (notice is not None and self._waits(job) is None):
            seen = self._read_anew(job, seen, policy)
            notice, fields = self._notice(job, seen), self._fields(seen)
        waits = None if notice is None else self._waits(job)
        ending = self._show(job, seen, fields, notice if waits is None else None)
        self._note_looked(job, seen)
        if waits is not None:
            raise waits
        return ending if notice is None else self._send(job, seen, notice)

    def _note_gone(self, tx: Transaction, card_id: str) -> None:
        """A card that is linked may be hidden for a while: what stands on it must be taken off once it is shown."""
        account = self._pair.booking.account
        if due.card(tx, account, card_id) is None:
            due.drop(tx, account, card_id)
        else:
            before, today = due.looked_on(tx, account, card_id), _today(tx, self._pair)
            due.looked(tx, account, card_id, self._pair.site, today, before=before)

    def _note_looked(self, job: Job, seen: _Seen) -> None:
        """A notice that is due, and cannot follow from this change, is looked for by the next round."""
        account = self._pair.booking.account
        with self._ledger.write() as tx:
            changes.held(tx, job.leases)
            due.looked(tx, account, job.remote_id, self._pair.site, seen.today, before=seen.looked_on)
            left = seen.standing is not None and seen.standing.notice is not None
            if left and self._pair.notices is not None and not self._is_of_the_day(tx, job):
                due.look_again_at(tx, account, job.remote_id)

    # -- what is known

    def _shown(self, card_id: str) -> Reminder | None:
        record = self._pair.booking.read(Kind.REMINDER, card_id)
        assert record is None or isinstance(record, Reminder)  # noqa: S101 - what the mapper makes of this kind
        return record

    def _see(self, job: Job, shown: Reminder, policy: DuePolicy, *, silent: bool) -> _Seen:
        """``silent``: the card was read anew, and its owner wants no messages."""
        account, card_id = self._pair.booking.account, job.remote_id
        with self._ledger.write() as tx:
            require_known(tx, account, Kind.CLIENT, card_id)
            today = _today(tx, self._pair)
            if self._pair.notices is not None:
                due.notices_since(tx, self._pair.site, today)
            card = due.card(tx, account, card_id)
            standing = None
            if card is not None:
                standing = _standing(tx, self._pair, replace(card, opted_out=card.opted_out or silent), policy, today)
            looked_on = due.looked_on(tx, account, card_id)
            return _Seen(card, due.standing(tx, account, card_id), shown, standing, today, looked_on)

    def _read_anew(self, job: Job, seen: _Seen, policy: DuePolicy) -> _Seen:
        """What holds by fresh reads of the card, of its owners and of all pets of whom something would be said."""
        read: set[tuple[Kind, str]] = set()
        silent = self._is_silent(job.remote_id)
        while seen.card is not None and seen.standing is not None:
            concerned = {(Kind.CLIENT, id_) for id_ in seen.card.pims_ids}
            concerned |= {(Kind.PET, one.pet_id) for one in seen.standing.services if one.held is None}
            if concerned <= read:
                break
            for kind, id_ in sorted(concerned - read):
                self._read_person(job, seen.card, kind, id_)
            read |= concerned
            seen = self._see(job, seen.shown, policy, silent=silent)
        return seen

    def _is_silent(self, card_id: str) -> bool:
        end = self._pair.booking
        if "opted_out" not in end.mapper.readable(Kind.CLIENT):
            return False
        card = end.read(Kind.CLIENT, card_id)
        return isinstance(card, Client) and bool(card.opted_out)

    def _read_person(self, job: Job, card: Card, kind: Kind, id_: str) -> None:
        """Reads a client or a pet of the PIMS into the mirror; one that it does not show is inactive."""
        end = self._pair.pims
        record = end.read(kind, id_)
        with self._ledger.write() as tx:
            changes.held(tx, job.leases)
            if record is None:
                known = mirror.clients(tx, end.account, due.clients_of_pets(tx, end.account, [id_]) | {id_})
                people: list[Client | Pet] = [one.client for one in known] if kind is Kind.CLIENT else []
                people += [pet for one in known for pet in one.pets] if kind is Kind.PET else []
                mirror.put(tx, end.account, [replace(one, active=False) for one in people if one.id == id_])
            elif isinstance(record, (Client, Pet)):
                note_moves(tx, end.account, [record])
                mirror.put(tx, end.account, [record])
                if isinstance(record, Pet) and record.client_id not in (None, *card.pims_ids):
                    due.look_again(tx, end.account, [record.client_id or ""])

    def _is_read(self) -> bool:
        with self._ledger.read() as tx:
            return due.is_read(tx, self._pair.pims.account)

    # -- the card

    def _fields(self, seen: _Seen) -> dict[str, object]:
        """What is to be written: whatever differs, but for what the side has made of the same before."""
        wanted, stands = _wanted(self._pair, seen.shown.id or "", seen.standing), seen.stands
        fields = {}
        for name in SAID:
            want, now = getattr(wanted, name), getattr(seen.shown, name)
            kept = stands is not None and (want, now) == (getattr(stands.wanted, name), getattr(stands.shown, name))
            if want != now and not kept and name in _able(self._pair):
                fields[name] = want
        return fields

    def _show(self, job: Job, seen: _Seen, fields: Mapping[str, object], notice: DueNotice | None) -> Ending:
        account, card_id = self._pair.booking.account, job.remote_id
        wanted = _wanted(self._pair, card_id, seen.standing)
        stamp = "" if seen.stands is None else seen.stands.stamp
        written = dict(fields)
        if notice is not None and "notified" in _able(self._pair):
            with self._ledger.read() as tx:
                stamp = due.stamp_of(tx, account, card_id, notice.keys, seen.today)
            if seen.shown.notified != stamp:
                written["notified"] = stamp
        payload = {"wanted": wanted, "stamp": stamp, "linked": seen.card is not None}
        if not written:
            with self._ledger.write() as tx:
                changes.held(tx, job.leases)
                if seen.stands is not None or not due.is_blank(seen.shown):
                    self._keep(tx, payload, seen.shown)
            return _STANDS
        step = Step(
            kind=Kind.REMINDER,
            operation=Operation.UPDATE,
            fields=written,
            remote_id=card_id,
            version=seen.shown.version,
            before=seen.shown,
            payload=payload,
        )
        self._writer.write(job, step, self._keep)
        return _CLEARED if due.is_blank(wanted) else _SHOWN

    def _keep(self, tx: Transaction, payload: Mapping[str, Any], record: Record) -> None:
        """The ``Keep`` of a card: what stands on it from now on."""
        assert isinstance(record, Reminder)  # noqa: S101 - what the mapper makes of this kind
        shown = replace(record, version=None)
        stands = Standing(wanted=payload["wanted"], shown=shown, stamp=str(payload["stamp"]))
        forget = due.is_blank(shown) and not payload["linked"]
        due.stands(tx, self._pair.booking.account, record.id or "", self._pair.site, None if forget else stands)

    # -- the notice

    def _doubt_notices(self, job: Job) -> bool:
        """Notices that were written down before a crash may have been sent, and count as sent; whether there are
        any."""
        account, card_id = self._pair.booking.account, job.remote_id
        with self._ledger.write() as tx:
            changes.held(tx, job.leases)
            stamps = due.in_doubt(tx, account, card_id)
            for stamp in stamps:
                due.ended(tx, account, card_id, stamp, due.UNKNOWN)
        return bool(stamps)

    def _notice(self, job: Job, seen: _Seen) -> DueNotice | None:
        """The notice that may go out for this change; None where none is due, or a person, an import or a repair has
        asked for the change, and not the day."""
        found = None if seen.standing is None else seen.standing.notice
        if found is None or self._pair.notices is None or not _can(self._pair).notify:
            return None
        with self._ledger.read() as tx:
            midnight = _midnight(self._pair, seen.today)
            if not self._is_of_the_day(tx, job) or due.noticed_since(tx, self._cards(tx, seen), midnight):
                return None
        stamp = seen.shown.notified
        stamped_on = due.stamped_on(stamp)
        forgotten = stamped_on is not None and stamp != ("" if seen.stands is None else seen.stands.stamp)
        if forgotten and stamped_on is not None and stamped_on >= found.day:
            return None  # VetBridge has sent one since that day, and knows no more of it than this
        return found

    @staticmethod
    def _cards(tx: Transaction, seen: _Seen) -> frozenset[tuple[str, str]]:
        """All cards of the owners: who has several is told once."""
        return frozenset() if seen.card is None else due.cards_of_owners(tx, seen.card)

    @staticmethod
    def _is_of_the_day(tx: Transaction, job: Job) -> bool:
        """Whether a round has opened a change, and nobody has asked for it: law 10."""
        return tx.session.get_one(Change, job.change_id).source == due.SOURCE

    def _waits(self, job: Job) -> PutOff | None:
        """How a notice is put off that may not go out now: outside of the hours, as the day has had its share, or as
        what is known may not be how it is."""
        policy = self._pair.notices
        assert policy is not None  # noqa: S101 - else there is no notice
        with self._ledger.read() as tx:
            local = tx.now.astimezone(ZoneInfo(self._pair.zone))
            midnight = _midnight(self._pair, local.date())
            spent = due.sent_since(tx, self._pair.booking.account, midnight) >= policy.per_day
            lane = changes.client_lane(self._pair.booking.account, job.remote_id)
            is_booking = bool(changes.open_in_lane(tx, lane, Kind.APPOINTMENT))
            was_read = due.was_read_since(tx, self._pair.pims.account, listed(self._pair.pims), midnight)
        if not is_open(policy, local):
            return PutOff(opens_at(policy, local), NOTICE_HOURS, "a notice waits for the hours of messages")
        if spent:
            tomorrow = midnight + timedelta(days=1)
            words = f"{policy.per_day} notices were sent today, and no more are"
            return PutOff(opens_at(policy, tomorrow), NOTICE_LIMIT, words)
        if not was_read:
            words = "the visits and due services of the PIMS were not read yet today, and a notice waits for that"
            return PutOff(local + _LITTLE_WAIT, NOTICE_UNREAD, words)
        if is_booking:
            words = "a visit of this owner is not settled yet, and a notice waits for that"
            return PutOff(local + _BOOKING_WAIT, NOTICE_BOOKING, words)
        ends = (self._pair.booking, self._pair.pims)
        told = [seconds for end in ends for seconds in end.connector.skew.newest()[-1:]]
        if told and min(map(abs, told)) > CLOCK_OFF:
            words = "this machine's clock is far from those of the vendors, and a notice waits until it is set right"
            return PutOff(local + _LITTLE_WAIT, NOTICE_CLOCK, words)
        return None

    def _send(self, job: Job, seen: _Seen, notice: DueNotice) -> Ending:
        """Sends a notice, once."""
        policy, account, card_id = self._pair.notices, self._pair.booking.account, job.remote_id
        assert policy is not None  # noqa: S101 - else there is no notice
        began = self._clock.steady()
        with self._ledger.write() as tx:
            changes.renew(tx, job.leases, timedelta(seconds=self._timings.lease))
            midnight = _midnight(self._pair, seen.today)
            if due.noticed_since(tx, self._cards(tx, seen), midnight):
                return _STANDS  # meanwhile, at another card of theirs
            stamp = due.stamp_of(tx, account, card_id, notice.keys, seen.today)
            due.intend(tx, account, card_id, notice.keys, stamp)
        self._point("notice-intended")
        if self._clock.steady() - began + self._pair.booking.timeout >= self._timings.lease:
            self._ended(card_id, stamp, None)
            raise Stale("the work stood still for too long to send a notice; it is looked at again")
        text = words_of(policy, notice)
        try:
            self._pair.booking.connector.apply(
                Write(operation=Operation.NOTIFY, kind=Kind.REMINDER, id=card_id, native={"text": text})
            )
        except (OutcomeUnknown, BadAnswer):
            self._ended(card_id, stamp, due.UNKNOWN)
            return _UNSURE
        except Refused as error:
            self._ended(card_id, stamp, due.NOT_DONE)
            return Ending(state=ChangeState.FAILED, code=error.code, message=error.message)
        except VetBridgeError:
            self._ended(card_id, stamp, None)
            raise
        self._point("notice-sent")
        self._ended(card_id, stamp, due.SENT)
        self._log_in_pims(seen, notice, text)
        return _NOTICED

    def _log_in_pims(self, seen: _Seen, notice: DueNotice, text: str) -> None:
        """Writes a notice that was sent into the PIMS's own log, where it keeps one: once at the most, for the owner
        must not seem to have been told twice. A line that is not taken is missing there, and nothing else is."""
        end = self._pair.pims
        if seen.card is None or not end.connector.capabilities.of(Kind.REMINDER).logs:
            return
        pets = {one.pet_id for one in notice.services}
        with self._ledger.read() as tx:
            owner = mirror.owner_of(tx, end.account, notice.services[0].pet_id)
        client_id = owner if owner in seen.card.pims_ids else seen.card.pims_ids[0]
        native = {
            "client_id": client_id,
            "pet_id": pets.pop() if len(pets) == 1 else None,
            "text": text,
            "at": Instant(self._clock.now(), self._pair.zone),
        }
        try:
            end.connector.apply(Write(operation=Operation.LOG, kind=Kind.REMINDER, id=client_id, native=native))
        except VetBridgeError as error:
            log.warning("notice.not_logged", account=end.account, code=error.code)

    def _ended(self, card_id: str, stamp: str, state: str | None) -> None:
        """Says what became of a notice, whoever has the lane by now; None: it is known not to have been sent."""
        with self._ledger.write() as tx:
            if state is None:
                due.not_sent(tx, self._pair.booking.account, card_id, stamp)
            else:
                due.ended(tx, self._pair.booking.account, card_id, stamp, state)


class DueRound:
    """Finds the cards of one pair whose standing may be another one today: for each day once, and whenever something
    was read of their owners. It asks the ledger alone."""

    def __init__(self, pair: Pair, ledger: Ledger) -> None:
        self._pair = pair
        self._ledger = ledger

    def pass_(self, most: int = MOST_OPEN) -> int:
        """Looks at the next cards; returns how many changes it opened.

        Nothing is looked at in the shadow, and before the PIMS was read on this day: after a standstill cards do not
        say what held before it. ``most``: so many changes wait to be worked on at the most.
        """
        pair, policy = self._pair, self._pair.due
        if policy is None or not serves(pair):
            return 0
        with self._ledger.write() as tx:
            if pair.site in going_live.held_back(tx) or not due.is_read(tx, pair.pims.account):
                return 0
            midnight = _midnight(pair, _today(tx, pair))
            if not due.was_read_since(tx, pair.pims.account, listed(pair.pims), midnight):
                return 0
            if pair.notices is None:
                due.no_notices(tx, pair.site)
            else:
                due.notices_since(tx, pair.site, _today(tx, pair))
            room = most - due.open_now(tx, pair.site)
        opened = 0
        for _ in range(max(MOST_BATCHES, most)):
            found = self._batch(policy, room - opened) if opened < room else None
            if found is None:
                break
            opened += found
        return opened

    def _batch(self, policy: DuePolicy, room: int) -> int | None:
        """Looks at some cards; returns how many changes it opened, as many as there is room for, and None where all
        cards were looked at.

        What comes up between the look and its keeping has the card looked at once more.
        """
        pair = self._pair
        before: dict[str, str] = {}
        news: list[str] = []
        with self._ledger.read() as tx:
            today = _today(tx, pair)
            for id_, was in due.not_looked_at(tx, pair.booking.account, today, most=BATCH).items():
                if len(news) == room:
                    break
                before[id_] = was
                if self._is_news(tx, id_, policy, today):
                    news.append(id_)
        if not before:
            return None
        with self._ledger.write() as tx:
            due.looked_all(tx, pair.booking.account, pair.site, today, before)
            for id_ in news:
                changes.receive(
                    tx,
                    site=pair.site,
                    account=pair.booking.account,
                    kind=Kind.REMINDER,
                    remote_id=id_,
                    source=due.SOURCE,
                )
        return len(news)

    def _is_news(self, tx: Transaction, card_id: str, policy: DuePolicy, today: date) -> bool:
        """Whether a card says something else than it should, or its owner is to be sent a notice."""
        pair = self._pair
        card = due.card(tx, pair.booking.account, card_id)
        if card is None:
            return due.standing(tx, pair.booking.account, card_id) is not None
        restored_at = going_live.restored_at(tx)
        if restored_at is not None and due.is_older_than(tx, pair.booking.account, card_id, restored_at):
            return True
        standing = _standing(tx, pair, card, policy, today)
        wanted = _wanted(pair, card_id, standing)
        before = Reminder() if card.stands is None else card.stands.wanted
        if any(getattr(wanted, name) != getattr(before, name) for name in _able(pair).intersection(SAID)):
            return True
        return standing.notice is not None and pair.notices is not None and _can(pair).notify


def _today(tx: Transaction, pair: Pair) -> date:
    return tx.now.astimezone(ZoneInfo(pair.zone)).date()


def _midnight(pair: Pair, day: date) -> datetime:
    """When a day begins, by the site's clock."""
    return datetime.combine(day, time.min, ZoneInfo(pair.zone))


def _standing(tx: Transaction, pair: Pair, card: Card, policy: DuePolicy, today: date) -> core.Standing:
    owner = due.owner_of(tx, card, pair.zone)
    if pair.notices is None:
        return core.standing(owner, policy, today)
    since = due.notices_began(tx, pair.site) or today
    return core.standing(owner, policy, today, told=Told(tx, due.cards_of_owners(tx, card)), since=since)


def _wanted(pair: Pair, card_id: str, standing: core.Standing | None) -> Reminder:
    """What is to stand on a card, as long as the side keeps it; None: nothing."""
    if standing is None:
        return Reminder(id=card_id, client_id=card_id)
    limits, next_ = _can(pair).text_limits, standing.next
    return Reminder(
        id=card_id,
        client_id=card_id,
        name="" if next_ is None else next_.name[: limits.get("name")],
        pet_name="" if next_ is None else next_.pet_name[: limits.get("pet_name")],
        due_on=None if next_ is None else next_.due_on,
        due_soon=standing.due_soon,
        overdue=standing.overdue,
    )


def _can(pair: Pair) -> KindCapabilities:
    return pair.booking.connector.capabilities.of(Kind.REMINDER)


def _able(pair: Pair) -> frozenset[str]:
    """What the booking side keeps on a card about due services."""
    return _can(pair).update & pair.booking.mapper.writable(Kind.REMINDER)


def serves(pair: Pair) -> bool:
    """Whether the booking side has any place for what is due."""
    return bool(_able(pair)) or _can(pair).notify


def words_of(policy: NoticePolicy, notice: DueNotice) -> str:
    """The message of a notice."""
    return policy.text.format(
        clinic=policy.clinic,
        pets=_named(one.pet_name for one in notice.services),
        services=_named(one.name for one in notice.services),
        date=min(one.due_on for one in notice.services).isoformat(),
    )


def _named(names: Iterable[str]) -> str:
    every = tuple(dict.fromkeys(names))
    return ", ".join((*every[:MOST_NAMED], *(("...",) if len(every) > MOST_NAMED else ())))


def is_open(policy: NoticePolicy, local: datetime) -> bool:
    """Whether notices may go out at a moment, by the site's clock."""
    now = local.time().replace(tzinfo=None)
    closed = policy.closes != policy.closes.min and now >= policy.closes
    return local.weekday() in policy.weekdays and now >= policy.opens and not closed


def opens_at(policy: NoticePolicy, local: datetime) -> datetime:
    """The first moment from ``local`` on, by the site's clock, at which notices may go out."""
    for days in range(_NEXT_DAYS):
        day = local.date() + timedelta(days=days)
        begin = datetime.combine(day, policy.opens, local.tzinfo)
        if day.weekday() in policy.weekdays and begin >= local:
            return begin
    return local + timedelta(days=1)
