"""A rig whose site wants files carried, and what people do with files there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.rig import Rig
from vetbridge.core.files import FileRules
from vetbridge.core.records import Kind
from vetbridge.sync.engine import Engine, nowhere
from vetbridge.sync.file_looking import FileLooker
from vetbridge.sync.pair import FilePolicy
from vetbridge.testing.clock import FakeClock
from vetbridge.testing.memory import MemorySide, memory_capabilities

ANYTHING = FileRules(types={"pdf": 1_000_000})


def pdf(words: str = "a letter") -> bytes:
    """The smallest document that is one."""
    body = b"%PDF-1.4\n"
    places = []
    for number, content in enumerate(
        (
            b"<</Type/Catalog/Pages 2 0 R>>",
            b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Title(" + words.encode() + b")>>",
        ),
        1,
    ):
        places.append(len(body))
        body += b"%d 0 obj\n%b\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    end = b"trailer\n<</Size 4/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % len(body)
    return body + b"xref\n0 4\n0000000000 65535 f \n" + table + end


class FileRig(Rig):
    """A pair that wants files carried: a booking side that lists them client by client, and a PIMS that tells which
    changed."""

    policy = FilePolicy(to_pims=ANYTHING, to_booking=ANYTHING)

    def __init__(
        self,
        folder: Path,
        *,
        booking: MemorySide | None = None,
        pims: MemorySide | None = None,
        clock: FakeClock | None = None,
    ) -> None:
        clock = clock or FakeClock()
        booking = booking or MemorySide(memory_capabilities("booking"), clock=clock)
        pims = pims or MemorySide(memory_capabilities(), clock=clock)
        super().__init__(folder, clock=clock, booking=booking, pims=pims)
        self.looker.pass_()  # from now on files are new
        self.clock.advance(1)

    def start(self, *, point: Callable[[str], None] = nowhere) -> None:
        super().start(point=point)
        self.pair = replace(self.pair, files=self.policy)
        self.engine = Engine([self.pair], self.ledger, self.clock, self.timings, point=point)
        self.looker = FileLooker(self.pair, self.ledger)

    def wants(self, **policy: Any) -> None:
        """The site's config changes."""
        self.policy = replace(self.policy, **policy)
        self.start()

    def known(self, given: str = "Ann", family: str = "Archer", phone: str = "+441632960001", *pets: str) -> str:
        """An owner whom both sides know, with a visit to come; returns the card's id."""
        self.owner(given, family, phone, *(pets or ("Rex",)))
        self.book(given, family, phone, (pets or ("Rex",))[0])
        self.run()
        return next(str(row["id"]) for row in self.booking.rows(Kind.CLIENT) if phone in row["phones"])

    def client(self, family: str = "Archer") -> str:
        """The PIMS client of a name."""
        return next(str(row["id"]) for row in self.pims.rows(Kind.CLIENT) if row["name"]["family"] == family)

    def pet(self, name: str = "Rex") -> str:
        """The PIMS pet of a name."""
        return next(str(row["id"]) for row in self.pims.rows(Kind.PET) if row["name"] == name)

    def bring(self, card: str, name: str = "letter.pdf", content: bytes | None = None, **more: Any) -> str:
        """Somebody puts a file on a card."""
        return self.booking.add(
            Kind.ATTACHMENT, {"client_id": card, "name": name, **more}, content=pdf() if content is None else content
        )

    def file(self, name: str = "discharge.pdf", content: bytes | None = None, **where: Any) -> str:
        """Somebody files a document in the PIMS."""
        return self.pims.add(Kind.ATTACHMENT, {"name": name, **where}, content=pdf() if content is None else content)

    def look(self) -> None:
        """Time passes, files are looked for and carried."""
        self.clock.advance(self.looker.again.total_seconds())
        self.looker.pass_()
        self.settle()

    def files(self, side: MemorySide) -> list[dict[str, Any]]:
        return side.rows(Kind.ATTACHMENT)

    def ends(self) -> list[tuple[str, str]]:
        """How the changes of files ended."""
        return [(row.state, row.code) for row in self.changes() if row.kind == Kind.ATTACHMENT]


def content(side: MemorySide, id_: str) -> bytes:
    return b"".join(side.content(id_))


def sent(side: MemorySide) -> int:
    return sum(write.kind is Kind.ATTACHMENT for write in side.written)
