"""The guided walk of `vetbridge review`: one question after the other, each answer said before it is taken."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from vetbridge.cli.answering import carried_out, confirmed
from vetbridge.cli.question import client_words, headline, lines, pairing_line, pet_words
from vetbridge.cli.tables import one_line, wrapped
from vetbridge.core.answers import PAIR_CLIENT, PAIR_VISIT, Answer, Choice
from vetbridge.core.records import Kind
from vetbridge.desk import answering, claims
from vetbridge.desk.answering import BOOKED_PET, CannotAnswer
from vetbridge.desk.review import Animal, ReviewItem, items, siblings
from vetbridge.desk.search import Hit, search
from vetbridge.desk.wording import field_words
from vetbridge.ledger import reports, reviews

if TYPE_CHECKING:
    from datetime import datetime

    from vetbridge.config.models import Site
    from vetbridge.connector.clock import Clock
    from vetbridge.ledger.database import Ledger
    from vetbridge.ledger.reports import OpenQuestion

PATIENCE = 6.0
"""Seconds to wait after an answer for what comes of it: somebody stands at the desk."""

KEYS: Mapping[str, Choice] = {
    "n": Choice.NEW,
    "b": Choice.BOOKING,
    "p": Choice.PIMS,
    "k": Choice.KEEP,
}
"""``a`` stands for ``again`` or ``allow``, whichever is offered; no question offers both."""

_WORDS: Mapping[Choice, str] = {
    Choice.NEW: "n new client",
    Choice.BOOKING: "b the booking is right",
    Choice.PIMS: "p the PIMS is right",
    Choice.FIELDS: "f field by field",
    Choice.KEEP: "k keep both as they are",
    Choice.AGAIN: "a try again",
    Choice.ALLOW: "a let them through",
}

_WORDS_OF: Mapping[tuple[str, Choice], str] = {
    (PAIR_VISIT, Choice.PIMS): "p one visit, the PIMS's time holds",
    (PAIR_VISIT, Choice.BOOKING): "b one visit, the booking's time holds",
    (PAIR_VISIT, Choice.AGAIN): "a two visits",
    (PAIR_VISIT, Choice.KEEP): "k leave both as they are",
    (PAIR_CLIENT, Choice.KEEP): "k nobody of these",
}
"""The same, where a question's answers have words of their own."""

_HELP = (
    "A number, then Enter: the booking belongs to that client, or the client is that one.",
    "n: the owner is new; client and pet are made in the PIMS.",
    "b, p: the booking side or the PIMS is right, where both were changed.",
    "f: say of each field which side is right.",
    "k: leave both sides as they are.  a: try again, or let through what the fuse holds back.",
    "s: search for another client, by phone, e-mail address, name, pet or id.",
    "l: not now; the question comes back later.  u: take back your last answer.  q: quit.",
    "o: note something about it, for whoever answers it.",
    "While a question is on your screen it is yours: others see that you are at it.",
    "Every answer says what it comes to, and is taken only after Enter. Whatever else is typed does nothing.",
)


class Quit(Exception):
    """The person has had enough."""


class Walk:
    """One walk over the open questions, the soonest visit first.

    ``read`` asks for a line and raises ``EOFError`` or ``KeyboardInterrupt`` at the end; ``say`` shows one. Every
    look and every answer is a short transaction of its own, so that nothing is held while a person thinks.
    """

    def __init__(
        self,
        ledger: Ledger,
        sites: Mapping[str, Site],
        *,
        site: str | None,
        by: str,
        read: Callable[[str], str],
        say: Callable[[str], None],
        runs: Callable[[], bool],
        clock: Clock,
    ) -> None:
        self._ledger = ledger
        self._sites = sites
        self._site = site
        self._by = by
        self._read = read
        self._say = say
        self._runs = runs
        self._clock = clock
        self._passed: set[int] = set()
        """Items that were answered or given up in this walk."""
        self._last: dict[int, datetime] = {}
        """The item that was answered last, with those that were answered the same at once; and when each was."""
        self._answered = 0
        self._hits: tuple[Hit, ...] = ()
        """What was found for the question that is asked now."""

    def go(self) -> int:
        """Walks until nothing is left or the person quits; returns how many answers were given."""
        try:
            with self._ledger.read() as tx:
                now = tx.now
                listed = reports.open_list(tx, site=self._site, pairing=False)
                pairing = reviews.count_open(tx, PAIR_CLIENT, site=self._site)
            self._say(headline(listed, now))
            if later := pairing_line(pairing):
                self._tell(later)
            self._walk()
        except (Quit, EOFError, KeyboardInterrupt):
            self._say("")
            self._say(f"Stopped. {self._tally()}")
        return self._answered

    def _walk(self) -> None:
        while True:
            # Those about who a client is come after all others; as there may be hundreds, they are read only then.
            left = self._left(pairing=False) or self._left(pairing=True)
            # What somebody else is at comes last, and is theirs unless they have left it by then.
            free = [item for item in left if item.claimed_by in ("", self._by)]
            if not left or not free:
                self._say_left(left)
                return
            self._one(free[0].id, len(left))

    def _say_left(self, theirs: Sequence[OpenQuestion]) -> None:
        """Ends a walk of which nothing is left but what others are at."""
        if self._answered or theirs:
            self._say("")
        with self._ledger.read() as tx:
            now = tx.now
            shown = items(tx, self._sites, [each.id for each in theirs])
        for item in shown:
            claimed = answering.claimed_by_another(item, self._by, now)
            self._tell(f"{claimed.message}." if claimed else "")
        if self._answered:
            self._say(f"Nothing {'else ' if theirs else ''}is left to ask. {self._tally()}")

    def _tally(self) -> str:
        answers = "1 answer was given" if self._answered == 1 else f"{self._answered} answers were given"
        return f"{answers}; nothing else was touched."

    def _left(self, *, pairing: bool) -> list[OpenQuestion]:
        with self._ledger.read() as tx:
            listed = reports.open_list(tx, site=self._site, pairing=pairing)
        return [each for each in listed if each.snoozed_until is None and each.id not in self._passed]

    # -- one question -----------------------------------------------------------------------------------------------

    def _one(self, item_id: int, left: int) -> None:
        """Asks one question until it is answered, given up, or no longer the same."""
        self._hits = ()
        try:
            with self._ledger.write() as tx:
                item = claims.claim(tx, self._sites, item_id, by=self._by)
        except CannotAnswer as refusal:
            if refusal.code != "claimed":
                self._passed.add(item_id)  # answered or gone since it was listed
            return
        try:
            self._asked(item, left)
        finally:
            with self._ledger.write() as tx:
                claims.release(tx, self._sites, item_id, by=self._by)

    def _asked(self, item: ReviewItem, left: int) -> None:
        self._show(item, left)
        while True:
            typed = self._read("> ").strip().lower()
            try:
                if self._act(item, typed):
                    return
            except CannotAnswer as refusal:
                self._tell(f"{refusal.message[:1].upper()}{refusal.message[1:]}. {refusal.advice}".rstrip())
                if refusal.code in ("not-open", "unknown-item", "claimed"):
                    self._passed.add(item.id)
                    return
                if refusal.code == "changed-meanwhile":
                    return
                self._tell(self._keys(item))

    def _act(self, item: ReviewItem, typed: str) -> bool:
        """Does what was typed; says whether the walk goes on to the next question."""
        choice = KEYS.get(typed)
        if typed == "a":
            choice = next((each for each in (Choice.AGAIN, Choice.ALLOW) if each in item.choices), None)
        if typed == "q":
            raise Quit
        if typed == "?":
            for text in _HELP:
                self._tell(text)
        elif typed == "u":
            return self._undo()
        elif typed == "l":
            return self._later(item)
        elif typed == "o":
            self._note(item)
        elif typed == "f" and Choice.FIELDS in item.choices:
            return self._field_by_field(item)
        elif typed == "s" and item.asks_whose:
            self._search(item)
        elif choice is not None and choice in item.choices:
            return self._give(item, Answer(choice=choice))
        elif item.asks_whose and (client_id := self._whom(item, typed)) is not None:
            return self._link(item, client_id)
        else:
            self._tell(f"Nothing was done. {self._keys(item)}")
            return False
        self._tell(self._keys(item))
        return False

    def _whom(self, item: ReviewItem, typed: str) -> str | None:
        """The client behind a number: the candidates count on into what was found."""
        clients = [*(each.client_id for each in item.candidates), *(hit.client_id for hit in self._hits)]
        place = _number(typed, len(clients))
        return None if place is None else clients[place - 1]

    # -- answers ----------------------------------------------------------------------------------------------------

    def _link(self, item: ReviewItem, client_id: str) -> bool:
        with self._ledger.read() as tx:
            pets = answering.pet_choices(tx, self._sites, item, client_id)
        pet_id = None
        if pets:
            pet_id = self._which_pet(item, pets)
            if pet_id is None:
                self._tell(f"Nothing was done. {self._keys(item)}")
                return False
        return self._give(item, Answer(choice=Choice.LINK, client_id=client_id, pet_id=pet_id))

    def _which_pet(self, item: ReviewItem, pets: tuple[Animal, ...]) -> str | None:
        """The pet that a person picks; None where nothing was picked."""
        self._tell("Which pet?")
        for number, pet in enumerate(pets, start=1):
            self._say(f"   {number}   {pet_words(pet)}")
        booked = item.booking.pet.name.strip() if item.booking is not None and item.booking.pet is not None else ""
        if booked:
            made = "made where the client has no pet of that name"
            if Kind.PET in item.unmade:
                made = "registered in the PIMS just now"
            self._say(f"   b   {one_line(booked, 40)}, as booked: {made}")
        typed = self._read("pet> ").strip().lower()
        if typed == "b" and booked:
            return BOOKED_PET
        place = _number(typed, len(pets))
        return None if place is None else pets[place - 1].id

    def _give(self, item: ReviewItem, answer: Answer) -> bool:
        with self._ledger.read() as tx:
            consequence = answering.propose(tx, self._sites, item.id, answer, shown=item).consequence
        if not self._confirmed(consequence, item):
            return False
        with self._ledger.write() as tx:
            taken = answering.give(tx, self._sites, item.id, answer, by=self._by, shown=item)
            self._last = {item.id: tx.now}
        self._answered += 1
        self._passed.add(item.id)
        self._outcome(taken)
        if answer.choice in (Choice.LINK, Choice.NEW):
            self._offer_siblings(item, answer)
        return True

    def _offer_siblings(self, item: ReviewItem, answer: Answer) -> None:
        """Offers the same answer for the other bookings of the same people, each with what it comes to."""
        offered: dict[int, str] = {}
        words = []
        with self._ledger.read() as tx:
            for other in siblings(tx, self._sites, item):
                try:
                    own = answering.alike(item, other, answer)
                    words.append(answering.propose(tx, self._sites, other.id, own).consequence)
                except CannotAnswer:
                    continue  # it needs an answer of its own, and gets its turn
                if other.claimed_by in ("", self._by):
                    offered[other.id] = answering.seen(other)
                else:
                    words.pop()
        if not offered:
            return
        for consequence in words:
            for line in wrapped(consequence, first="  ", margin="  "):
                self._say(line)
        more = (
            "1 more booking of this contact and name: answer it the same?"
            if len(offered) == 1
            else f"{len(offered)} more bookings of this contact and name: answer them the same?"
        )
        self._tell(more)
        if self._read("  [Enter = yes, anything else = no] ").strip():
            return
        with self._ledger.write() as tx:
            given = answering.give_all(
                tx, self._sites, list(offered), answer, by=self._by, like=item.id, seen=offered
            )
            given_at = tx.now
        for item_id, taken in given:
            if isinstance(taken, CannotAnswer):
                self._tell(f"{taken.message[:1].upper()}{taken.message[1:]}. {taken.advice}".rstrip())
                continue
            self._answered += 1
            self._last[item_id] = given_at
            self._passed.add(item_id)
            self._outcome(taken)

    def _field_by_field(self, item: ReviewItem) -> bool:
        """Asks of each field which side is right."""
        right: dict[str, str] = {}
        sides = {"b": Choice.BOOKING.value, "p": Choice.PIMS.value}
        for each in item.differences:
            self._tell(f"{field_words(each.field)}:")
            for key, value, side in zip("bp", item.values(each), ("booked", "in the PIMS"), strict=True):
                for line in wrapped(f"{value} ({side})", first=f"   {key}   ", margin=" " * 7):
                    self._say(line)
            typed = self._read(f"{one_line(field_words(each.field), 40)}> ").strip().lower()
            if typed not in sides:
                self._tell(f"Nothing was done. {self._keys(item)}")
                return False
            right[each.field] = sides[typed]
        return self._give(item, Answer(choice=Choice.FIELDS, fields=right))

    def _note(self, item: ReviewItem) -> None:
        text = self._read("Note (Enter alone: none): ").strip()
        if not text:
            return
        with self._ledger.write() as tx:
            claims.add_note(tx, self._sites, item.id, text, by=self._by)
        self._tell("Noted.")

    def _later(self, item: ReviewItem) -> bool:
        with self._ledger.read() as tx:
            words = answering.later_words(item, self._sites, answering.return_at(item, tx.now, None))
        if not self._confirmed(words, item):
            return False
        with self._ledger.write() as tx:
            answering.postpone(tx, self._sites, item.id, None, by=self._by)
        self._passed.add(item.id)
        return True

    def _undo(self) -> bool:
        if not self._last:
            self._tell(
                "Nothing was answered in this walk yet. `vetbridge review undo ITEM` takes back older answers."
            )
            return False
        with self._ledger.read() as tx:
            words = dict.fromkeys(answering.undo_consequence(tx, self._sites, item) for item in self._last)
        if not self._confirmed(" ".join(words), None):
            return False
        with self._ledger.write() as tx:
            taken_back = [
                answering.undo(tx, self._sites, item, by=self._by, given_at=given_at)
                for item, given_at in self._last.items()
            ]
        self._answered -= len(taken_back)
        self._passed.difference_update(self._last)
        self._last = {}
        for taken in taken_back:
            self._outcome(taken)
        return True

    def _search(self, item: ReviewItem) -> None:
        text = self._read("Search for (phone, e-mail, name, pet, id): ").strip()
        if not text:
            return
        sites = {name: site for name, site in self._sites.items() if name == item.site}
        with self._ledger.read() as tx:
            found = search(tx, sites, text)
        self._hits = found.found
        for number, hit in enumerate(self._hits, start=len(item.candidates) + 1):
            for line in wrapped(client_words(hit.client, hit.pets), first=f"   {number}   ", margin=" " * 7):
                self._say(line)
        if not self._hits:
            self._tell("Nobody fits.")
        if found.more:
            self._tell("There are more; say more of the name.")

    def _outcome(self, taken: answering.Taken) -> None:
        found = carried_out(self._ledger, self._sites, taken, runs=self._runs(), clock=self._clock, patience=PATIENCE)
        undo = (
            " (u takes it back)"
            if taken.item.id in self._last
            and taken.choice in (Choice.LINK, Choice.NEW)
            and (taken.item.why != PAIR_CLIENT or found.state != "applied")
            else ""
        )
        self._tell(f"{found.message}{undo}")

    # -- words ------------------------------------------------------------------------------------------------------

    def _confirmed(self, consequence: str, item: ReviewItem | None) -> bool:
        if confirmed(consequence, self._read, self._say):
            return True
        self._tell("Nothing was done." if item is None else f"Nothing was done. {self._keys(item)}")
        return False

    def _show(self, item: ReviewItem, left: int) -> None:
        with self._ledger.read() as tx:
            now = tx.now
        self._say("")
        place = f"[{len(self._passed) + 1}/{len(self._passed) + left}]"
        for line in lines(item, now, place=place, answers=False, me=self._by):
            self._say(line)
        self._say("")
        self._tell(self._keys(item))

    def _keys(self, item: ReviewItem) -> str:
        """What can be typed now."""
        keys = []
        last = len(item.candidates) + len(self._hits)
        if item.asks_whose:
            if last:
                numbers = "1" if last == 1 else "1 or 2" if last == 2 else f"1 to {last}"
                keys.append(f"{numbers} to link")
            keys += [_words(item, Choice(choice)) for choice in item.choices if choice != Choice.LINK]
            keys += ["l not now", "s search"]
        else:
            keys += [*(_words(item, Choice(choice)) for choice in item.choices), "l not now"]
        if self._last:
            keys.append("u undo last")
        return f"Type {', '.join([*keys, '? help, q quit'])}."

    def _tell(self, text: str) -> None:
        for line in wrapped(text):
            self._say(line)


def _words(item: ReviewItem, choice: Choice) -> str:
    """The key of an answer, with what it says here."""
    return _WORDS_OF.get((item.why, choice)) or _WORDS[choice]


def _number(typed: str, last: int) -> int | None:
    """A number from 1 to ``last``; None for anything else."""
    if not (typed.isascii() and typed.isdigit()) or len(typed) > len(str(last)):
        return None
    return int(typed) if 1 <= int(typed) <= last else None
