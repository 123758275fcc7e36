"""Files for Altegio: every phone once with its best row, nothing that a program carries out, all files or none."""

from __future__ import annotations

import csv
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from python_calamine import CalamineWorkbook

from connectors.altegio.pets_field import decode
from vetbridge.core.records import Client, Pet
from vetbridge.desk import sheet_parts
from vetbridge.desk.altegio_files import FiledOwners, Made, Order, best_phone, make, pets_text
from vetbridge.desk.altegio_visits import months_before
from vetbridge.desk.clinic_files import OWNER_COLUMNS, UnusableFile
from vetbridge.desk.sheet_parts import Parts, harmless, whole_folder

TODAY = date(2026, 11, 22)
FORMULAS = ("=1+1", "+1+1", "-1+1", "@SUM(1)", "=cmd|' /C calc'!A0", "#REF!1", "=HYPERLINK(1)")


class Clinic:
    """A folder with a clinic's files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.owners: list[dict[str, str]] = []
        self.pets: list[str] = ["patient_id,owner_id,name,species,deceased"]
        self.titles = list(OWNER_COLUMNS)

    def owner(self, given: str = "Ann", family: str = "Miller", phone: str = "07911 123456", **more: str) -> str:
        id_ = str(len(self.owners) + 1)
        row = {"owner_id": id_, "first_name": given, "last_name": family, "phone_mobile": phone, **more}
        self.owners.append(row)
        return id_

    def make(self, **more: Any) -> Made:
        with (self.folder / "owners.csv").open("w", encoding="utf-8", newline="") as file:
            table = csv.DictWriter(file, self.titles)
            table.writeheader()
            table.writerows(self.owners)
        (self.folder / "patients.csv").write_text("\n".join(self.pets), encoding="utf-8")
        owners = FiledOwners(self.folder / "owners.csv", self.folder / "patients.csv", country="GB")
        return make(Order(out=self.out, today=TODAY, **more), owners, lambda _: None)

    @property
    def out(self) -> Path:
        return self.folder / "out"

    def rows(self, name: str = "clients-1.xlsx") -> list[list[Any]]:
        """The rows of a file below its header."""
        if name.endswith(".xlsx"):
            with CalamineWorkbook.from_path(self.out / name) as book:
                return book.get_sheet_by_index(0).to_python()[1:]
        with (self.out / name).open(encoding="utf-8-sig", newline="") as file:
            return list(csv.reader(file))[1:]

    def report(self) -> list[tuple[str, str, str]]:
        """Id, code and who stands for it."""
        return [(row[1], row[4], row[3]) for row in self.rows("report.csv")]


@pytest.fixture
def clinic(tmp_path: Path) -> Clinic:
    return Clinic(tmp_path)


def test_of_one_phone_the_best_row_stays(clinic: Clinic) -> None:
    old = clinic.owner("Ann", "Miller", email="ann@example.com", created_on="2015-01-01")
    poor = clinic.owner("Ann", "Miller", "+44 7911 123456", created_on="2024-01-01")
    newer = clinic.owner("A.", "Miller", email="am@example.com", created_on="2020-01-01")
    other = clinic.owner("Tom", "Quirrell")
    made = clinic.make()
    assert [row[:3] for row in clinic.rows()] == [["A.", "Miller", "+447911123456"]]
    assert sorted(clinic.report()) == [
        (old, "same-person", newer),
        (poor, "same-person", newer),
        (other, "same-household", newer),
    ]
    assert (made.read, made.written) == (4, 1)


def test_an_active_row_stands_for_an_inactive_one(clinic: Clinic) -> None:
    full = clinic.owner(email="a@example.com", street="High St", postcode="X", city="Y", active="false")
    clinic.owner()
    clinic.make(with_inactive=True)
    assert [row[3] for row in clinic.rows()] == [""], "the bare one is active"
    assert clinic.report() == [(full, "same-person", "2")]


def test_inactive_clients_stay_out_unless_they_are_wanted(clinic: Clinic) -> None:
    clinic.owner(active="no")
    assert clinic.make().left_out == {"inactive": 1}
    clinic.make(with_inactive=True, replace=True)
    assert len(clinic.rows()) == 1


def test_rows_without_name_or_phone_are_reported(clinic: Clinic) -> None:
    clinic.owner("", "")
    clinic.owner(phone="")
    clinic.owner(phone="0000 000000")
    clinic.owner(phone="ask him")
    clinic.owner("", "Stone", "07911 123457")
    assert clinic.make().left_out == {"name-missing": 1, "phone-missing": 1, "phone-unusable": 2}
    assert [row[:3] for row in clinic.rows()] == [["Stone", "", "+447911123457"]]


def test_the_practices_own_number_is_nobodys(clinic: Clinic) -> None:
    for family in ("Abel", "Brook", "Cole", "Dunn", "Ellis", "Frost", "Gray", "Hill", "Innes", "Judd", "Kerr"):
        clinic.owner("Zed", family, "020 7946 0018")
    assert clinic.make().left_out == {"phone-crowded": 11}
    assert not (clinic.out / "clients-1.xlsx").exists()


@pytest.mark.parametrize(
    ("phones", "best"),
    [
        (("020 7946 0018", "07911 123456"), "+447911123456"),
        (("07911 123456", "07911 123457"), "+447911123456"),
        (("020 7946 0018 / 07911 123456",), "+447911123456"),
        (("0111 1111111", "020 7946 0018"), "+442079460018"),
        (("", "none"), None),
    ],
)
def test_the_mobile_is_the_phone(phones: tuple[str, ...], best: str | None) -> None:
    assert best_phone(Client(phones=phones), "GB") == best


@pytest.mark.parametrize("format_", ["xlsx", "csv"])
def test_no_cell_is_a_formula(clinic: Clinic, format_: str) -> None:
    for number, name in enumerate(FORMULAS):
        clinic.owner(name, f"{name}x1", f"0791112345{number}")
    clinic.make(format=format_, paste=True)
    rows = clinic.rows(f"clients-1.{format_}")
    lines = (clinic.out / "paste-001.tsv").read_text(encoding="utf-8").splitlines()
    begins = ("=", "+", "-", "@")
    if format_ == "xlsx":
        assert [row[:2] for row in rows] == [[name, f"{name}x1"] for name in FORMULAS], "as text, as it was"
    else:
        assert not any(row[0].startswith(begins) or row[1].startswith(begins) for row in rows)
    assert not any(line.split("\t")[0].startswith(begins) for line in lines)
    phones = [f"+44791112345{number}" for number in range(len(FORMULAS))]
    assert [row[2] for row in rows] == [line.split("\t")[2] for line in lines] == phones, "a phone stays a phone"


def test_no_cell_breaks_a_row(clinic: Clinic) -> None:
    clinic.owner("An\tn\r\n", 'Mil"ler,\x00 \x1b[2J')
    clinic.make(format="csv", paste=True)
    assert clinic.rows("clients-1.csv")[0][:2] == ["An n", 'Mil"ler, [2J']
    assert (clinic.out / "paste-001.tsv").read_text(encoding="utf-8").count("\n") == 1


def test_a_name_that_looks_like_an_error_is_a_text(clinic: Clinic) -> None:
    clinic.owner("#N/A", "Miller")
    clinic.make()
    assert clinic.rows()[0][0] == "#N/A"


def test_opt_outs_are_kept_and_the_strictest_counts_for_a_phone(clinic: Clinic) -> None:
    clinic.titles.append("opt_out")
    clinic.owner(email="a@example.com")
    clinic.owner("Tom", "Quirrell", opt_out="yes")
    clinic.owner("Ida", "Gone", "07911 123457", opt_out="true", active="false")
    clinic.owner("Ida", "Here", "07911 123457")
    clinic.owner("Zoe", "Plain", "07911 123458", opt_out="false")
    clinic.owner("Max", "Unclear", "07911 123459", opt_out="ask her")
    made = clinic.make()
    assert {row[0]: row[5] for row in clinic.rows()} == {"Ann": "yes", "Ida": "yes", "Zoe": "", "Max": "yes"}
    assert made.opt_outs == 3


def test_without_a_column_nobody_knows_of_opt_outs(clinic: Clinic) -> None:
    clinic.owner()
    assert clinic.make().opt_outs is None


# -- pets


def test_the_connector_reads_the_pets_as_they_are_written() -> None:
    pets = [
        Pet(name="Bella (bites!)", species="dog"),
        Pet(name="Mila; #2, the small", species="cat"),
        Pet(name="Rex", species=None),
        Pet(name="Old", species="dog", deceased=True),
        Pet(name="Moved", species="dog", active=False),
    ]
    text, whole = pets_text(pets)
    assert whole
    assert [(pet.name, pet.species) for pet in decode(text)] == [
        ("Bella [bites!]", "dog"),
        ("Mila 2 the small", "cat"),
        ("Rex", ""),
    ]
    assert len({pet.key for pet in decode(text)}) == 3


def test_pets_that_find_no_room_are_left_out_whole_and_said(clinic: Clinic) -> None:
    id_ = clinic.owner()
    clinic.pets += [f"P{number},{id_},Longest name number {number},dog," for number in range(12)]
    made = clinic.make()
    text = clinic.rows()[0][4]
    assert len(text) <= 255
    assert all(entry.endswith(" (dog)") for entry in text.split("; "))
    assert made.notes == {"pets-cut": 1}


# -- sizes


def test_a_list_is_cut_into_files_below_the_limit(clinic: Clinic) -> None:
    for number in range(400):
        clinic.owner("Ann", f"Miller{number}", f"0791112{number:04}")
    made = clinic.make(largest=32_000)
    parts = [part for part in made.files if part.name.startswith("clients-")]
    assert len(parts) > 1
    assert all(part.bytes == (clinic.out / part.name).stat().st_size < 32_000 for part in parts)
    assert sum(part.rows for part in parts) == 400
    found = [row[2] for part in parts for row in clinic.rows(part.name)]
    assert len(set(found)) == 400


@pytest.mark.parametrize("format_", ["xlsx", "csv"])
def test_what_a_file_will_take_is_reckoned_at_least(tmp_path: Path, format_: str) -> None:
    parts = Parts(tmp_path, "worst", ("a", "b"), format_, largest=25_000)
    for number in range(1500):
        parts.add((f"{number * 2654435761 % 2**32:x}", chr(0x4E00 + number) * 3))
    parts.close()
    assert len(parts.written) > 1
    assert all(part.bytes <= 25_000 for part in parts.written)


def test_batches_to_paste_have_500_rows_and_no_header(clinic: Clinic) -> None:
    for number in range(501):
        clinic.owner("Ann", f"Miller{number}", f"0791112{number:04}")
    made = clinic.make(paste=True)
    assert {part.name: part.rows for part in made.files if part.name.startswith("paste")} == {
        "paste-001.tsv": 500,
        "paste-002.tsv": 1,
    }
    assert (clinic.out / "paste-002.tsv").read_text(encoding="utf-8").startswith("Ann\tMiller500\t+447911120500")


@pytest.mark.parametrize("text", ["+44791", "+4479111234567890", "+44 7911 123456", "+447911123456;=1"])
def test_only_a_phone_keeps_its_plus(text: str) -> None:
    assert harmless(text) == f"'{text}"
    assert harmless("+447911123456") == "+447911123456"


# -- visits

VISITS = """visit_id,owner_id,patient_id,starts_at,minutes,type,vet,status,notes
"""


def visits(clinic: Clinic, *lines: str) -> Path:
    path = clinic.folder / "visits.csv"
    path.write_text(VISITS + "\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_recent_visits_are_a_table_and_older_ones_an_archive(clinic: Clinic) -> None:
    id_ = clinic.owner()
    clinic.pets.append(f"P1,{id_},Rex,dog,")
    path = visits(
        clinic,
        f"V1,{id_},P1,2024-11-22T09:30,15,checkup,vet_1,completed,=1+1",
        f"V2,{id_},P1,2024-11-21T09:30:00+00:00,20,dental,vet_2,completed,=1+1",
    )
    made = clinic.make(visits=path)
    assert clinic.rows("visits-1.xlsx") == [
        ["Ann Miller", "+447911123456", "Rex", "2024-11-22 09:30", "15", "checkup", "vet_1", "completed"]
    ]
    (archived,) = clinic.rows("visits-archive.csv")
    assert archived[0] == "V2"
    assert archived[-1] == "'=1+1"
    assert made.visits is not None
    assert (made.visits.recent, made.visits.archived, made.visits.left_out) == (1, 1, 0)


def test_visits_that_do_not_go_over_are_reported(clinic: Clinic) -> None:
    id_ = clinic.owner()
    clinic.owner("Tom", "Quirrell", street="x")
    clinic.owner("Ann", "Miller", email="ann@example.com", street="x")
    path = visits(
        clinic,
        f"V1,{id_},,2026-03-04T09:30,15,,,,",  # the same person as the one on the list
        "V2,2,,2026-03-04T09:30,15,,,,",
        "V3,99,,2026-03-04T09:30,15,,,,",
        "V1,3,,2026-03-05T09:30,15,,,,",
        "V5,3,,2026-11-22T17:00,15,,,,",
        "V6,3,,last week,15,,,,",
        "V7,3,,2026-03-04T10:30,long,,,,",
        "V8,3,,2026-03-04T10:30,15,,,,,,too much",
    )
    clinic.make(visits=path)
    found = [(id_, code) for id_, code, _ in clinic.report() if code.startswith("visit") or code == "cells"]
    assert found == [
        ("V2", "visit-client-left-out"),
        ("V3", "visit-client-left-out"),
        ("V1", "visit-twice"),
        ("V5", "visit-ahead"),
        ("V6", "visit-no-time"),
        ("V7", "visit-no-minutes"),
        ("", "cells"),
    ]
    assert [row[4] for row in clinic.rows("visits-1.xlsx")] == ["15", ""]


@pytest.mark.parametrize(
    ("day", "months", "before"),
    [
        (date(2026, 11, 22), 24, date(2024, 11, 22)),
        (date(2026, 3, 31), 13, date(2025, 2, 28)),
        (date(2026, 1, 5), 12, date(2025, 1, 5)),
    ],
)
def test_months_before(day: date, months: int, before: date) -> None:
    assert months_before(day, months) == before


# -- all or none


def test_what_was_there_stays_where_the_making_fails(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    clinic.owner()
    clinic.make()
    before = clinic.rows("report.csv"), clinic.rows()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(sheet_parts._Workbook, "close", full)
    with pytest.raises(UnusableFile, match="No space left"):
        clinic.make(replace=True)
    assert (clinic.rows("report.csv"), clinic.rows()) == before
    assert sorted(each.name for each in clinic.folder.iterdir()) == ["out", "owners.csv", "patients.csv"]


def test_a_folder_takes_its_place_only_when_all_is_in_it(tmp_path: Path) -> None:
    out = tmp_path / "new" / "out"

    def fail_half_way() -> None:
        with whole_folder(out, ours=lambda _: True, replace=False) as beside:
            (beside / "a").write_text("x")
            assert not out.exists()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_half_way()
    assert list((tmp_path / "new").iterdir()) == []


def test_the_folder_is_for_its_owner_alone(clinic: Clinic) -> None:
    clinic.owner()
    clinic.make()
    assert clinic.out.stat().st_mode & 0o077 == 0


def test_the_report_names_nobody(clinic: Clinic) -> None:
    clinic.owner("Secret", "Person", "")
    clinic.owner("Secret", "Couple", "07911 123456")
    clinic.owner("Hidden", "Quirrell", "07911 123456")
    clinic.make()
    text = (clinic.out / "report.csv").read_text(encoding="utf-8-sig")
    assert not any(word in text for word in ("Secret", "Hidden", "Quirrell", "7911"))
