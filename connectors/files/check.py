"""What is looked at before VetBridge is let loose on a folder: that it is there, and what came into it lately."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

from connectors.files.inbox import ERRORS, FOLDERS, Inbox
from connectors.files.options import FilesOptions
from connectors.files.profile import FilesProfile
from connectors.files.shelf import Shelf
from vetbridge.connector.clock import Clock
from vetbridge.connector.interface import Check, CheckReport
from vetbridge.core.errors import VetBridgeError
from vetbridge.core.records import Kind

WEIGHTY: Mapping[Kind, tuple[frozenset[str], ...]] = {
    Kind.CLIENT: (frozenset({"phones", "emails"}),),
    Kind.PET: (frozenset({"species"}),),
    Kind.APPOINTMENT: (frozenset({"client_id", "pet_id"}), frozenset({"resource"}), frozenset({"status"})),
}
"""Fields that are missed where a file has a column for none of them, though it is read without."""
SHOWN = 5
"""Names of files that are told; more are counted only."""


def check(
    inbox: Inbox, shelves: Mapping[Kind, Shelf], profile: FilesProfile, options: FilesOptions, clock: Clock
) -> CheckReport:
    """The folder and its rights, the last file of each kind, and what was put aside."""
    try:
        inbox.prepare()
    except VetBridgeError as error:
        return CheckReport(lines=(Check(name="folder", ok=False, text=error.message, advice=error.advice()),))
    closed = [name for name in FOLDERS if not os.access(options.folder / name, os.R_OK | os.W_OK | os.X_OK)]
    if closed:
        text = f"VetBridge may not read and write {', '.join(closed)} in {options.folder}"
        advice = "give the user of VetBridge the rights to read, write and remove there"
        return CheckReport(lines=(Check(name="folder", ok=False, text=text, advice=advice),))
    lines = [Check(name="folder", ok=True, text=f"{options.folder} can be read and written")]
    for kind, shelf in shelves.items():
        try:
            lines.append(_last(kind, shelf, profile, options, clock))
        except VetBridgeError as error:
            lines.append(Check(name=f"files of {kind.value}s", ok=False, text=error.message, advice=error.advice()))
    lines += _left(inbox, options)
    return CheckReport(lines=tuple(lines))


def _last(kind: Kind, shelf: Shelf, profile: FilesProfile, options: FilesOptions, clock: Clock) -> Check:
    """How old the last file of a kind is."""
    name, taken = f"files of {kind.value}s", shelf.read().taken
    if not taken.name:
        patterns = " or ".join(profile.kinds[kind].files)
        text = "none has been taken in yet"
        advice = f"let {profile.title} write one called {patterns} into {options.folder / 'in'}"
        return Check(name=name, ok=False, warning=True, text=text, advice=advice)
    hours = (clock.now().timestamp() - taken.at) / 3600
    rows = f"{taken.rows} rows" + (f", {taken.refused} refused" if taken.refused else "")
    text = f"the last one is {taken.name}, taken in {_ago(hours)} ({rows})"
    if hours > options.stale_hours:
        advice = "see whether the export still runs, and where it writes to"
        return Check(name=name, ok=False, warning=True, text=text, advice=advice)
    if taken.refused:
        advice = f"see {options.folder / ERRORS / taken.name}.rejected.csv"
        return Check(name=name, ok=False, warning=True, text=text, advice=advice)
    missed = [" and ".join(sorted(fields)) for fields in WEIGHTY.get(kind, ()) if fields <= set(taken.absent)]
    if missed:
        advice = "name these columns in the profile, or let the export write them: VetBridge needs them to match"
        return Check(
            name=name, ok=False, warning=True, text=f"{text}; no column for {', '.join(missed)}", advice=advice
        )
    return Check(name=name, ok=True, text=text)


def _ago(hours: float) -> str:
    return f"{hours / 24:.0f} days ago" if hours >= 48 else f"{max(hours, 0):.0f} hours ago"


def _left(inbox: Inbox, options: FilesOptions) -> Iterator[Check]:
    """Files that nobody takes, and files that were put aside."""
    waiting, closed, unknown = inbox.waiting()
    if unknown:
        text = f"{unknown} files in {options.folder / 'in'} fit no pattern of the profile, and are left there"
        advice = "rename them, name their pattern in the profile, or remove them"
        yield Check(name="unknown files", ok=False, warning=True, text=text, advice=advice)
    if closed:
        text = f"{closed} files in {options.folder / 'in'} may not be opened"
        yield Check(
            name="closed files", ok=False, text=text, advice="give the user of VetBridge the right to read them"
        )
    if waiting:
        yield Check(name="waiting files", ok=True, text=f"{waiting} will be taken in once they stand still")
    aside = sorted(entry.name for entry in os.scandir(options.folder / ERRORS) if entry.name.endswith(".reason.txt"))
    if aside:
        names = ", ".join(name.removesuffix(".reason.txt") for name in aside[:SHOWN])
        more = f" and {len(aside) - SHOWN} more" if len(aside) > SHOWN else ""
        text = f"put aside: {names}{more}"
        advice = f"read the reasons in {options.folder / ERRORS}, and remove what is settled"
        yield Check(name="files put aside", ok=False, warning=True, text=text, advice=advice)
