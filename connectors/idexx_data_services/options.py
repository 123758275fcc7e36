"""An account's options at IDEXX Data Services, and what the connector can do by its profile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, PrivateAttr, model_validator
from pydantic_core import PydanticCustomError

from connectors.idexx_data_services.profile import IdexxProfile, Path, SetKind, VisitWrites
from vetbridge.connector.interface import (
    BudgetSpec,
    Capabilities,
    ExactlyOnce,
    KindCapabilities,
    Operation,
    Relink,
    Unlinked,
)
from vetbridge.connector.plugin import Options, safe_address
from vetbridge.connector.profiles import ProfileRef, load_profile
from vetbridge.connector.secret import Secret
from vetbridge.core.errors import ConfigError
from vetbridge.core.records import Kind

NAME: Final = "idexx_data_services"
BUDGET: Final = "api"
HANDED: Final = frozenset({Operation.CREATE, Operation.UPDATE, Operation.CANCEL})
TYPED: Final = frozenset({"start", "duration", "appointment_type", "resource"})
"""What people change in a visit by the work list."""
TWICE: Final = "of an hour that the clocks show twice, the first is meant"
_WANTED: Final[Mapping[Kind, tuple[str, ...]]] = {
    Kind.VACCINATION: ("service", "given_on", "due_on"),
    Kind.REMINDER: ("service", "completed"),
}
"""Fields that a profile may leave out, and without which less can be done."""
NEEDS_VENDOR: Final = (
    "a partner account: request form, NDA, security review, sandbox, certification and pilot",
    "the address, the names of entity sets and properties, and the rate limits",
    "what a write of a visit answers, and whether one that comes twice takes effect twice",
)

Host = Annotated[
    str, Field(pattern=r"^(\*\.)?[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?)+$")
]


class IdexxOptions(Options):
    """Options of an account; docs/connectors/idexx_data_services.md says where each value comes from."""

    base_url: Annotated[str, AfterValidator(safe_address)]
    """Where the batch service stands, as IDEXX names it to partners."""
    odata_path: Path | None = None
    """Where its entity sets and ``$metadata`` stand below that; None: right there."""
    token_path: Path = "/pims-rt/v1/token"  # noqa: S105 - a path
    """Where a token is asked for; an older client asks at ``/token`` (cornerstone.md, section 3)."""
    user: Secret
    password: Secret
    site_id: Annotated[str, Field(coerce_numbers_to_str=True, pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    """The site's id in the paths of writes."""
    profile: ProfileRef | None = None
    """The site's names. None: only ``odata discover`` and ``doctor`` work."""
    writes: Literal["api", "handed"] = "api"
    """``handed``: the service is only read, and people write what the work list tells them."""
    writes_url: Annotated[str, AfterValidator(safe_address)] | None = None
    """Where the real-time service stands that takes writes; None: at ``base_url``."""
    writes_token_path: Path | None = None
    """Where it has a token of its own, the place at ``base_url`` that gives it; None: the same token."""
    file_hosts: tuple[Host, ...] = ()
    """Other hosts from which the contents of documents may come; ``*.example.com`` is every host below that one."""
    needs_pet: bool = True
    """A visit is written with its patient alone: a client without one cannot be scheduled (section 2)."""
    shown_within: float = Field(default=1800.0, ge=0, le=7 * 86400)
    """Seconds after which reads show what was written: "about 30 minutes" at one partner (section 4)."""
    late_landing: float = Field(default=0.0, ge=0, le=86400)
    """Seconds in which a write whose answer was lost may still appear."""

    _read: IdexxProfile | None = PrivateAttr(default=None)

    @property
    def site(self) -> IdexxProfile | None:
        """What the profile says; None where there is none yet."""
        return self._read

    @property
    def by_api(self) -> bool:
        """Writes are sent to the service."""
        return self.writes == "api"

    @model_validator(mode="after")
    def _fits(self) -> Self:
        """Raises ValueError where the profile cannot be read, or lacks what the options want of it."""
        if self.profile is None:
            return self
        try:
            self._read = load_profile(IdexxProfile, self.profile, NAME)
        except ConfigError as error:
            words = "; ".join(error.message.splitlines())
            raise PydanticCustomError("vetbridge", "{words}", {"words": words}) from None
        if self.by_api and Kind.APPOINTMENT in self._read.kinds and self._read.writes.appointment is None:
            raise ValueError("writes: its profile has no writes.appointment; write it, or set writes to handed")
        return self


def capabilities(options: IdexxOptions) -> Capabilities:
    """What an account can do."""
    site = options.site
    if site is None:
        return Capabilities(
            side="pims",
            kinds={},
            budgets=_budgets(60, 60.0),
            proven="needs the vendor's partner papers",
            needs_vendor=NEEDS_VENDOR,
        )
    return declared(
        site,
        by_api=options.by_api,
        needs_pet=options.needs_pet,
        shown_within=options.shown_within,
        late_landing=options.late_landing,
    )


def declared(
    site: IdexxProfile, *, by_api: bool, needs_pet: bool, shown_within: float = 0.0, late_landing: float = 0.0
) -> Capabilities:
    """What can be done by a profile."""
    kinds: dict[Kind, KindCapabilities] = {kind: _read(kind, rules) for kind, rules in site.kinds.items()}
    if Kind.APPOINTMENT in site.kinds:
        rules = site.kinds[Kind.APPOINTMENT]
        sent = site.writes.appointment if by_api else None
        kinds[Kind.APPOINTMENT] = _handed(rules) if sent is None else _written(rules, sent, needs_pet=needs_pet)
    if site.attachment is not None:
        kinds[Kind.ATTACHMENT] = _files(site, by_api=by_api)
    if by_api and site.writes.log is not None:
        kinds[Kind.REMINDER] = replace(kinds.get(Kind.REMINDER, KindCapabilities()), logs=True)
    return Capabilities(
        side="pims",
        kinds=kinds,
        budgets=_budgets(site.limit.calls, site.limit.seconds),
        code_lists=frozenset(site.codes),
        late_landing=late_landing,
        shown_within=shown_within,
        proven=site.proven,
        screen=site.screen,
        needs_vendor=(*site.needs_vendor, *NEEDS_VENDOR),
    )


def _budgets(calls: int, seconds: float) -> tuple[BudgetSpec, ...]:
    return (BudgetSpec(name=BUDGET, calls=calls, seconds=seconds, per="partner account"),)


def _read(kind: Kind, rules: SetKind) -> KindCapabilities:
    return KindCapabilities(
        read=True,
        search=frozenset(searched(kind, rules)),
        incremental=rules.changed is not None,
        deletions_visible=rules.deletions_visible,
        loss={
            name: "the profile names no property for it" for name in _WANTED.get(kind, ()) if name not in rules.fields
        },
    )


def searched(kind: Kind, rules: SetKind) -> Mapping[str, str]:
    """By search key, the field whose property is filtered."""
    by_kind: Mapping[Kind, Mapping[str, str]] = {
        Kind.PET: {"client_id": "client_id"},
        Kind.APPOINTMENT: {
            "client_id": "client_id",
            "pet_id": "pet_id",
            "start_from": "start",
            "start_before": "start",
        },
        Kind.ATTACHMENT: {"client_id": "client_id", "pet_id": "pet_id"},
        Kind.REMINDER: {"pet_id": "pet_id"},
        Kind.VACCINATION: {"pet_id": "pet_id"},
    }
    if kind is Kind.CLIENT:
        return {key: f"{key}s" for key in rules.search}
    return {key: name for key, name in by_kind.get(kind, {}).items() if rules.property_of(name) is not None}


def _handed(rules: SetKind) -> KindCapabilities:
    return replace(
        _read(Kind.APPOINTMENT, rules),
        create=ExactlyOnce.IDEMPOTENCY_KEY,
        update=TYPED & (rules.fields.keys() | ({"duration"} if "end" in rules.fields else set())),
        cancel=True,
        unlinked=Unlinked.YES,
        relink=Relink.NO,
        loss={"start": TWICE, "cancel_reason": "whoever carries out a cancellation may write it down, or not"},
        handed=HANDED,
    )


def _written(rules: SetKind, sent: VisitWrites, *, needs_pet: bool) -> KindCapabilities:
    able = _read(Kind.APPOINTMENT, rules)
    looks = {"start_from", "start_before"} <= able.search
    create = (ExactlyOnce.LOOK if looks else ExactlyOnce.NONE) if sent.create else None
    update = changed_by(sent) if sent.update else frozenset()
    relinks = {"client_id", "pet_id"} <= update
    return replace(
        able,
        create=create,
        update=update if relinks else update - {"client_id", "pet_id"},
        cancel=sent.cancelled is not None,
        unlinked=Unlinked(sent.unlinked),
        relink=Relink.UNVERIFIED if relinks else Relink.NO,
        loss={
            "start": TWICE,
            **(
                {} if "reason" in sent.fields else {"cancel_reason": "a cancellation is a status, and says no reason"}
            ),
            **sent.loss,
        },
        text_limits=sent.text_limits,
        needs=frozenset({"pet_id"}) if needs_pet else frozenset(),
    )


def changed_by(sent: VisitWrites) -> frozenset[str]:
    """The canonical fields that a write of a visit changes."""
    told = sent.fields.keys()
    fields = {"client_id", "pet_id", "start", "status", "appointment_type", "resource", "notes"} & told
    return frozenset(fields | ({"duration"} if {"duration", "minutes", "end"} & told else set()))


def _files(site: IdexxProfile, *, by_api: bool) -> KindCapabilities:
    rules, sent = site.attachment, site.writes.attachment if by_api else None
    if rules is None:
        return KindCapabilities()
    able = _read(Kind.ATTACHMENT, rules)
    if sent is None:
        return able
    told = {Kind.CLIENT: "client_id", Kind.PET: "pet_id"}
    hangs_on = frozenset(kind for kind, name in told.items() if name in sent.fields and name in able.search)
    return replace(
        able,
        create=ExactlyOnce.LOOK,
        hangs_on=hangs_on,
        file_types=frozenset(sent.types),
        largest=sent.largest,
        loss={} if {"notes"} <= sent.fields.keys() & rules.fields.keys() else {"notes": "not kept"},
    )
