"""A pair at work: one booking side and one PIMS side of a site, with all that is decided about them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, time
from typing import BinaryIO, Protocol

from vetbridge.connector.accounted import Accounted
from vetbridge.connector.interface import Native, Operation
from vetbridge.core.due import DuePolicy
from vetbridge.core.files import FileRules
from vetbridge.core.planning import FieldOwner
from vetbridge.core.records import Appointment, Kind, Record
from vetbridge.mapping import Mapper


class Own(Protocol):
    """What VetBridge has written to an account that its reads may not show yet."""

    def over(self, kind: Kind, id_: str, shown: Record | None) -> Record | None:
        """A record as it stands, where a read shows ``shown``."""
        ...

    def shown_at(self, kind: Kind, id_: str) -> datetime | None:
        """When reads show the last write of a record at the latest; None where there is none that they may lack."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """One side of a pair."""

    account: str
    connector: Accounted
    mapper: Mapper
    timeout: float
    """Seconds that one request may take."""
    own: Own | None = None
    """Of a side whose reads follow (``Capabilities.shown_within``); None: they show at once what was written."""

    def read(self, kind: Kind, id_: str) -> Record | None:
        """A record as it stands now; None where the side does not show it."""
        return self.stands(kind, id_, self.connector.get(kind, id_))

    def stands(self, kind: Kind, id_: str, native: Native | None) -> Record | None:
        """A record as it stands by what a read shows of it, and by what was written of late."""
        shown = None if native is None else self.mapper.read(kind, native)
        return shown if self.own is None else self.own.over(kind, id_, shown)


@dataclass(frozen=True, slots=True, kw_only=True)
class Placeholder:
    """The site's stand-in client and pet; VetBridge never creates or edits them."""

    client_id: str
    pet_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """So many records of each kind may be created at each side within a day, in the first days of a pair."""

    days: int
    limits: Mapping[Kind, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class MostEnded:
    """So many clients, and so many pets, may end within an hour; of these two the larger counts."""

    count: int = 20
    percent: int = 5
    """Of those that stand."""


Scan = Callable[[BinaryIO], None]
"""Looks for viruses. Raises ``FileRefused`` where it finds one, ``Unavailable`` where it cannot say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePolicy:
    """Which files a site wants carried."""

    to_pims: FileRules | None = None
    to_booking: FileRules | None = None
    days_before: int = 3
    """Clients of a side that does not tell new files are asked for theirs from so many days after a visit..."""
    days_after: int = 30
    """...to so many days before one."""
    scan: Scan | None = None
    """None: files are not looked at for viruses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticePolicy:
    """How owners are told of due services; docs/configuration.md explains each."""

    text: str
    clinic: str
    """What people call the site."""
    opens: time
    closes: time
    """By the site's clock; midnight is the day's end."""
    weekdays: frozenset[int]
    """Monday is 0."""
    per_day: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One site's two sides."""

    site: str
    zone: str
    country: str
    booking: End
    pims: End
    placeholder: Placeholder | None
    may_create_clients: bool
    may_create_pets: bool
    owners: Mapping[str, FieldOwner]
    """Who owns each field of an appointment, seen from the booking side."""
    fuse: int = 30
    """So many visits may be cancelled, moved or overwritten within an hour before a person is asked."""
    most_ended: MostEnded = MostEnded()
    start_live: bool = False
    """It writes from the beginning: nobody is asked about clients before they book."""
    quota: Quota | None = None
    """None: as much may be created as there is to create."""
    branches: Mapping[str, str] = field(default_factory=dict)
    """The chain's other PIMS accounts, each with the name of its site, or sites."""

    files: FilePolicy | None = None
    """None: no file is carried."""
    due: DuePolicy | None = None
    """None: nothing is done about due services."""
    notices: NoticePolicy | None = None
    """None: nobody is sent a message."""

    @property
    def stand_in(self) -> tuple[str | None, str | None]:
        """Client and pet of a PIMS visit that has no owner: the placeholder's, or none."""
        return (None, None) if self.placeholder is None else (self.placeholder.client_id, self.placeholder.pet_id)

    @property
    def unmade(self) -> tuple[str, ...]:
        """The kinds, of client and pet, that nobody makes in the PIMS for VetBridge: neither it by itself, nor who
        types a visit off the work list."""
        able = self.pims.connector.capabilities
        if Operation.CREATE in able.of(Kind.APPOINTMENT).handed:
            return ()
        return tuple(kind.value for kind in (Kind.CLIENT, Kind.PET) if able.of(kind).create is None)

    @property
    def never_meant(self) -> frozenset[str]:
        """PIMS clients who are nobody: the placeholder, where there is one."""
        return frozenset() if self.placeholder is None else frozenset({self.placeholder.client_id})

    def stands_in(self, client_id: str | None) -> bool:
        """Whether a PIMS visit with this client has no owner: it stands on the placeholder, or without a client."""
        return client_id is None or client_id in self.never_meant

    def is_parked(self, visit: Appointment) -> bool:
        """Whether a PIMS visit stands without its owner. The placeholder's pet tells it, too: the client of a
        placeholder may have got another id, and nobody has said whose the visit is."""
        of_stand_in = self.placeholder is not None and visit.pet_id == self.placeholder.pet_id is not None
        return of_stand_in or self.stands_in(visit.client_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """Waits, in seconds."""

    absence_confirm: float = 300.0
    retry_first: float = 5.0
    retry_longest: float = 600.0
    settle: float = 0.0
    mirror_stale: float = 3600.0
    lease: float = 300.0
    """How long a worker may hold a lane."""
    busy: float = 1.0
    """How long a change waits for a key that another one has reserved."""
