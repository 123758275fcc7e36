"""What 200 answers are worth: ``python -m bench.matching.learning --world DIR --country GB [--answers 200]``.

A made clinic is worked until reception has answered so many questions, each as the truth says. Then the same people
book again, half of them in the same words, half in slightly other ones, and others book for the first time. Each of
these bookings is decided three times by the daemon's own path: as before, with what the answers taught (aliases), and
with trained weights, too, where the gate lets them pass. Clients whom the first bookings made are on record in all.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from vetbridge.core.answers import Answer, Choice
from vetbridge.core.matching import Verdict, forms_of, shipped
from vetbridge.core.records import Client, Kind, Pet
from vetbridge.desk import clinic_files
from vetbridge.desk.clinic_files import Booking
from vetbridge.desk.evaluation import ACCOUNT, ClinicFiles, clinic_ledger, reports_of
from vetbridge.desk.training import read_truth, train
from vetbridge.ledger import aliases, changes, mirror, observations, reviews
from vetbridge.ledger.database import Ledger
from vetbridge.ledger.matcher import Matched, Matcher


@dataclass(frozen=True, slots=True)
class Case:
    """A booking, and the clients who are right for it; none: a new one."""

    booking: Booking
    right: frozenset[str]


@dataclass(slots=True)
class Score:
    """How bookings were decided."""

    bookings: int = 0
    review: int = 0
    right: int = 0
    wrong: int = 0
    duplicate: int = 0

    def line(self, name: str) -> str:
        """A row of the table that is printed."""
        shares = (100 * part / max(self.bookings, 1) for part in (self.review, self.right, self.duplicate))
        review, right, duplicate = shares
        return f"| {name} | {self.bookings} | {review:.2f} % | {right:.2f} % | {self.wrong} | {duplicate:.2f} % |"


def main(arguments: Sequence[str]) -> int:
    """Prints a table for RESULTS.md."""
    parser = argparse.ArgumentParser(prog="python -m bench.matching.learning", description=__doc__)
    parser.add_argument("--world", type=Path, required=True, metavar="DIR")
    parser.add_argument("--country", default="GB")
    parser.add_argument("--answers", type=int, default=200)
    parser.add_argument("--strangers", type=int, default=5_000, help="later bookings of people who are new to it all")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    folder: Path = given.world
    reports = reports_of(
        ClinicFiles(owners=folder / "owners.csv", pets=folder / "patients.csv", bookings=folder / "bookings.jsonl")
    )
    truth = read_truth(folder / "truth.jsonl")
    cases = (Case(each, truth[each.id]) for each in clinic_files.bookings(reports.bookings))
    with clinic_ledger(reports, given.country, _say) as ledger:
        reception = Reception(ledger, given.country)
        seen = reception.work(cases, given.answers)
        _say(f"{len(seen)} bookings, {len(reception.asked)} of them asked about")
        again = [_again(case, random.Random(f"{given.seed} {case.booking.id}")) for case in seen]
        later = list(islice(cases, given.strangers))
        sets = {"the same people again": again, "other people": later}
        matcher = Matcher(ledger, ACCOUNT, country=given.country)
        present = Matcher(ledger, ACCOUNT, country=given.country, weights=shipped())
        lines = [score(present, ones).line(f"{name}, before") for name, ones in sets.items()]
        reception.answer()
        lines += [score(present, ones).line(f"{name}, aliases") for name, ones in sets.items()]
        done = train(ledger, ACCOUNT, plan=False)
        _say(f"training: {done.words}")
        lines += [score(matcher, ones).line(f"{name}, aliases and training") for name, ones in sets.items()]
    print(f"{len(seen)} bookings until {len(reception.asked)} questions were answered. Training: {done.result}.\n")
    print("| bookings | number | review | right link | false links | duplicates |\n|---|---|---|---|---|---|")
    print("\n".join(sorted(lines, key=lambda line: line.startswith("| other"))))
    return 0


class Reception:
    """The first weeks of a clinic, as the daemon and the people at the desk spend them."""

    def __init__(self, ledger: Ledger, country: str) -> None:
        self._ledger = ledger
        self._country = country
        self._matcher = Matcher(ledger, ACCOUNT, country=country, weights=shipped())
        self.asked: list[tuple[int, Case]] = []

    def work(self, cases: Iterable[Case], answers: int) -> list[Case]:
        """Decides one booking after the other until so many questions were asked.

        Returns them with who is right the next time: who is new is on record by then.
        """
        seen = []
        for case in cases:
            matched = match(self._matcher, case.booking)
            item = self._keep(case, matched)
            right = case.right
            if matched.match.verdict is Verdict.NEW or (item is not None and not right):
                right |= {self._make(case.booking)}
            seen.append(replace(case, right=right))
            if item is not None:
                self.asked.append((item, case))
            if len(self.asked) == answers:
                break
        return seen

    def answer(self) -> None:
        """Gives the answers, as the truth has them, and keeps what they teach."""
        for number, case in self.asked:
            client_id = min(case.right, default=None)
            with self._ledger.write() as tx:
                item = reviews.item(tx, number)
                assert item is not None
                choice = Choice.NEW if client_id is None else Choice.LINK
                reviews.answer(tx, item, Answer(choice=choice, client_id=client_id), "bench")
                observations.label(tx, item, client_id)
                if client_id is not None:
                    pets = [] if case.booking.pet is None else [case.booking.pet]
                    booking = forms_of(case.booking.booker, pets, self._country)
                    aliases.teach(tx, ACCOUNT, item, booking, client_id)

    def _keep(self, case: Case, matched: Matched) -> int | None:
        """Keeps the observation; returns the number of the question where one is asked."""
        with self._ledger.write() as tx:
            change = changes.receive(
                tx,
                site="clinic",
                account="booking",
                kind=Kind.APPOINTMENT,
                remote_id=case.booking.id,
                source="poll",
            )
            assert change.id is not None
            observations.keep(
                tx,
                ACCOUNT,
                record_id=change.record_id,
                change_id=change.id,
                observation=matched.observation(),
                client_ids=[one.client_id for one in matched.match.candidates],
            )
            if matched.match.verdict is not Verdict.REVIEW:
                return None
            return reviews.ask(tx, change, why=matched.match.reason, visit_at=None, question={}).id

    def _make(self, booking: Booking) -> str:
        """The booker becomes a client, with the pet."""
        made = f"made-{booking.id}"
        records: list[Client | Pet] = [replace(booking.booker, id=made)]
        if booking.pet is not None and booking.pet.name:
            records.append(replace(booking.pet, id=f"pet-{booking.id}", client_id=made))
        with self._ledger.write() as tx:
            mirror.put(tx, ACCOUNT, records)
        return made


def match(matcher: Matcher, booking: Booking) -> Matched:
    """What the daemon decides."""
    return matcher.match(booking.booker, booking.pet, claims_existing=booking.claims_existing)


def score(matcher: Matcher, cases: Iterable[Case]) -> Score:
    """How bookings are decided, beside the truth."""
    found = Score()
    for case in cases:
        decided = match(matcher, case.booking).match
        found.bookings += 1
        if decided.verdict is Verdict.REVIEW:
            found.review += 1
        elif decided.verdict is Verdict.NEW:
            found.duplicate += bool(case.right)
        elif decided.client_id in case.right:
            found.right += 1
        else:
            found.wrong += 1
    return found


def _again(case: Case, random_: random.Random) -> Case:
    """The same booker again: in the same words, or with one thing written otherwise."""
    booking = replace(case.booking, id=f"{case.booking.id}-again")
    if random_.random() < 0.5:
        return replace(case, booking=booking)
    change = random_.choice(_CHANGES)
    return replace(case, booking=change(booking, random_))


def _other_phone(booking: Booking, _: random.Random) -> Booking:
    phones = tuple(" ".join(phone.replace(" ", "")) for phone in booking.booker.phones)
    return replace(booking, booker=replace(booking.booker, phones=phones))


def _without_email(booking: Booking, _: random.Random) -> Booking:
    booker = booking.booker
    return replace(booking, booker=replace(booker, emails=())) if booker.phones else booking


def _slip(booking: Booking, random_: random.Random) -> Booking:
    booker = booking.booker
    if booker.family_name:
        return replace(booking, booker=replace(booker, family_name=_mistyped(booker.family_name, random_)))
    return replace(booking, booker=replace(booker, given_name=_mistyped(booker.given_name, random_)))


def _pet_slip(booking: Booking, random_: random.Random) -> Booking:
    pet = booking.pet
    return booking if pet is None else replace(booking, pet=replace(pet, name=_mistyped(pet.name, random_)))


def _loud(booking: Booking, _: random.Random) -> Booking:
    booker = booking.booker
    return replace(
        booking,
        booker=replace(booker, given_name=booker.given_name.upper(), family_name=booker.family_name.upper()),
    )


def _mistyped(text: str, random_: random.Random) -> str:
    if len(text) < 4:
        return text
    place = random_.randrange(1, len(text) - 1)
    return text[:place] + text[place + 1 :]


_CHANGES: Sequence[Callable[[Booking, random.Random], Booking]] = (
    _other_phone,
    _without_email,
    _slip,
    _pet_slip,
    _loud,
)


def _say(words: str) -> None:
    print(words, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
