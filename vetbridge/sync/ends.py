"""What a reading of the PIMS tells to have ended of the clients and pets that stand: gone, inactive or deceased."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from vetbridge.connector.interface import Found
from vetbridge.core.records import Client, Kind, Pet
from vetbridge.ledger import changes, links, mass_ends, mirror
from vetbridge.ledger.database import Transaction
from vetbridge.sync.pair import Pair


@dataclass(slots=True)
class Ends:
    """Those that one reading of an account has come by, by kind and id, as they are to be kept."""

    account: str
    _found: dict[Kind, dict[str, Client | Pet]] = field(default_factory=dict)
    _gone: set[tuple[Kind, str]] = field(default_factory=set)

    def sift(
        self, tx: Transaction, records: Iterable[Client | Pet], told: Mapping[Kind, Sequence[Found]]
    ) -> list[Client | Pet]:
        """Takes those out that end now; returns the others. ``told``: the page itself, which says what is gone."""
        every = list(records)
        for kind in (Kind.CLIENT, Kind.PET):
            of = {one.id or "": one for one in every if _kind(one) is kind}
            gone = [found.id for found in told.get(kind, ()) if found.deleted and found.native is None]
            suspected = [id_ for id_, one in of.items() if not _stands(one)]
            before = mirror.read(tx, self.account, kind, [*suspected, *gone])
            found = self._found.setdefault(kind, {})
            for id_ in of:
                found.pop(id_, None)  # a later page says otherwise
                self._gone.discard((kind, id_))
            for id_ in suspected:
                if id_ in before and _stands(before[id_]):
                    found[id_] = of[id_]
            for id_ in gone:
                if id_ in before:
                    self._gone.add((kind, id_))
                    if before[id_].active:
                        found[id_] = replace(before[id_], active=False)
        return [one for one in every if (one.id or "") not in self._found[_kind(one)]]

    def let_through(self, tx: Transaction, pair: Pair, kind: Kind) -> Sequence[Client | Pet] | None:
        """What is to be kept of those of a kind; None where too many would end at once, and none is believed to."""
        ending = self._found.get(kind, {})
        most = pair.most_ended
        if not mass_ends.let_through(tx, self.account, kind, len(ending), count=most.count, percent=most.percent):
            mass_ends.hold(tx, pair.site, self.account, kind, sorted(ending))
            return None
        mass_ends.released(tx, self.account, kind)
        return list(ending.values())

    def drop(self, tx: Transaction, kind: Kind) -> None:
        """Takes those that are gone out of the mirror; those that are linked once their link has ended.

        What is linked with one that ended is looked at: it may be another record by now.
        """
        ended = [id_ for id_, one in self._found.get(kind, {}).items() if not one.active]
        for link in links.all_of_pims(tx, self.account, kind, ended):
            changes.receive_linked(tx, link, "pims", urgent=True)
        gone = {id_ for of, id_ in self._gone if of is kind}
        gone -= {link.pims_id for link in links.all_of_pims(tx, self.account, kind, gone)}
        none: set[str] = set()
        mirror.remove(tx, self.account, *((gone, none) if kind is Kind.CLIENT else (none, gone)))


def _kind(one: Client | Pet) -> Kind:
    return Kind.CLIENT if isinstance(one, Client) else Kind.PET


def _stands(one: Client | Pet) -> bool:
    return one.active and not (isinstance(one, Pet) and one.deceased)
