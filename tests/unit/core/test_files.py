"""What is in a file: true files are told and pass, and what is not wanted or not right says why."""

from __future__ import annotations

import base64
import io
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import made_files
from tests.hostile_files import PAGE, PROGRAM, lzw, zeros
from tests.made_files import docx, gif, heic, jpeg, pdf, png, true_files, xlsx
from vetbridge.core.errors import FileRefused, Scope
from vetbridge.core.files import MEGABYTE, TYPES, FileRules, Finding, Limits, inspect, wanted_name
from vetbridge.core.files.pdfs import lzw_sizes, run_sizes

EVERYTHING = FileRules(types=dict.fromkeys(TYPES, MEGABYTE))
TRUE = true_files()


def looked(content: bytes, rules: FileRules = EVERYTHING, limits: Limits | None = None) -> Finding:
    return inspect(io.BytesIO(content), len(content), rules, limits or Limits())


def refused(content: bytes, rules: FileRules = EVERYTHING, limits: Limits | None = None) -> FileRefused:
    with pytest.raises(FileRefused) as caught:
        looked(content, rules, limits)
    return caught.value


def taking(*words: str) -> FileRules:
    return FileRules(types=dict.fromkeys(words, MEGABYTE))


# -- true files


@pytest.mark.parametrize("name", TRUE)
def test_a_true_file_is_told_by_what_is_in_it(name: str) -> None:
    word, content = TRUE[name]
    assert looked(content) == Finding(word, TYPES[word].media_type, TYPES[word].endings[0])
    assert looked(content, taking(word)).type == word


@pytest.mark.parametrize("name", TRUE)
def test_a_file_of_another_type_than_the_rules_take_is_not_wanted(name: str) -> None:
    word, content = TRUE[name]
    others = taking(*(each for each in TYPES if each != word))
    error = refused(content, others)
    assert (error.code, error.wanted) == ("file-type", False)
    assert TYPES[word].words in error.message or word == "txt"


def test_a_photo_of_an_iphone_asks_for_a_jpeg() -> None:
    assert "ask for a JPEG" in refused(heic(), taking("jpeg", "png")).message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (PROGRAM, "a program"),
        (b"\x7fELF" + bytes(99), "a program"),
        (b"\0\0\0\x20ftypisom" + bytes(99), "a film"),
        (b"\0\0\0\x20ftypavif" + bytes(99), "an AVIF picture"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf" + bytes(99), "an AVIF picture"),
        (bytes(128) + b"DICM" + bytes(99), "a DICOM image"),
        (b"Rar!\x1a\x07" + bytes(99), "an archive"),
        (made_files.archive([("a.txt", b"a")]), "an archive"),
        (made_files.compound(("__properties_version1.0", bytes(5000))), "before 2007"),
        (b"\x89\x01\x02\x03", "of no kind"),
    ],
)
def test_what_is_known_and_never_carried_says_what_it_is(content: bytes, words: str) -> None:
    error = refused(content)
    assert (error.code, error.wanted) == ("file-type", False)
    assert words in error.message


def test_a_page_is_a_page_where_texts_are_taken_and_not_wanted_where_not() -> None:
    assert (refused(PAGE).code, refused(PAGE).wanted) == ("file-polyglot", True)
    error = refused(PAGE, taking("pdf"))
    assert (error.code, error.wanted) == ("file-type", False)
    assert "a web page" in error.message


def test_a_text_in_utf_16_is_a_text_that_somebody_should_look_at() -> None:
    error = refused("Grüße".encode("utf-16"))
    assert (error.code, error.wanted) == ("file-type", True)
    assert "UTF-8" in error.message
    assert not refused("Grüße".encode("utf-16"), taking("pdf")).wanted


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("Größe\f2".encode(), True),
        ("Размер".encode("cp1251"), True),
        ("גודל \u200f7".encode(), True),
        ("clear the screen: \x9b2J".encode(), False),
        (b"clear the screen: \x1b[2J", False),
        (b"a" * 300_000 + "ö".encode()[:1], True),
        (b"a" * 262_143 + "ö".encode(), True),
        (b"\x81\x8d", False),
    ],
)
def test_a_text_is_in_utf_8_or_in_the_letters_of_windows_and_steers_no_screen(text: bytes, is_one: bool) -> None:
    if is_one:
        assert looked(text).type == "txt"
    else:
        assert refused(text).code == "file-type"


# -- sizes


def test_each_type_has_its_own_size() -> None:
    rules = FileRules(types={"pdf": len(pdf()) - 1, "txt": 10 * MEGABYTE, "docx": 50, "doc": 50})
    assert looked(b"a" * 5000, rules).type == "txt"
    for content in (pdf(), docx(), made_files.doc()):
        error = refused(content, rules)
        assert (error.code, error.wanted) == ("file-too-large", True)
    assert looked(pdf(), FileRules(types={"pdf": len(pdf())})).type == "pdf"


def test_an_empty_file_is_one_that_somebody_should_ask_for_again() -> None:
    assert (refused(b"").code, refused(b"").wanted) == ("file-empty", True)


def test_a_refusal_stops_one_change_and_is_told_with_its_kin() -> None:
    error = refused(b"")
    assert error.scope is Scope.CHANGE
    assert FileRefused("a").code == "file-refused"


# -- limits


def test_a_page_that_was_scanned_white_is_no_bomb() -> None:
    """A sheet of A4 in grey, scanned with 600 points an inch, packs a thousand times smaller."""
    white = zeros(35 * MEGABYTE)
    assert looked(pdf((b"/Filter /FlateDecode /Width 4960 /Height 7016 ", white))).type == "pdf"


def test_streams_count_together() -> None:
    part = zeros(MEGABYTE)
    three = pdf(*[(b"/Filter /FlateDecode ", part)] * 3)
    assert looked(three, limits=Limits(unpacked=2 * MEGABYTE, in_all=4 * MEGABYTE)).type == "pdf"
    assert refused(three, limits=Limits(unpacked=2 * MEGABYTE, in_all=2 * MEGABYTE)).code == "file-bomb"
    assert refused(three, limits=Limits(unpacked=MEGABYTE - 1)).code == "file-bomb"


def test_a_document_and_what_is_inside_it_count_together() -> None:
    inner = xlsx(("xl/a.bin", bytes(90_000)))
    content = docx(("word/embeddings/a.xlsx", inner), ("word/b.bin", bytes(90_000)))
    assert looked(content, limits=Limits(unpacked=200_000)).type == "docx"
    assert refused(content, limits=Limits(unpacked=150_000)).code == "file-bomb"


@pytest.mark.parametrize(
    "text",
    [
        b'<?xml version="1.0" encoding="UTF-7"?>+ADwAIQ-DOCTYPE a+AD4-',
        '<?xml version="1.0"?><!DOCTYPE a []><a/>'.encode("cp037"),
        b"<?xml version='1.0' encoding='iso-2022-jp'?><a/>",
    ],
)
def test_text_whose_letters_nobody_can_look_through_is_refused(text: bytes) -> None:
    assert refused(docx(("word/a.xml", text))).code == "file-broken"


@pytest.mark.parametrize("text", [b"", b"\xef\xbb\xbf<a/>", "\ufeff<a/>".encode("utf-16-le"), b"\r\n<a/>"])
def test_text_as_programs_write_it_passes(text: bytes) -> None:
    assert looked(docx(("word/a.xml", text))).type == "docx"


def test_a_large_picture_inside_a_document_is_no_archive_and_is_not_held() -> None:
    assert looked(docx(("word/media/a.png", png() + bytes(900_000))), limits=Limits(inner=1000)).type == "docx"


@pytest.mark.parametrize("size", [1, 255, 70_000, MEGABYTE])
def test_what_lzw_grows_to_is_counted(size: int) -> None:
    packed = lzw(size)
    cut = len(packed) // 3
    counted = sum(more for _fed, more in lzw_sizes(iter([packed[:cut], packed[cut:]])))
    assert size <= counted <= size + 4096, "the last code ends beyond it"


def test_many_short_streams_in_old_packings_are_no_large_one() -> None:
    short = b"/Filter /LZWDecode ", lzw(50)
    assert looked(pdf(*[short] * 300), limits=Limits(rare=50_000)).type == "pdf"
    assert refused(pdf((b"/Filter /LZWDecode ", bytes(99_000))), limits=Limits(rare=50_000)).code == "file-bomb"


def test_pages_that_share_their_parts_are_counted_each() -> None:
    """A few bytes that every page points at would be read again and again."""
    order, pages, strips = "<", 40, 20_000
    table_at = 8
    first_page = table_at + strips * 4
    made = b"II*\0" + struct.pack("<I", first_page) + bytes(strips * 4)
    for number in range(pages):
        at = first_page + number * (2 + 3 * 12 + 4)
        entries = [(256, 4, 1, 8), (273, 4, strips, table_at), (279, 4, strips, table_at)]
        made += struct.pack("<H", 3) + b"".join(struct.pack(f"{order}HHII", *each) for each in entries)
        made += struct.pack("<I", at + 2 + 3 * 12 + 4 if number < pages - 1 else 0)
    assert refused(made).code == "file-bomb"


@given(st.lists(st.integers(1, 128)), st.integers(1, 50))
def test_what_runs_grow_to_is_counted(runs: list[int], piece: int) -> None:
    packed = b"".join(bytes((257 - run, 7)) if run > 1 else bytes((0, 7)) for run in runs) + b"\x80"
    pieces = (packed[at : at + piece] for at in range(0, len(packed), piece))
    assert sum(more for _fed, more in run_sizes(pieces)) == sum(runs)


@given(st.binary(max_size=400), st.integers(0, 400))
def test_a_stream_passes_wherever_its_pieces_are_cut(content: bytes, filling: int) -> None:
    """Tokens are found across the bounds of what is read at once."""
    packed = b"/Filter /FlateDecode ", zlib.compress(content)
    assert looked(pdf(packed, extra=b"%" + b"x" * filling + b"\n")).type == "pdf"


@pytest.mark.parametrize("shift", range(-12, 4))
def test_a_password_is_found_where_two_pieces_meet(shift: int) -> None:
    begins = pdf().index(b"xref\n0")
    filling = 256 * 1024 - begins + shift - 2
    content = pdf(extra=b"%" + b"x" * filling + b"\n" + b"9 0 obj\n<</Encrypt 1 0 R>>\nendobj\n")
    assert refused(content).code == "file-encrypted"


@pytest.mark.parametrize("shift", range(-10, 3))
def test_a_bomb_is_found_once_where_two_pieces_meet(shift: int) -> None:
    """Also where a line's end is cut in two: what follows it is the content."""
    told = b"9 0 obj\n<</Filter /FlateDecode>>\nstream\r\n"
    filling = 256 * 1024 - pdf().index(b"xref\n0") - len(told) + shift - 2
    before = b"%" + b"x" * filling + b"\n" + told
    assert refused(pdf(extra=before + zeros(MEGABYTE)), limits=Limits(unpacked=1000)).code == "file-bomb"
    assert looked(pdf(extra=before + zlib.compress(b"a")), limits=Limits(streams=2)).type == "pdf"


@pytest.mark.parametrize(
    "packings", [b"[/Fl /AHx /Fl]", b"[/FlateDecode /LZWDecode]", b"[/A85 /A85 /AHx]", b"[/LZWDecode /LZWDecode]"]
)
def test_packings_that_nobody_puts_together_are_refused(packings: bytes) -> None:
    assert refused(pdf((b"/Filter " + packings + b" ", b"a"))).code == "file-bomb"


@pytest.mark.parametrize(
    "letters", [base64.a85encode(zeros(MEGABYTE)) + b"~>", zeros(MEGABYTE).hex().encode() + b">"]
)
def test_a_bomb_in_letters_is_found_where_that_is_told_elsewhere(letters: bytes) -> None:
    assert refused(pdf((b"/Filter 9 0 R ", letters)), limits=Limits(unpacked=1000)).code == "file-bomb"


def test_names_in_a_pdf_that_begin_like_a_password_are_none() -> None:
    for words in (b"<</EncryptionNote 5 0 R>>", b"<</Note (/Encrypt is a word)>>", b"(write /Encrypt)"):
        assert looked(pdf(extra=b"9 0 obj\n" + words + b"\nendobj\n")).type == "pdf"


def test_a_gif_of_many_blocks_passes() -> None:
    blocks = b"".join(b"\xff" + bytes(255) for _ in range(900))
    assert looked(gif().replace(b"\x02\x44\x01\x00\x3b", blocks + b"\x00\x3b")).type == "gif"


# -- no message says what is in a file, or how it is called


@given(st.sampled_from(sorted(TRUE)), st.integers(0, 5000), st.binary(min_size=1, max_size=30))
def test_a_damaged_file_passes_or_is_refused_in_our_own_words(name: str, at: int, put: bytes) -> None:
    content = TRUE[name][1]
    secret = b"Zielinski"
    spoiled = content[: at % len(content)] + put + secret + content[at % len(content) :]
    try:
        assert looked(spoiled).type in TYPES
    except FileRefused as why:
        error = why
    else:
        return
    assert secret.decode() not in error.message
    assert error.code.startswith("file-")
    assert set(error.message) & set(";:,"), "it says what to do"


# -- names


@pytest.mark.parametrize(
    ("pattern", "name", "wanted"),
    [
        ("*", "", True),
        ("*discharge*", "Discharge Summary.PDF", True),
        ("*DISCHARGE*", "discharge.pdf", True),
        ("*discharge*", "invoice.pdf", False),
        ("*größe*", "GRO\u0308SSE.pdf", True),
        ("*entlassung.pdf", "ENTLASSUNG.PDF", True),
        ("*befund\u00e4*", "Befunda\u0308.pdf", True),
        ("scan-[0-9].pdf", "scan-7.pdf", True),
        ("a*", "b" * 100_000, False),
    ],
)
def test_one_of_the_patterns_has_to_fit(pattern: str, name: str, wanted: bool) -> None:
    assert wanted_name(FileRules(types={"pdf": 1}, names=(pattern,)), name) is wanted
    assert wanted_name(FileRules(types={"pdf": 1}, names=("nothing", pattern)), name) is wanted


def test_the_largest_of_all_types_is_read_at_the_most() -> None:
    assert FileRules(types={"pdf": 100, "jpeg": 50}).largest == 100
    assert FileRules(types={}).largest == 0


def test_a_camera_s_trailer_is_no_second_file() -> None:
    film = b"\0\0\0\x18ftypmp42" + bytes(12) + b"\0\0\x13\x88mdat" + bytes(4992)
    assert looked(jpeg() + film).type == "jpeg"
    assert refused(jpeg() + PROGRAM).code == "file-polyglot"
