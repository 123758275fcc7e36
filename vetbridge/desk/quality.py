"""Data quality: what is amiss at a side, found in the mirror and the links alone. No vendor is asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import combinations
from zoneinfo import ZoneInfo

from vetbridge.config.models import OTHERWISE, Config, Site
from vetbridge.core import normalise, quality
from vetbridge.core.matching import Forms, contact_keys
from vetbridge.core.matching.comparing import MOST_HOLDERS
from vetbridge.core.quality import Finding, Flaw
from vetbridge.core.records import Kind
from vetbridge.ledger import accounts, mirror
from vetbridge.ledger import quality as rows
from vetbridge.ledger.database import Transaction

_AT_ONCE = 200
"""Coming visits whose clients and pets are looked up together."""


_OF_CLIENT = (
    *(Flaw.PHONE_MISSING, Flaw.PHONE_BAD, Flaw.PHONE_DOUBTFUL, Flaw.EMAIL_MISSING, Flaw.EMAIL_BAD),
    *(Flaw.EMAIL_PLACEHOLDER, Flaw.CLIENT_WITHOUT_PETS),
)
"""What one client alone shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which findings are asked for; what is empty narrows nothing."""

    accounts: Collection[str] = ()
    flaws: Collection[Flaw] = ()
    kinds: Collection[Kind] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AtAccount:
    """One finding, and the account at whose side it is."""

    account: str
    finding: Finding
    records: int = 1
    """How many records wait for it: of a code without a word the changes, of all else one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What was found, counted; and the first of it."""

    counts: dict[Flaw, int]
    """By what is amiss, everything that was looked for."""
    first: tuple[AtAccount, ...]
    accounts: tuple[str, ...]
    """The accounts whose records were looked at."""


def survey(tx: Transaction, config: Config, wanted: Wanted, *, limit: int) -> Survey:
    """Counts everything that is amiss and wanted, and keeps the first ``limit`` of it."""
    counts: Counter[Flaw] = Counter()
    first: list[AtAccount] = []
    for each in findings(tx, config, wanted):
        counts[each.finding.flaw] += each.records
        if len(first) < limit:
            first.append(each)
    return Survey(
        counts={flaw: counts[flaw] for flaw in Flaw if not wanted.flaws or flaw in wanted.flaws},
        first=tuple(first),
        accounts=tuple(_accounts(tx, wanted)),
    )


def findings(tx: Transaction, config: Config, wanted: Wanted) -> Iterator[AtAccount]:
    """Everything that is amiss and wanted, account by account, in an order that only the records decide."""
    for account in _accounts(tx, wanted):
        stand_ins = {
            site.pims.placeholder.client
            for site in config.sites.values()
            if site.pims.account == account and site.pims.placeholder is not None
        }
        for finding in _of_account(tx, account, wanted):
            fits = (not wanted.flaws or finding.flaw in wanted.flaws) and (
                not wanted.kinds or finding.kind in wanted.kinds
            )
            if fits and not (finding.kind is Kind.CLIENT and finding.id in stand_ins):
                yield AtAccount(account=account, finding=finding)
    yield from _in_two_branches(tx, config, wanted)
    yield from _unmapped(tx, wanted)


def of_site(config: Config, site: str) -> tuple[str, ...]:
    """The accounts of one site."""
    known = config.sites[site]
    return known.booking.account, known.pims.account


def _accounts(tx: Transaction, wanted: Wanted) -> list[str]:
    return [name for name in rows.mirrored_accounts(tx) if not wanted.accounts or name in wanted.accounts]


def _of_account(tx: Transaction, account: str, wanted: Wanted) -> Iterator[Finding]:
    country = accounts.get(tx, account).country
    if _asks(wanted, *_OF_CLIENT):
        for known in mirror.scan(tx, account):
            yield from quality.of_client(known.client, known.pets, country)
    if _asks(wanted, Flaw.PET_WITHOUT_OWNER):
        for pet in rows.pets_alone(tx, account):
            yield quality.of_pet_alone(pet)
    if _asks(wanted, Flaw.PHONE_SHARED, Flaw.EMAIL_SHARED, Flaw.CLIENT_TWICE):
        common: set[str] = set()
        yield from _shared_contacts(tx, account, common)
        if _asks(wanted, Flaw.CLIENT_TWICE):
            yield from _twins(tx, account, frozenset(common))
    if _asks(wanted, Flaw.CLIENT_INACTIVE_VISIT, Flaw.PET_DECEASED_VISIT):
        yield from _visits(tx, account)


def _asks(wanted: Wanted, *flaws: Flaw) -> bool:
    return not wanted.flaws or any(flaw in wanted.flaws for flaw in flaws)


def _shared_contacts(tx: Transaction, account: str, common: set[str]) -> Iterator[Finding]:
    """Contacts that stand on so many clients that they point to nobody; they are added to ``common``."""
    for batch in rows.shared_keys(tx, account, holders=MOST_HOLDERS + 1):
        for key_hash, ids in batch:
            # Keys are hashed: what this one is say two of those that have it.
            two = [contact_keys(each) for each in mirror.comparable(tx, account, ids[:2])]
            key = next((key for key in frozenset.intersection(*two) if tx.sealer.hash(key) == key_hash), None)
            if key is None:
                continue
            what, _, contact = key.partition(":")
            common.add(contact)
            for each in _forms(tx, account, ids):
                if each.active:
                    yield Finding(
                        flaw=Flaw.PHONE_SHARED if what == "phone" else Flaw.EMAIL_SHARED,
                        kind=Kind.CLIENT,
                        id=each.client_id,
                        why=f"it stands on {len(ids)} clients",
                        name=normalise.shown(f"{each.given} {each.family}"),
                        value=contact,
                    )


def _twins(tx: Transaction, account: str, common: frozenset[str]) -> Iterator[Finding]:
    """Pairs that may be one client, among those that share a key which few have."""
    told: set[tuple[str, str]] = set()
    for batch in rows.shared_keys(tx, account):
        rare = [ids for _, ids in batch if len(ids) <= mirror.CROWDED]
        forms = {
            each.client_id: each for each in mirror.comparable(tx, account, sorted({i for ids in rare for i in ids}))
        }
        for ids in rare:
            for pair in combinations(ids, 2):
                if pair in told or not forms.keys() >= set(pair):
                    continue
                found = quality.twins(forms[pair[0]], forms[pair[1]], common)
                if found is not None:
                    told.add(pair)
                    yield found


def _forms(tx: Transaction, account: str, ids: list[str]) -> Iterator[Forms]:
    for start in range(0, len(ids), _AT_ONCE):
        yield from mirror.comparable(tx, account, ids[start : start + _AT_ONCE])


def _visits(tx: Transaction, account: str) -> Iterator[Finding]:
    for visits in _in_batches(rows.coming_visits(tx, account)):
        known = {
            each.client_id: each for each in mirror.clients(tx, account, {v.client_id for v in visits if v.client_id})
        }
        pets = rows.pets(tx, account, sorted({visit.pet_id for visit in visits if visit.pet_id}))
        for visit in visits:
            owner = known.get(visit.client_id or "")
            yield from quality.of_visit(visit.pims_id, owner.client if owner else None, pets.get(visit.pet_id or ""))


def _in_batches(visits: Iterable[rows.ComingVisit]) -> Iterator[list[rows.ComingVisit]]:
    batch: list[rows.ComingVisit] = []
    for visit in visits:
        batch.append(visit)
        if len(batch) >= _AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch


def _in_two_branches(tx: Transaction, config: Config, wanted: Wanted) -> Iterator[AtAccount]:
    """Who has visits at the same time in two branches of one chain, by words that the code lists of both have."""
    if not _asks(wanted, Flaw.VET_TWO_BRANCHES) or (wanted.kinds and Kind.APPOINTMENT not in wanted.kinds):
        return
    branches: dict[str, dict[str, Site]] = {}
    for name, site in config.sites.items():
        if site.organisation is not None:
            branches.setdefault(site.organisation, {})[name] = site
    for _, sites in sorted(branches.items()):
        words = {name: _resources(site) for name, site in sites.items()}
        shifts = (
            quality.Shift(
                account=each.account,
                id=each.pims_id,
                branch=sites[each.site].name,
                resource=each.resource,
                start=each.start.astimezone(ZoneInfo(sites[each.site].zone)),
                end=(each.start + timedelta(seconds=each.seconds)).astimezone(ZoneInfo(sites[each.site].zone)),
            )
            for each in rows.booked_resources(tx, sites)
            if each.resource in words[each.site]
        )
        for both, finding in quality.in_two_branches(shifts):
            if not wanted.accounts or not set(both).isdisjoint(wanted.accounts):
                yield AtAccount(account=both[0], finding=finding)


def _resources(site: Site) -> set[str]:
    """VetBridge's words for the vets and rooms of a site."""
    listed = (side.codes.get("resource", {}) for side in (site.booking, site.pims))
    return {word for words in listed for word in words if word != OTHERWISE}


def _unmapped(tx: Transaction, wanted: Wanted) -> Iterator[AtAccount]:
    if not _asks(wanted, Flaw.CODE_UNMAPPED):
        return
    for each in rows.unmapped(tx):
        if (wanted.accounts and each.account not in wanted.accounts) or (
            wanted.kinds and each.kind not in wanted.kinds
        ):
            continue
        finding = Finding(flaw=Flaw.CODE_UNMAPPED, kind=each.kind, id="", why=each.message)
        yield AtAccount(account=each.account, finding=finding, records=each.count)
