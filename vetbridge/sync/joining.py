"""Finds the clients whom several branches of a chain have: a part of them at a time, by what the mirrors hold.

No vendor is asked, and nothing is written to one because of a join, but that who wants no messages at one branch is
opted out at the others (``sync.opting_out``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from vetbridge.core.joining import Asked, Partner, candidates, partner
from vetbridge.core.matching import Forms
from vetbridge.ledger import accounts, chains, mirror
from vetbridge.ledger.database import Ledger, Transaction
from vetbridge.sync import opting_out

BATCH = 200
"""So many clients are compared in a round at the most: one of 100,000 clients takes hours, and holds up nobody."""
MANY = 12
"""Where more than so many may be one client nobody can tell them apart, and it is not asked whose each of them is: a
shelter has a record for each of its animals."""
WINDOW = 5000
"""Among so many clients a round looks for those who have changed."""


@dataclass(frozen=True, slots=True)
class _Finding:
    """Whether two clients are one person, as one of them was compared."""

    client: chains.Client
    other: chains.Client
    partner: Partner | None


class Joiner:
    """Joins the clients of one chain. ``chain``: its PIMS accounts, each with the clients who are never meant."""

    def __init__(self, ledger: Ledger, chain: Mapping[str, Collection[str]], *, batch: int = BATCH) -> None:
        self._ledger = ledger
        self._never_meant = {account: frozenset(chain[account]) for account in sorted(chain)}
        self._batch = batch
        self._after = dict.fromkeys(self._never_meant, "")
        """The client of each account that was looked at last."""
        self._ended: set[str] = set()
        """Accounts whose last client was looked at, or that cannot be looked at yet."""

    def pass_(self) -> int:
        """Compares the next clients who are new or have changed; returns how many. Asks the ledger alone.

        Only accounts whose clients were all read are compared.
        """
        with self._ledger.read() as tx:
            complete = [each for each in self._never_meant if accounts.get(tx, each).mirror_complete_at is not None]
            self._ended |= self._never_meant.keys() - set(complete)
            if len(complete) < 2:
                self._ended |= set(complete)
                return 0
            looked: dict[str, tuple[str, ...]] = {}
            findings: list[_Finding] = []
            for account in complete:
                looked[account] = self._next(tx, account, self._batch - sum(map(len, looked.values())))
                findings += self._compared(tx, account, looked[account], complete)
            ends = _ends(looked, findings)
            then = {account: chains.digests(tx, account, ids) for account, ids in ends.items()}
            # All of them are gone through for this: at the end of a walk through the clients.
            gone = () if any(self._after.values()) else chains.gone(tx)
        if not any(ends.values()) and not gone:
            return 0
        with self._ledger.write() as tx:
            now = {account: chains.digests(tx, account, ids) for account, ids in ends.items()}
            same = {at: {id_: each for id_, each in then[at].items() if now[at].get(id_) == each} for at in ends}
            for finding in findings:
                # Whoever has changed meanwhile is compared again, and joined with nobody until then.
                if finding.partner is None or all(id_ in same[at] for at, id_ in (finding.client, finding.other)):
                    is_new = finding.partner is not None and finding.other not in chains.same_person(
                        tx, *finding.client
                    )
                    chains.join(tx, finding.client, finding.other, finding.partner)
                    if is_new:
                        opting_out.joined(tx, *finding.client)
            for account, ids in looked.items():
                chains.looked(tx, account, {id_: same[account][id_] for id_ in ids if id_ in same[account]})
            chains.drop(tx, gone)
        return sum(map(len, looked.values()))

    def through(self, most: int) -> int:
        """Passes until everybody was looked at, or so many were compared; returns how many."""
        self._ended.clear()
        total = 0
        while total < most and not self._ended.issuperset(self._never_meant):
            total += self.pass_()
        return total

    def _next(self, tx: Transaction, account: str, most: int) -> tuple[str, ...]:
        """The next clients who were not compared as they are now."""
        ids = chains.window(tx, account, self._after[account], WINDOW)
        changed = chains.changed(tx, account, chains.digests(tx, account, ids))
        if len(changed) <= most:
            self._after[account] = ids[-1] if len(ids) == WINDOW else ""
            self._ended |= set() if self._after[account] else {account}
        return changed[:most]

    def _compared(
        self, tx: Transaction, account: str, ids: Collection[str], complete: Collection[str]
    ) -> Iterator[_Finding]:
        for client in mirror.comparable(tx, account, ids):
            held = chains.same_person(tx, account, client.client_id)
            for other in complete:
                if other != account:
                    yield from self._between(tx, (account, client), other, {id_ for at, id_ in held if at == other})

    def _between(
        self, tx: Transaction, one: tuple[str, Forms], other: str, held: Collection[str]
    ) -> Iterator[_Finding]:
        """Who of the other account is the same person. Of those who might be and are not it is asked who is theirs:
        this one stands for or against that, too."""
        account, client = one

        def here(of: Forms) -> Asked:
            return chains.asked(tx, account, of, self._never_meant[account])

        def there(of: Forms) -> Asked:
            return chains.asked(tx, other, of, self._never_meant[other])

        near = {} if self._is_nobody(one) else {each.client_id: each for each in candidates(client, there(client))}
        alike = frozenset(near) if len(near) > MANY else frozenset()
        near |= {each.client_id: each for each in mirror.comparable(tx, other, set(held) - set(near))}
        found = partner(client, here, there) if near and not alike and not self._is_nobody(one) else None
        for id_, each in sorted(near.items()):
            if found is not None and id_ == found.client_id:
                yield _Finding((account, client.client_id), (other, id_), found)
                continue
            yield _Finding((account, client.client_id), (other, id_), None)
            theirs = None if id_ in alike or self._is_nobody((other, each)) else partner(each, there, here)
            for at, before in chains.same_person(tx, other, id_):
                if at == account and (theirs is None or before != theirs.client_id):
                    yield _Finding((other, id_), (account, before), None)
            if theirs is not None:
                yield _Finding((other, id_), (account, theirs.client_id), theirs)

    def _is_nobody(self, one: tuple[str, Forms]) -> bool:
        account, client = one
        return client.client_id in self._never_meant[account]


def _ends(looked: Mapping[str, Collection[str]], findings: Iterable[_Finding]) -> dict[str, list[str]]:
    """The clients of each account of whom anything is kept."""
    ends = {account: set(ids) for account, ids in looked.items()}
    for each in findings:
        for account, id_ in (each.client, each.other):
            ends[account].add(id_)
    return {account: sorted(ids) for account, ids in ends.items()}
