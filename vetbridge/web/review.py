"""The pages of the questions: the list, one question with its answers, and taking an answer back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response

from vetbridge.core.answers import PAIR_CLIENT, Answer, Choice
from vetbridge.core.roles import Role
from vetbridge.desk import answering, claims, review, search
from vetbridge.desk.answering import CannotAnswer, Taken
from vetbridge.desk.language import phrase, phrases
from vetbridge.desk.review import ReviewItem
from vetbridge.desk.staff import Visitor
from vetbridge.desk.wording import ahead
from vetbridge.ledger import access, audit, reports, reviews
from vetbridge.ledger.database import Transaction
from vetbridge.ledger.reports import OpenQuestion
from vetbridge.web import question, showing
from vetbridge.web.forms import Form, moment, row_number
from vetbridge.web.frame import Frame, Number, Refusal, Undo
from vetbridge.web.question import HOURS, Card

CARDS = 50
"""Questions on one page of the list."""
PATIENCE = 2.0
"""Seconds to wait for an answer to be carried out: so long a browser is held up."""
STEP = 0.2
"""Seconds between two looks."""


Siblings = Annotated[list[str], Query(default_factory=list)]
"""Other questions that are to be answered the same, each by its number and what was seen of it."""


def routes(frame: Frame) -> APIRouter:
    """The routes of these pages."""
    router = frame.router()
    _looking(frame, router)
    _answering(frame, router)
    _tending(frame, router)
    return router


def _looking(frame: Frame, router: APIRouter) -> None:
    """The list, one question, and the pets of a client to pick from."""

    @router.get("/review")
    def _list(request: Request, site: str = "", mine: str = "", pairing: str = "", page: int = 1) -> Response:
        visitor = frame.require(request, Role.READER)
        if site and site not in frame.sites:
            raise Refusal(
                404, phrase("No such site"), phrase("The config names no site of this name."), back="/review"
            )
        with frame.ledger.read() as tx:
            listed = reports.open_list(tx, site=site or None, pairing=bool(pairing))
            if mine:
                listed = tuple(each for each in listed if visitor.name in (each.assigned_to, each.claimed_by))
            waiting = [each for each in listed if each.snoozed_until is None]
            off = [each for each in listed if each.snoozed_until is not None]
            pages = max(1, -(-len(waiting) // CARDS))
            page = min(max(1, page), pages)
            shown = _cards(frame, tx, waiting[(page - 1) * CARDS : page * CARDS], visitor)
            put_off = _cards(frame, tx, off[:CARDS], visitor)
            others = 0 if pairing else reviews.count_open(tx, PAIR_CLIENT, site=site or None)
            now = tx.now
        return frame.page(
            request,
            "review.html",
            headline=_headline(waiting, now, pairing=bool(pairing)),
            cards=shown,
            put_off=put_off,
            off_count=len(off),
            others=others,
            site=site,
            mine=bool(mine),
            pairing=bool(pairing),
            sites=sorted(frame.sites),
            number=page,
            pages=pages,
            address=lambda to: f"/review?{urlencode({**_narrowed(frame, request), 'page': to})}",
            kept=_kept(frame, request),
        )

    @router.get("/review/{number}")
    def _item(request: Request, number: Number, search: str = "") -> Response:
        visitor = frame.require(request, Role.READER)
        if visitor.may(Role.RECEPTION):
            _claim(frame, number, visitor)
        return _shown(frame, request, number, looked_for=search)

    @router.get("/review/{number}/pets")
    def _pets(
        request: Request, number: Number, sibling: Siblings, client: str = "", seen: str = "", found: str = ""
    ) -> Response:
        frame.require(request, Role.RECEPTION)
        with frame.ledger.read() as tx:
            item = _known(frame, tx, number)
            pets = question.pet_options(frame.sites, tx, item, client) if item.state == "open" else ()
            known = next((each for each in search.search(tx, question.of(frame.sites, item), client).found), None)
        if not pets:
            return _shown(frame, request, number)
        return frame.page(
            request,
            "review_pets.html",
            item=item,
            about=question.title(item),
            client=showing.text(client, question.LONGEST_ID),
            name=question.client_name(item, client, None if known is None else known.client),
            pets=pets,
            # As the question was shown on which a client was picked: what has changed since then is not answered.
            seen=seen,
            found=found,
            siblings=sibling,
            kept=_kept(frame, request),
        )


def _answering(frame: Frame, router: APIRouter) -> None:
    """Giving an answer, and taking it back."""

    @router.post("/review/{number}/answer")
    def _answer(request: Request, number: Number) -> Response:
        visitor = frame.require(request, Role.RECEPTION)
        form = frame.form(request)
        answer = _read(form)
        if answer.client_id is not None and answer.pet_id is None:
            with frame.ledger.read() as tx:
                item = _known(frame, tx, number)
                which = item.state == "open" and answering.pet_choices(tx, frame.sites, item, answer.client_id)
            if which:
                query: dict[str, Any] = {"client": answer.client_id, "seen": form.get("seen", "")}
                if answer.client_id in (found := _found(form)):
                    query["found"] = f"{answer.client_id} {found[answer.client_id]}"
                query |= {"sibling": form.all("sibling") if form.get("also") else (), **_narrowed(frame, request)}
                return frame.after(request, f"/review/{number}/pets?{urlencode(query, doseq=True)}")
        try:
            with frame.ledger.write() as tx:
                taken = answering.give(
                    tx,
                    frame.sites,
                    number,
                    answer,
                    by=visitor.name,
                    via=audit.PAGE,
                    seen=form.get("seen", ""),
                    client_seen=_found(form).get(answer.client_id or ""),
                )
                same = _siblings(form) if form.get("also") else {}
                others = answering.give_all(
                    tx, frame.sites, tuple(same), answer, by=visitor.name, via=audit.PAGE, like=number, seen=same
                )
        except CannotAnswer as refusal:
            return _refused(frame, request, number, refusal)
        frame.wake()
        given = tuple(number for number, each in others if isinstance(each, Taken))
        done = [_came_of(frame, taken)]
        if given:
            done.append(
                phrases("One more was answered the same.", "{count} more were answered the same.", len(given))
            )
        refused = len(others) - len(given)
        if refused:
            done.append(phrases("One could not be answered so.", "{count} could not be answered so.", refused))
        undo = _undo_of(frame, number, given, _kept(frame, request))
        return frame.after(request, f"/review{_kept(frame, request)}", done=" ".join(done), undo=undo)

    @router.post("/review/{number}/undo")
    def _undo(request: Request, number: Number) -> Response:
        visitor = frame.require(request, Role.RECEPTION)
        form = frame.form(request)
        given_at = _given_at(form.get("given_at", ""))
        said = form.get("also", "").split()
        also = [each for each in map(row_number, said) if each is not None]
        done = []
        try:
            with frame.ledger.write() as tx:
                taken = answering.undo(tx, frame.sites, number, by=visitor.name, via=audit.PAGE, given_at=given_at)
                for each in dict.fromkeys(also):
                    try:
                        answering.undo(tx, frame.sites, each, by=visitor.name, via=audit.PAGE, given_at=given_at)
                    except CannotAnswer as refusal:
                        done.append(showing.sentence(f"{refusal.message}."))
        except CannotAnswer as refusal:
            return _refused(frame, request, number, refusal)
        frame.wake()
        done.insert(0, _came_of(frame, taken))
        return frame.after(request, f"/review/{number}{_kept(frame, request)}", done=" ".join(done))


def _tending(frame: Frame, router: APIRouter) -> None:
    """What somebody does about a question but answering it."""

    @router.post("/review/{number}/later")
    def _later(request: Request, number: Number) -> Response:
        visitor = frame.require(request, Role.RECEPTION)
        hours = frame.form(request).get("hours", "")
        try:
            with frame.ledger.write() as tx:
                item = answering.answerable(tx, frame.sites, number)
                until = answering.postpone(
                    tx,
                    frame.sites,
                    number,
                    float(hours) if hours in {str(each) for each in HOURS} else None,
                    by=visitor.name,
                    via=audit.PAGE,
                )
                claims.release(tx, frame.sites, number, by=visitor.name, via=audit.PAGE)
        except CannotAnswer as refusal:
            return _refused(frame, request, number, refusal)
        done = answering.later_words(item, frame.sites, until)
        return frame.after(request, f"/review{_kept(frame, request)}", done=done)

    def act(path: str, does: Callable[[Transaction, int, Visitor, Form], str], *, stays: bool) -> None:
        """A small form of a question: what it does is said in the bar."""

        @router.post(f"/review/{{number}}/{path}", name=f"review_{path}")
        def _act(request: Request, number: Number) -> Response:
            visitor = frame.require(request, Role.RECEPTION)
            form = frame.form(request)
            try:
                with frame.ledger.write() as tx:
                    done = does(tx, number, visitor, form)
            except CannotAnswer as refusal:
                return _refused(frame, request, number, refusal)
            there = f"/review/{number}" if stays else "/review"
            return frame.after(request, f"{there}{_kept(frame, request)}", done=done)

    def take(tx: Transaction, number: int, visitor: Visitor, _form: Form) -> str:
        claims.claim(tx, frame.sites, number, by=visitor.name, via=audit.PAGE, take=True)
        return phrase("The question is yours now.")

    def release(tx: Transaction, number: int, visitor: Visitor, _form: Form) -> str:
        claims.release(tx, frame.sites, number, by=visitor.name, via=audit.PAGE)
        return phrase("The question is left to others.")

    def assign(tx: Transaction, number: int, visitor: Visitor, form: Form) -> str:
        to = form.get("to", "")
        item = claims.assign(tx, frame.sites, number, to, by=visitor.name, via=audit.PAGE)
        if not item.assigned_to:
            return phrase("Anybody is to answer it.")
        return phrase("{name} is to answer it.", name=item.assigned_to)

    def add_note(tx: Transaction, number: int, visitor: Visitor, form: Form) -> str:
        claims.add_note(tx, frame.sites, number, form.get("text", ""), by=visitor.name, via=audit.PAGE)
        return phrase("Noted.")

    act("take", take, stays=True)
    act("release", release, stays=False)
    act("assign", assign, stays=True)
    act("note", add_note, stays=True)


def _narrowed(frame: Frame, request: Request) -> dict[str, str]:
    """How the list was narrowed from which somebody came: it is so again when they are back."""
    given = {name: request.query_params.get(name, "") for name in ("site", "mine", "pairing")}
    return {
        name: value if name == "site" else "1"
        for name, value in given.items()
        if value and (name != "site" or value in frame.sites)
    }


def _kept(frame: Frame, request: Request) -> str:
    """The same, to be put behind the address of one of these pages."""
    narrowed = _narrowed(frame, request)
    return f"?{urlencode(narrowed)}" if narrowed else ""


def _cards(frame: Frame, tx: Transaction, listed: Sequence[OpenQuestion], visitor: Visitor) -> list[Card]:
    items = review.items(tx, frame.sites, [each.id for each in listed])
    return [question.card(each, tx.now, visitor) for each in items]


# -- one question -----------------------------------------------------------------------------------------------


def _claim(frame: Frame, number: int, visitor: Visitor) -> None:
    """Takes a question up, unless somebody else has it, or nobody has to answer it any more."""
    with frame.ledger.write() as tx:
        try:
            claims.claim(tx, frame.sites, number, by=visitor.name, via=audit.PAGE)
        except CannotAnswer:
            return


def _shown(
    frame: Frame, request: Request, number: int, *, looked_for: str = "", notice: str = "", status: int = 200
) -> Response:
    """The page of one question, open or not. ``notice`` says why something was not done."""
    visitor = frame.visitor(request)
    with frame.ledger.read() as tx:
        item = _known(frame, tx, number)
        values = question.values(frame.sites, tx, item, visitor, looked_for)
    access.note_questions(frame.ledger, [number], by=visitor.name, via=audit.PAGE)
    kept = {"kept": _kept(frame, request), "narrowed": _narrowed(frame, request)}
    return frame.page(request, "review_item.html", status=status, notice=notice, **kept, **values)


def _known(frame: Frame, tx: Transaction, number: int) -> ReviewItem:
    item = review.find_item(tx, frame.sites, number)
    if item is None:
        raise Refusal(
            404,
            phrase("No such question"),
            phrase("There is no question {number}. It may have been cleared away since.", number=number),
            back="/review",
            link=phrase("To the questions"),
        )
    return item


# -- what a form says, and what comes of it -----------------------------------------------------------------------


def _read(form: Form) -> Answer:
    """The answer that a form gives. Raises ``Refusal`` where it gives none."""
    if form.get("client"):
        return Answer(choice=Choice.LINK, client_id=form["client"], pet_id=form.get("pet") or None)
    fields = {name.removeprefix("field."): side for name, side in form.items() if name.startswith("field.")}
    try:
        return Answer(choice=Choice(form.get("choice", "")), fields=fields)
    except ValueError:
        raise Refusal(400, phrase("Nothing was done"), phrase("This form gives no answer."), back="/review") from None


def _given_at(text: str) -> datetime | None:
    """When an answer was given that is to be taken back; None where a form does not say it. Raises ``Refusal``."""
    found = moment(text)
    if text and found is None:
        raise Refusal(400, phrase("Nothing was done"), phrase("This form gives no answer."), back="/review")
    return found


def _siblings(form: Form) -> dict[int, str]:
    """The other questions that are to be answered the same, with what was seen of each."""
    found = {}
    for each in form.all("sibling"):
        number, _, seen = each.partition(" ")
        row = row_number(number)
        if row is not None:
            found[row] = seen
    return found


def _found(form: Form) -> dict[str, str]:
    """The clients who were searched for, by id, with what was seen of each."""
    return {client_id: seen for client_id, _, seen in (each.rpartition(" ") for each in form.all("found"))}


def _refused(frame: Frame, request: Request, number: int, refusal: CannotAnswer) -> Response:
    """Why nothing was done, above the question as it stands now."""
    notice = phrase("Nothing was done: {why}.", why=refusal.message)
    return _shown(frame, request, number, notice=notice, status=409)


def _came_of(frame: Frame, taken: Taken) -> str:
    """What has come of an answer, after a short wait for it."""
    end = frame.clock.steady() + PATIENCE
    while True:
        with frame.ledger.read() as tx:
            found = answering.outcome(tx, frame.sites, taken)
        if found.settled:
            return found.message
        if frame.clock.steady() >= end:
            return phrase("Written down, and carried out next. {consequence}", consequence=taken.consequence)
        frame.clock.wait(STEP)


def _undo_of(frame: Frame, number: int, also: Sequence[int], kept: str) -> Undo | None:
    """Takes this answer back, and those that were given with it: at the same moment, and none that is newer."""
    with frame.ledger.read() as tx:
        possible = question.undo_words(frame.sites, tx, number)
        given = _known(frame, tx, number).given
    if not possible or given is None or given.at is None:
        return None
    fields = {"given_at": given.at.isoformat()}
    if also:
        fields["also"] = " ".join(str(each) for each in also)
    return Undo(f"/review/{number}/undo{kept}", fields)


def _headline(waiting: Sequence[OpenQuestion], now: datetime, *, pairing: bool) -> str:
    if pairing:
        return phrases(
            "One client of the booking side may stand in the PIMS already.",
            "{count} clients of the booking side may stand in the PIMS already.",
            len(waiting),
        )
    if not waiting:
        return phrase("Nobody has to look at anything now.")
    need = phrases("One question needs you.", "{count} questions need you.", len(waiting))
    coming = [each.visit_at for each in waiting if each.visit_at is not None and each.visit_at > now]
    if not coming:
        return need
    return f"{need} {phrase('The next visit is {soon}.', soon=ahead(min(coming), now))}"
