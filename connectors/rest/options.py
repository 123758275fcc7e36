"""A ``rest`` account's options, and what the connector can do by its profile."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, PrivateAttr, model_validator
from pydantic_core import PydanticCustomError

from connectors.rest import template
from connectors.rest.profile import HANDED, Name, RestKind, RestProfile, Send
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

HANDED_FIELDS = frozenset({"start", "duration", "appointment_type", "resource"})
"""What people change in a visit by the work list."""

TWICE = "of an hour that the clocks show twice, the first is meant"


class RestOptions(Options):
    """Options of an account; docs/connectors/rest.md says where each value comes from."""

    base_url: Annotated[str, AfterValidator(safe_address)]
    token_url: Annotated[str, AfterValidator(safe_address)] | None = None
    """Where a token is asked for; None: at ``base_url``."""
    profile: ProfileRef
    secrets: Mapping[Name, Secret] = {}
    """What proves who asks, by the names that the profile gives them."""
    values: Mapping[Name, Annotated[str, Field(coerce_numbers_to_str=True, min_length=1, max_length=200)]] = {}
    """What the site says for itself, by the names that the profile gives them: the practice's number."""
    writes: Literal["api", "handed"] = "api"
    """``handed``: the API is only read, whatever its profile says, and people write what the work list tells them."""
    late_landing: float = Field(default=0.0, ge=0)
    """Seconds in which a write whose answer was lost may still appear."""

    _read: RestProfile = PrivateAttr()

    @property
    def api(self) -> RestProfile:
        """What the profile says, for this account."""
        return self._read.handed() if self.writes == HANDED else self._read

    @model_validator(mode="after")
    def _fits(self) -> Self:
        """Raises ValueError where the profile cannot be read, or names other secrets or values than the options."""
        try:
            self._read = profile = load_profile(RestProfile, self.profile, "rest")
        except ConfigError as error:
            words = "; ".join(error.message.splitlines())
            raise PydanticCustomError("vetbridge", "{words}", {"words": words}) from None
        wrong = []
        for what, given, named in (
            ("secrets", set(self.secrets), set(profile.secrets)),
            ("values", set(self.values), set(profile.values)),
        ):
            if named - given:
                wrong.append(f"{what} lacks {', '.join(sorted(named - given))}")
            if given - named:
                wrong.append(f"{what} has {', '.join(sorted(given - named))}, which its profile does not name")
        if wrong:
            raise ValueError("; ".join(wrong))
        return self


def capabilities(profile: RestProfile, *, late_landing: float = 0.0) -> Capabilities:
    """What an account with this profile can do."""
    return Capabilities(
        side="pims",
        kinds={kind: _of(kind, rest, profile) for kind, rest in profile.kinds.items()},
        budgets=tuple(
            BudgetSpec(name=each.name, calls=each.calls, seconds=each.seconds, per=each.per, shared=each.shared)
            for each in profile.limits
        ),
        code_lists=frozenset(profile.codes),
        late_landing=late_landing,
        proven=profile.proven,
        screen=profile.screen,
        needs_vendor=profile.needs_vendor,
    )


def _of(kind: Kind, rest: RestKind, profile: RestProfile) -> KindCapabilities:
    handed = frozenset(
        each for each in (Operation.CREATE, Operation.UPDATE, Operation.CANCEL) if rest.write(each) == HANDED
    )
    create: ExactlyOnce | None = None
    if Operation.CREATE in handed:
        create = ExactlyOnce.IDEMPOTENCY_KEY
    elif rest.create is not None:
        create = _creates(kind, rest, profile)
    update: frozenset[str] = frozenset()
    if rest.update is not None:
        update = template.changed(rest.update.body or {}) if isinstance(rest.update, Send) else HANDED_FIELDS
    if rest.relink is Relink.NO and kind is Kind.APPOINTMENT:
        update -= {"client_id", "pet_id"}
    return KindCapabilities(
        read=True,
        search=frozenset(rest.search),
        create=create,
        update=update,
        cancel=rest.cancel is not None,
        changed=_changes(rest, profile),
        incremental=rest.changed is not None,
        deletions_visible=rest.deletions_visible,
        unlinked=Unlinked.YES if Operation.CREATE in handed else rest.unlinked,
        relink=Relink.NO if Operation.UPDATE in handed else rest.relink,
        loss={**({"start": TWICE} if kind is Kind.APPOINTMENT else {}), **rest.loss},
        text_limits=rest.text_limits,
        handed=handed,
    )


def _creates(kind: Kind, rest: RestKind, profile: RestProfile) -> ExactlyOnce:
    """The best that can be done about a create whose answer was lost."""
    if profile.idempotency_header is not None:
        return ExactlyOnce.IDEMPOTENCY_KEY
    return ExactlyOnce.LOOK if looks(kind, rest) else ExactlyOnce.NONE


def looks(kind: Kind, rest: RestKind) -> bool:
    """Whether what was created can be found again by searching."""
    searched = set(rest.search)
    if kind is Kind.CLIENT:
        return bool({"phone", "email"} & searched)
    if kind is Kind.PET:
        return "client_id" in searched
    return {"start_from", "start_before"} <= searched and "notes" in rest.fields


def _changes(rest: RestKind, profile: RestProfile) -> ExactlyOnce:
    if rest.version is not None and rest.version.header is not None:
        return ExactlyOnce.CONDITIONAL
    if profile.idempotency_header is not None:
        return ExactlyOnce.IDEMPOTENCY_KEY
    return ExactlyOnce.LOOK
