"""Due services: what the mirror keeps of pets' vaccinations, reminders and visits, what stands on the cards of the
booking side, and the notices that were sent.

A card is a client of the booking side; it may be shared by several clients of the PIMS.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlmodel import col, select

from vetbridge.core.due import Owner, PetVisit
from vetbridge.core.records import Appointment, AppointmentStatus, Kind, Reminder, Vaccination
from vetbridge.ledger import accounts, changes, going_live, links, mirror, statements, suppression
from vetbridge.ledger.content import plain, rich
from vetbridge.ledger.database import Transaction
from vetbridge.ledger.sealing import Sealer
from vetbridge.ledger.tables import OPEN_STATES, Change, Cursor, Due, Link, Meta, Mirror, Notice

OfPet = Vaccination | Reminder | Appointment
"""What is kept of a pet, to know which services are due."""

KINDS = (Kind.VACCINATION, Kind.REMINDER, Kind.APPOINTMENT)
"""The kinds of these."""
VISITS_KEPT = timedelta(days=400)
"""A visit that began longer ago holds no service back any more, unless the config looks further back."""
_LONGEST_KEPT = timedelta(days=3660)
_VISITS = "visits_kept"

SOURCE = "due"
"""Source of a change of a card for which a new day, or news of its pets, has brought something."""
ENDED = "due-ended"
"""The same where somebody has died, left or wants no messages: no notice follows from that."""

NOTICES_KEPT = timedelta(days=1098)
"""A notice of longer ago is about told days that are over: what went along with it was due within ``merge_days``, is
told ``late_days`` later at the most, and neither is more than a year."""

INTENDED, SENT, UNKNOWN, NOT_DONE = "intended", "sent", "unknown", "not_done"
"""States of a notice."""

TABLE: sa.Table = Mirror.__table__  # type: ignore[attr-defined]
DUE: sa.Table = Due.__table__  # type: ignore[attr-defined]
_OFF = frozenset({AppointmentStatus.CANCELLED, AppointmentStatus.NO_SHOW})
_OPTED_OUT = "opted_out"
NOTICES_SINCE = "notices_since/"
"""Begin of the keys of what is kept of when each site began to send notices."""
_READ = "due_services_read/"


# -- what the PIMS tells of pets -------------------------------------------------------------------------------------


def put(tx: Transaction, account: str, records: Iterable[OfPet]) -> set[str]:
    """Stores what was read of pets; returns the pets of which something has changed.

    Of a visit only the pet, the start, the type and the status are kept. What no longer counts is taken out: a visit
    that is off or long over, and whatever names no pet. Nothing is kept of pets and owners who were forgotten.
    """
    every = [_small(record) for record in records if record.id]
    lost = suppression.ids_forgotten(tx, account, Kind.PET, [one.pet_id for one in every if one.pet_id])
    lost_visits = suppression.ids_forgotten(
        tx, account, Kind.APPOINTMENT, [one.id or "" for one in every if isinstance(one, Appointment)]
    )
    oldest = tx.now - visits_kept(tx)
    changed: set[str] = set()
    for kind in KINDS:
        read = {one.id or "": one for one in every if _kind(one) is kind}
        wanted = {
            id_: one
            for id_, one in read.items()
            if one.pet_id and one.pet_id not in lost and id_ not in lost_visits and not _is_over(one, oldest)
        }
        changed |= _put(tx, account, kind, wanted)
        changed |= remove(tx, account, kind, read.keys() - wanted.keys())
    return changed


def _put(tx: Transaction, account: str, kind: Kind, wanted: Mapping[str, OfPet]) -> set[str]:
    before = mirror.held(tx, account, kind, sorted(wanted))
    changed: set[str] = set()
    rows = []
    for id_, record in wanted.items():
        content = plain(replace(record, version=None))
        digest = tx.sealer.hash(repr(content))
        held = before.get(id_)
        if held is not None and held.digest_hash == digest:
            continue
        changed |= {each for each in (held and held.parent_id, record.pet_id) if each}
        active = isinstance(record, Appointment) or record.active
        rows.append(mirror.Kept(kind, id_, record.pet_id, active, tx.sealer.seal(content), digest))
    mirror.store(tx, account, rows)
    return changed


def remove(tx: Transaction, account: str, kind: Kind, ids: Collection[str]) -> set[str]:
    """Takes what is gone out of the mirror; returns the pets that had any of it."""
    gone = mirror.held(tx, account, kind, sorted(ids))
    statements.run(
        tx,
        "DELETE FROM mirror WHERE account = ? AND kind = ? AND remote_id = ?",
        [(account, kind.value, id_) for id_ in sorted(gone)],
    )
    return {row.parent_id for row in gone.values() if row.parent_id}


def old_visits(
    tx: Transaction, after: tuple[str, str], *, most: int
) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """The next visits of the mirror, by account and id, and those of them that began too long ago."""
    account, id_ = after
    while not (rows := _visits_from(tx, account, id_, most)):
        following = tx.session.scalar(sa.select(sa.func.min(TABLE.c.account)).where(TABLE.c.account > account))
        if following is None:
            break
        account, id_ = following, ""
    oldest = tx.now - visits_kept(tx)
    old = [
        (account, id_)
        for account, id_, sealed in rows
        if sealed is not None and _is_over(rich(tx.sealer.open(sealed)), oldest)
    ]
    return [(account, id_) for account, id_, _ in rows], old


def _visits_from(tx: Transaction, account: str, after: str, most: int) -> Sequence[Any]:
    return tx.session.execute(
        sa.select(TABLE.c.account, TABLE.c.remote_id, TABLE.c.content_sealed)
        .where(TABLE.c.account == account, TABLE.c.kind == Kind.APPOINTMENT, TABLE.c.remote_id > after)
        .order_by(TABLE.c.remote_id)
        .limit(most)
    ).all()


def drop_visits(tx: Transaction, visits: Collection[tuple[str, str]]) -> None:
    """Deletes visits of the mirror, by account and id."""
    for account, id_ in visits:
        remove(tx, account, Kind.APPOINTMENT, [id_])


def _kind(record: OfPet) -> Kind:
    if isinstance(record, Vaccination):
        return Kind.VACCINATION
    return Kind.REMINDER if isinstance(record, Reminder) else Kind.APPOINTMENT


def _small(record: OfPet) -> OfPet:
    if not isinstance(record, Appointment):
        return record
    return Appointment(
        id=record.id,
        pet_id=record.pet_id,
        start=record.start,
        duration=0,
        status=record.status,
        appointment_type=record.appointment_type,
    )


def _is_over(record: OfPet, oldest: datetime) -> bool:
    return isinstance(record, Appointment) and (record.status in _OFF or record.start.utc < oldest)


def visits_kept(tx: Transaction) -> timedelta:
    """How long visits are kept after they began."""
    row = tx.session.get(Meta, _VISITS)
    return VISITS_KEPT if row is None else timedelta(days=int(row.value))


def keep_visits_for(tx: Transaction, wanted: timedelta) -> None:
    """Visits are kept for so long, for 400 days at the least and ten years at the most. Where that is longer than
    before, all are read once more: older ones were dropped, or never read."""
    kept, before = min(max(wanted, VISITS_KEPT), _LONGEST_KEPT), visits_kept(tx)
    tx.session.merge(Meta(key=_VISITS, value=str(kept.days)))
    if kept > before:
        read_only(tx, ())


# -- owners and cards ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A card, the clients of the PIMS whose it is, and what VetBridge has put on it."""

    account: str
    """The booking side's."""
    client_id: str
    """Its id there."""
    pims_account: str
    pims_ids: tuple[str, ...]
    """The one that it is linked with first, then those who share it."""
    opted_out: bool
    """As the card was read last."""
    stands: Standing | None
    """What VetBridge has put on it; None: nothing."""

    @property
    def shown(self) -> Reminder | None:
        """What stands on it, as that side has it; None: nothing."""
        return None if self.stands is None else self.stands.shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What VetBridge knows of what stands on a card."""

    wanted: Reminder
    """What it wanted to stand there."""
    shown: Reminder
    """What the side made of that."""
    stamp: str
    """The stamp of the last notice that it put there."""


def clients_of_pets(tx: Transaction, account: str, pet_ids: Collection[str]) -> set[str]:
    """The PIMS clients whose pets these are, as far as the mirror has them."""
    rows = statements.rows_of(
        tx,
        "SELECT parent_id FROM mirror WHERE account = ? AND kind = ? AND parent_id IS NOT NULL AND remote_id IN",
        (account, Kind.PET.value),
        sorted(pet_ids),
    )
    return {client_id for (client_id,) in rows}


def owner(tx: Transaction, account: str, client_ids: Collection[str], zone: str) -> Owner:
    """What the mirror knows of one or several clients of a PIMS who share a card. ``zone``: the site's.

    Where one of them wants no messages, all count as if they wanted none, because they share what is sent. Where some
    are inactive, the pets of those count as inactive; where all are, the owner does.
    """
    known = mirror.clients(tx, account, client_ids)
    active = any(one.client.active for one in known)
    pets = tuple(
        pet if one.client.active or not active else replace(pet, active=False) for one in known for pet in one.pets
    )
    kept = _of_pets(tx, account, [pet.id for pet in pets if pet.id])
    return Owner(
        pets=pets,
        vaccinations=tuple(one for one in kept if isinstance(one, Vaccination)),
        reminders=tuple(one for one in kept if isinstance(one, Reminder)),
        visits=tuple(
            PetVisit(
                pet_id=one.pet_id or "",
                day=one.start.utc.astimezone(ZoneInfo(zone)).date(),
                appointment_type=one.appointment_type,
            )
            for one in kept
            if isinstance(one, Appointment)
        ),
        active=active,
        opted_out=any(one.client.opted_out for one in known),
    )


def owner_of(tx: Transaction, card: Card, zone: str) -> Owner:
    """What is known of the owner of a card, who wants no messages where the card says so, too."""
    found = owner(tx, card.pims_account, card.pims_ids, zone)
    return replace(found, opted_out=found.opted_out or card.opted_out)


def card(tx: Transaction, account: str, client_id: str) -> Card | None:
    """The card of this id at a booking side, where it is linked."""
    sharing = links.of_client_members(tx, account, client_id)
    if not sharing or sharing[0].role != "primary":
        return None
    first = sharing[0]
    base = links.bases(tx, first)[0] or {}
    return Card(
        account=account,
        client_id=client_id,
        pims_account=first.pims_account,
        pims_ids=tuple(one.pims_id for one in sharing if one.pims_account == first.pims_account),
        opted_out=bool(base.get(_OPTED_OUT)),
        stands=standing(tx, account, client_id),
    )


def cards_of_owners(tx: Transaction, card: Card) -> frozenset[tuple[str, str]]:
    """All cards of those whose card this is, at whatever booking sides: accounts and ids, its own among them."""
    found = links.all_of_pims(tx, card.pims_account, Kind.CLIENT, card.pims_ids)
    return frozenset({(link.booking_account, link.booking_id) for link in found} | {(card.account, card.client_id)})


def cards(tx: Transaction, account: str, *, after: str = "", most: int = 200) -> tuple[Card, ...]:
    """The next cards of a booking side, by id."""
    ids = tx.session.exec(
        select(Link.booking_id)
        .where(*_primary(account), col(Link.booking_id) > after)
        .distinct()
        .order_by(Link.booking_id)
        .limit(most)
    ).all()
    found = (card(tx, account, id_) for id_ in ids)
    return tuple(one for one in found if one is not None)


def not_looked_at(tx: Transaction, account: str, today: date, *, most: int) -> dict[str, str]:
    """Some cards of a booking side for which nobody has worked out yet what stands today, those of linked clients and
    those on which something was left standing; with what is kept in place of the day, for ``looked_all``."""
    unlinked = ~sa.exists().where(*_primary(account), col(Link.booking_id) == col(Due.client_id))
    left = tx.session.exec(
        select(Due.client_id, Due.looked_on)
        .where(Due.account == account, col(Due.content_sealed).is_not(None), Due.looked_on != today.isoformat())
        .where(unlinked)
        .order_by(Due.client_id)
        .limit(most)
    ).all()
    at = sa.and_(col(Due.account) == account, col(Due.client_id) == col(Link.booking_id))
    linked = tx.session.exec(
        select(Link.booking_id, sa.func.coalesce(col(Due.looked_on), ""))
        .outerjoin(Due, at)
        .where(*_primary(account), sa.or_(col(Due.looked_on).is_(None), col(Due.looked_on) != today.isoformat()))
        .distinct()
        .order_by(Link.booking_id)
        .limit(most - len(left))
    ).all()
    return dict((*left, *linked))


def _primary(account: str) -> tuple[Any, ...]:
    return (
        Link.booking_account == account,
        Link.kind == Kind.CLIENT,
        Link.role == "primary",
        col(Link.ended_at).is_(None),
    )


def _of_pets(tx: Transaction, account: str, pet_ids: Sequence[str]) -> list[OfPet]:
    return [
        rich(tx.sealer.open(bytes(sealed)))
        for kind in KINDS
        for (sealed,) in statements.rows_of(
            tx,
            "SELECT content_sealed FROM mirror WHERE account = ? AND kind = ? AND content_sealed IS NOT NULL "
            "AND parent_id IN",
            (account, kind.value),
            sorted(pet_ids),
        )
    ]


# -- what stands on cards --------------------------------------------------------------------------------------------


def standing(tx: Transaction, account: str, client_id: str) -> Standing | None:
    """What VetBridge has put on a card; None: nothing."""
    row = tx.session.get(Due, (account, client_id))
    if row is None or row.content_sealed is None:
        return None
    kept = rich(tx.sealer.open(row.content_sealed))
    return Standing(wanted=kept["wanted"], shown=kept["shown"], stamp=kept["stamp"])


def stands(tx: Transaction, account: str, client_id: str, site: str, found: Standing | None) -> None:
    """Keeps what stands on a card; None: nothing does any more."""
    row = _row(tx, account, client_id, site)
    kept = None if found is None else {"wanted": found.wanted, "shown": found.shown, "stamp": found.stamp}
    row.content_sealed = None if kept is None else tx.sealer.seal(plain(kept))
    row.updated_at = tx.now


def looked_on(tx: Transaction, account: str, client_id: str) -> str:
    """The day for which what stands on a card was worked out last, or what is kept in its place; to be read before it
    is worked out."""
    row = tx.session.get(Due, (account, client_id))
    return "" if row is None else row.looked_on


def looked(tx: Transaction, account: str, client_id: str, site: str, today: date, *, before: str) -> None:
    """What stands on a card is worked out for this day, by a read of the card; not so where there was news since the
    work began with ``before``, as ``looked_on`` has told."""
    row = _row(tx, account, client_id, site)
    row.updated_at = tx.now
    if row.looked_on == before:
        row.looked_on = today.isoformat()


def looked_all(tx: Transaction, account: str, site: str, today: date, before: Mapping[str, str]) -> None:
    """The same of many cards, by the ledger alone. ``before``: as ``not_looked_at`` has told."""
    bound = DUE.c.updated_at.type.bind_processor(tx.session.connection().dialect)
    now = bound(tx.now) if bound else tx.now
    statements.run(
        tx,
        "INSERT INTO due (account, client_id, site, looked_on, updated_at) VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT (account, client_id) DO UPDATE SET looked_on = excluded.looked_on, site = excluded.site "
        "WHERE due.looked_on = ?",
        [(account, id_, site, today.isoformat(), now, was) for id_, was in sorted(before.items())],
    )


def drop(tx: Transaction, account: str, client_id: str) -> None:
    """Keeps nothing of a card that is gone."""
    row = tx.session.get(Due, (account, client_id))
    if row is not None:
        tx.session.delete(row)


def is_older_than(tx: Transaction, account: str, client_id: str, moment: datetime) -> bool:
    """Whether a card was read before a moment, or never."""
    row = tx.session.get(Due, (account, client_id))
    return row is None or row.updated_at < moment


def look_again(tx: Transaction, pims_account: str, client_ids: Collection[str]) -> None:
    """What stands on the cards of these PIMS clients is worked out anew, at every booking side."""
    found = tx.session.exec(
        select(Link.booking_account, Link.booking_id).where(
            Link.pims_account == pims_account,
            Link.kind == Kind.CLIENT,
            col(Link.pims_id).in_(sorted(client_ids)),
            col(Link.ended_at).is_(None),
        )
    ).all()
    for account in sorted({account for account, _ in found}):
        ids = sorted({id_ for at, id_ in found if at == account})
        tx.session.execute(
            sa.update(Due)
            .where(col(Due.account) == account, col(Due.client_id).in_(ids))
            .values(looked_on=links.due_again(tx))
        )


def look_again_at(tx: Transaction, account: str, client_id: str) -> None:
    """What stands on a card is worked out anew."""
    row = tx.session.get(Due, (account, client_id))
    if row is not None:
        row.looked_on = links.due_again(tx)


def receive_standing(tx: Transaction, pims_account: str, client_ids: Collection[str]) -> None:
    """The cards of these PIMS clients on which something stands are worked on before all else."""
    for link in links.all_of_pims(tx, pims_account, Kind.CLIENT, client_ids):
        receive_card(tx, link.site, link.booking_account, link.booking_id)


def receive_card(tx: Transaction, site: str, account: str, client_id: str) -> None:
    """A card is worked on before all else, where something stands on it."""
    found = standing(tx, account, client_id)
    if found is not None and not is_blank(found.shown):
        changes.receive(
            tx, site=site, account=account, kind=Kind.REMINDER, remote_id=client_id, source=ENDED, urgent=True
        )


def consent_changed(tx: Transaction, link: Link) -> None:
    """The owner of a card wants no messages, or wants them again: what stands there goes at once, and comes back with
    the next round."""
    look_again_at(tx, link.booking_account, link.booking_id)
    receive_card(tx, link.site, link.booking_account, link.booking_id)


def is_blank(shown: Reminder) -> bool:
    """Whether nothing stands there about due services; a notice's stamp says nothing about them."""
    return not (shown.name or shown.pet_name or shown.due_on or shown.due_soon or shown.overdue)


def _row(tx: Transaction, account: str, client_id: str, site: str) -> Due:
    row = tx.session.get(Due, (account, client_id))
    if row is None:
        row = Due(account=account, client_id=client_id, site=site, updated_at=tx.now)
        tx.session.add(row)
    row.site = site
    return row


# -- notices ---------------------------------------------------------------------------------------------------------


class Told:
    """The keys of the notices that an owner was sent on any of some cards, or may have been: asked for one by one, as
    the ledger keeps hashes alone."""

    def __init__(self, tx: Transaction, cards: Collection[tuple[str, str]]) -> None:
        self._hashes: dict[tuple[str, str], frozenset[str]] = {}
        for account, client_id in cards:
            rows = tx.session.exec(
                select(Notice.key_hash, Notice.state).where(Notice.account == account, Notice.client_id == client_id)
            ).all()
            if rows:
                self._hashes[account, client_id] = frozenset(hash_ for hash_, state in rows if state != NOT_DONE)
        self._sealer = tx.sealer

    def __contains__(self, key: object) -> bool:
        return any(_hash(self._sealer, *at, str(key)) in hashes for at, hashes in self._hashes.items())


def _hash(sealer: Sealer, account: str, client_id: str, key: str) -> str:
    return sealer.hash(f"notice|{account}|{client_id}|{key}")


def stamp_of(tx: Transaction, account: str, client_id: str, keys: Collection[str], today: date) -> str:
    """VetBridge's mark of a notice on its card: the day, and a hash of what it is about."""
    return f"{today.isoformat()} vb-{_hash(tx.sealer, account, client_id, ' '.join(sorted(keys)))[:8]}"


def stamped_on(stamp: str) -> date | None:
    """The day that a stamp tells; None for what is no stamp."""
    day, _, mark = stamp.partition(" ")
    if not mark.startswith("vb-"):
        return None
    try:
        return date.fromisoformat(day)
    except ValueError:
        return None


def intend(tx: Transaction, account: str, client_id: str, keys: Collection[str], stamp: str) -> None:
    """Writes a notice down, before it is sent."""
    for key in sorted(keys):
        hashed = _hash(tx.sealer, account, client_id, key)
        row = tx.session.get(Notice, (account, client_id, hashed))
        if row is None:
            row = Notice(account=account, client_id=client_id, key_hash=hashed, state="", stamp="", made_at=tx.now)
            tx.session.add(row)
        row.state, row.stamp, row.made_at, row.ended_at = INTENDED, stamp, tx.now, None


def ended(tx: Transaction, account: str, client_id: str, stamp: str, state: str) -> None:
    """Says what became of the notice that was written down with a stamp."""
    rows = tx.session.exec(
        select(Notice).where(Notice.account == account, Notice.client_id == client_id, Notice.stamp == stamp)
    )
    for row in rows:
        row.state, row.ended_at = state, tx.now


def not_sent(tx: Transaction, account: str, client_id: str, stamp: str) -> None:
    """The notice that was written down with a stamp is known not to have been sent, and may be at any time."""
    tx.session.execute(
        sa.delete(Notice).where(
            col(Notice.account) == account, col(Notice.client_id) == client_id, col(Notice.stamp) == stamp
        )
    )


def in_doubt(tx: Transaction, account: str, client_id: str) -> tuple[str, ...]:
    """The stamps of notices that were written down, and of which nobody has said what became of them."""
    rows = tx.session.exec(
        select(Notice.stamp)
        .where(Notice.account == account, Notice.client_id == client_id, Notice.state == INTENDED)
        .distinct()
    )
    return tuple(sorted(rows))


def noticed_since(tx: Transaction, cards: Collection[tuple[str, str]], since: datetime) -> bool:
    """Whether a notice was tried at any of these cards since a moment, whatever became of it."""
    at = sa.tuple_(col(Notice.account), col(Notice.client_id))
    found = select(Notice.key_hash).where(at.in_(sorted(cards)), col(Notice.made_at) >= since)
    return tx.session.exec(found.limit(1)).first() is not None


def last_notice(tx: Transaction, account: str, client_id: str) -> tuple[datetime, str] | None:
    """When an owner was sent a notice last, and the notice's state."""
    found = select(Notice.made_at, Notice.state).where(Notice.account == account, Notice.client_id == client_id)
    return tx.session.exec(found.order_by(col(Notice.made_at).desc()).limit(1)).first()


def notices_of(tx: Transaction, account: str, client_id: str) -> tuple[tuple[datetime, str], ...]:
    """When the notices of a card were written down, and the state of each; the oldest first."""
    found = select(Notice.made_at, Notice.state, Notice.stamp).where(
        Notice.account == account, Notice.client_id == client_id
    )
    return tuple((at, state) for at, state, _ in sorted(tx.session.exec(found.distinct())))


def sent_since(tx: Transaction, account: str, since: datetime) -> int:
    """How many owners were sent a notice since a moment, or may have been."""
    counted = select(sa.func.count(sa.distinct(col(Notice.client_id)))).where(
        Notice.account == account, col(Notice.made_at) >= since, Notice.state != NOT_DONE
    )
    return tx.session.exec(counted).one()


def drop_notices(tx: Transaction, before: datetime) -> None:
    """Forgets the notices that were sent before a moment."""
    tx.session.execute(
        sa.delete(Notice).where(col(Notice.made_at) < before, col(Notice.state) != INTENDED),
        execution_options={"synchronize_session": False},
    )


def notices_since(tx: Transaction, site: str, today: date) -> date:
    """The day on which a site began to send notices: today where it did not before, and tomorrow where the ledger was
    restored from a backup within a day. What was to be told before that day is told nobody."""
    row = tx.session.get(Meta, f"{NOTICES_SINCE}{site}")
    if row is None:
        restored = going_live.restored_at(tx)
        is_of_late = restored is not None and tx.now - restored < timedelta(days=1)
        row = Meta(key=f"{NOTICES_SINCE}{site}", value=(today + timedelta(days=is_of_late)).isoformat())
        tx.session.add(row)
    return date.fromisoformat(row.value)


def notices_began(tx: Transaction, site: str) -> date | None:
    """The day on which a site began to send notices; None: it sends none, or has not begun."""
    row = tx.session.get(Meta, f"{NOTICES_SINCE}{site}")
    return None if row is None else date.fromisoformat(row.value)


def no_notices(tx: Transaction, site: str) -> None:
    """A site sends none: where it begins to again, that is a new beginning."""
    tx.session.execute(sa.delete(Meta).where(col(Meta.key) == f"{NOTICES_SINCE}{site}"))


def notices_only(tx: Transaction, sites: Collection[str]) -> None:
    """Other sites send none."""
    kept = [f"{NOTICES_SINCE}{site}" for site in sites]
    tx.session.execute(sa.delete(Meta).where(col(Meta.key).startswith(NOTICES_SINCE), col(Meta.key).not_in(kept)))


# -- how far the PIMS was read ---------------------------------------------------------------------------------------


def is_read(tx: Transaction, account: str) -> bool:
    """Whether all was read of a PIMS that due services are worked out from: what is not known is not there."""
    return accounts.get(tx, account).mirror_complete_at is not None and is_read_through(tx, account)


def is_read_through(tx: Transaction, account: str) -> bool:
    """The same but for its clients and pets."""
    return tx.session.get(Meta, f"{_READ}{account}") is not None


def read_through(tx: Transaction, account: str) -> None:
    """All was read of a PIMS once, and what changes is read from now on."""
    tx.session.merge(Meta(key=f"{_READ}{account}", value=tx.now.isoformat()))


def was_read_since(tx: Transaction, account: str, kinds: Collection[Kind], moment: datetime) -> bool:
    """Whether what changed of all these kinds was listed at a PIMS account since a moment."""
    rows = tx.session.exec(select(Cursor.kind).where(Cursor.account == account, col(Cursor.read_at) >= moment)).all()
    return set(kinds) <= {Kind(kind) for kind in rows}


def read_only(tx: Transaction, accounts_: Collection[str]) -> None:
    """Of other PIMS accounts nothing is read any more: where that begins again, all is."""
    kept = [f"{_READ}{account}" for account in accounts_]
    tx.session.execute(sa.delete(Meta).where(col(Meta.key).startswith(_READ), col(Meta.key).not_in(kept)))


def open_now(tx: Transaction, site: str) -> int:
    """How many cards of a site wait to be worked on, but for those that wait for their hour."""
    counted = select(sa.func.count()).select_from(Change)
    return tx.session.exec(
        counted.where(
            Change.site == site,
            Change.kind == Kind.REMINDER,
            col(Change.state).in_(OPEN_STATES),
            col(Change.next_at) <= tx.now,
        )
    ).one()
