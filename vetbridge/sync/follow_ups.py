"""Notes which visit follows a missed one: as it is made, or as the older one turns out to have been missed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from vetbridge.core.follow_ups import WITHIN, PastVisit, followed
from vetbridge.core.planning import STATUS
from vetbridge.core.records import AppointmentStatus
from vetbridge.ledger import links
from vetbridge.ledger.database import Transaction
from vetbridge.ledger.tables import Link
from vetbridge.sync.comparing import BOOKED_BY
from vetbridge.sync.pair import Pair
from vetbridge.sync.wording import PAIRED

_Visits = tuple[tuple[Link, Mapping[str, object]], ...]
"""Links of visits, each with how it stood in the PIMS when both sides were settled."""


def made(tx: Transaction, pair: Pair, link: Link) -> None:
    """A visit was made, or got its owner, and its bases are kept: it may follow one that its owner missed."""
    visits = _of_owner(tx, pair, link, link.created_at - WITHIN)
    found = followed(_past(visits, but=link), pet_id=_pet(tx, link), booked_at=link.created_at)
    link.follows = None if found is None else found.id


def missed(tx: Transaction, pair: Pair, link: Link) -> None:
    """A visit was missed, and its bases are kept: the first that was made for its owner since then may follow it.

    A visit that stood when VetBridge came follows none: nobody knows when it was booked.
    """
    if link.visit_at is None:
        return
    visits = _of_owner(tx, pair, link, link.visit_at)
    for each, _ in sorted(visits, key=lambda visit: (visit[0].created_at, visit[0].id or 0)):
        if each.follows is not None or each.origin == PAIRED:
            continue
        found = followed(_past(visits, but=each), pet_id=_pet(tx, each), booked_at=each.created_at)
        if found is not None and found.id == link.id:
            each.follows = link.id
            return


def _of_owner(tx: Transaction, pair: Pair, link: Link, begin: datetime) -> _Visits:
    """All visits of a visit's owner from a moment on; none where nobody knows the owner."""
    booking_base, pims_base = links.bases(tx, link)
    client_id = (pims_base or {}).get("client_id")
    if not isinstance(client_id, str) or pair.stands_in(client_id):
        return ()
    card = (booking_base or {}).get(BOOKED_BY)
    near = links.of_client_visits(tx, link, client_id, card if isinstance(card, str) else None, begin)
    visits = ((each, links.bases(tx, each)[1] or {}) for each in near)
    return tuple((each, base) for each, base in visits if base.get("client_id") == client_id)


def _past(visits: _Visits, *, but: Link) -> Iterable[PastVisit]:
    taken = {each.follows for each, base in visits if base.get(STATUS) != AppointmentStatus.CANCELLED}
    for each, base in visits:
        if each.id is not None and each.id != but.id and each.visit_at is not None:
            yield PastVisit(
                id=each.id,
                start=each.visit_at,
                pet_id=_text(base.get("pet_id")),
                missed=base.get(STATUS) == AppointmentStatus.NO_SHOW,
                followed=each.id in taken,
            )


def _pet(tx: Transaction, link: Link) -> str | None:
    _, pims_base = links.bases(tx, link)
    return _text((pims_base or {}).get("pet_id"))


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
