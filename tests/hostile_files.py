"""Files that somebody made to harm, or that went wrong on their way: from a seed, with what must become of each.

``codes``: those of which one must come; none: the file is odd and harmless, and passes whole and unchanged.
``either``: damage by chance, which may leave a file that is still one.
"""

from __future__ import annotations

import base64
import functools
import random
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from tests import made_files
from tests.made_files import archive, docx, end_of_archive, flate, jpeg, office_parts, pdf, png, true_files, xlsx

KILO, MEGA = 1024, 1024 * 1024


@dataclass(frozen=True)
class Hostile:
    """One file."""

    kind: str
    name: str
    content: bytes
    codes: frozenset[str] = frozenset()
    either: bool = False
    endless: bool = False
    """Its content comes again and again."""

    def pieces(self) -> Iterator[bytes]:
        """As it comes from its side."""
        while True:
            for at in range(0, len(self.content), 64 * KILO):
                yield self.content[at : at + 64 * KILO]
            if not self.endless:
                return


@functools.cache
def zeros(size: int) -> bytes:
    """So many zero bytes, packed by zlib."""
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(MEGA)) for _ in range(size // MEGA))
    return packed + packer.compress(bytes(size % MEGA)) + packer.flush()


def eicar() -> bytes:
    """The text that every virus scanner takes for a virus, and that no file of ours may hold."""
    return b"".join((b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$", b"EICAR-STANDARD-", b"ANTIVIRUS-TEST-", b"FILE!$H+H*"))


def hostile_files(seed: int, count: int) -> Iterator[Hostile]:
    """``count`` files, of each kind as many."""
    chance = random.Random(seed)
    for number in range(count):
        make = MAKERS[number % len(MAKERS)]
        made = make(chance)
        yield made


def _hostile(make: Callable[[random.Random], tuple[str, bytes]], *codes: str) -> Callable[[random.Random], Hostile]:
    def made(chance: random.Random) -> Hostile:
        name, content = make(chance)
        return Hostile(make.__name__, name, content, frozenset(codes))

    return made


# -- bombs


def bomb_in_a_document(chance: random.Random) -> tuple[str, bytes]:
    return "report.docx", _growing(chance.randint(17, 19))


@functools.cache
def _growing(megabytes: int) -> bytes:
    return docx(("word/a.xml", bytes(megabytes * MEGA)))


def bomb_that_tells_less(chance: random.Random) -> tuple[str, bytes]:
    raw = docx(("word/a.bin", bytes(200 * KILO)))
    told = struct.pack("<I", 200 * KILO)
    return "report.docx", raw.replace(told, struct.pack("<I", chance.randint(1, 199 * KILO)))


def parts_over_each_other(chance: random.Random) -> tuple[str, bytes]:
    """As David Fifield's: each part's content is all the parts that follow."""
    kernel = archive([("word/z.bin", bytes(chance.randint(10, 90) * KILO))])
    listing_at = kernel.index(b"PK\x01\x02")
    made, listing, count = b"", b"", 0
    for name, content in office_parts("word/document.xml", made_files.WORD, b"<w:document/>"):
        one = archive([(name, content)], stored=True)
        cut = one.index(b"PK\x01\x02")
        entry = one[cut : one.index(b"PK\x05\x06")]
        listing += entry[:42] + struct.pack("<I", len(made)) + entry[46:]
        made += one[:cut]
        count += 1
    entry = kernel[listing_at : kernel.index(b"PK\x05\x06")]
    for _ in range(chance.randint(2, 30)):
        listing += entry[:42] + struct.pack("<I", len(made)) + entry[46:]
        count += 1
    made += kernel[:listing_at]
    return "report.docx", made + listing + end_of_archive(count, len(listing), len(made))


def archives_inside_of_archives(chance: random.Random) -> tuple[str, bytes]:
    inner = xlsx(("xl/a.bin", bytes(chance.randrange(999))))
    for _ in range(chance.randint(1, 3)):
        inner = xlsx(("xl/embeddings/a.xlsx", inner))
    return "report.docx", docx(("word/embeddings/a.xlsx", inner))


def archive_inside(chance: random.Random) -> tuple[str, bytes]:
    return "report.docx", docx(("word/media/a.png", archive([("a.exe", bytes(chance.randint(1, 999)))])))


def entities(chance: random.Random) -> tuple[str, bytes]:
    lines = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, chance.randint(5, 20)))
    text = f'<?xml version="1.0"?><!DOCTYPE w [<!ENTITY a0 "ha">{lines}]><w:document>&a9;</w:document>'
    if chance.random() < 0.3:
        return "report.docx", docx(main=text.encode("utf-16"))
    return "report.docx", docx(main=bytes(chance.randrange(70_000)).replace(b"\0", b" ") + text.encode())


def too_many_parts(chance: random.Random) -> tuple[str, bytes]:
    raw = xlsx()
    at = raw.rindex(b"PK\x05\x06")
    count = chance.randint(5_001, 65_534)
    return "list.xlsx", raw[: at + 8] + struct.pack("<HH", count, count) + raw[at + 12 :]


def bomb_in_a_pdf(chance: random.Random) -> tuple[str, bytes]:
    return "scan.pdf", pdf(flate(b"words"), (b"/Filter /FlateDecode ", zeros(chance.randint(3, 5) * MEGA)))


def bomb_with_a_name_in_disguise(chance: random.Random) -> tuple[str, bytes]:
    told = chance.choice([b"/Filter /Fl#61teDecode ", b"/Filter 9 0 R ", b"/F#69lter [/FlateDecode] ", b""])
    return "scan.pdf", pdf((told, zeros(chance.randint(3, 5) * MEGA)))


def bomb_packed_twice(chance: random.Random) -> tuple[str, bytes]:
    packed = zlib.compress(zeros(chance.randint(3, 5) * MEGA), 9)
    return "scan.pdf", pdf((b"/Filter [/FlateDecode /FlateDecode] ", packed))


def bomb_packed_many_times(chance: random.Random) -> tuple[str, bytes]:
    packed = b"harmless"
    for _ in range(chance.randint(5, 30)):
        packed = zlib.compress(packed)
    return "scan.pdf", pdf((b"/Filter /FlateDecode ", packed))


def bomb_in_letters(chance: random.Random) -> tuple[str, bytes]:
    packed = zeros(chance.randint(3, 5) * MEGA)
    if chance.random() < 0.5:
        return "scan.pdf", pdf((b"/Filter [/ASCIIHexDecode /FlateDecode] ", packed.hex().encode() + b">"))
    return "scan.pdf", pdf((b"/Filter [/ASCII85Decode /FlateDecode] ", base64.a85encode(packed) + b"~>"))


def bomb_of_runs(chance: random.Random) -> tuple[str, bytes]:
    runs = b"\x81\0" * chance.randint(20_000, 30_000) + b"\x80"
    return "scan.pdf", pdf((b"/Filter /RunLengthDecode ", runs))


def bomb_by_lzw(chance: random.Random) -> tuple[str, bytes]:
    return "scan.pdf", pdf((b"/Filter /LZWDecode ", lzw(chance.randint(3, 4) * MEGA)))


def bomb_by_lzw_packed_again(chance: random.Random) -> tuple[str, bytes]:
    runs = b"\x81\0" * chance.randint(2, 9)
    return "scan.pdf", pdf((b"/Filter [/RunLengthDecode /LZWDecode] ", runs))


@functools.cache
def lzw(size: int) -> bytes:
    """So many zero bytes, packed by LZW as PDFs have it."""
    codes, length, table, width, made = [256], 0, 258, 9, 0
    bits = f"{256:09b}"
    previous = 0
    while made < size:
        code = 0 if not previous else table
        length = previous + 1 if code else 1
        bits += f"{code:0{width}b}"
        if previous:
            table += 1
            width = min(max((table + 1).bit_length(), 9), 12)
        made += length
        previous = length
        if table == 4095:
            bits += f"{256:0{width}b}"
            table, width, previous = 258, 9, 0
    codes.clear()
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def streams_over_each_other(chance: random.Random) -> tuple[str, bytes]:
    inner = b"".join(
        b"%d 0 obj\n<<>>\nstream\n" % n + b"\x78\x01\x00\xff\xff\x00\x00" for n in range(chance.randint(80, 99))
    )
    return "scan.pdf", pdf(extra=inner + bytes(700 * KILO))


def lists_in_a_circle(chance: random.Random) -> tuple[str, bytes]:
    count = chance.randint(1, 9)
    lists = [
        (
            b"/Type /ObjStm /N 1 /First 4 /Extends %d 0 R /Filter /FlateDecode " % (5 + (n + 1) % count),
            zlib.compress(b"9 0 <<>>"),
        )
        for n in range(count)
    ]
    return "scan.pdf", pdf(*lists)


def many_streams(chance: random.Random) -> tuple[str, bytes]:
    return "scan.pdf", pdf(extra=b">>stream\n" * chance.randint(501, 600))


def points_without_number(chance: random.Random) -> tuple[str, bytes]:
    side = chance.randint(20_000, 65_000)
    return chance.choice(
        [
            ("a.png", png(side, side)),
            ("a.jpg", jpeg(side, side)),
            ("a.gif", made_files.gif(side, side)),
            ("a.tif", made_files.tiff(side, side)),
            ("a.pdf", pdf((b"/Subtype /Image /Width %d /Height %d /Filter /CCITTFaxDecode " % (side, side), b"\0"))),
        ]
    )


def words_of_a_picture_that_grow(chance: random.Random) -> tuple[str, bytes]:
    kind, begins = chance.choice([(b"zTXt", b"a\0\0"), (b"iCCP", b"a\0\0"), (b"iTXt", b"a\0\x01\0\0\0")])
    return "a.png", png(chunks=[(kind, begins + zeros(chance.randint(9, 12) * MEGA))])


def pictures_in_a_circle(chance: random.Random) -> tuple[str, bytes]:
    return "a.tif", made_files.tiff(order=chance.choice("<>"), next_=72)


def sectors_in_a_circle(chance: random.Random) -> tuple[str, bytes]:
    made = bytearray(chance.choice([made_files.doc(), made_files.xls()]))
    table = len(made) - 512
    place = chance.randrange(2, 9)
    made[table + place * 4 : table + place * 4 + 4] = struct.pack("<I", chance.randrange(0, place))
    return "a.doc", bytes(made)


# -- two things at once


PROGRAM = b"MZ\x90\0\x03\0\0\0\x04\0\0\0\xff\xff\0\0" + bytes(200)
PAGE = b"<html><body><script>alert(1)</script></body></html>"
DANGEROUS = {
    "program": PROGRAM,
    "page": PAGE,
    "server's page": b"<?php system($_GET['a']); ?>",
    "shell": b"#!/bin/sh\nrm -rf ~\n",
    "archive": archive([("a.class", b"\xca\xfe\xba\xbe")]),
    "library": b"\x7fELF\x02\x01\x01" + bytes(60),
    "pdf": pdf(),
}


def something_dangerous_before(chance: random.Random) -> tuple[str, bytes]:
    first = chance.choice([DANGEROUS[each] for each in DANGEROUS if each != "pdf"])
    return "a.pdf", first + chance.choice([content for _type, content in true_files().values()])


def something_dangerous_behind(chance: random.Random) -> tuple[str, bytes]:
    first = chance.choice([jpeg(), png(), made_files.gif(), pdf(), made_files.heic(), docx(), xlsx()])
    # A PDF behind a PDF is what every later version of one is.
    return "a.jpg", first + chance.choice([made for made in DANGEROUS.values() if made[:4] != first[:4]])


def archive_behind_anything(chance: random.Random) -> tuple[str, bytes]:
    first = chance.choice([content for _type, content in true_files().values()])
    filling = bytes(chance.choice([0, 0, 1, 500]))
    return "a.jpg", first + filling + archive([("META-INF/MANIFEST.MF", b"a"), ("a.class", b"b")], stored=True)


def archive_with_places_of_the_whole(chance: random.Random) -> tuple[str, bytes]:
    """The archive's places are counted from the beginning of the picture."""
    first = chance.choice([jpeg(), png(), made_files.gif(), pdf(), made_files.tiff(), made_files.doc()])
    raw = archive([("a.class", b"b" * chance.randrange(99))])
    at = raw.rindex(b"PK\x05\x06")
    place = struct.unpack_from("<I", raw, at + 16)[0] + len(first)
    return "a.jpg", first + raw[: at + 16] + struct.pack("<I", place) + raw[at + 20 :]


def pdf_inside_the_head(chance: random.Random) -> tuple[str, bytes]:
    begins = b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n"
    return chance.choice(
        [
            ("a.jpg", jpeg(text=begins)),
            ("a.png", png(chunks=[(b"tEXt", b"a\0" + begins)])),
            ("a.pdf", bytes(chance.randint(1, 900)) + pdf()),
            ("a.pdf", b"\n" * chance.randint(1, 900) + pdf()),
            ("a.gif", made_files.gif().replace(b"\x05hello", bytes((len(begins),)) + begins)),
            ("a.txt", b"Dear colleague,\n" + begins),
            (
                "a.docx",
                archive([("a.pdf", begins), *office_parts("word/document.xml", made_files.WORD, b"")], stored=True),
            ),
        ]
    )


def script_inside_a_picture(chance: random.Random) -> tuple[str, bytes]:
    text = chance.choice([b"<?php eval($_POST[1]);?>", b"<SCRIPT src=//a></SCRIPT>", PAGE, b"<!doctype html><p>"])
    return chance.choice(
        [
            ("a.jpg", jpeg(text=text)),
            ("a.jpg", jpeg(scan=bytes(5000) + text)),
            ("a.png", png(chunks=[(b"tEXt", b"Comment\0" + text)])),
            ("a.gif", made_files.gif().replace(b"\x05hello", bytes((len(text),)) + text)),
            ("a.jpg", jpeg() + bytes(300 * KILO - chance.randrange(40)) + text),
            ("a.heic", made_files.heic().replace(bytes(90), text + bytes(90 - len(text)))),
        ]
    )


def page_called_a_text(chance: random.Random) -> tuple[str, bytes]:
    text = chance.choice(
        [
            PAGE,
            b"\xef\xbb\xbf <!DOCTYPE html>",
            b"#!/bin/sh\nls",
            b"<?php phpinfo();",
            b'<?xml version="1.0"?>\n<svg onload="a">',
        ]
    )
    return "letter.txt", text + b"\n" * chance.randrange(9)


def rubbish_behind_a_picture(chance: random.Random) -> tuple[str, bytes]:
    first = chance.choice([png(), made_files.gif()])
    return "a.png", first + b"A" * chance.randint(100, 5000)


def archive_with_a_remark(chance: random.Random) -> tuple[str, bytes]:
    parts = office_parts("word/document.xml", made_files.WORD, b"<w/>")
    return "a.docx", archive(parts, comment=b"%PDF-1.4 and more"[: chance.randint(1, 17)])


def room_between_parts(chance: random.Random) -> tuple[str, bytes]:
    raw = docx()
    at = raw.index(b"PK\x01\x02")
    end = raw.rindex(b"PK\x05\x06")
    hidden = bytes(chance.randint(1_100, 9_000))
    return "a.docx", raw[:at] + hidden + raw[at : end + 16] + struct.pack("<I", at + len(hidden)) + raw[end + 20 :]


# -- with a password


def pdf_with_a_password(chance: random.Random) -> tuple[str, bytes]:
    word = chance.choice(
        [b"/Encrypt 9 0 R ", b"/#45ncrypt 9 0 R ", b"/En#63r#79pt<</Filter/Standard>>", b"/Encrypt\n9 0 R "]
    )
    if chance.random() < 0.3:
        return "a.pdf", pdf((b"/Type /XRef /W [1 2 1] " + word, b"\0"))
    return "a.pdf", pdf(extra=b"%" + b"x" * chance.randrange(400_000) + b"\n", trailer=word)


def document_with_a_password(chance: random.Random) -> tuple[str, bytes]:
    return chance.choice(
        [
            ("a.docx", made_files.compound(("EncryptionInfo", bytes(5000)), "EncryptedPackage")),
            ("a.docx", archive(office_parts("word/document.xml", made_files.WORD, b"a"), flags=1)),
            ("a.zip", archive([("a.pdf", b"a")], flags=chance.choice([1, 0x40, 0x2000]))),
            ("a.doc", made_files.doc(flags=0x0100)),
            ("a.xls", made_files.xls(records=b"\x2f\x00\x36\x00")),
        ]
    )


# -- damaged


def cut_off(chance: random.Random) -> Hostile:
    """Texts and what phones write behind a picture may be cut anywhere."""
    whole = {name: made for name, made in true_files().items() if made[0] not in ("txt", "heic")}
    name = chance.choice([each for each in whole if each not in ("samsung", "motion photo", "two pictures")])
    content = whole[name][1].rstrip(b"\0\r\n ")
    cut = content[: chance.randint(1, max(1, len(content) - 6))]
    codes = ("file-broken", "file-type", "file-bomb", "file-polyglot")
    return Hostile("cut_off", f"{name}.pdf", cut, frozenset(codes), either=name == "pdf saved again" or len(cut) < 9)


def damaged_by_chance(chance: random.Random) -> Hostile:
    content = bytearray(chance.choice([content for _type, content in true_files().values()]))
    for _ in range(chance.randint(1, 20)):
        at = chance.randrange(len(content))
        match chance.randrange(3):
            case 0:
                content[at] = chance.randrange(256)
            case 1:
                del content[at : at + chance.randrange(50)]
                content = content or bytearray(b"a")
            case _:
                content[at:at] = chance.randbytes(chance.randrange(50))
    return Hostile("damaged_by_chance", "a.pdf", bytes(content), either=True)


def wrong_sums(chance: random.Random) -> tuple[str, bytes]:
    made, name = chance.choice([(docx(), "a.docx"), (png(), "a.png")])
    content = bytearray(made)
    at = made.index(b"IDAT") + 8 if name == "a.png" else made.index(b"PK\x01\x02") + 16
    content[at] ^= chance.randint(1, 255)
    return name, bytes(content)


def sizes_of_gigabytes(chance: random.Random) -> tuple[str, bytes]:
    raw = docx()
    at = raw.index(b"PK\x01\x02") + chance.choice([20, 24, 42])
    return "a.docx", raw[:at] + b"\xff\xff\xff\xff" + raw[at + 4 :]


def parts_named_twice(chance: random.Random) -> tuple[str, bytes]:
    return "a.docx", docx(("word/DOCUMENT.xml", b"a" * chance.randrange(9)))


def parts_that_lead_out(chance: random.Random) -> tuple[str, bytes]:
    name = chance.choice(
        ["../../etc/passwd", "/etc/passwd", "word\\..\\..\\a.exe", "C:/a.exe", "word/a\0.exe", "\\\\a\\b"]
    )
    return "a.docx", docx((name, b"a"))


def no_points(chance: random.Random) -> tuple[str, bytes]:
    return "a.png", chance.choice([png(0, 9), png(9, 0), made_files.gif(0, 5), jpeg(0, 0), b"\xff\xd8\xff\xd9"])


# -- not wanted


def macros(chance: random.Random) -> tuple[str, bytes]:
    return chance.choice(
        [
            ("a.docx", docx(("word/vbaProject.bin", b"a"))),
            ("a.docx", docx(("word/VBAPROJECT.BIN", b"a"))),
            (
                "a.docx",
                docx(content_type=made_files.WORD + '"/><Default ContentType="application/vnd.ms-office.vbaProject'),
            ),
            ("a.docx", docx(content_type="application/vnd.ms-word.document.macroEnabled.main+xml")),
            ("a.doc", made_files.doc("Macros", "VBA")),
            ("a.xls", made_files.xls("_VBA_PROJECT_CUR")),
        ]
    )


def no_document(chance: random.Random) -> tuple[str, bytes]:
    return chance.choice(
        [
            ("a.pdf", PROGRAM),
            ("a.pdf", bytes(chance.randint(1, 9999))),
            ("a.pdf", chance.randbytes(chance.randint(50, 9999)).replace(b"%PDF", b"")[:9999] + b"\0"),
            ("a.txt", "Grüße\r\n".encode(chance.choice(["utf-16", "utf-16-le"]))),
            ("a.txt", b"Hello \x1b[2Jworld\x07"),
            ("a.txt", b"a\0b"),
            ("a.docx", archive([("a.txt", b"a")])),
            ("a.docx", docx(content_type="application/xml")),
            ("a.xls", made_files.compound(("PowerPoint Document", bytes(5000)))),
            ("a.msg", made_files.compound(("__properties_version1.0", bytes(5000)))),
            ("a.mp4", b"\0\0\0\x18ftypmp42\0\0\0\0" + bytes(99)),
            ("a.webp", b"RIFF\x10\0\0\0WEBPVP8 " + bytes(99)),
            ("a.rtf", b"{\\rtf1 hello}"),
            ("a.bmp", b"BM" + bytes(99)),
            ("a.dcm", bytes(128) + b"DICM" + bytes(99)),
            ("a.rar", b"Rar!\x1a\x07\0" + bytes(99)),
            ("a.gz", b"\x1f\x8b\x08" + bytes(99)),
        ]
    )


def nothing(chance: random.Random) -> tuple[str, bytes]:
    return chance.choice(["a.pdf", "", "\0"]), b""


def without_end(chance: random.Random) -> Hostile:
    begins = chance.choice([pdf(), jpeg(), b"a text that goes on and on\n" * 200, made_files.doc()])
    return Hostile("without_end", "a.pdf", begins + bytes(MEGA), frozenset({"file-too-large"}), endless=True)


# -- odd and harmless


def odd_name(chance: random.Random) -> Hostile:
    name = chance.choice(ODD_NAMES)
    word, content = chance.choice(list(true_files().values()))
    return Hostile(f"odd_name of {word}", name, content)


ODD_NAMES = (
    *(
        "../../etc/passwd",
        "C:\\Windows\\system32\\a.exe",
        "con",
        "NUL.pdf",
        "com1.txt.pdf",
        "-rf",
        "--help.pdf",
        ".htaccess",
    ),
    *(
        "invoice.pdf.exe",
        "invoice\u202efdp.exe",
        "a\u200b.pdf",
        "a\r\nX-Evil: 1.pdf",
        "a\0.pdf",
        "",
        " ",
        ".",
        "..",
        "a" * 5000,
    ),
    *(
        "\U0001f415" * 300,
        "=cmd|' /C calc'!A0.pdf",
        "<script>alert(1)</script>.pdf",
        "a.pdf.",
        "a.pdf ",
        "a/b/c",
        "\u2215etc",
        "e\u0301.pdf",
    ),
    *(
        "\x1b[31mred.pdf",
        "%2e%2e%2fa",
        "a\ud800b.pdf",
        "\ufeffa.pdf",
        "'; DROP TABLE a; --.pdf",
        "a.php.jpg",
        "desktop.ini",
        "a:b.pdf",
    ),
)


def odd_and_whole(chance: random.Random) -> Hostile:
    noise = chance.randbytes(chance.randint(1, 20_000)).replace(b"P", b"p").replace(b"<", b"(")
    content = chance.choice(
        [
            jpeg() + b"SEFT" + noise,
            jpeg() + png(),
            jpeg(scan=noise.replace(b"\xff", b"\xff\x00") + b"\xff\xd7\x01"),
            png() + b"\0" * 30,
            png(chunks=[(b"tEXt", b"a\0" + noise), (b"zTXt", b"a\0\0" + zlib.compress(noise))]),
            pdf(flate(noise), (b"/Filter /DCTDecode ", jpeg())),
            pdf((b"/Filter /FlateDecode ", zlib.compress(noise)[:-9])),
            pdf(flate(zlib.compress(zlib.compress(noise)))),
            pdf((b"/Filter /LZWDecode ", lzw(MEGA))),
            pdf() + b"\r\n\x1a",
            docx(("word/media/a.bin", noise), ("word/embeddings/a.xlsx", xlsx(("xl/a.bin", noise)))),
            eicar(),
        ]
    )
    return Hostile("odd_and_whole", "a.pdf", content)


def _all(
    codes: str, *makers: Callable[[random.Random], tuple[str, bytes]]
) -> Iterable[Callable[[random.Random], Hostile]]:
    return [_hostile(make, *codes.split()) for make in makers]


MAKERS: tuple[Callable[[random.Random], Hostile], ...] = (
    *_all(
        "file-bomb",
        *(
            bomb_in_a_document,
            bomb_that_tells_less,
            parts_over_each_other,
            archives_inside_of_archives,
            archive_inside,
        ),
        *(
            entities,
            too_many_parts,
            bomb_in_a_pdf,
            bomb_with_a_name_in_disguise,
            bomb_packed_twice,
            bomb_packed_many_times,
        ),
        *(
            bomb_in_letters,
            bomb_of_runs,
            bomb_by_lzw,
            bomb_by_lzw_packed_again,
            streams_over_each_other,
            lists_in_a_circle,
        ),
        *(many_streams, points_without_number, words_of_a_picture_that_grow, pictures_in_a_circle),
    ),
    *_all("file-bomb file-broken", sectors_in_a_circle),
    *_all("file-polyglot file-type file-broken", something_dangerous_before),
    *_all("file-polyglot file-broken", something_dangerous_behind),
    *_all("file-polyglot file-broken file-type file-bomb", archive_behind_anything),
    *_all(
        "file-polyglot",
        *(archive_with_places_of_the_whole, pdf_inside_the_head, script_inside_a_picture, page_called_a_text),
        *(rubbish_behind_a_picture, archive_with_a_remark, room_between_parts),
    ),
    *_all("file-encrypted", pdf_with_a_password, document_with_a_password),
    *_all("file-broken", wrong_sums, sizes_of_gigabytes, parts_named_twice, parts_that_lead_out, no_points),
    *_all("file-type", macros, no_document),
    *_all("file-empty", nothing),
    cut_off,
    cut_off,
    damaged_by_chance,
    damaged_by_chance,
    without_end,
    odd_name,
    odd_and_whole,
)
