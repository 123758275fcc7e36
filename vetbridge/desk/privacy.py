"""What an owner may ask for: all that is held about them, and to be forgotten.

Everything that is exported is personal data. What is erased, and what keeps it out: ``vetbridge.ledger.forgetting``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vetbridge.config.models import Config
from vetbridge.connector.clock import Clock
from vetbridge.core.errors import LedgerError
from vetbridge.core.records import Kind
from vetbridge.desk import search
from vetbridge.ledger import (
    access,
    audit,
    backup,
    disclosure,
    forgetting,
    going_live,
    holdings,
    owners,
    readings,
    suppression,
)
from vetbridge.ledger.audit import Act
from vetbridge.ledger.copying import in_one_file
from vetbridge.ledger.database import Ledger, Transaction, newest_schema, open_ledger
from vetbridge.ledger.holdings import Holdings, Obstacles
from vetbridge.ledger.owners import Owner
from vetbridge.ledger.scrubbing import scrub
from vetbridge.ledger.suppression import Key

ROUNDS = 3
"""So often is looked for what came in while it was erased."""


class NotOne(Exception):
    """What was given means nobody, or several; ``candidates`` are those, by ACCOUNT/ID."""

    def __init__(self, candidates: tuple[str, ...], *, more: bool = False) -> None:
        super().__init__(f"{len(candidates)} owners fit")
        self.candidates = candidates
        self.more = more
        """There are more than these."""


class NotNow(Exception):
    """Something stands against forgetting an owner now."""

    def __init__(self, obstacles: Obstacles) -> None:
        super().__init__("the owner cannot be forgotten now")
        self.obstacles = obstacles


class StandsIn(Exception):
    """A site's placeholder is nobody who could be forgotten."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What forgetting an owner would come to."""

    clients: tuple[str, ...]
    """As ACCOUNT/ID."""
    pets: tuple[str, ...]
    visits: tuple[str, ...]
    sharing: tuple[str, ...]
    """Other people's records in the PIMS that share a client of the booking side with this owner: they stay, but
    what is booked by that client is for a person from then on."""
    alike: tuple[str, ...]
    """Other clients who have a phone or an e-mail address of this owner: a partner, or the same person once more."""
    rows: Mapping[str, int]
    """Rows that hold something, by table."""
    obstacles: Obstacles


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasedBackup:
    """What became of one backup."""

    path: Path
    erased: bool
    why: str
    """Why it was not erased in; else empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """An owner was forgotten."""

    forgotten: Planned
    """What there was of them."""
    left: int
    """Rows that still hold something: somebody kept writing them meanwhile."""
    scrubbed: bool
    """The ledger was written anew without them; else others held it open all the time."""
    backups: tuple[ErasedBackup, ...]

    @property
    def is_whole(self) -> bool:
        """Nothing of it is left to be done."""
        return not self.left and self.scrubbed and all(each.erased for each in self.backups)


# -- whom ---------------------------------------------------------------------------------------------------------


def find(tx: Transaction, config: Config, text: str) -> Key:
    """The owner who is meant: a client as ACCOUNT/ID, a visit of somebody without a client as
    ACCOUNT/appointment/ID, or what `find` would look for.

    Raises ``NotOne`` unless it is just one, and ``StandsIn`` for a placeholder.
    """
    key = _named(tx, text)
    if key is None:
        hits = search.search(tx, config.sites, text)
        keys = [Key(each.account, Kind.CLIENT, each.client_id) for each in hits.found]
        if len(keys) != 1:
            raise NotOne(tuple(each.named for each in keys), more=hits.more)
        key = keys[0]
    for site in config.sites.values():
        if site.pims.placeholder is not None and key == (
            site.pims.account,
            Kind.CLIENT,
            site.pims.placeholder.client,
        ):
            raise StandsIn
    return key


def _named(tx: Transaction, text: str) -> Key | None:
    account, _, rest = text.strip().partition("/")
    prefix = f"{Kind.APPOINTMENT}/"
    wanted = [Key(account, Kind.CLIENT, rest)]
    if rest.startswith(prefix):
        wanted.insert(0, Key(account, Kind.APPOINTMENT, rest.removeprefix(prefix)))
    return next((key for key in wanted if rest and owners.is_known(tx, key)), None)


# -- forget -------------------------------------------------------------------------------------------------------


def planned(tx: Transaction, key: Key) -> Planned:
    """What forgetting an owner would come to."""
    return _planned(tx, holdings.held(tx, owners.owner_of(tx, [key])))


def forget(
    ledger: Ledger,
    config: Config,
    clock: Clock,
    key: Key,
    *,
    by: str,
    anyway: bool = False,
    folder: Path | None = None,
) -> Forgotten:
    """Forgets an owner: in the ledger, in its file, and in the backups that the config knows of; ``folder`` is where
    the config stands, beside which a database is copied to where nothing else is said.

    ``anyway``: also where visits are still to come; VetBridge lets go of them, and they stay at both sides. It may be
    called again for what was left. Raises ``NotNow``, and ``LedgerError``.
    """
    with ledger.read() as tx:
        found = holdings.held(tx, owners.owner_of(tx, [key]))
        plan = _planned(tx, found)
    for turn in range(ROUNDS):
        with ledger.write() as tx:
            standing = holdings.obstacles(tx, found)
            if turn == 0 and (standing.writes or standing.answers or (standing.visits and not anyway)):
                raise NotNow(standing)
            forgetting.forget(tx, found)
            if turn == 0:
                audit.note(tx, Act.OWNER_FORGOTTEN, by=by, via=audit.COMMAND, subject="client", subject_id=key.named)
        with ledger.read() as tx:
            found = holdings.held(tx, owners.owner_of(tx, found.owner.records))
            left = sum(found.counts(tx).values())
        if not left:
            break
    return Forgotten(
        forgotten=plan,
        left=left,
        scrubbed=scrub(ledger.place, {rows.table.name for rows in found.rows.values()}),
        backups=(
            *(_erase_in(each, config, clock, found.owner) for each in _backups(config, folder)),
            *(_unfinished(config, folder)),
        ),
    )


def readmit(tx: Transaction, key: Key, *, by: str) -> int:
    """Lets an owner who was forgotten in again; returns how many records that are. 0: nobody has forgotten them.

    Their visits that stand on both sides are not known to be one any more: all clients are read once more, and the
    sites are paired once more, before anything is written for them.
    """
    owner = suppression.owner_hash_of(tx, key)
    accounts = {each.account for each in owners.owner_of(tx, [key]).records}
    count = 0 if owner is None else suppression.readmit(tx, owner)
    if count:
        going_live.pair_again(tx, accounts)
        for account in accounts:
            readings.anew(tx, account)
        audit.note(tx, Act.OWNER_READMITTED, by=by, via=audit.COMMAND, subject="client", subject_id=key.named)
    return count


def _planned(tx: Transaction, found: Holdings) -> Planned:
    owner = found.owner
    return Planned(
        clients=_names(owner.clients),
        pets=_names(owner.pets),
        visits=_names(owner.visits),
        sharing=_names(owner.sharing),
        alike=_names(owners.alike(tx, owner)),
        rows={name: count for name, count in found.counts(tx).items() if count},
        obstacles=holdings.obstacles(tx, found),
    )


def _names(keys: Iterable[Key]) -> tuple[str, ...]:
    return tuple(key.named for key in sorted(keys))


def _backups(config: Config, folder: Path | None) -> list[backup.Kept]:
    return [each for one in _folders(config, folder) for each in backup.listed(one)]


def _unfinished(config: Config, folder: Path | None) -> list[ErasedBackup]:
    """Copies that are not whole yet, or were cut off: they show the ledger as it was."""
    found = [part for one in _folders(config, folder) for part in backup.unfinished(one)]
    why = "it is being made, or was cut off: run the command again once it is gone"
    return [ErasedBackup(path=part, erased=False, why=why) for part in found]


def _folders(config: Config, folder: Path | None) -> list[Path]:
    """Where copies of the ledger stand."""
    place = config.ledger.place
    known = (
        None if config.backup is None else config.backup.folder,
        place.resolve().parent if isinstance(place, Path) else folder,
    )
    return list(dict.fromkeys(each.resolve() for each in known if each is not None))


def _erase_in(kept: backup.Kept, config: Config, clock: Clock, owner: Owner) -> ErasedBackup:
    """Erases an owner in one backup, and keeps them out of it: a ledger that is restored from it knows that, too."""
    key = config.ledger.key.reveal()
    try:
        if kept.schema != newest_schema():
            raise backup.BackupError("another version of VetBridge made it")
        backup.inspect(kept.path, key)
        ledger = open_ledger(kept.path, key, clock)
        try:
            with ledger.read() as tx:
                found = holdings.held(tx, owners.owner_of(tx, owner.records))
            with ledger.write() as tx:
                forgetting.forget(tx, found)
            with ledger.read() as tx:
                left = sum(holdings.held(tx, found.owner).counts(tx).values())
            tables = {rows.table.name for rows in found.rows.values()}
        finally:
            ledger.close()
        if left or not scrub(kept.path, tables):
            raise backup.BackupError("something of it is left")
        in_one_file(kept.path)
    except LedgerError as error:
        return ErasedBackup(path=kept.path, erased=False, why=error.message)
    except (OSError, ValueError) as error:
        return ErasedBackup(path=kept.path, erased=False, why=type(error).__name__)
    return ErasedBackup(path=kept.path, erased=True, why="")


# -- export -------------------------------------------------------------------------------------------------------


def export(ledger: Ledger, key: Key, *, by: str) -> dict[str, Any]:
    """All that the ledger holds about an owner, as plain data; the export itself is noted first."""
    with ledger.write() as tx:
        audit.note(tx, Act.OWNER_EXPORTED, by=by, via=audit.COMMAND, subject="client", subject_id=key.named)
    access.note(ledger, access.Look.EXPORT, by=by, via=audit.COMMAND, subject="client", ids=[key.named])
    with ledger.read() as tx:
        found = holdings.held(tx, owners.owner_of(tx, [key]))
        return disclosure.disclosed(tx, found)
