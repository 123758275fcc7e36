"""A file on its way: whole or not at all, looked at before a byte goes on, and nothing of it left."""

from __future__ import annotations

import gc
import hashlib
import io
import os
import tempfile
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest

from tests.hostile_files import MEGA, Hostile, eicar, hostile_files, zeros
from tests.made_files import docx, jpeg, pdf, true_files
from vetbridge.connector.interface import Content
from vetbridge.core.errors import BadAnswer, FileRefused, Unavailable
from vetbridge.core.files import MEGABYTE, TYPES, FileRules, Limits
from vetbridge.sync.spooling import Spooled, spool

EVERYTHING = FileRules(types=dict.fromkeys(TYPES, 3 * MEGABYTE))
TIGHT = Limits(unpacked=2 * MEGABYTE, in_all=6 * MEGABYTE, streams=500)
"""So that a bomb need not be large in a test."""
SEED = 10
COUNT = 1_000


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files go."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def spooled(content: bytes, name: str = "a.pdf", rules: FileRules = EVERYTHING) -> Spooled:
    return spool(iter([content]), name=name, rules=rules, scan=None)


def open_files() -> int:
    return len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0  # noqa: PTH208 - its own entry


def test_what_is_taken_in_can_be_read_again_and_again() -> None:
    content = pdf()
    pieces = (content[at : at + 7] for at in range(0, len(content), 7))
    with spool(pieces, name="../Letter.PDF", rules=EVERYTHING, scan=None) as file:
        taken: Content = file
        assert (taken.name, taken.media_type, taken.size) == ("Letter.pdf", "application/pdf", len(content))
        assert taken.digest == hashlib.sha256(content).hexdigest()
        for _ in range(2):
            with taken.open() as reader:
                assert reader.read(10) == content[:10]
                assert reader.read() == content[10:]
                assert reader.read() == b""
                reader.seek(3)
                assert reader.read(2) == content[3:5]
    with pytest.raises(ValueError, match="closed"):
        file.open()
    assert "Letter" not in repr(file)


@pytest.mark.parametrize("name", true_files())
def test_every_true_file_passes_whole(name: str) -> None:
    word, content = true_files()[name]
    with spooled(content) as file, file.open() as reader:
        assert reader.read() == content
        assert (file.type, file.media_type) == (word, TYPES[word].media_type)
        assert file.name.rpartition(".")[2] in TYPES[word].endings


def test_no_more_is_read_of_a_file_that_is_too_large() -> None:
    asked: list[int] = []
    closed: list[bool] = []

    def pieces() -> Iterator[bytes]:
        try:
            yield jpeg()
            while True:
                asked.append(1)
                yield bytes(MEGA)
        finally:
            closed.append(True)

    rules = FileRules(types={"jpeg": 3 * MEGABYTE, "pdf": 2 * MEGABYTE})
    with pytest.raises(FileRefused) as caught:
        spool(pieces(), name="a.jpg", rules=rules, scan=None)
    assert (caught.value.code, caught.value.wanted) == ("file-too-large", True)
    assert len(asked) == 3
    assert closed == [True]


@pytest.mark.parametrize(
    ("begins", "code", "wanted"),
    [
        (b"\0\0\0\x18ftypmp42", "file-type", False),
        (b"\x89PNG\r\n\x1a\n", "file-type", False),
        (b"PK\x03\x04", "file-type", False),
        (b"a text ", "file-type", False),
        (b"%PDF-1.7", "file-too-large", True),
    ],
)
def test_a_large_file_of_another_kind_is_not_asked_for(begins: bytes, code: str, wanted: bool) -> None:
    rules = FileRules(types={"pdf": 1000})
    with pytest.raises(FileRefused) as caught:
        spooled(begins + bytes(2000), rules=rules)
    assert (caught.value.code, caught.value.wanted) == (code, wanted)


def test_a_download_that_breaks_leaves_nothing(place: Path) -> None:
    def pieces() -> Iterator[bytes]:
        yield pdf()
        raise BadAnswer("it broke")

    before = open_files()
    with pytest.raises(BadAnswer):
        spool(pieces(), name="a.pdf", rules=EVERYTHING, scan=None)
    assert open_files() == before
    assert list(place.iterdir()) == []


def test_the_scanner_looks_at_the_whole_file_before_it_goes_on(place: Path) -> None:
    seen: list[bytes] = []

    def scan(file: BinaryIO) -> None:
        seen.append(file.read())
        if eicar() in seen[-1]:
            raise FileRefused("found", code="file-infected")

    with spool(iter([pdf()]), name="a.pdf", rules=EVERYTHING, scan=scan) as file, file.open() as reader:
        assert reader.read() == seen[0] == pdf()
    before = open_files()
    with pytest.raises(FileRefused, match="found"):
        spool(iter([b"hello ", eicar()]), name="a.txt", rules=EVERYTHING, scan=scan)
    assert open_files() == before
    assert list(place.iterdir()) == []


def test_a_scanner_that_is_away_lets_nothing_pass(place: Path) -> None:
    def scan(_file: BinaryIO) -> None:
        raise Unavailable("away", code="scanner-silent")

    with pytest.raises(Unavailable, match="away"):
        spool(iter([pdf()]), name="a.pdf", rules=EVERYTHING, scan=scan)
    assert list(place.iterdir()) == []


def test_what_is_refused_is_never_shown_to_the_scanner() -> None:
    with pytest.raises(FileRefused) as caught:
        spool(iter([b"%PDF-1.7"]), name="a", rules=EVERYTHING, scan=lambda _file: pytest.fail("it was scanned"))
    assert caught.value.code == "file-broken"


def test_a_full_disk_is_told_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.BytesIO):
        def write(self, _data: object, /) -> int:
            raise OSError(28, "No space left on device")

    full = Full()
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: full)
    with pytest.raises(Unavailable, match="No space left") as caught:
        spooled(pdf())
    assert caught.value.code == "no-room-for-files"
    assert full.closed


def test_nothing_has_a_name_on_disk_while_it_waits(place: Path) -> None:
    with spooled(pdf()), spooled(jpeg()):
        assert list(place.iterdir()) == []


# -- files that are made to harm


def outcome(hostile: Hostile) -> str:
    """The code that a file is refused with; "" where it passed, whole and unchanged."""
    try:
        with spool(hostile.pieces(), name=hostile.name, rules=EVERYTHING, scan=None, limits=TIGHT) as file:
            with file.open() as reader:
                assert reader.read() == hostile.content, "nothing that passes is changed"
            assert file.name.isprintable()
            assert file.name.rpartition(".")[2] in TYPES[file.type].endings
        return ""
    except FileRefused as error:
        return error.code


def test_a_thousand_hostile_files_are_refused_with_a_reason_and_nothing_is_left(place: Path) -> None:
    """Odd ones that do no harm pass: phones' trailers, strange names, a virus's text where no scanner is."""
    gc.collect()  # what others have left open is not counted
    before = open_files()
    wrong, met = [], set()
    for number, hostile in enumerate(hostile_files(SEED, COUNT)):
        code = outcome(hostile)
        met.add(code)
        right = code in hostile.codes or (code == "" and not hostile.codes) or hostile.either
        if not right:
            wrong.append((number, hostile.kind, code))
    assert wrong == []
    codes = {"empty", "too-large", "type", "encrypted", "bomb", "polyglot", "broken"}
    assert met == {"", *(f"file-{code}" for code in codes)}
    gc.collect()
    assert open_files() <= before
    assert list(place.iterdir()) == []


def large_files() -> dict[str, tuple[bytes, str]]:
    """Many megabytes of each kind that is read to its end, and what becomes of them."""
    filling = os.urandom(MEGA).replace(b"\xff", b"\xfe") * 8
    return {
        "photo": (jpeg(4000, 3000, scan=filling), ""),
        "scan": (pdf((b"/Filter /DCTDecode ", filling), (b"/Filter /FlateDecode ", zeros(20 * MEGA))), ""),
        "text": (b"a line of a text\r\n" * 400_000, ""),
        "document": (docx(("word/media/a.bin", filling)), ""),
        "bomb": (pdf((b"/Filter /FlateDecode ", zeros(130 * MEGA))), "file-bomb"),
    }


def test_a_large_file_costs_little_memory(place: Path) -> None:
    rules = FileRules(types=dict.fromkeys(TYPES, 50 * MEGABYTE))
    for content, refused in large_files().values():
        pieces = (content[at : at + 64 * 1024] for at in range(0, len(content), 64 * 1024))
        code = ""
        tracemalloc.start()
        try:
            with spool(pieces, name="a", rules=rules, scan=None) as file:
                assert file.size == len(content)
        except FileRefused as error:
            code = error.code
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert code == refused
        assert peak < 3 * MEGA
    assert list(place.iterdir()) == []
