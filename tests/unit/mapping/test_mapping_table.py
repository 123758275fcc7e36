"""Tables are checked when they are loaded: what is wrong is named with file, field and nearest word."""

from __future__ import annotations

from pathlib import Path

import pytest

from vetbridge.core.errors import ConfigError
from vetbridge.core.records import Kind
from vetbridge.mapping import Mapper, composed_table, load_table

MINIMAL = """
mapping: mine
kinds:
  client:
    id: {path: id, codec: id, direction: read}
    given_name: {path: name.first, codec: text}
"""


def written(folder: Path, text: str, name: str = "mine.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ["memory", "altegio", "ezyvet"])
def test_shipped_tables_load_once(name: str) -> None:
    table = load_table(name)
    assert set(table.kinds) >= {Kind.CLIENT, Kind.PET, Kind.APPOINTMENT, Kind.ATTACHMENT, Kind.REMINDER}
    assert load_table(name) is table


def test_a_sites_table_loads_from_its_path(tmp_path: Path) -> None:
    table = load_table(written(tmp_path, MINIMAL))
    assert table.name == "mine"
    assert table.kinds[Kind.CLIENT]["given_name"].path == ("name", "first")


@pytest.mark.parametrize("name", ["x" * 5000, "./" + "x" * 5000, "a\\0b", "../" * 3000])
def test_a_table_that_cannot_be_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="mapping table") as caught:
        load_table(written(tmp_path, f'mapping: mine\nextends: "{name}"\n'))
    assert len(caught.value.message) < 500


def test_a_table_extends_another_field_by_field(tmp_path: Path) -> None:
    written(
        tmp_path,
        """
mapping: city
extends: memory
kinds:
  client: {emails: null, given_name: {path: vorname, codec: text}}
  pet: {sex: null}
codes: {species: {dog: HUND}}
""",
        "city.yaml",
    )
    table = load_table(tmp_path / "city.yaml")
    base = load_table("memory")
    assert table.name == "city"
    assert table.kinds[Kind.CLIENT]["given_name"].path == ("vorname",)
    assert table.kinds[Kind.CLIENT]["family_name"] == base.kinds[Kind.CLIENT]["family_name"]
    assert "emails" not in table.kinds[Kind.CLIENT]
    assert table.codes["species"].read("HUND") == "dog"
    assert table.codes["species"].read("D") is None
    assert table.codes["species"].read("C") == "cat"
    assert "sex" not in table.codes
    assert base.codes["species"].read("D") == "dog"


def test_a_table_may_extend_a_neighbour(tmp_path: Path) -> None:
    written(tmp_path, MINIMAL, "base.yaml")
    path = written(tmp_path, "mapping: two\nextends: base.yaml\nkinds: {client: {given_name: null}}")
    assert set(load_table(path).kinds[Kind.CLIENT]) == {"id"}


def test_a_circle_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, "mapping: mine\nextends: mine.yaml\nkinds: {}")
    with pytest.raises(ConfigError, match=r"mine\.yaml: extends: .*circle"):
        load_table(path)


FIELD = "mapping: mine\nkinds: {client: {given_name: {path: a, codec: text}}, pet: {%s}}"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "keys with values"),
        ("- a list", "keys with values"),
        ("mapping: mine\nkinds: {}", "maps nothing"),
        ("mapping: Mine!\nkinds: {}", "mapping: a name"),
        ("mapping: mine\nkind: {}", "kind: unknown key; did you mean 'kinds'?"),
        ("mapping: mine\nkinds: {pets: {}}", "kinds.pets: no such kind; did you mean 'pet'?"),
        (FIELD % "nme: {path: a, codec: text}", "kinds.pet.nme: no such field; did you mean 'name'?"),
        (FIELD % "nme: null", "kinds.pet.nme: no such field"),
        (FIELD % "name: {path: a, codec: txt}", "kinds.pet.name: codec: 'txt' is unknown; did you mean 'text'?"),
        (FIELD % "name: {path: a, codec: [text]}", "is unknown"),
        (FIELD % "name: {path: a}", "kinds.pet.name: codec: None is unknown"),
        (
            FIELD % "name: {path: a, codec: epoch}",
            "codec: epoch does not fit this field; possible are code, id, text",
        ),
        (FIELD % "name: {codec: text}", "kinds.pet.name: path: a dotted path"),
        (FIELD % "name: {path: a..b, codec: text}", "kinds.pet.name: path: a dotted path"),
        (FIELD % "name: {path: a, codec: text, way: read}", "kinds.pet.name: way: unknown key"),
        (
            FIELD % "name: {path: a, codec: text, direction: raed}",
            "direction: 'raed' is unknown; did you mean 'read'?",
        ),
        (FIELD % "name: {path: a, codec: text, list: species}", "kinds.pet.name: list: "),
        (FIELD % "species: {path: a, codec: code}", "kinds.pet.species: list: "),
        (FIELD % "deceased: {path: a, codec: flag, as: integer}", "kinds.pet.deceased: as: "),
        (FIELD % "name: text", "kinds.pet.name: keys with values"),
        (
            FIELD % "name: {path: a, codec: text}, breed: {path: a, codec: text}",
            "name and breed are both written to a",
        ),
        (FIELD % "name: {path: a, codec: text}, breed: {path: a.b, codec: text}", "both written to a"),
        (MINIMAL + "  appointment: {notes: {path: n, codec: text}}", "start is missing"),
        (MINIMAL + "codes: {specis: {dog: 1}}", "codes.specis: no field uses this list"),
        (MINIMAL + "extends: {a: b}", "extends: the name of a shipped table"),
        (MINIMAL + "extends: memori", "no mapping table is called 'memori'; did you mean 'memory'?"),
        (MINIMAL + "kinds: {}", "a second time"),
        ("mapping: &a mine\nkinds: *a", "alias"),
        ("mapping: [", "mine.yaml:1"),
        ("[" * 5000, "deep"),
        ("mapping: !!python/object/apply:os.system [ls]", "tags"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_table(written(tmp_path, text))
    assert words in caught.value.message
    assert ".yaml" in caught.value.message or "memori" in caught.value.message


def test_a_status_list_takes_only_the_words_of_a_status(tmp_path: Path) -> None:
    text = "mapping: mine\nextends: memory\nkinds: {}\ncodes: {status: {canceled: x}}"
    with pytest.raises(ConfigError, match=r"'canceled' is no word of appointment\.status; did you mean 'cancelled'"):
        load_table(written(tmp_path, text))


def test_missing_and_unreadable_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml: there is no such mapping table"):
        load_table(tmp_path / "nowhere.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"mapping: caf\xe9")
    with pytest.raises(ConfigError, match="UTF-8"):
        load_table(tmp_path / "latin.yaml")
    (tmp_path / "big.yaml").write_bytes(b"# filler\n" * 200_000)
    with pytest.raises(ConfigError, match="larger"):
        load_table(tmp_path / "big.yaml")
    with pytest.raises(ConfigError, match="no mapping table is called 'ezivet'; did you mean 'ezyvet'"):
        load_table("ezivet")


def test_a_composed_table_takes_each_kind_from_who_serves_it(tmp_path: Path) -> None:
    own, diary = load_table("memory"), load_table("neutral")
    table = composed_table(own, {"diary": (diary, [Kind.APPOINTMENT])})
    assert table.name == "memory+neutral"
    assert table.kinds[Kind.APPOINTMENT] is diary.kinds[Kind.APPOINTMENT]
    assert table.kinds[Kind.PET] is own.kinds[Kind.PET]
    assert table.codes["species"] == own.codes["species"]
    assert table.codes["status"] == diary.codes["status"], "visits alone have it, and they are the diary's"
    assert table.lists == own.lists
    assert "appointment_type" not in table.codes, "the diary's visits have the clinic's own"
    feed = load_table(written(tmp_path, MINIMAL))
    assert set(composed_table(feed, {"diary": (diary, [Kind.APPOINTMENT])}).kinds) == {Kind.CLIENT, Kind.APPOINTMENT}
    codes = {"appointment_type": {}, "resource": {}}
    mapper = Mapper(table, zone="Europe/London", codes=codes)
    assert mapper.digest != Mapper(own, zone="Europe/London").digest


def test_a_code_list_that_two_tables_fix_differently_is_a_mistake(tmp_path: Path) -> None:
    own = load_table("memory")
    same = load_table(written(tmp_path, "mapping: mine\nextends: memory\n"))
    assert composed_table(own, {"diary": (same, [Kind.APPOINTMENT])}).codes == own.codes
    other = load_table(written(tmp_path, "mapping: mine\nextends: memory\ncodes: {species: {dog: HUND}}"))
    with pytest.raises(ConfigError, match="'memory' and 'mine' both fix the code list 'species', and not alike"):
        composed_table(own, {"diary": (other, [Kind.APPOINTMENT])})
    assert composed_table(own, {"due": (other, [Kind.REMINDER])}).codes == own.codes, "no due service has a species"


def test_a_part_whose_table_lacks_its_kind_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the part due: its mapping table 'mine' has no kind reminder"):
        composed_table(load_table("memory"), {"due": (load_table(written(tmp_path, MINIMAL)), [Kind.REMINDER])})
