"""Files: what is uploaded comes back as it was, or nothing of it stands there."""

# ruff: noqa: S101 - assertions are what these tests are made of, though they stand outside of tests/

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import BinaryIO

import pytest

from vetbridge.connector.interface import ExactlyOnce, Operation, Write
from vetbridge.core.errors import BadAnswer, OutcomeUnknown, RateLimited, Refused, Unavailable, VetBridgeError
from vetbridge.core.records import Kind
from vetbridge.testing.suite.base import Group, field_of, stamp_of
from vetbridge.testing.suite.once import lost
from vetbridge.testing.suite.subject import LOST, Fault, Subject

ON = (Kind.CLIENT, Kind.PET)
"""What a file can hang on."""
PDF = b"%PDF-1.7\r\n\x00\xff\r\n--boundary\r\nContent-Disposition: form-data\r\n\r\n%%EOF\n\r\n"
"""A file that a careless upload or download would change."""
LARGE = 3 * 1024 * 1024
PIECE = 1024 * 1024
"""Most bytes that may be asked for, or given, at a time."""


@dataclass
class Paper:
    """A file to attach: ``Content``. Notes how much of it was asked for at a time."""

    name: str = "probe.pdf"
    data: bytes = field(default=PDF, repr=False)
    media_type: str = "application/pdf"
    breaks_at: int | None = None
    """It cannot be read any further than so many bytes."""
    asked: list[int] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.data)

    @property
    def digest(self) -> str:
        """SHA-256."""
        return hashlib.sha256(self.data).hexdigest()

    def open(self) -> BinaryIO:
        """A reader that stands at the beginning."""
        return _Reader(self)


class _Reader(io.BytesIO):
    """See ``Paper``."""

    def __init__(self, paper: Paper) -> None:
        super().__init__(paper.data)
        self._paper = paper

    def read(self, size: int | None = -1, /) -> bytes:
        """Notes what is asked for, and breaks where it is told to."""
        self._paper.asked.append(-1 if size is None else size)
        piece = super().read(size)
        if self._paper.breaks_at is not None and self.tell() > self._paper.breaks_at:
            raise OSError("the file cannot be read any further")
        return piece


class Files(Group):
    """See the methods."""

    def upload(
        self, subject: Subject, paper: Paper, on: Kind = Kind.CLIENT, number: int = 0
    ) -> tuple[Write, dict[str, str]]:
        """A create of a file on a client or pet that is made for it, and what it says: on whom, and its name."""
        name = f"{on}_id"
        if on not in subject.connector.capabilities.of(Kind.ATTACHMENT).hangs_on:
            pytest.skip(f"not declared: attachment on {on}")
        values = {name: self.created(subject, on, number), "name": paper.name}
        notes = {"notes": f"[VetBridge {stamp_of(9)}]"}
        write = self.write_of(subject, Kind.ATTACHMENT, Operation.CREATE, {**values, **notes}, stamp=stamp_of(9))
        return replace(write, content=paper), values

    def needs_upload(self, subject: Subject, *levels: ExactlyOnce) -> ExactlyOnce:
        """Skips the test where no files can be made, or not at these levels."""
        level = subject.connector.capabilities.of(Kind.ATTACHMENT).create
        if level is None or (levels and level not in levels):
            pytest.skip(f"not declared: attachment create {' or '.join(levels)}".rstrip())
        return level

    def data(self, subject: Subject, id_: str) -> bytes:
        """What is in a file there."""
        return b"".join(subject.connector.content(id_))

    def of_owner(self, subject: Subject, values: Mapping[str, str]) -> list[str]:
        """Ids of the files that hang where an upload hangs one."""
        can = subject.connector.capabilities.of(Kind.ATTACHMENT)
        wanted = {name: value for name, value in values.items() if name != "name"}
        if wanted.keys() <= can.search:
            found = list(subject.connector.search(Kind.ATTACHMENT, wanted))
            return [str(subject.mapper.read(Kind.ATTACHMENT, native).id) for native in found]
        return [
            each.id
            for each in self.everything(subject, Kind.ATTACHMENT)[0].values()
            if each.native is not None
            and all(
                field_of(subject.mapper.read(Kind.ATTACHMENT, each.native), name) == value
                for name, value in wanted.items()
            )
        ]

    @pytest.mark.parametrize("on", ON)
    def test_a_file_comes_back_as_it_was(self, subject: Subject, on: Kind) -> None:
        """Byte for byte, by one write; it hangs where it was hung, is listed there, and reads by its id."""
        self.needs_upload(subject)
        paper = Paper()
        write, values = self.upload(subject, paper, on)
        before = subject.writes()
        id_ = self.applied(subject, write)
        assert subject.writes() == before + 1
        assert self.data(subject, id_) == paper.data
        assert self.of_owner(subject, values) == [id_]
        record = self.record(subject, Kind.ATTACHMENT, id_)
        assert field_of(record, "id") == id_
        self.assert_kept(subject, record, Kind.ATTACHMENT, values)

    @pytest.mark.parametrize(
        "name",
        ["Röntgen Żółw 李.pdf", 'a "b"; filename=c.pdf', "%22%0d%0aX: y.pdf", "🐕.pdf", f"{'n' * 180}.pdf"],
        ids=["letters", "quotes", "escapes", "dog", "long"],
    )
    def test_names_are_kept(self, subject: Subject, name: str) -> None:
        """Whole, as the declared loss says, or clearly refused; what is in the file is never touched by its name."""
        self.needs_upload(subject)
        can = subject.connector.capabilities.of(Kind.ATTACHMENT)
        write, values = self.upload(subject, Paper(name=name))
        try:
            id_ = self.applied(subject, write)
        except Refused:
            assert self.of_owner(subject, values) == []
            return
        assert self.data(subject, id_) == PDF
        if "name" not in can.loss:
            self.assert_kept(subject, self.record(subject, Kind.ATTACHMENT, id_), Kind.ATTACHMENT, {"name": name})

    def test_files_go_in_pieces(self, subject: Subject) -> None:
        """Neither way is a file asked for, or given, as a whole."""
        self.needs_upload(subject)
        paper = Paper(data=bytes(range(256)) * (LARGE // 256))
        id_ = self.applied(subject, self.upload(subject, paper)[0])
        assert paper.asked
        assert all(0 <= each <= PIECE for each in paper.asked), "a file was read as a whole"
        pieces = list(subject.connector.content(id_))
        assert max(len(each) for each in pieces) <= PIECE
        assert hashlib.sha256(b"".join(pieces)).hexdigest() == paper.digest

    def test_two_files_are_two(self, subject: Subject) -> None:
        """Two files on one client are both listed, and each has its own content."""
        self.needs_upload(subject)
        first, values = self.upload(subject, Paper())
        other = Paper(name="other.pdf", data=PDF[::-1])
        native = subject.mapper.write(Kind.ATTACHMENT, {"name": other.name})
        second = replace(first, content=other, native={**first.native, **native}, key=f"{first.key}-other")
        ids = [self.applied(subject, write) for write in (first, second)]
        assert sorted(self.of_owner(subject, values)) == sorted(ids)
        assert [self.data(subject, id_) for id_ in ids] == [PDF, PDF[::-1]]

    def test_unknown_files_are_refused(self, subject: Subject) -> None:
        """The content of what is not there is ``Refused`` with code not-found."""
        self.needs(subject, Kind.ATTACHMENT, "read")
        for unknown in self.unknown_ids:
            with pytest.raises(Refused) as caught:
                self.data(subject, unknown)
            assert caught.value.code == "not-found"
            assert subject.connector.get(Kind.ATTACHMENT, unknown) is None

    def test_a_file_hangs_on_somebody(self, subject: Subject) -> None:
        """On nobody, or on what is not there, it is refused."""
        self.needs_upload(subject)
        for on in ({}, {"client_id": self.unknown_ids[0]}):
            write = self.write_of(subject, Kind.ATTACHMENT, Operation.CREATE, {**on, "name": "probe.pdf"})
            with pytest.raises(Refused):
                subject.connector.apply(replace(write, content=Paper()))
        assert subject.writes() == 0

    @pytest.mark.parametrize("fault", LOST)
    def test_a_lost_upload_is_one_file(self, subject: Subject, fault: Fault) -> None:
        """An upload that was done and never answered is found by a look, or takes no second effect by its key."""
        level = self.needs_upload(subject)
        self.needs_fault(subject, fault)
        write, values = self.upload(subject, Paper())
        if not lost(subject, write, fault) or level is ExactlyOnce.NONE:
            return
        self.landed(subject)
        if level is ExactlyOnce.IDEMPOTENCY_KEY:
            found = [subject.connector.apply(write).id]
        else:
            found = self.looked(subject, write)
        assert self.of_owner(subject, values) == found
        assert [self.data(subject, id_) for id_ in found] == [PDF]

    @pytest.mark.parametrize("fault", [Fault.BEFORE, Fault.LIMIT])
    def test_an_undone_upload_leaves_nothing(self, subject: Subject, fault: Fault) -> None:
        """Where it failed before it was done there is no file; sent again, there is one."""
        self.needs_upload(subject)
        write, values = self.upload(subject, Paper())
        subject.fault(fault)
        wanted = (RateLimited,) if fault is Fault.LIMIT else (OutcomeUnknown, Unavailable)
        with pytest.raises(wanted):
            subject.connector.apply(write)
        subject.fault(None)
        self.landed(subject)
        assert self.of_owner(subject, values) == []
        id_ = self.applied(subject, write)
        assert self.of_owner(subject, values) == [id_]

    def test_a_file_that_breaks_off_leaves_nothing(self, subject: Subject) -> None:
        """Where the file cannot be read to its end, no part of it stands there."""
        self.needs_upload(subject)
        paper = Paper(data=bytes(LARGE), breaks_at=LARGE // 2)
        write, values = self.upload(subject, paper)
        with pytest.raises((OSError, VetBridgeError)):
            subject.connector.apply(write)
        self.landed(subject)
        assert self.of_owner(subject, values) == []

    def test_too_large_files_are_refused(self, subject: Subject) -> None:
        """A file of as many bytes as the side does not take any more is refused and not kept."""
        self.needs_upload(subject)
        largest = subject.connector.capabilities.of(Kind.ATTACHMENT).largest
        if largest is None:
            pytest.skip("not declared: attachment largest")
        write, values = self.upload(subject, Paper(data=bytes(largest)))
        with pytest.raises(Refused):
            subject.connector.apply(write)
        assert self.of_owner(subject, values) == []

    def test_other_types_are_refused(self, subject: Subject) -> None:
        """A file of a type that the side does not take is refused unsent."""
        self.needs_upload(subject)
        if not subject.connector.capabilities.of(Kind.ATTACHMENT).file_types:
            pytest.skip("not declared: attachment file_types")
        write, _ = self.upload(subject, Paper(name="probe.exe", media_type="application/x-msdownload"))
        before = subject.writes()
        with pytest.raises(Refused):
            subject.connector.apply(write)
        assert subject.writes() == before

    @pytest.mark.parametrize("on", ON)
    def test_undeclared_places_are_refused(self, subject: Subject, on: Kind) -> None:
        """A file for what no file hangs on here is refused unsent."""
        self.needs_upload(subject)
        if on in subject.connector.capabilities.of(Kind.ATTACHMENT).hangs_on:
            pytest.skip(f"declared: attachment on {on}")
        place = {f"{on}_id": "1", "name": "probe.pdf"}
        write = self.write_of(subject, Kind.ATTACHMENT, Operation.CREATE, place)
        before = subject.writes()
        with pytest.raises(Refused):
            subject.connector.apply(replace(write, content=Paper()))
        assert subject.writes() == before

    def test_new_files_are_told(self, subject: Subject) -> None:
        """From a cursor on, where the side tells what is new."""
        self.needs_upload(subject)
        self.needs(subject, Kind.ATTACHMENT, "incremental")
        _, cursor = self.everything(subject, Kind.ATTACHMENT)
        for number in range(2):
            id_ = self.applied(subject, self.upload(subject, Paper(), number=number)[0])
            found, cursor = self.everything(subject, Kind.ATTACHMENT, cursor)
            assert id_ in found

    @pytest.mark.parametrize("fault", [Fault.LIMIT, Fault.BEFORE])
    def test_failing_downloads_are_named(self, subject: Subject, fault: Fault) -> None:
        """A download that fails says how, gives nothing for a whole file, and works again after it."""
        self.needs_upload(subject)
        self.needs_fault(subject, fault)
        id_ = self.applied(subject, self.upload(subject, Paper())[0])
        subject.fault(fault)
        with pytest.raises(RateLimited if fault is Fault.LIMIT else (Unavailable, BadAnswer)):
            self.data(subject, id_)
        subject.fault(None)
        assert self.data(subject, id_) == PDF

    def test_nothing_of_a_file_is_told(self, subject: Subject) -> None:
        """Neither errors nor what is printed of a write repeat a file's name or content."""
        self.needs_upload(subject)
        write, _ = self.upload(subject, Paper(name="Zoë Ångström.pdf"))
        subject.fault(Fault.BEFORE)
        with pytest.raises(VetBridgeError) as caught:
            subject.connector.apply(write)
        subject.fault(None)
        words = f"{caught.value} {caught.value!r}"
        assert not [each for each in ("Zoë", "Ångström", "%%EOF") if each in words]
