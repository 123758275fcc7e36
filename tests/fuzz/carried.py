"""The door of files that are carried: from a vendor's answer into a temporary file, and on."""

from __future__ import annotations

from random import Random
from typing import NamedTuple

from tests import made_files
from tests.fuzz.asked import odd_text
from tests.fuzz.door import Door
from tests.fuzz.mutation import PLANTED, altered
from tests.made_files import true_files
from vetbridge.core.files import MEGABYTE, TYPES, FileRules, Limits, wanted_name
from vetbridge.sync.spooling import spool

RULES = FileRules(types=dict.fromkeys(TYPES, 2 * MEGABYTE), names=("*",))
LIMITS = Limits(unpacked=4 * MEGABYTE, in_all=8 * MEGABYTE, streams=1_000)
TRUE = [content for _type, content in true_files().values()]


class Sent(NamedTuple):
    """What a vendor sends."""

    name: str
    pieces: list[bytes]


class Carried(Door):
    """A file passes whole and unchanged under a safe name, or is refused."""

    name = "carried files"

    def make(self, rng: Random) -> Sent:
        """A true file, spoilt; sometimes two of them in one, or one inside of the other."""
        content = rng.choice(TRUE) if rng.random() < 0.7 else _built(rng)
        how = rng.random()
        if how < 0.1:
            content += rng.choice(TRUE)
        elif how < 0.2:
            at = rng.randrange(len(content))
            content = content[:at] + rng.choice(TRUE) + content[at:]
        if how > 0.15:
            content = altered(rng, content)
        length = rng.choice((1 + len(content), 7, 4096))
        name = odd_text(rng) if rng.random() < 0.5 else f"{PLANTED}.{rng.choice(('pdf', 'exe', 'jpg'))}"
        return Sent(name, [content[at : at + length] for at in range(0, len(content), length)])

    def hand_in(self, given: Sent) -> tuple[bool, str]:
        """Takes it in, and reads it as whoever sends it on would."""
        assert wanted_name(RULES, given.name)
        with spool(iter(given.pieces), name=given.name, rules=RULES, scan=None, limits=LIMITS) as file:
            with file.open() as reader:
                assert reader.read() == b"".join(given.pieces), "what passes is not changed"
            assert file.name.isprintable()
            assert not set(file.name) & set('/\\<>:"|?*')
            assert file.name.rpartition(".")[2] in TYPES[file.type].endings
            return True, repr(file)


def _built(rng: Random) -> bytes:
    """A file whose parts were spoilt before it was put together, so that its sums are right."""
    words = rng.choice((b"<w:document/>", PLANTED.encode(), rng.choice(TRUE)))
    part = altered(rng, words) if rng.random() < 0.5 else words
    match rng.randrange(4):
        case 0:
            return made_files.docx((f"word/{rng.choice(('a.xml', 'a.bin', 'embeddings/a.xlsx', '../a'))}", part))
        case 1:
            told, packed = made_files.flate(part)
            return made_files.pdf((altered(rng, told) if rng.random() < 0.5 else told, packed))
        case 2:
            return made_files.png(chunks=[(rng.choice((b"tEXt", b"zTXt", b"iCCP", b"aaAa", b"PLTE")), part)])
        case _:
            return made_files.jpeg(text=part[:60_000])
