"""Small true files of every type, made byte by byte."""

from __future__ import annotations

import base64
import random
import struct
import zlib
from collections.abc import Iterable, Sequence

# -- PDF


def pdf(*streams: tuple[bytes, bytes], extra: bytes = b"", trailer: bytes = b"") -> bytes:
    """A PDF of one page; ``streams``: what is told of each, and its content."""
    content = b"BT /F1 12 Tf 72 720 Td (Referral) Tj ET"
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R >>",
        _stream(b"", content),
        *(_stream(told, content) for told, content in streams),
    ]
    made, places = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", []
    for number, each in enumerate(objects, 1):
        places.append(len(made))
        made += b"%d 0 obj\n" % number + each + b"\nendobj\n"
    made += extra
    at = len(made)
    made += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    made += b"".join(b"%010d 00000 n \n" % place for place in places)
    made += b"trailer\n<< /Size %d /Root 1 0 R %s>>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, trailer, at)
    return made


def _stream(told: bytes, content: bytes) -> bytes:
    return b"<< /Length %d %s>>\nstream\n" % (len(content), told) + content + b"\nendstream"


def flate(content: bytes) -> tuple[bytes, bytes]:
    """A stream of a PDF that is packed once."""
    return b"/Filter /FlateDecode ", zlib.compress(content, 9)


# -- pictures


def jpeg(width: int = 64, height: int = 48, *, scan: bytes = b"", text: bytes = b"") -> bytes:
    """A JPEG with a thumbnail in its notes, as cameras write it."""
    thumbnail = b"\xff\xd8\xff\xdb\x00\x04\x00\x00\xff\xd9"
    made = b"\xff\xd8" + _segment(0xE0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0") + _segment(0xE1, b"Exif\0\0" + thumbnail)
    if text:
        made += _segment(0xFE, text)
    made += _segment(0xDB, bytes(65)) + _segment(0xC0, struct.pack(">BHHB", 8, height, width, 1) + b"\x01\x11\0")
    made += _segment(0xC4, bytes(29)) + _segment(0xDA, b"\x01\x01\0\0\x3f\0")
    return made + (scan or b"\x12\xff\x00\x34\xff\xd0\x56") + b"\xff\xd9"


def _segment(code: int, content: bytes) -> bytes:
    return bytes((0xFF, code)) + (len(content) + 2).to_bytes(2, "big") + content


def png(width: int = 8, height: int = 8, *, chunks: Sequence[tuple[bytes, bytes]] = (), points: bytes = b"") -> bytes:
    """A grey PNG."""
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    points = points or zlib.compress((b"\0" + bytes(8)) * 8)
    made = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head)
    made += b"".join(_chunk(kind, content) for kind, content in chunks)
    return made + _chunk(b"IDAT", points) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, content: bytes) -> bytes:
    return len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")


def gif(width: int = 4, height: int = 4) -> bytes:
    """A GIF with two colours and a remark."""
    screen = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6)
    remark = b"\x21\xfe\x05hello\x00"
    return screen + remark + b"\x2c" + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x02\x02\x44\x01\x00\x3b"


def tiff(width: int = 8, height: int = 8, *, order: str = "<", next_: int = 0, strip: int | None = None) -> bytes:
    """A grey TIFF of one strip."""
    points = bytes(64)
    entries = [(256, 4, 1, width), (257, 4, 1, height), (273, 4, 1, 8 if strip is None else strip), (279, 4, 1, 64)]
    at = 8 + len(points)
    made = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", at) + points
    made += struct.pack(f"{order}H", len(entries))
    made += b"".join(struct.pack(f"{order}HHII", *entry) for entry in entries)
    return made + struct.pack(f"{order}I", next_)


def heic() -> bytes:
    """The boxes of a HEIC photo."""
    return _box(b"ftyp", b"heic\0\0\0\0mif1heic") + _box(b"meta", bytes(4)) + _box(b"mdat", bytes(100))


def _box(kind: bytes, content: bytes) -> bytes:
    return (len(content) + 8).to_bytes(4, "big") + kind + content


# -- Office since 2007

WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
EXCEL = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"
_TYPES = (
    '<?xml version="1.0" encoding="UTF-8"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="xml" ContentType="application/xml"/><Override PartName="/{}" ContentType="{}"/></Types>'
)


def docx(*parts: tuple[str, bytes], main: bytes = b"<w:document/>", content_type: str = WORD) -> bytes:
    """A Word document."""
    return archive(office_parts("word/document.xml", content_type, main, *parts))


def xlsx(*parts: tuple[str, bytes], main: bytes = b"<workbook/>") -> bytes:
    """An Excel workbook."""
    return archive(office_parts("xl/workbook.xml", EXCEL, main, *parts))


def office_parts(place: str, type_: str, main: bytes, *parts: tuple[str, bytes]) -> list[tuple[str, bytes]]:
    """The parts of a document, the list of types first."""
    return [
        ("[Content_Types].xml", _TYPES.format(place, type_).encode()),
        ("_rels/.rels", b"<Relationships/>"),
        (place, main),
        *parts,
    ]


def archive(
    parts: Iterable[tuple[str, bytes]], *, stored: bool = False, flags: int = 0, comment: bytes = b""
) -> bytes:
    """A zip archive."""
    made, listing, count = b"", b"", 0
    for name, content in parts:
        packer = zlib.compressobj(9, zlib.DEFLATED, -15)
        packed = content if stored else packer.compress(content) + packer.flush()
        told = struct.pack(
            "<HHHHHIIIHH",
            20,
            flags,
            0 if stored else 8,
            0,
            33,
            zlib.crc32(content),
            len(packed),
            len(content),
            len(name.encode()),
            0,
        )
        listing += b"PK\x01\x02\x14\x00" + told + struct.pack("<HHHII", 0, 0, 0, 0, len(made)) + name.encode()
        made += b"PK\x03\x04" + told + name.encode() + packed
        count += 1
    return made + listing + end_of_archive(count, len(listing), len(made), comment)


def end_of_archive(count: int, length: int, place: int, comment: bytes = b"") -> bytes:
    """What stands at the end of a zip archive."""
    return b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, count, count, length, place, len(comment)) + comment


# -- Office before 2007


def doc(*others: str, flags: int = 0) -> bytes:
    """A Word document of before 2007."""
    return compound(("WordDocument", struct.pack("<HHHHHH", 0xA5EC, 193, 0, 0, 0, flags) + bytes(5000)), *others)


def xls(*others: str, records: bytes = b"") -> bytes:
    """An Excel workbook of before 2007."""
    return compound(("Workbook", b"\x09\x08\x10\x00" + bytes(16) + records + bytes(5000)), *others)


def compound(main: tuple[str, bytes], *others: str) -> bytes:
    """A compound file of one stream, and of others that are empty."""
    name, content = main
    content += bytes(-len(content) % 512)
    sectors = len(content) // 512
    directory = _entry("Root Entry", 5, 0xFFFFFFFE, 0) + _entry(name, 2, 0, len(content))
    directory += b"".join(_entry(each, 2, 0xFFFFFFFE, 0) for each in others)
    directory += bytes(-len(directory) % 512)
    listed = len(directory) // 512
    table = [*range(1, sectors), 0xFFFFFFFE, *range(sectors + 1, sectors + listed), 0xFFFFFFFE, 0xFFFFFFFD]
    table += [0xFFFFFFFF] * (-len(table) % 128)
    head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6) + bytes(6)
    head += struct.pack("<IIIIIIIII", 0, 1, sectors, 0, 4096, 0xFFFFFFFE, 0, 0xFFFFFFFE, 0)
    head += struct.pack("<109I", sectors + listed, *[0xFFFFFFFF] * 108)
    return head + content + directory + struct.pack(f"<{len(table)}I", *table)


def _entry(name: str, kind: int, start: int, length: int) -> bytes:
    raw = name.encode("utf-16-le")
    return (
        raw.ljust(64, b"\0")
        + struct.pack("<HB", len(raw) + 2, kind)
        + bytes(49)
        + struct.pack("<III", start, length, 0)
    )


# -- all


def true_files() -> dict[str, tuple[str, bytes]]:
    """Files as people send them, each with its type, by a word for it."""
    noise = random.Random(1).randbytes
    ascii85 = b"/Filter [/ASCII85Decode /FlateDecode] "
    packed = zlib.compress(noise(3000))

    return {
        "pdf": ("pdf", pdf()),
        "pdf with streams": ("pdf", pdf(flate(noise(5000)), flate(b"words " * 4000))),
        "pdf in letters": ("pdf", pdf((ascii85, base64.a85encode(packed, adobe=True)[2:]))),
        "pdf saved again": (
            "pdf",
            pdf() + b"7 0 obj\n<< >>\nendobj\nxref\n0 0\ntrailer\n<<>>\nstartxref\n9\n%%EOF\n",
        ),
        "pdf with rubbish": ("pdf", pdf() + b"\r\n\0\0\0 \n"),
        "jpeg": ("jpeg", jpeg()),
        "jpeg of a large scan": ("jpeg", jpeg(4000, 3000, scan=noise(200_000).replace(b"\xff", b"\xff\x00"))),
        "samsung": ("jpeg", jpeg() + noise(50).replace(b"P", b"Q") + b"SEFH" + bytes(40) + b"SEFT"),
        "motion photo": ("jpeg", jpeg() + _box(b"ftyp", b"mp42\0\0\0\0isom") + _box(b"mdat", noise(5000))),
        "two pictures": ("jpeg", jpeg() + jpeg(32, 24)),
        "png": ("png", png()),
        "png with words": (
            "png",
            png(chunks=[(b"tEXt", b"Comment\0made here"), (b"zTXt", b"a\0\0" + zlib.compress(b"b" * 99))]),
        ),
        "gif": ("gif", gif()),
        "tiff": ("tiff", tiff()),
        "tiff of the other order": ("tiff", tiff(order=">")),
        "heic": ("heic", heic()),
        "docx": ("docx", docx()),
        "docx with a picture and a chart": (
            "docx",
            docx(("word/media/a.png", png()), ("word/embeddings/a.xlsx", xlsx())),
        ),
        "xlsx": ("xlsx", xlsx()),
        "doc": ("doc", doc()),
        "xls": ("xls", xls()),
        "text": ("txt", "Blutbild: Kreatinin erhöht\r\n\tbitte prüfen\n".encode()),
        "text with a mark": ("txt", b"\xef\xbb\xbfHello"),
        "text of windows": ("txt", "Größe 5 – 7 €\r\n".encode("cp1252")),
    }
