"""The files of a played morning: letters as clinics send them, each with a content of its own."""

from __future__ import annotations

import zlib

_PAGE = "BT /F1 11 Tf 50 780 Td ({words}) Tj ET"


def letter(words: str, reference: str, *, sealed: bool = False) -> bytes:
    """A PDF of one page with these words, which are ASCII. ``sealed``: nobody can open it without a password."""
    page = _PAGE.format(words=f"{words} {reference}".replace("(", "\\(").replace(")", "\\)"))
    stream = zlib.compress(page.encode("ascii"))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R "
        b"/Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d /Filter /FlateDecode >>\nstream\n%s\nendstream" % (len(stream), stream),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    if sealed:
        objects.append(b"<< /Filter /Standard /V 1 /R 2 /P -44 /O <%s> /U <%s> >>" % (b"00" * 32, b"00" * 32))
    return _document(objects, b"/Encrypt 6 0 R" if sealed else b"")


def _document(objects: list[bytes], more: bytes) -> bytes:
    text = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    places = []
    for number, each in enumerate(objects, start=1):
        places.append(len(text))
        text += b"%d 0 obj\n%s\nendobj\n" % (number, each)
    start = len(text)
    text += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    text += b"".join(b"%010d 00000 n \n" % place for place in places)
    text += b"trailer\n<< /Size %d /Root 1 0 R %s >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, more, start)
    return bytes(text)
