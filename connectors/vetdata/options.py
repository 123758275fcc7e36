"""A VetData account's options, and what the connector can do with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from vetbridge.connector.interface import BudgetSpec, Capabilities, KindCapabilities
from vetbridge.connector.plugin import Options, safe_address
from vetbridge.connector.secret import Secret
from vetbridge.core.records import Kind

FEED = "feed"
"""The budget of all reads. What VetData takes is not documented: the number is VetBridge's own restraint."""
TOKEN = "token"  # noqa: S105 - a name
"""The budget of token requests: a client of VetData's keeps to ten a minute (pulse.md, section 6)."""

MOST_CODES = 50
"""Vaccine codes that one filter takes."""

Code = Annotated[str, Field(coerce_numbers_to_str=True, min_length=1, max_length=100)]
"""A code of the practice's, or the name of a category, written as text or as a number."""


def _guid(value: str) -> str:
    """Raises ValueError where it is none."""
    try:
        return str(UUID(value.strip()))
    except ValueError:
        raise ValueError("an installation is a GUID, like 12345678-90ab-cdef-1234-567890abcdef") from None


class Vaccines(BaseModel):
    """Which lines of an account are vaccinations: VetData has no entity for them (pulse.md, section 5)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    codes: Annotated[tuple[Code, ...], Field(max_length=MOST_CODES)] = ()
    categories: Annotated[tuple[Code, ...], Field(max_length=20)] = ()
    """All codes of these categories, by their code or their description."""


class VetDataOptions(Options):
    """Options of an account; docs/connectors/vetdata.md says where each value comes from."""

    base_url: Annotated[str, AfterValidator(safe_address)] = "https://api.vetdata.net"
    installation: Annotated[str, AfterValidator(_guid)]
    """Which practice: one VetData account may show several."""
    auth: Literal["token", "basic"] = "token"
    username: Annotated[str, Field(min_length=1)]
    """The partner's, as ``password`` is."""
    password: Secret
    client_id: str | None = None
    """Issued by Covetrus; for ``auth: token`` alone, as all that follows down to ``product_code``."""
    auth_url: Annotated[str, AfterValidator(safe_address)] = "https://auth.covetrus.com"
    audience: str = "https://vetdata.net"
    realm: str = "PartnersDB"
    product_code: str = "Vetdata"
    """Empty: it is not sent. One client sends it, another one does not."""
    keys: Literal["pms", "feed"] = "pms"
    """By which number clients and pets are known: the practice's own, or the feed's."""
    numeric_keys: bool = False
    """The practice's own numbers are numbers for the feed, too, and not text: ``doctor`` says so."""
    owner_types: tuple[Code, ...] = ()
    """Types of relationships that make an owner; none: all."""
    expand: bool = True
    """Phones and mail addresses come with their clients (``$expand``). Without them there are none."""
    vaccines: Vaccines = Vaccines()
    due_after_days: Mapping[Code, Annotated[int, Field(ge=1, le=3650)]] = {}
    """By vaccine code, the days until the next one is due: the feed does not say when it is."""
    page_size: int = Field(default=200, ge=2, le=1000)
    overlap_hours: float = Field(default=48.0, ge=0, le=720, allow_inf_nan=False)
    """How far before the newest change that was seen a poll looks again: the feed shows some rows late."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.auth == "token" and not self.client_id:
            raise ValueError("auth: token needs client_id, which Covetrus issues")
        strange = sorted(set(self.due_after_days) - set(self.vaccines.codes))
        if strange and not self.vaccines.categories:
            raise ValueError(f"due_after_days has {', '.join(strange)}, which vaccines.codes does not name")
        return self

    @property
    def has_vaccines(self) -> bool:
        """Whether anything counts as a vaccination."""
        return self.vaccines != Vaccines()


def capabilities(options: VetDataOptions) -> Capabilities:
    """What the feed can do with these options: it is read, and nothing is written."""
    told = KindCapabilities(read=True, incremental=True, deletions_visible=True)
    kinds = {
        Kind.CLIENT: told,
        Kind.PET: KindCapabilities(
            read=True, search=frozenset({"client_id"}), incremental=True, deletions_visible=True
        ),
    }
    if options.has_vaccines:
        kinds[Kind.VACCINATION] = told
    return Capabilities(
        side="pims",
        kinds=kinds,
        budgets=(
            BudgetSpec(name=TOKEN, calls=10, seconds=60.0, per="client id"),
            BudgetSpec(name=FEED, calls=120, seconds=60.0, per="account"),
        ),
        code_lists=frozenset({"species", "sex"}),
        learnt_lists=frozenset({"species", "sex"}),
        proven="documented in part, by clients of the feed; not yet run against a live one",
        needs_vendor=(
            "VetData credentials of a partner, and the installation of each practice",
            "the practice's consent",
            "whether the account is asked with a token or with user and password",
            "how late rows and removals show in the feed (option overlap_hours)",
            "whether a phone that changes makes its client come again",
            "how many calls it takes in a minute, and how many rows in one answer (option page_size)",
            "whether the practice's own numbers are text or numbers in a filter (option numeric_keys)",
            "which types of relationships are owners (option owner_types)",
        ),
    )
