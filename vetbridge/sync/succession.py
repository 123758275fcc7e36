"""Who a client or a pet is whose record the PIMS ended: its id was changed, or it was merged into another.

What belonged to it tells that, and nothing else does: its pets and visits stand on the other record now. A name or a
phone alone proves nothing, for a household shares those; but they veto: a pet that was sold went to somebody else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from vetbridge.core import normalise
from vetbridge.core.errors import MappingError
from vetbridge.core.follow_ups import WITHIN
from vetbridge.core.matching.comparing import DIFFERS, MISSING, pet_level
from vetbridge.core.records import Appointment, Client, Kind, Pet, Record
from vetbridge.ledger import changes, links, mirror
from vetbridge.ledger.database import Ledger, Transaction
from vetbridge.ledger.tables import Link
from vetbridge.sync import opting_out
from vetbridge.sync.comparing import WAS, WENT_TO, client_fields, pet_fields
from vetbridge.sync.identity import is_another_client
from vetbridge.sync.pair import Pair

MOST = 10
"""So many pets, and so many visits, are asked whose they are now."""
_OF_A_VISIT: Mapping[Kind, str] = {Kind.CLIENT: "client_id", Kind.PET: "pet_id"}


def note_moves(tx: Transaction, account: str, people: Iterable[Client | Pet]) -> None:
    """Notes to whom pets went, at the links of those who had them; called before the pets are put in the mirror.

    Whoever had one may turn out to be that other client, now or once it is told that the record ended.
    """
    now = {one.id: one.client_id for one in people if isinstance(one, Pet) and one.id and one.client_id}
    for before in mirror.held(tx, account, Kind.PET, list(now)).values():
        owner = now[before.remote_id]
        if before.parent_id not in (None, owner):
            for link in links.all_of_pims(tx, account, Kind.CLIENT, [before.parent_id]):
                _note(tx, link, str(owner))
                changes.receive_linked(tx, link, "pims")


class Succession:
    """Follows the linked clients and pets of one pair to the records that they are now."""

    def __init__(self, pair: Pair, ledger: Ledger) -> None:
        self._pair = pair
        self._ledger = ledger

    def followed(self, link: Link, to: str | None = None) -> Client | Pet | None:
        """The record that a linked client or pet is now; the link leads there from then on, and so do its visits.

        ``to``: a record on which something stands now that stood on this one. None where it is what it was, where
        nobody can tell, or where the one whom its pets went to is somebody else.
        """
        kind = Kind(link.kind)
        standing = self._pair.pims.read(kind, link.pims_id)
        assert standing is None or isinstance(standing, (Client, Pet))  # noqa: S101 - what the mapper makes of these
        if standing is not None and (standing.active or (isinstance(standing, Pet) and standing.deceased)):
            if to is not None:
                with self._ledger.write() as tx:
                    _note(tx, tx.session.get_one(Link, link.id), to)
            return None
        with self._ledger.read() as tx:
            noted = _kept(tx, link, WENT_TO)
            _, base = links.bases(tx, link)
        ids = {*noted, *([to] if to else ()), *self._whereabouts(kind, link)}
        if kind is Kind.PET and standing is None:
            ids |= self._namesakes(link, base or {})
        ids -= {link.pims_id, *self._pair.never_meant}
        heirs = [one for id_ in sorted(ids) if (one := self._heir(kind, id_, base or {})) is not None]
        if len(heirs) != 1:
            return None
        with self._ledger.write() as tx:
            mirror.put(tx, self._pair.pims.account, heirs)
            self._point(tx, link, heirs[0])
            if standing is None:
                mirror.drop(tx, self._pair.pims.account, kind, link.pims_id)
        return heirs[0]

    def visit_moved(self, visit: Link, base: Mapping[str, object], there: Appointment) -> None:
        """A visit stands on another client or pet than it did: the links follow where that is whom its own became."""
        for kind, name in _OF_A_VISIT.items():
            before, now = base.get(name), getattr(there, name)
            if not isinstance(before, str) or now in (None, before) or self._pair.stands_in(before):
                continue
            with self._ledger.read() as tx:
                of = links.all_of_pims(tx, self._pair.pims.account, kind, [before])
                heirs = links.all_of_pims(tx, self._pair.pims.account, kind, [str(now)])
                followed = any(before in _kept(tx, heir, WAS) for heir in heirs)
            if followed:
                with self._ledger.write() as tx:
                    links.rewrite(tx, visit, {name: now})
            for link in of:
                if link.booking_account == self._pair.booking.account:
                    if self.followed(link, now) is not None:
                        with self._ledger.write() as tx:
                            links.rewrite(tx, visit, {name: now})
                else:  # another site's, which follows it by its own work
                    with self._ledger.write() as tx:
                        _note(tx, tx.session.get_one(Link, link.id), now)
                        changes.receive_linked(tx, link, "pims")

    # -- where it may be

    def _whereabouts(self, kind: Kind, link: Link) -> set[str]:
        """On whom the pets and the visits stand now that stood on a record last."""
        account = self._pair.pims.account
        with self._ledger.read() as tx:
            pets = mirror.pets_of(tx, account, link.pims_id) if kind is Kind.CLIENT else ()
            visits = [
                each.pims_id
                for each, base in self._visits(tx, link)
                if (each.visit_at or tx.now) >= tx.now and base.get(_OF_A_VISIT[kind]) == link.pims_id
            ]
        found = [self._read(Kind.PET, id_) for id_ in pets[:MOST]]
        found += [self._read(Kind.APPOINTMENT, id_) for id_ in visits[:MOST]]
        ids = {getattr(one, _OF_A_VISIT[kind]) for one in found if one is not None}
        return {id_ for id_ in ids if id_ is not None}

    def _visits(self, tx: Transaction, link: Link) -> Iterator[tuple[Link, Mapping[str, object]]]:
        """The visits of a record that are ahead or not long over, each as it stood in the PIMS last."""
        since = tx.now - WITHIN
        if link.kind == Kind.CLIENT:
            card_id, client_id = link.booking_id, link.pims_id
        else:
            card_id, client_id = None, mirror.owner_of(tx, link.pims_account, link.pims_id) or ""
        for each in links.of_client_visits(tx, link, client_id, card_id, since):
            yield each, links.bases(tx, each)[1] or {}

    def _namesakes(self, link: Link, base: Mapping[str, object]) -> set[str]:
        """The pets of the same owner that bear the name of one that is gone, and are linked with no other."""
        account = self._pair.pims.account
        with self._ledger.read() as tx:
            owner = mirror.owner_of(tx, account, link.pims_id)
        if owner is None or "client_id" not in self._pair.pims.connector.capabilities.of(Kind.PET).search:
            return set()
        end, name = self._pair.pims, normalise.pet_name(str(base.get("name") or ""))
        listed = (end.mapper.read(Kind.PET, each) for each in end.connector.search(Kind.PET, {"client_id": owner}))
        ids = [one.id for one in listed if one.id and name and normalise.pet_name(one.name) == name]
        with self._ledger.read() as tx:
            known = {each.pims_id for each in links.all_of_pims(tx, account, Kind.PET, ids)}
        return set(ids) - known

    def _heir(self, kind: Kind, id_: str, base: Mapping[str, object]) -> Client | Pet | None:
        """The record under an id, where it stands and nothing says that it is somebody else."""
        one = self._read(kind, id_)
        if isinstance(one, Client):
            return one if one.active and not is_another_client(base, one, self._pair.country) else None
        if not isinstance(one, Pet) or not one.active or one.deceased:
            return None
        names = normalise.pet_name(str(base.get("name") or "")), normalise.pet_name(one.name)
        alike = base.get("species") in (None, one.species) or one.species is None
        return one if alike and pet_level(*names) not in (DIFFERS, MISSING) else None

    def _read(self, kind: Kind, id_: str) -> Record | None:
        """A record as it stands now; one that cannot be read proves nothing."""
        try:
            return self._pair.pims.read(kind, id_)
        except MappingError:
            return None

    # -- the links follow

    def _point(self, tx: Transaction, link: Link, heir: Client | Pet) -> None:
        row = tx.session.get_one(Link, link.id)
        if row.ended_at is not None or row.pims_id != link.pims_id:
            return  # somebody else has followed it, or ended it
        kind, before, now = Kind(row.kind), row.pims_id, heir.id or ""
        for each, base in list(self._visits(tx, row)):
            if base.get(_OF_A_VISIT[kind]) == before:
                links.rewrite(tx, each, {_OF_A_VISIT[kind]: now})
        for other in links.all_of_pims(tx, row.pims_account, kind, [before]):
            if other.id != row.id:
                _note(tx, other, now)
                changes.receive_linked(tx, other, "pims")
        beside = [one for one in links.sharing(tx, row) if one.pims_id == now and one.id != row.id]
        if beside and row.role != "primary":
            links.end(tx, row)
            return
        for one in beside:
            links.end(tx, one)
        links.point(tx, row, pims_id=now)
        country = self._pair.country
        links.rewrite(tx, row, client_fields(heir, country) if isinstance(heir, Client) else pet_fields(heir))
        links.note(tx, row, {WENT_TO: None, WAS: (*_kept(tx, row, WAS), before)[-MOST:]})
        if kind is Kind.CLIENT:
            opting_out.met(tx, self._pair, row.booking_id, Client())


def _note(tx: Transaction, link: Link, to: str) -> None:
    noted = _kept(tx, link, WENT_TO)
    if to not in noted:
        links.note(tx, link, {WENT_TO: (*noted, to)})


def _kept(tx: Transaction, link: Link, name: str) -> tuple[str, ...]:
    return (links.bases(tx, link)[0] or {}).get(name) or ()  # type: ignore[return-value]
