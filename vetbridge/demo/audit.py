"""The independent audit of a played morning.

It knows the script's truth, what people saw while it was played, and the two simulators' own stores; and nothing of
VetBridge: an import contract forbids it sync, ledger, mapping, connectors and matching. It reads what a person would
find in the two systems; ``platform_audit`` and ``pims_audit`` say what that is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import date

from vetbridge.demo.errands_audit import DueAuditor, FileAuditor, Side, check_notices, ezyvet_files, opted_out
from vetbridge.demo.findings import Finding, Findings, Place, Wrong
from vetbridge.demo.pims_audit import PimsAuditor
from vetbridge.demo.platform_audit import PlatformAuditor
from vetbridge.demo.story import Case, DeskCase, Morning, Seen

SCHEMA = 1
"""Version of the line of numbers."""
WRONGS = tuple(wrong for wrong in Wrong if wrong is not Wrong.BRANCH)
"""What must not happen where there is but one branch."""


@dataclass(frozen=True, slots=True)
class Typed:
    """What people typed, where the practice system has no API."""

    lines: int
    """Things that were typed, changed or cancelled as the work list said."""
    mistakes: int
    """Of the mistakes that were made, those that VetBridge had to find, and that are corrected at the end."""
    expected: bool = True
    """Whether there was anything to type: by an API VetBridge writes itself."""


@dataclass(frozen=True, slots=True)
class Audit:
    """What the audit found. ``places[n - 1]`` is where booking n stands."""

    morning: Morning
    places: tuple[Place, ...]
    unseen: frozenset[int]
    """Cancelled bookings that the PIMS rightly never saw."""
    findings: tuple[Finding, ...]
    seen: Seen = field(default_factory=Seen)
    in_place: frozenset[int] = frozenset()
    """Bookings that stood on the placeholder, were answered, and whose very appointment is on its owner now."""
    carried: frozenset[int] = frozenset()
    """Files that stand on both sides, as they should."""
    typed: Typed | None = None
    """None: nobody typed anything."""
    shown: frozenset[int] = frozenset()
    """Pets whose service that is due stands on their owner's card, as it should."""

    @property
    def clean(self) -> bool:
        """Nothing is lost, doubled, on the wrong owner or at the wrong time, and nobody got a message."""
        return not self.findings

    @property
    def complete(self) -> bool:
        """All that the morning is to show was there to be seen."""
        if self.typed is not None:
            shown = [self.typed.lines, self.typed.mistakes] if self.typed.expected else []
        else:
            shown = [self.conflicts, self.resolved_in_place]
            shown += [self.recognised] if self.morning.mourner is not None else []
            shown += [self.replayed] if self.morning.without_code else []
            shown += [self.seen.held] if self.morning.purged else []
        shown += [len(self.carried)] if self.seen.put else []
        shown += [len(self.shown), self.opted_out] if self.morning.due else []
        return 0 not in shown

    def count(self, wrong: Wrong) -> int:
        """Bookings and desk visits that are lost, wrong by owner or by time; rows too many; messages."""
        found = [(finding.booking, finding.visit) for finding in self.findings if finding.wrong is wrong]
        return len(set(found)) if wrong in (Wrong.LOST, Wrong.OWNER, Wrong.TIME) else len(found)

    @property
    def linkable(self) -> int:
        """Bookings that the script calls linkable."""
        return sum(booking.part.linkable for booking in self.morning.bookings)

    @property
    def linked_of_linkable(self) -> int:
        """Of these, how many stand on their owner."""
        return sum(
            booking.part.linkable and place is Place.LINKED
            for booking, place in zip(self.morning.bookings, self.places, strict=True)
        )

    @property
    def conflicts(self) -> int:
        """Bookings about which was asked which side is right, and on which both sides agree as it was answered."""
        return self._right(self.seen.asked)

    @property
    def resolved_in_place(self) -> int:
        """Bookings whose visit was parked, answered, and is the very same on its owner, with staff's own text."""
        return self._right(self.in_place)

    @property
    def replayed(self) -> int:
        """Bookings that had failed, were replayed, and stand once where they belong."""
        return self._right(self.seen.replayed)

    @property
    def recognised(self) -> int:
        """Bookings for a pet that died at another branch that wait for a person, with that reason."""
        return sum(self.places[number - 1] is Place.IN_REVIEW for number in self.seen.recognised)

    @property
    def opted_out(self) -> int:
        """Owners who want no messages any more, of whom the desk was told."""
        return opted_out(self.morning, self.seen)

    def _right(self, numbers: Collection[int]) -> int:
        wrong = {finding.booking for finding in self.findings}
        return len(set(numbers) - wrong)

    def numbers(self, seconds: float) -> dict[str, int | float]:
        """The line that ``vetbridge demo --json`` ends with."""
        where = Counter(self.places)
        return {
            "schema": SCHEMA,
            "bookings": len(self.places),
            "written": len(self.places) - where[Place.LOST],
            "linked": where[Place.LINKED],
            "linkable": self.linkable,
            "created": where[Place.CREATED],
            "in_review": where[Place.IN_REVIEW],
            "desk_visits": len(self.morning.visits),
            "conflicts": self.conflicts,
            "resolved_in_place": self.resolved_in_place,
            "replayed": self.replayed,
            "fuse_held": self.seen.held,
            "attachments": len(self.carried),
            "reminders": len(self.shown),
            "opt_outs": self.opted_out,
            **({} if self.typed is None else {"typed": self.typed.lines, "corrected": self.typed.mistakes}),
            **{wrong.value: self.count(wrong) for wrong in WRONGS},
            "seconds": round(seconds, 1),
        }

    def cases(self) -> Iterator[tuple[Case, dict[Place, int], int]]:
        """Each case with its bookings by place, and how many of them were found wrong."""
        wrong = {finding.booking for finding in self.findings}
        for case in Case:
            numbers = [booking.number for booking in self.morning.bookings if booking.part.case is case]
            places = Counter(self.places[number - 1] for number in numbers)
            yield case, dict(places), sum(number in wrong for number in numbers)

    def desk_cases(self) -> Iterator[tuple[DeskCase, int, int]]:
        """Each case of desk visits with how many there are, and how many of them were found wrong."""
        wrong = {finding.visit for finding in self.findings}
        for case in DeskCase:
            numbers = [visit.number for visit in self.morning.visits if visit.case is case]
            yield case, len(numbers), sum(number in wrong for number in numbers)


def audit(
    morning: Morning,
    booking: Side,
    pims: Side,
    seen: Seen | None = None,
    *,
    today: date,
    site: str = "",
    foreign: Collection[str] = frozenset(),
) -> Audit:
    """Compares the two systems with the script's truth.

    In a chain the branch has the name ``site``, and ``foreign`` are the references of the others' mornings.
    """
    seen = seen or Seen()
    findings = Findings(site, foreign)
    PlatformAuditor(morning, booking.store, findings).audit()
    visits = PimsAuditor(morning, pims.store, findings, seen)
    places = visits.audit()
    files = FileAuditor(morning, booking, ezyvet_files(pims), findings, seen)
    files.audit()
    due = DueAuditor(morning, booking.store, findings, seen, today)
    due.audit()
    for store in (booking.store, pims.store):
        check_notices(store, findings)
    return Audit(
        morning,
        places,
        frozenset(visits.unseen),
        tuple(findings.all),
        seen,
        in_place=frozenset(visits.in_place),
        carried=frozenset(files.carried),
        shown=frozenset(due.shown),
    )
