"""The pages of failures: in groups, one group's changes, trying them again after a look, and acknowledging them."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request, Response
from structlog.contextvars import bound_contextvars

from vetbridge.connector.configured import read_config
from vetbridge.connector.interface import Operation
from vetbridge.core.errors import ConfigError
from vetbridge.core.roles import Role
from vetbridge.daemon.rehearsal import rehearsed
from vetbridge.desk import failures, replay
from vetbridge.desk.changes import ListedGroup, Selection, UnknownGroup
from vetbridge.desk.failures import ListedFailure
from vetbridge.desk.language import moment, phrase, phrases
from vetbridge.desk.replay import Chosen, Replay, Result
from vetbridge.desk.wording import ago, field_words, why
from vetbridge.ledger import audit
from vetbridge.ledger.rehearsals import PlannedChange, PlannedWrite
from vetbridge.web import showing
from vetbridge.web.forms import Form, row_number
from vetbridge.web.frame import Frame, Refusal

MOST = 100
"""Failures of one page."""
MOST_TRIED = 20
"""Changes that are tried again at a time: somebody waits for the rehearsal."""
PATIENCE = 15.0
"""Seconds that a rehearsal waits for a side that does not answer."""
LONGEST_GROUP = 200
"""Characters of a group's name."""

_rehearsing = threading.Lock()
"""One rehearsal at a time: each copies the ledger."""

_WRITES: Mapping[str, str] = MappingProxyType(
    {
        Operation.CREATE: "{kind} is made at {account}: {fields}",
        Operation.UPDATE: "{kind} is changed at {account}: {fields}",
        Operation.CANCEL: "{kind} is cancelled at {account}",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Failures of one account and code, as the page shows them."""

    group: ListedGroup
    first: str
    last: str
    changes: tuple[Failure, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One failure, as the page shows it."""

    failure: ListedFailure
    about: str
    """Which record, and when its visit is."""
    failed: str
    """``3 hours ago``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One change that is to be tried again, and what would come of it."""

    change: int
    about: str
    refused: str
    """Why it is not tried; else empty."""
    ending: str
    writes: tuple[str, ...]


def routes(frame: Frame) -> APIRouter:
    """The routes of these pages."""
    router = frame.router()

    @router.get("/failures")
    def _list(request: Request, site: str = "", group: str = "") -> Response:
        frame.require(request, Role.READER)
        if site and site not in frame.sites:
            raise Refusal(
                404, phrase("No such site"), phrase("The config names no site of this name."), back="/failures"
            )
        with frame.ledger.read() as tx:
            selection = Selection(site=site or None, group=group[:LONGEST_GROUP])
            try:
                found = failures.failures(tx, frame.sites, selection, limit=MOST)
            except UnknownGroup:
                raise _no_group() from None
            now = tx.now
        return frame.page(
            request,
            "failures.html",
            groups=[_group(frame, each, found.listed, now) for each in found.groups],
            total=found.total,
            come_right=[_failure(frame, each, now) for each in found.come_right],
            site=site,
            sites=sorted(frame.sites),
            group=group,
        )

    @router.post("/failures/preview")
    def _preview(request: Request) -> Response:
        frame.require(request, Role.SUPPORT)
        selection = _selection(frame.form(request))
        with frame.ledger.read() as tx:
            try:
                chosen = replay.choose(tx, frame.sites, selection, limit=MOST_TRIED)
            except UnknownGroup:
                raise _no_group() from None
        found, restart = _rehearsed(frame, chosen)
        return frame.page(
            request,
            "replay.html",
            trials=[_trial(frame, each) for each in found],
            ready=[each.change for each in found if each.result is not Result.REFUSED],
            restart=sorted(restart),
            left_out=max(0, chosen.total - len(found)),
        )

    @router.post("/failures/replay")
    def _replay(request: Request) -> Response:
        visitor = frame.require(request, Role.SUPPORT)
        form = frame.form(request)
        numbers = _numbers(form)
        restart = frozenset(form.all("restart"))
        with frame.ledger.write() as tx:
            chosen = replay.choose(tx, frame.sites, Selection(numbers=numbers), limit=MOST_TRIED)
            done = replay.carry_out(
                tx,
                chosen.replays,
                by=visitor.name,
                via=audit.PAGE,
                only_failed=True,
                old_mapping=lambda site: site in restart,
            )
        frame.wake()
        return frame.after(request, "/failures", done=_done(done))

    @router.post("/failures/acknowledge")
    def _acknowledge(request: Request) -> Response:
        visitor = frame.require(request, Role.SUPPORT)
        selection = _selection(frame.form(request))
        with frame.ledger.write() as tx:
            try:
                found = failures.fitting(tx, frame.sites, selection)
            except UnknownGroup:
                raise _no_group() from None
            count = failures.acknowledge(tx, [each.id for each in found], by=visitor.name, via=audit.PAGE)
        words = phrases("One failure is acknowledged.", "{count} failures are acknowledged.", count)
        return frame.after(request, "/failures", done=words)

    return router


def _no_group() -> Refusal:
    return Refusal(
        404,
        phrase("No such group"),
        phrase("Nothing fails in this way any more, or somebody has acknowledged it."),
        back="/failures",
        link=phrase("To the failures"),
    )


def _numbers(form: Form) -> tuple[int, ...]:
    """The changes that a form names. Raises ``Refusal`` where it names none."""
    given = [each for each in map(row_number, form.all("change")) if each is not None]
    if not given:
        raise Refusal(400, phrase("Nothing was done"), phrase("This form names no change."), back="/failures")
    return tuple(dict.fromkeys(given))


def _selection(form: Form) -> Selection:
    """What a form means: changes by their numbers, or a group of a site."""
    group = form.get("group", "")[:LONGEST_GROUP]
    return Selection(group=group, site=form.get("site") or None) if group else Selection(numbers=_numbers(form))


def _rehearsed(frame: Frame, chosen: Chosen) -> tuple[tuple[Replay, ...], set[str]]:
    """What would come of each with today's mapping, and the sites of which this VetBridge has another one.

    Raises ``Refusal`` where another rehearsal is under way, or today's config cannot be used.
    """
    wanted = [each.change for each in chosen.replays if each.result is not Result.REFUSED]
    if not wanted:
        return chosen.replays, set()
    if not _rehearsing.acquire(blocking=False):
        raise Refusal(
            503,
            phrase("Somebody else is just looking"),
            phrase("What would come of a change is looked at one at a time. Wait a moment, and try again."),
            back="/failures",
        )
    try:
        # The log of this VetBridge tells what happens; what is rehearsed does not.
        with bound_contextvars(rehearsal=True), rehearsed(read_config(frame.program.loaded.path)) as rehearsal:
            planned = rehearsal.replay(wanted, patience=PATIENCE, progress=lambda _words: None)
            today = rehearsal.program.mappings
    except ConfigError:
        raise Refusal(
            409,
            phrase("The config has a fault"),
            phrase(
                "It was changed since VetBridge was started. `vetbridge config check` says what is wrong with it."
            ),
            back="/failures",
        ) from None
    finally:
        _rehearsing.release()
    mine = frame.program.mappings
    differ = {site for site, mapping in today.items() if mine.get(site, mapping) != mapping}
    found = replay.judge(chosen.replays, planned)
    return found, differ & {each.site for each in found if each.result is not Result.REFUSED}


# -- words --------------------------------------------------------------------------------------------------------


def _group(frame: Frame, each: ListedGroup, listed: Sequence[ListedFailure], now: datetime) -> Group:
    fitting = [
        one for one in listed if (one.change.account, one.change.code) == (each.group.account, each.group.code)
    ]
    return Group(
        group=each,
        first=ago(each.group.since, now),
        last=ago(each.group.last, now),
        changes=tuple(_failure(frame, one, now) for one in fitting),
    )


def _failure(frame: Frame, each: ListedFailure, now: datetime) -> Failure:
    change = each.change
    return Failure(
        failure=each,
        about=_about(frame, change.site, change.kind, change.remote_id, change.visit_at),
        failed=ago(change.updated_at, now),
    )


def _about(frame: Frame, site: str, kind: str, remote_id: str, visit_at: datetime | None) -> str:
    number = showing.text(remote_id, 24)
    if visit_at is not None:
        zone = frame.sites[site].zone if site in frame.sites else "UTC"
        return phrase(
            "Visit of {moment} ({number})", moment=moment(visit_at.astimezone(ZoneInfo(zone))), number=number
        )
    return phrase("{kind} {number}", kind=showing.kind(kind), number=number)


def _trial(frame: Frame, each: Replay) -> Trial:
    return Trial(
        change=each.change,
        about=_about(frame, each.site, each.kind, each.remote_id, each.visit_at) if each.kind else "",
        refused=showing.sentence(showing.text(each.words)) if each.result is Result.REFUSED else "",
        ending="" if each.planned is None else _ending(each.planned),
        writes=() if each.planned is None else tuple(_write(write) for write in each.planned.writes),
    )


def _ending(planned: PlannedChange) -> str:
    """How it would end."""
    if planned.asks:
        return phrase("A person would be asked: {why}.", why=why(planned.asks))
    said = showing.text(planned.message or planned.code)
    if planned.state in ("received", "waiting"):
        if not said:
            return phrase("It would wait: its site is paused, or a side of it does not answer.")
        return phrase("It would wait: {why}.", why=said)
    if not planned.writes:
        return phrase("Nothing would be written: {why}.", why=said)
    return phrase("It would be carried over.")


def _write(write: PlannedWrite) -> str:
    fields = ", ".join(field_words(each) for each in write.fields)
    return phrase(_WRITES[write.operation], kind=showing.kind(write.kind), account=write.account, fields=fields)


def _done(done: Sequence[Replay]) -> str:
    tried = sum(each.new_change is not None for each in done)
    words = [phrases("One change is tried again.", "{count} changes are tried again.", tried)]
    refused = [each for each in done if each.new_change is None]
    if refused:
        words.append(
            phrases(
                "One was refused: {why}.",
                "{count} were refused, the first: {why}.",
                len(refused),
                why=refused[0].words,
            )
        )
    if any(each.waits_for_restart for each in done):
        words.append(
            phrase("The mapping was changed since VetBridge was started: restart it, and it works on them then.")
        )
    return " ".join(words)
