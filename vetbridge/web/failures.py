"""The pages of failures: in groups, one group's changes, trying them again after a look, and acknowledging them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request, Response

from vetbridge.core.records import Side
from vetbridge.core.roles import Role
from vetbridge.desk import failures, replay
from vetbridge.desk.changes import ListedGroup, Selection, UnknownGroup
from vetbridge.desk.failures import ListedFailure
from vetbridge.desk.language import moment, phrase, phrases
from vetbridge.desk.replay import Replay, Result
from vetbridge.desk.wording import ago, kind_words, why, write_words
from vetbridge.ledger import access, audit
from vetbridge.ledger.rehearsals import PlannedChange, PlannedWrite
from vetbridge.ledger.replays import ONE_SIDE_ONLY
from vetbridge.web import rehearsing, showing
from vetbridge.web.forms import Form, row_number
from vetbridge.web.forms import moment as moment_of
from vetbridge.web.frame import Frame, Refusal

MOST = 100
"""Failures of one page."""
LONGEST_GROUP = 200
"""Characters of a group's name."""


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
        visitor = frame.require(request, Role.READER)
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
        named = [each.change.record_id for each in (*found.listed, *found.come_right) if each.file]
        access.note_found(frame.ledger, named, by=visitor.name, via=audit.PAGE)
        return frame.page(
            request,
            "failures.html",
            groups=[_group(frame, each, found.listed, now) for each in found.groups],
            total=found.total,
            shown_at=now.isoformat(),
            come_right=[_failure(frame, each, now) for each in found.come_right],
            site=site,
            sites=sorted(frame.sites),
            group=group,
        )

    @router.post("/failures/preview")
    def _preview(request: Request) -> Response:
        frame.require(request, Role.SUPPORT)
        form = frame.form(request)
        selection, side = _selection(form), _side(form)
        with frame.ledger.read() as tx:
            try:
                chosen = replay.choose(tx, frame.sites, selection, limit=rehearsing.MOST)
            except UnknownGroup:
                raise _no_group() from None
        found, restart = rehearsing.rehearse(frame, chosen, side=side)
        return frame.page(
            request,
            "replay.html",
            trials=[_trial(frame, each) for each in found],
            ready=[each.change for each in found if each.result is not Result.REFUSED],
            restart=sorted(restart),
            side=side or "",
            left_out=max(0, chosen.total - len(found)),
        )

    @router.post("/failures/replay")
    def _replay(request: Request) -> Response:
        visitor = frame.require(request, Role.SUPPORT)
        form = frame.form(request)
        numbers = _numbers(form)
        restart = frozenset(form.all("restart"))
        with frame.ledger.write() as tx:
            chosen = replay.choose(tx, frame.sites, Selection(numbers=numbers), limit=rehearsing.MOST)
            done = replay.carry_out(
                tx,
                chosen.replays,
                by=visitor.name,
                via=audit.PAGE,
                only_failed=True,
                side=_side(form),
                old_mapping=lambda site: site in restart,
            )
        frame.wake()
        return frame.after(request, "/failures", done=_done(done))

    @router.post("/failures/acknowledge")
    def _acknowledge(request: Request) -> Response:
        visitor = frame.require(request, Role.SUPPORT)
        form = frame.form(request)
        selection, shown_at = _selection(form), moment_of(form.get("shown_at", ""))
        with frame.ledger.write() as tx:
            try:
                found = failures.fitting(tx, frame.sites, selection)
            except UnknownGroup:
                raise _no_group() from None
            # What has failed since the page was shown has been seen by nobody.
            seen = [each.id for each in found if shown_at is None or each.updated_at <= shown_at]
            count = failures.acknowledge(tx, seen, by=visitor.name, via=audit.PAGE)
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


def _side(form: Form) -> Side | None:
    """The side that alone is to be written to; None: both."""
    given = form.get("side")
    return Side(given) if given in set(Side) else None


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
    return phrase("{kind} {number}", kind=kind_words(kind), number=number)


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
    if planned.code == ONE_SIDE_ONLY:
        return phrase("It would be carried over to this side; what is to be done at the other side would be left.")
    return phrase("It would be carried over.")


def _write(write: PlannedWrite) -> str:
    return write_words(write.operation, write.kind, write.account, write.fields)


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
