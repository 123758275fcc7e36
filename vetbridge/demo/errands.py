"""What the desk does beside visits in a played morning: files, pets that die, owners who want no messages.

Each scene is a generator that goes on whenever it is resumed, as the receptionist's are.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from functools import partial
from typing import Protocol

from vetbridge.connector.clock import Clock
from vetbridge.demo.platform import Platform
from vetbridge.demo.scenes import BY, Commands, House, Late, Scene, Scenes
from vetbridge.demo.story import Booking, DueCase, DuePet, Morning, Paper


class Records(Protocol):
    """The practice's records, as the desk writes them. All may raise ``NoAnswer`` or ``NotThere``: tried again."""

    def contact(self, owner: int) -> str:
        """The id of one of the clinic's owners."""

    def holds(self, booking: Booking) -> bool:
        """Whether the practice holds the visit of a booking."""

    def parked(self, booking: Booking) -> object | None:
        """None where the visit of a booking stands on an owner."""

    def put_file(self, booking: Booking, paper: Paper) -> None:
        """Puts a file on the pet of a booking."""

    def files_of(self, booking: Booking) -> set[str]:
        """The names of the files on the owner and the pet of a booking."""

    def bury(self, pet: int) -> None:
        """Writes down that one of the clinic's pets has died."""

    def vaccinate(self, pet: int, due: date) -> None:
        """Writes down that one of the clinic's pets was vaccinated a year before it is due again."""


class Errands(Scenes):
    """The errands of one branch's morning. ``is_noted``: whether somebody has written down in the practice that a
    client wants no messages, where a clerk works off the work list; None: whoever plays the errands does that."""

    def __init__(
        self,
        morning: Morning,
        platform: Platform,
        practice: Records,
        commands: Commands,
        house: House,
        clock: Clock,
        patience: float,
        today: date,
        is_noted: Callable[[str], bool] | None = None,
    ) -> None:
        super().__init__(commands, house, clock, patience)
        self._morning = morning
        self._platform = platform
        self._practice = practice
        self._today = today
        self._is_noted = is_noted
        self.put: set[int] = set()
        """Files that were put where they belong."""
        self.refused: set[int] = set()
        """Files that VetBridge said it would not carry."""
        self.marked: set[int] = set()
        """Pets whose owner's card said something, of those of whom nothing may be left."""
        self.noted: set[int] = set()
        """Pets whose owner wants no messages, as the desk was told."""

    def carrying(self, paper: Paper) -> Scene[None]:
        """The desk puts a file where it belongs, and sees it at the other side. A visit whose owner is not known has
        none."""
        booking = self._morning.booking(paper.booking)
        yield from self._until(lambda: self._house.played(paper.booking), "a booking is made")
        yield from self._until(partial(self._practice.holds, booking), "a visit stands in the PIMS")
        if (yield from self._answered(lambda: self._practice.parked(booking) is not None)):
            return
        self.put.add(paper.number)
        if paper.at_pims:
            yield from self._done(lambda: self._practice.put_file(booking, paper), "the PIMS takes a file")
        else:
            self._platform.put_file(self._platform.card_of(booking), paper)
        self._house.happens(f"a file comes {'to the practice' if paper.at_pims else 'from an owner'}: {paper.name}")
        if paper.carried and paper.at_pims:
            card = self._platform.card_of(booking)
            yield from self._until(lambda: paper.name in self._platform.files(card), "a file is on its owner's card")
        elif paper.carried:
            yield from self._until(lambda: paper.name in self._practice.files_of(booking), "a file is in the PIMS")
        elif not paper.at_pims:
            yield from self._until(self._house.refused_files, "a file that nobody can open is refused")
            self.refused.add(paper.number)

    def reminding(self, due: DuePet) -> Scene[None]:
        """A pet's vaccination is due; what its owner's card says is seen, and what becomes of it."""
        owner = self._morning.clinic.owner(due.owner)
        if due.case is DueCase.TOLD:
            yield from self._until(self._house.runs, "VetBridge runs")
            self._house.happens("a vet writes down when a pet is to be vaccinated again")
            day = self._today + timedelta(days=due.in_days)
            vaccinate = partial(self._practice.vaccinate, due.pet, day)
            yield from self._done(vaccinate, "the PIMS takes a vaccination")
        if due.case is DueCase.VISIT:
            yield from self._holding_back(due)
            return
        card = self._platform.card_with(owner.phones[0])
        yield from self._until(lambda: self._platform.marks(card), "a card says which service is due")
        if due.case is DueCase.DIES:
            self.marked.add(due.number)
            yield from self._done(lambda: self._practice.bury(due.pet), "the PIMS takes a death")
            self._house.happens("a pet with a service that is due has died")
        elif due.case is DueCase.OPTS_OUT:
            self.marked.add(due.number)
            self._platform.opt_out(card)
            self._house.happens("an owner with a service that is due wants no messages any more")
        else:
            return
        yield from self._until(lambda: not self._platform.marks(card), "nothing is left on the card")
        if due.case is DueCase.OPTS_OUT:
            yield from self._note(due)

    def _holding_back(self, due: DuePet) -> Scene[None]:
        """Once a pet has a visit, nothing is said of what is due."""
        visit = next(one for one in self._morning.bookings if due.pet in one.part.pets)
        yield from self._until(lambda: self._house.played(visit.number), "a booking is made")
        yield from self._until(partial(self._practice.holds, visit), "a visit stands in the PIMS")
        card = self._platform.card_of(visit)
        yield from self._until(lambda: not self._platform.marks(card), "a visit holds back what is due")

    def _note(self, due: DuePet) -> Scene[None]:
        """The work list asks the desk to write down in the PIMS that an owner wants no messages; it does."""
        client = self._practice.contact(due.owner)
        if (is_noted := self._is_noted) is not None:
            yield from self._until(lambda: is_noted(client), "the clerk writes down that an owner wants no messages")
            self.noted.add(due.number)
            return
        ends = self._clock.steady() + self._patience
        while self._clock.steady() < ends:
            lines = yield from self._told("worklist", "list")
            found = [line for line in lines if line["task"] == "opt_out" and line["remote_id"] == client]
            if found:
                yield from self._told("worklist", "done", str(found[0]["id"]), "--by", BY)
                self.noted.add(due.number)
                return
        raise Late("the work list says that an owner wants no messages")
