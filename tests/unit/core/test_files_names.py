"""A name under which a file may stand at any side and on any PC."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.hostile_files import ODD_NAMES
from vetbridge.core.files import TYPES, safe_name

ENDINGS = [ending for each in TYPES.values() for ending in each.endings]
HIDDEN = "\u200b\u200d\u202e\u2066\ufeff\u00ad\x00\x1b\r\n"


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("Discharge summary.pdf", "Discharge summary.pdf"),
        ("Entlassbrief Größe.PDF", "Entlassbrief Größe.pdf"),
        ("scan", "scan.pdf"),
        ("scan.docx", "scan.pdf"),
        ("photo.jpg", "photo.pdf"),
        ("lab 12.5", "lab 12.5.pdf"),
        ("invoice.pdf.exe", "invoice.pdf_exe.pdf"),
        ("invoice.exe.pdf", "invoice_exe.pdf"),
        ("invoice.pdf.pdf", "invoice.pdf.pdf"),
        ("invoice\u202efdp.exe", "invoicefdp_exe.pdf"),
        ("a.JS .pdf", "a_JS.pdf"),
        ("../../etc/passwd", "passwd.pdf"),
        ("..\\..\\boot.ini", "boot.ini.pdf"),
        ("C:\\Users\\ann\\scan.pdf", "scan.pdf"),
        ("/home/ann/scan.pdf", "scan.pdf"),
        ("Blood/urine 12/03.pdf", "Blood-urine 12-03.pdf"),
        ("a\u2215b\uff3cc.pdf", "a-b-c.pdf"),
        ("a:b*c?.pdf", "a-b-c-.pdf"),
        ('a"b;c=d.pdf', "a-b-c=d.pdf"),
        ("con", "file con.pdf"),
        ("NUL.txt.pdf", "file NUL.txt.pdf"),
        ("com¹.pdf", "file com¹.pdf"),
        ("console.pdf", "console.pdf"),
        (".htaccess", "htaccess.pdf"),
        ("-rf", "rf.pdf"),
        ("=1+1.pdf", "1+1.pdf"),
        ("", "file.pdf"),
        (".pdf", "file.pdf"),
        ("...", "file.pdf"),
        ("a\r\nX-Evil: 1", "a X-Evil- 1.pdf"),
        ("e\u0301.pdf", "é.pdf"),
        ("a\ud800b.pdf", "ab.pdf"),
        ("\U0001f415\u200d\U0001f9ba.pdf", "\U0001f415\U0001f9ba.pdf"),
    ],
)
def test_a_name_becomes_safe(name: str, safe: str) -> None:
    assert safe_name(name, "pdf") == safe


def test_another_ending_of_the_same_type_stays() -> None:
    assert safe_name("Photo.JPEG", "jpg") == "Photo.jpeg"
    assert safe_name("Photo.png", "jpg") == "Photo.jpg"


def test_a_long_name_keeps_its_ending_and_whole_letters() -> None:
    name = safe_name("\U0001f415" * 300 + ".pdf", "pdf")
    assert name == "\U0001f415" * 36 + ".pdf"
    assert safe_name("a" * 5000, "docx") == "a" * 95 + ".docx"


@given(st.text() | st.text("./\\:.~- exepdfCON1\u202e\u0301\uff0e", max_size=200), st.sampled_from(ENDINGS))
@example("a.\u200bexe", "pdf")
@example("con\u0301", "pdf")
@example("a.exe.", "pdf")
def test_whatever_comes_the_name_is_safe(name: str, ending: str) -> None:
    safe = safe_name(name, ending)
    stem, _, last = safe.rpartition(".")
    assert last in next(each.endings for each in TYPES.values() if ending in each.endings)
    assert stem == stem.strip(" .")
    assert stem[0] not in "-=+@~"
    assert len(safe) <= 100
    assert len(safe.encode()) <= 150
    assert unicodedata.is_normalized("NFC", safe)
    assert all(unicodedata.category(sign)[0] != "C" for sign in safe)
    assert not set(safe) & set('/\\<>:"|?*')
    assert stem.partition(".")[0].strip().lower() not in {"con", "prn", "aux", "nul", "com1", "lpt9"}
    assert not {each.strip().lower() for each in stem.split(".")[1:]} & {"exe", "js", "html", "bat", "scr"}
    assert safe_name(safe, ending) == safe


@pytest.mark.parametrize("name", ODD_NAMES)
def test_nothing_hidden_stays(name: str) -> None:
    assert not set(safe_name(name, "pdf")) & set(HIDDEN)
