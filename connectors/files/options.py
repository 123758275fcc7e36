"""A files account's options, and what the connector can do with them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from connectors.files.profile import CODE_LISTS, FilesProfile, KindFiles
from vetbridge.connector.folder import FolderPath
from vetbridge.connector.interface import (
    Capabilities,
    ExactlyOnce,
    KindCapabilities,
    Operation,
    Relink,
    Unlinked,
)
from vetbridge.connector.plugin import Options
from vetbridge.connector.profiles import ProfileRef, readable
from vetbridge.core.records import Kind

HANDED = frozenset({Operation.CREATE, Operation.UPDATE, Operation.CANCEL})
CHANGEABLE = frozenset({"start", "duration", "appointment_type", "resource"})
"""Fields of a visit that whoever carries out writes is asked to change."""
SEARCHED = {
    Kind.CLIENT: frozenset({"phone", "email"}),
    Kind.PET: frozenset({"client_id"}),
    Kind.APPOINTMENT: frozenset({"client_id", "pet_id", "start_from", "start_before"}),
    Kind.VACCINATION: frozenset({"pet_id"}),
    Kind.REMINDER: frozenset({"pet_id"}),
}


class FilesOptions(Options):
    """Of an account."""

    folder: FolderPath
    """Where the exchange happens; ``in``, ``out``, ``archive``, ``errors`` and ``state`` are made below it."""
    profile: Annotated[ProfileRef, AfterValidator(readable(FilesProfile, "files"))]
    kinds: tuple[Kind, ...] | None = None
    """Kinds of which files come. None: all that the profile knows."""
    settle: Annotated[float, Field(ge=0, le=3600)] = 10.0
    """Seconds for which a file must stand still before it is taken in."""
    done: Annotated[str, Field(pattern=r"^\.[A-Za-z0-9]{1,10}$")] | None = None
    """Ending of the mark that is put beside a file once it is written: with ``.done`` the file ``a.csv`` is taken
    when ``a.csv.done`` is there. None: no marks; a file is taken once it stands still."""
    archive_days: Annotated[int, Field(ge=0, le=3650)] = 30
    """Days for which files that were taken in or put aside are kept."""
    stale_hours: Annotated[float, Field(gt=0, le=10_000)] = 36.0
    """Hours after which a check warns that no newer file of a kind has come."""
    most_gone: Annotated[float, Field(ge=0, le=1)] | None = None
    """Instead of the profile's: for one night in which so many records did go."""
    out: Literal["none", "csv", "xlsx", "ics"] = "none"
    """Whether writes that are handed on are also dropped as files in ``out``."""
    page_size: Annotated[int, Field(ge=1, le=10_000)] = 500


def capabilities(
    profile: FilesProfile, options: FilesOptions, wanted: Collection[Kind] = frozenset(Kind)
) -> Capabilities:
    """What an account of these options can do, where it is asked for the ``wanted`` kinds alone."""
    named = set(Kind if options.kinds is None else options.kinds) & set(wanted)
    known = {kind: rules for kind, rules in profile.kinds.items() if kind in named}
    kinds: dict[Kind, KindCapabilities] = {
        kind: KindCapabilities(
            read=True,
            search=_searched(kind, rules.fields.keys()),
            incremental=True,
            deletions_visible=_shows_deletions(rules),
        )
        for kind, rules in known.items()
        if kind is not Kind.APPOINTMENT
    }
    if Kind.APPOINTMENT in known:
        rules = known[Kind.APPOINTMENT]
        kinds[Kind.APPOINTMENT] = KindCapabilities(
            read=True,
            search=_searched(Kind.APPOINTMENT, rules.fields.keys()),
            create=ExactlyOnce.IDEMPOTENCY_KEY,
            update=CHANGEABLE,
            cancel=True,
            changed=ExactlyOnce.IDEMPOTENCY_KEY,
            incremental=True,
            deletions_visible=_shows_deletions(rules),
            unlinked=Unlinked.YES,
            relink=Relink.NO,
            handed=HANDED,
            loss={
                "start": "by the site's clock: of an hour that occurs twice, the first",
                "cancel_reason": "whoever carries out a cancellation may write it down, or not",
            },
        )
    lists = {name for name, (kind, field) in CODE_LISTS.items() if kind in known and field in known[kind].fields}
    return Capabilities(
        side="pims",
        kinds=kinds,
        code_lists=frozenset(lists),
        learnt_lists=frozenset(lists),
        proven=profile.proven,
        screen=profile.screen,
        needs_vendor=profile.needs_vendor,
    )


def _shows_deletions(rules: KindFiles) -> bool:
    return rules.mode == "snapshot" or rules.deleted_when is not None


def _searched(kind: Kind, fields: Collection[str]) -> frozenset[str]:
    """The search keys of a kind for which its files have a column."""
    columns = {"phone": "phones", "email": "emails", "start_from": "start", "start_before": "start"}
    return frozenset(key for key in SEARCHED[kind] if columns.get(key, key) in fields)
