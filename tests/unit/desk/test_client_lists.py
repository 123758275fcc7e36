"""Client lists of every kind and in every state: a row is a client or a refusal, and nothing crashes."""

from __future__ import annotations

import random
import zipfile
from pathlib import Path

import pytest

from tests.unit.desk.workbooks import row, text, value, xls, xlsx
from vetbridge.core import normalise
from vetbridge.desk import measuring
from vetbridge.desk.client_lists import Listed, clients
from vetbridge.desk.clinic_files import UnusableFile
from vetbridge.desk.sheets import EveryRefusal

HEADER = row(1, text("First name"), text("Surname"), text("Mobile"), text("E-mail"))


def read(path: Path, country: str = "GB") -> tuple[list[Listed], EveryRefusal]:
    report = EveryRefusal(path)
    return list(clients(report, country)), report


def saved(folder: Path, content: str | bytes, name: str = "list.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def codes(report: EveryRefusal) -> list[tuple[int, str]]:
    return [(each.row, each.code) for each in report.rows]


def refusal(path: Path) -> UnusableFile:
    with pytest.raises(UnusableFile) as caught:
        read(path)
    assert caught.value.advice, "it says what to do"
    return caught.value


# -- what a row says


@pytest.mark.parametrize(
    ("header", "cells", "given", "family"),
    [
        ("Name;Phone", "Ann Miller", "Ann", "Miller"),
        ("Name;Phone", "Miller, Ann Sue", "Ann Sue", "Miller"),
        ("Name;Phone", "Miller", "", "Miller"),
        ("Name;Phone", "Ann van der Berg", "Ann", "van der Berg"),
        ("Vorname;Name;Handy", "Ann;Müller", "Ann", "Müller"),
        ("Name;Surname;Phone", "Ann;Miller", "Ann", "Miller"),
        ("Imię;Nazwisko;Nr telefonu", "Łucja;Żak", "Łucja", "Żak"),
        ("NameFirst;NameLast;Phone1AsIs", "Ann;Miller", "Ann", "Miller"),
        ("First name;Surname;Mobile phone", "Ann;", "Ann", ""),
    ],
)
def test_names_under_many_titles(tmp_path: Path, header: str, cells: str, given: str, family: str) -> None:
    (found,), _ = read(saved(tmp_path, f"{header}\n{cells};+44 7911 123456\n"))
    assert (found.client.given_name, found.client.family_name) == (given, family)
    assert found.client.phones == ("+447911123456",)


def test_all_that_a_row_may_hold(tmp_path: Path) -> None:
    path = saved(
        tmp_path,
        "Client list of Town Vets\n\nName|Phone 1|Phone 2|E-mail|Straße|PLZ|Ort|Tiere|Bemerkung|Keine Werbung\n"
        "Ann Miller|020 7946 0018 / 07911 123456|none|Ann@Example.com|High St 1|AB1 2CD|Town|"
        "Rex, Mila|calls late|ja\n",
    )
    (found,), report = read(path)
    assert found.client.phones == ("+442079460018", "+447911123456")
    assert found.client.emails == ("ann@example.com",)
    assert (found.client.street, found.client.postcode, found.client.city) == ("High St 1", "AB1 2CD", "Town")
    assert (found.pets, found.comment, found.opt_out, found.row) == ("Rex, Mila", "calls late", True, 4)
    assert report.rows == []


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_any_delimiter(tmp_path: Path, mark: str) -> None:
    rows = [["Name", "Phone", "Comment"], ["Ann Miller", "07911 123456", "a:b"]]
    (found,), _ = read(saved(tmp_path, "\n".join(mark.join(cells) for cells in rows)))
    assert found.comment == "a:b"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
def test_any_encoding(tmp_path: Path, encoding: str) -> None:
    path = saved(tmp_path, "Name;Phone\nJürgen Groß;+49 1512 3456789\n".encode(encoding))
    (found,), _ = read(path, "DE")
    assert found.client.full_name == "Jürgen Groß"


def test_letters_that_nobody_can_tell_are_not_guessed(tmp_path: Path) -> None:
    path = saved(tmp_path, "Imię;Nazwisko;Telefon\nŁucja;Żak;601 123 456\n".encode("cp1250"))
    with pytest.raises(UnusableFile) as caught:
        read(path, "PL")
    assert caught.value.code == "encoding-unclear"


@pytest.mark.parametrize("word", ["yes", "Ja", "tak", "1", "TRUE", "x", "perhaps"])
def test_an_opt_out_counts_also_where_it_is_unclear(tmp_path: Path, word: str) -> None:
    (found,), _ = read(saved(tmp_path, f"Name;Phone;Opt-out\nAnn Miller;07911123456;{word}\n"))
    assert found.opt_out is True


@pytest.mark.parametrize("word", ["", "no", "Nein", "nie", "0", "FALSE"])
def test_no_opt_out(tmp_path: Path, word: str) -> None:
    (found,), _ = read(saved(tmp_path, f"Name;Phone;Opt-out\nAnn Miller;07911123456;{word}\n"))
    assert found.opt_out is False


@pytest.mark.parametrize(
    ("cells", "code"),
    [
        (";07911123456;", "name-missing"),
        ("Ann Miller;;", "contact-missing"),
        ("Ann Miller;none;n/a", "contact-missing"),
        ("Ann Miller;12;", "phone-unreadable"),
        ("Ann Miller;00000000000;ann@example.com", "phone-unreadable"),
        ("Ann Miller;4.47911E+12;", "phone-digits-lost"),
        ("Ann Miller;4,47911E+11;ann@example.com", "phone-digits-lost"),
        ("Ann Miller;4E11;", "phone-digits-lost"),
        ("=HYPERLINK(1)&A1;07911123456;", "name-unusable"),
        ("@SUM(A1);07911123456;", "name-unusable"),
        ("---;07911123456;", "name-unusable"),
        ("x" * 300 + ";07911123456;", "name-too-long"),
        ("Ann Miller;07911123456;;;too much", "cells"),
        ('"Ann Miller;07911123456;', "quote-open"),
    ],
)
def test_rows_that_are_no_client(tmp_path: Path, cells: str, code: str) -> None:
    found, report = read(saved(tmp_path, f"Name;Phone;Email\n{cells}\nBob Stone;07911123457;\n"))
    assert codes(report) == [(2, code)]
    assert [each.client.full_name for each in found] == ["Bob Stone"]


def test_a_stray_quotation_mark_swallows_nobody(tmp_path: Path) -> None:
    path = saved(tmp_path, 'Name;Phone\n"Ann;1\nBob Stone;07911123457\nZoe "Z;x";07911123458\nIda Hall;07911123459\n')
    found, report = read(path)
    assert [each.client.full_name for each in found][0:1] + [each.client.full_name for each in found][-1:] == [
        "Bob Stone",
        "Ida Hall",
    ]
    assert report.rows[0].row == 2


def test_a_name_over_several_lines_is_none(tmp_path: Path) -> None:
    _, report = read(saved(tmp_path, 'Name;Phone\n"Ann Miller;1\nBob";07911123457\n'))
    assert codes(report) == [(2, "name-unusable")]


@pytest.mark.parametrize("written", ["447911123456.0", "447911123456,00", "4.47911123456E+11", "447911123456"])
def test_a_number_that_has_kept_its_digits_is_a_phone(tmp_path: Path, written: str) -> None:
    (found,), _ = read(saved(tmp_path, f"Name;Phone\nAnn Miller;{written}\n"))
    assert found.client.phones == ("+447911123456",)


def test_two_names_on_one_phone_are_two_rows(tmp_path: Path) -> None:
    found, _ = read(saved(tmp_path, "Name;Phone\nAnn Miller;07911123456\nKarl Quirrell;+44 7911 123456\n"))
    assert [each.client.phones for each in found] == [("+447911123456",)] * 2


def test_what_steers_a_terminal_goes(tmp_path: Path) -> None:
    (found,), _ = read(saved(tmp_path, "Name;Phone\nAnn\x1b]0;x\x07 Mil\u202eler;07911123456\n".replace("0;x", "0x")))
    assert not {"\x1b", "\x07", "\u202e"} & set(found.client.full_name)


def test_nothing_of_a_refused_row_is_told_but_in_its_texts(tmp_path: Path) -> None:
    _, report = read(saved(tmp_path, "Name;Phone\nSecret Person;4.47911E+12\n"))
    assert "Secret" not in " ".join(map(str, (*report.examples, *report.notes))) + report.rows[0].words
    assert report.rows[0].texts == {"name": "Secret Person", "phone": "4.47911E+12"}


# -- workbooks


def test_a_workbook(tmp_path: Path) -> None:
    rows = row(1, text("Our clients")) + row(3, *map(text, ("Vorname", "Name", "Handy", "E-Mail")))
    rows += row(4, text("Ann"), text("Müller"), value("447911123456"), text(""))
    rows += row(5, text("Bob"), text("Stein"), value("7911123457"))
    found, report = read(xlsx(tmp_path / "list.xlsx", rows))
    assert [(each.sheet, each.row) for each in found] == [("Clients", 4), ("Clients", 5)]
    assert [each.client.phones for each in found] == [("+447911123456",), ("+447911123457",)]
    assert report.notes == []


def test_an_old_workbook(tmp_path: Path) -> None:
    path = xls(
        tmp_path / "list.xls",
        [
            ["Clients", None, None],
            ["First name", "Surname", "Mobile"],
            ["Ann", "Müller", 447911123456.0],
            ["Bob", "Stone", "07911 123457"],
            ["Low", "Precision", 4.479111e12 + 0.5],
            ["Mer", "Ged", None],
        ],
        merged=[(0, 0, 0, 2), (4, 5, 2, 2)],
    )
    found, report = read(path)
    assert [each.client.full_name for each in found] == ["Ann Müller", "Bob Stone"]
    assert found[0].client.phones == ("+447911123456",)
    assert codes(report) == [(5, "phone-digits-lost"), (6, "merged-cells")]


def test_formulas_count_with_their_stored_value_and_never_without(tmp_path: Path) -> None:
    rows = HEADER + row(2, text("Ann"), text("Miller"), value("447911123456", "1+1"))
    rows += row(3, text("Bob"), text("Stone"), value("", "WEBSERVICE(1)"), text("bob@example.com"))
    found, report = read(xlsx(tmp_path / "list.xlsx", rows))
    assert [each.client.phones for each in found] == [("+447911123456",)]
    assert codes(report) == [(3, "formula-without-value")]


def test_merged_cells_below_are_not_filled_by_guess(tmp_path: Path) -> None:
    rows = row(1, text("Title")) + row(2, text("Name"), text("Phone"))
    rows += row(3, text("Ann Miller"), text("07911123456")) + row(4, text("Bob Stone"))
    merged = "<mergeCells><mergeCell ref='A1:B1'/><mergeCell ref='B3:B4'/></mergeCells>"
    found, report = read(xlsx(tmp_path / "list.xlsx", rows, after=merged))
    assert [each.client.full_name for each in found] == ["Ann Miller"]
    assert codes(report) == [(4, "merged-cells")]


def test_300_columns(tmp_path: Path) -> None:
    titles = [f"Field {chr(97 + place % 26)}{chr(97 + place // 26)}" for place in range(300)]
    titles[17], titles[250] = "Name", "Phone"
    cells = ["x"] * 300
    cells[17], cells[250] = "Ann Miller", "07911123456"
    (found,), _ = read(saved(tmp_path, ",".join(titles) + "\n" + ",".join(cells) + "\n"))
    assert found.client.full_name == "Ann Miller"


def test_a_date_where_a_phone_was_is_refused(tmp_path: Path) -> None:
    styles = (
        b"<styleSheet xmlns='http://schemas.openxmlformats.org/spreadsheetml/2006/main'><cellXfs><xf numFmtId='0'/>"
    )
    styles += b"<xf numFmtId='14'/></cellXfs></styleSheet>"
    dated = "<c r='C2' s='1'><v>43832</v></c>"
    rows = HEADER + f"<row r='2'>{text('Ann').replace(chr(39) * 2, chr(39) + 'A2' + chr(39), 1)}{dated}</row>"
    _, report = read(xlsx(tmp_path / "list.xlsx", rows, more={"xl/styles.xml": styles}))
    assert codes(report) == [(2, "phone-unreadable")]


# -- what is no list


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b" \n\n", "empty"),
        (b"<html><table><tr><td>Name</td></tr></table></html>", "a web page (HTML)"),
        (b"\xef\xbb\xbf\n <!DOCTYPE html>", "a web page (HTML)"),
        (
            b'<?xml version="1.0"?><Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet">',
            "an XML spreadsheet",
        ),
        (b"%PDF-1.7", "a PDF"),
        (b"\x1f\x8b\x08\x00", "packed"),
        (b"PK\x03\x04 and no more", "a damaged zip file"),
        (b"PK\x05\x06" + bytes(18), "empty or cut zip"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "damaged Excel workbook, or no workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le") * 9, "with a password"),
        (b"\x09\x08\x08\x00\x00\x05\x10\x00", "before 1995"),
        (b"abc\0\0\1" * 20, "no text"),
        (b"colour;size\nred;5\n", "none of its first 20 rows is a header"),
        (b"Name;Colour\nAnn;red\n", "only a row with Name"),
    ],
)
def test_files_that_are_no_list_say_what_they_are(tmp_path: Path, content: bytes, says: str) -> None:
    for name in ("list.xls", "list.csv"):
        assert says in refusal(saved(tmp_path, content, name)).message


def test_a_list_without_a_header_tells_nothing_of_its_rows(tmp_path: Path) -> None:
    found = refusal(saved(tmp_path, "Ann Miller;07911 123456\nBob Stone;07911 123457\n"))
    assert "Miller" not in found.message + found.advice


@pytest.mark.parametrize(
    ("part", "says"),
    [
        ("readme.txt", "a zip file that is no workbook"),
        ("xl/workbook.bin", "xlsb"),
        ("word/document.xml", "a Word document"),
    ],
)
def test_zip_files_that_are_no_workbook(tmp_path: Path, part: str, says: str) -> None:
    with zipfile.ZipFile(tmp_path / "list.xlsx", "w") as archive:
        archive.writestr(part, "x")
    assert says in refusal(tmp_path / "list.xlsx").message


def test_a_text_that_is_called_a_workbook_is_read_and_said(tmp_path: Path) -> None:
    found, report = read(saved(tmp_path, "Name;Phone\nAnn Miller;07911123456\n", "list.xlsx"))
    assert len(found) == 1
    assert [note.code for note in report.notes] == ["not-as-named"]


def test_a_workbook_that_is_called_a_text_is_read_and_said(tmp_path: Path) -> None:
    rows = HEADER + row(2, text("Ann"), text("Miller"), text("07911123456"))
    found, report = read(xlsx(tmp_path / "list.csv", rows))
    assert len(found) == 1
    assert [note.code for note in report.notes] == ["not-as-named"]


def test_a_file_of_200_mb_is_not_read(tmp_path: Path) -> None:
    path = saved(tmp_path, "Name;Phone\n")
    with path.open("r+b") as file:
        file.truncate(200_000_000)
    assert refusal(path).code == "file-too-large"


def test_a_row_of_10_mb_is_left_out_and_the_next_is_read(tmp_path: Path) -> None:
    path = saved(tmp_path, "Name;Phone\n" + "x" * 10_000_000 + ";07911123456\nAnn Miller;07911123456\n")
    found, report = read(path)
    assert len(found) == 1
    assert codes(report) == [(2, "row-too-long")]


def test_a_cell_of_a_megabyte_in_a_workbook_is_left_out(tmp_path: Path) -> None:
    rows = HEADER + row(2, text("Ann"), text("x" * 1_000_000), text("07911123456"))
    found, report = read(xlsx(tmp_path / "list.xlsx", rows))
    assert found == []
    assert codes(report) in ([(2, "row-too-long")], [(2, "name-too-long")])


def test_a_value_at_the_far_end_of_a_sheet_is_not_paid_with_memory(tmp_path: Path) -> None:
    rows = HEADER + "<row r='1048576'><c r='XFD1048576'><v>1</v></c></row>"
    found = refusal(xlsx(tmp_path / "list.xlsx", rows))
    assert found.code == "file-too-large"
    assert "far below or beside" in found.advice


def test_empty_cells_at_the_far_end_do_no_harm(tmp_path: Path) -> None:
    rows = HEADER + row(2, text("Ann"), text("Miller"), text("07911123456"))
    rows += "<row r='1048576'><c r='XFD1048576' s='0'/></row>"
    found, _ = read(xlsx(tmp_path / "list.xlsx", rows))
    assert len(found) == 1


def test_a_zip_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "LARGEST_UNPACKED", 1_000_000)
    path = xlsx(tmp_path / "list.xlsx", HEADER, more={"xl/sharedStrings.xml": bytes(2_000_000)})
    assert path.stat().st_size < 10_000
    assert refusal(path).code == "file-too-large"


def test_entities_are_not_expanded(tmp_path: Path) -> None:
    bomb = b"<!DOCTYPE x [<!ENTITY a 'aaaaaaaaaa'>]><x>&a;</x>"
    assert "document type" in refusal(xlsx(tmp_path / "list.xlsx", HEADER, more={"xl/styles.xml": bomb})).message


def test_damaged_workbooks_never_crash(tmp_path: Path) -> None:
    rows = HEADER + row(2, text("Ann"), text("Miller"), text("07911123456"))
    whole = (
        xlsx(tmp_path / "a", rows).read_bytes(),
        xls(tmp_path / "b", [["Name", "Phone"], ["Ann Miller", "07911123456"]]).read_bytes(),
    )
    dice = random.Random(7)
    refused = 0
    for _ in range(60):
        content = bytearray(dice.choice(whole))
        for _ in range(dice.randint(1, 12)):
            content[dice.randrange(len(content))] = dice.randrange(256)
        path = saved(tmp_path, bytes(content[: dice.randint(len(content) // 2, len(content))]))
        try:
            read(path)
        except UnusableFile:
            refused += 1
    assert 0 < refused <= 60


@pytest.mark.parametrize("country", ["GB", "DE", "PL"])
def test_hostile_text_in_every_cell(tmp_path: Path, country: str) -> None:
    dice = random.Random(country)
    alphabet = [*map(chr, range(1, 300)), "\u202e", "\ufeff", "\ud7ff", "👩‍👩‍👧", "=", "@", "E+", '"', ";", "\n"]
    lines = ["".join(dice.choices(alphabet, k=dice.randint(0, 60))) for _ in range(120)]
    found, report = read(saved(tmp_path, "Name;Phone;Email;Opt out\n" + "\n".join(lines)), country)
    assert report.used == len(found)
    for each in found:
        assert normalise.clean(each.client.full_name) == each.client.full_name
