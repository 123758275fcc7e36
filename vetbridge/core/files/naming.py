"""A name under which a file can stand anywhere: at a side, on a Windows PC, in the head of a request."""

from __future__ import annotations

import re
import unicodedata

from vetbridge.core.files.rules import LONGEST_NAME, TYPES

MOST_CHARACTERS = 100
MOST_BYTES = 150
"""In UTF-8."""

_NAMELESS = "file"
_SLASHES = re.compile(r"[/\\\u2044\u2215\u29f5\u29f8\u29f9\ufe68\uff0f\uff3c]")
_FULL_PATH = re.compile(r"(?:[A-Za-z]:)?[/\\]|\.{1,2}[/\\]")
_DOTS = re.compile(r"[\u2024\ufe52\uff0e\u3002\uff61]")
_FORBIDDEN = re.compile(r"[<>:\"|?*\x00-\x1f;\uff1a\uff0a\uff1f\uff1c\uff1e\uff5c\uff02]")
_FIRST = " .-=+@~"
"""With these no name begins: hidden files, options of programs, formulas."""
_RESERVED = re.compile(r"(?:con|prn|aux|nul|conin\$|conout\$|clock\$|(?:com|lpt)[0-9¹²³])\s*(?:\.|$)", re.IGNORECASE)
"""What Windows takes for a device, whatever ending it has."""
_EXECUTES = frozenset(
    """
    ade adp apk app appref-ms application appx asp aspx bash bat cer cfm cgi chm cmd com command cpl crt csh dll dmg
    docm dotm elf exe fish gadget hlp hta htm html inf ins iso isp jar jnlp js jse jsp ksh lib lnk mad maf mda mdb
    mht mhtml msc msh msi msix msp mst ocx ops pcd php php3 php4 php5 phtml pif pl potm ppam ppsm pptm prf prg ps1
    ps1xml ps2 psc1 psm1 py pyc pyw rb reg run scf scr sct settingcontent-ms sh shb shs shtml svg svgz swf sys tmp
    url vb vbe vbp vbs vhd vhdx vxd wasm website ws wsc wsf wsh xbap xhtml xht xlam xll xlsb xlsm xltm xml xps xsl
    zsh
    """.split()  # noqa: SIM905 - a hundred words are read better without quotes
)
"""Endings of what a double click starts, or a browser shows as a page."""
_OF_TYPES = frozenset(ending for each in TYPES.values() for ending in each.endings)


def safe_name(name: str, ending: str) -> str:
    """The name with an ending that says what is in the file, without anything that does harm.

    ``ending``: one of ``TYPES[...].endings``. Another ending of the same type stays (``scan.JPEG``), one of another
    type goes, and one that is started by a double click becomes part of the name: ``invoice.pdf.exe`` that holds a
    PDF is ``invoice.pdf_exe.pdf``. At most 100 characters and 150 bytes, in NFC, and never empty.
    """
    stem = _plain(name[:LONGEST_NAME])
    same = next((each.endings for each in TYPES.values() if ending in each.endings), (ending,))
    before, dot, last = stem.rpartition(".")
    if dot and last.lower() in same:
        stem, ending = before, last.lower()
    elif dot and last.lower() in _OF_TYPES:
        stem = before
    stem = _shut(stem).strip(" .").lstrip(_FIRST)
    if _RESERVED.match(stem):
        stem = f"{_NAMELESS} {stem}"
    return f"{_cut(stem, len(ending) + 1) or _NAMELESS}.{ending}"


def _plain(name: str) -> str:
    """One line of characters that are seen, and mean nothing to a file system."""
    name = unicodedata.normalize("NFC", name)
    if _FULL_PATH.match(name):
        name = _SLASHES.split(name)[-1]
    name = _FORBIDDEN.sub("-", _DOTS.sub(".", _SLASHES.sub("-", re.sub(r"\s+", " ", name))))
    seen = "".join(" " if sign.isspace() else sign for sign in name if unicodedata.category(sign)[0] != "C")
    # Without what stood between them, signs may now belong together.
    return unicodedata.normalize("NFC", " ".join(seen.split()))


def _shut(stem: str) -> str:
    """The stem without endings inside it that start a program."""
    first, *others = stem.split(".")
    return first + "".join(("_" if each.strip().lower() in _EXECUTES else ".") + each for each in others)


def _cut(stem: str, ending: int) -> str:
    """As much of the stem as fits with an ending of so many characters."""
    stem = stem[: MOST_CHARACTERS - ending]
    stem = stem.encode()[: MOST_BYTES - ending].decode(errors="ignore")
    return stem.rstrip(" .")
