"""Lists of clients in files that people bring: every row is a client, or a refusal with its reason.

Columns are known by their titles in English, German and Polish, by the words of Altegio's own API and lists, and by
those of VetData's neutral CSV. A value is never guessed: a phone that has lost digits on its way through a
spreadsheet refuses its row.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from vetbridge.core import normalise
from vetbridge.core.matching import words
from vetbridge.core.records import Client
from vetbridge.desk.clinic_files import MAX_ROW, UnusableFile
from vetbridge.desk.sheets import EveryRefusal, Missing, Refusal, Row, Value, as_text, bare, table

_TITLES: Mapping[str, str] = {
    "name": "name, full name, client, client name, owner, owner name, customer, customer name, nazwa, klient, "
    "nazwa klienta, imię i nazwisko, nazwisko i imię, kunde, kundenname, besitzer, tierhalter, halter, "
    "name des kunden, vor- und nachname, vor und nachname, display_name, fullname, właściciel, opiekun",
    "given_name": "first name, given name, forename, vorname, imię, imie, name first, namefirst, firstname",
    "family_name": "surname, last name, family name, nachname, familienname, zuname, nazwisko, name last, namelast, "
    "lastname",
    "phone": "phone, phones, phone number, telephone, tel, mobile, mobile phone, mobile number, cell, cell phone, "
    "home phone, work phone, phone mobile, phone home, contact number, telefon, telefonnummer, tel.-nr., telnr, "
    "handy, handynummer, mobil, mobiltelefon, mobilnummer, festnetz, rufnummer, telefon mobil, telefon privat, "
    "telefon komórkowy, komórka, numer telefonu, nr telefonu, telefon stacjonarny, phoneasis, "
    "additional phone, extra phone",
    "email": "email, e-mail, mail, email address, e-mail address, e-mail-adresse, emailadresse, mailadresse, "
    "adres e-mail, adres email, poczta, emails",
    "street": "street, street address, address, address line, strasse, straße, straße und hausnummer, "
    "strasse hausnummer, anschrift, adresse, ulica, adres, ulica i numer",
    "postcode": "postcode, post code, postal code, zip, zip code, plz, postleitzahl, kod, kod pocztowy",
    "city": "city, town, ort, stadt, wohnort, miasto, miejscowość",
    "pets": "pets, pet, pet name, pet names, patients, animals, tiere, tier, tiername, patienten, zwierzęta, "
    "zwierzę, pacjenci, imię zwierzęcia, vetbridge_pets",
    "comment": "comment, comments, note, notes, remark, remarks, kommentar, bemerkung, bemerkungen, notiz, notizen, "
    "komentarz, uwagi, notatki",
    "opt_out": "opt out, optout, opted out, opt-out, do not send, no sms, sms_not, do not contact, no marketing, "
    "unsubscribed, excluded from sms mailings, keine sms, keine werbung, nicht kontaktieren, werbesperre, "
    "nie wysyłać, bez sms, brak zgody, rezygnacja",
}
TITLES: Mapping[str, str] = {bare(title): field for field, titles in _TITLES.items() for title in titles.split(", ")}
"""Every title that is known, bare, with the field it stands for."""

NEEDED = (frozenset({"name", "given_name", "family_name"}), frozenset({"phone", "email"}))
FIELDS = tuple(_TITLES)
"""The fields of a list, in the order in which refused rows are written."""

LONGEST_NOTE = 5000
"""Characters of a comment or of the pets that are kept."""

YES = frozenset({"yes", "y", "true", "t", "1", "x", "ja", "j", "wahr", "tak", "prawda", "on", "opted out", "opt out"})
NO = frozenset({"", "no", "n", "false", "f", "0", "-", "nein", "falsch", "nie", "fałsz", "off"})

_NOT_WESTERN = frozenset(
    {"AL", "BA", "BG", "CZ", "EE", "GR", "HR", "HU", "LT", "LV", "ME", "MK", "PL", "RO", "RS", "SI", "SK"}
)
"""Countries whose old programs write another encoding than Windows-1252."""
_NAMES = ("name", "given_name", "family_name")
_SCIENTIFIC = re.compile(r"\+?(\d+)(?:[.,](\d+))?e\+?(\d{1,3})", re.IGNORECASE)
_WHOLE = re.compile(r"(\+?\d+)[.,]0+")
_ANY_DIGIT = re.compile(r"\d")
_EXACT = 1e15
"""A number from here on has more digits than a spreadsheet keeps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One row that is a client. ``opt_out``: None where the list has no such column."""

    sheet: str
    row: int
    client: Client
    pets: str
    comment: str
    opt_out: bool | None
    texts: Mapping[str, str]
    """What the row holds, by field, as it stands."""

    def refused(self, code: str, words: str, more: str = "") -> Refusal:
        """The row as one that is left out after all."""
        return Refusal(sheet=self.sheet, row=self.row, code=code, words=words, texts=self.texts, more=more)


def clients(report: EveryRefusal, country: str) -> Iterator[Listed]:
    """The clients of a list. Rows that are none go to the report.

    ``country`` is an ISO 3166 code, for phones without a country code. Raises ``UnusableFile``.
    """
    for row in table(report, TITLES, NEEDED):
        if country in _NOT_WESTERN and any(note.code == "encoding" and "1252" in note.words for note in report.notes):
            raise UnusableFile(
                f"{report.path} is no UTF-8, and in its country nobody can tell which letters are meant",
                code="encoding-unclear",
                advice="Save the list as UTF-8 (CSV UTF-8), or as an Excel workbook (.xlsx).",
            )
        texts = {name: ", ".join(filter(None, map(as_text, values))) for name, values in row.values.items()}
        try:
            listed = _listed(report, row, texts, country)
        except _Refused as refused:
            _refuse(report, row, texts, *refused.args)
            continue
        report.used += 1
        yield listed


class _Refused(Exception):
    """The row is left out; its arguments are the code and the words."""


def _refuse(report: EveryRefusal, row: Row, texts: Mapping[str, str], code: str, words: str) -> None:
    report.refuse(row.number, 1, code, words)
    report.rows[-1] = Refusal(sheet=row.sheet, row=row.number, code=code, words=words, texts=texts)


def _listed(report: EveryRefusal, row: Row, texts: Mapping[str, str], country: str) -> Listed:
    cells = [cell for values in row.values.values() for cell in values]
    if Missing.MERGED in cells:
        raise _Refused("merged-cells", "a cell is merged with the row above; unmerge the cells and fill each row")
    if Missing.FORMULA in cells:
        raise _Refused(
            "formula-without-value",
            "a formula has no stored value; open the file, save it, or paste the values in its place",
        )
    if sum(map(len, texts.values())) > MAX_ROW:
        raise _Refused("row-too-long", f"it is longer than {MAX_ROW} characters")
    given, family = _names(row)
    phones: dict[str, None] = {}
    for text in filter(None, map(_phone, row.values.get("phone", ()))):
        found = normalise.phones(text, country)
        if not found:
            raise _unreadable()
        phones.update(dict.fromkeys(found))
    emails = tuple(found for value in row.values.get("email", ()) for found in normalise.emails(as_text(value)))
    if any(map(as_text, row.values.get("email", ()))) and not emails:
        report.ignore(row.number, 1, "email-unreadable", "the e-mail address is none; it is ignored")
    if not phones and not emails:
        raise _Refused("contact-missing", "it has neither a phone nor an e-mail address, so nobody is found by it")
    return Listed(
        sheet=row.sheet,
        row=row.number,
        client=Client(
            given_name=given,
            family_name=family,
            phones=tuple(phones),
            emails=tuple(dict.fromkeys(emails)),
            street=row.text("street")[: normalise.MAX_NAME],
            postcode=row.text("postcode")[: normalise.MAX_NAME],
            city=row.text("city")[: normalise.MAX_NAME],
        ),
        pets=texts.get("pets", "")[:LONGEST_NOTE],
        comment=texts.get("comment", "")[:LONGEST_NOTE],
        opt_out=_opt_out(report, row) if "opt_out" in row.values else None,
        texts=texts,
    )


def _names(row: Row) -> tuple[str, str]:
    """Given and family name. A whole name in one column is parted at its comma, else before its last word."""
    whole, given, family = row.text("name"), row.text("given_name"), row.text("family_name")
    one_column = "given_name" in row.values, "family_name" in row.values
    if whole and not family and (given or one_column == (True, False)):
        family = whole  # "Vorname" and "Name"
    elif whole and not given and (family or one_column == (False, True)):
        given = whole  # "Name" and "Surname"
    elif whole and not (given or family):
        before, comma, after = whole.partition(",")
        if comma:
            given, family = after.strip(), before.strip()
        else:
            given, family = _parted(whole)
    written = (value for name in _NAMES for value in row.values.get(name, ()) if isinstance(value, str))
    if any("\n" in value.strip() for value in written):
        raise _Refused("name-unusable", "a name goes over several lines; a stray quotation mark, mostly")
    for name in (given, family):
        if len(name) > normalise.MAX_NAME:
            raise _Refused("name-too-long", f"a name is longer than {normalise.MAX_NAME} characters")
        if name and (name[0] in "=@+" or not normalise.name(name)):
            raise _Refused("name-unusable", "what stands for a name is none; a formula in a text, mostly")
    if not (given or family):
        raise _Refused("name-missing", "it has no name")
    return given, family


def _parted(whole: str) -> tuple[str, str]:
    """Given and family name of a whole one: the last word is the family name, with the particles before it."""
    parts = whole.split()
    begins = (place for place, part in enumerate(parts) if place and part.casefold() in words.PARTICLES)
    start = next(begins, len(parts) - 1)
    return " ".join(parts[:start]), " ".join(parts[start:])


def _phone(value: Value) -> str:
    """A phone as text; "" where the cell has none. What has lost digits is refused, never filled up."""
    if isinstance(value, (date, datetime, time, timedelta)):
        raise _Refused("phone-unreadable", "a phone stands there as a date; format the column as text, type it anew")
    if isinstance(value, float) and (not value.is_integer() or not 0 <= value < _EXACT):
        raise _lost_digits()
    text = as_text(value)
    if found := _WHOLE.fullmatch(text):
        return found[1]
    if found := _SCIENTIFIC.fullmatch(text):
        digits, fraction, exponent = found[1], (found[2] or "").rstrip("0"), int(found[3])
        if exponent > len(fraction) or not fraction:
            raise _lost_digits()
        if exponent == len(fraction):
            return digits + fraction
        raise _unreadable()
    return text if _ANY_DIGIT.search(text) else ""  # "none", "-", "keine"


def _unreadable() -> _Refused:
    return _Refused("phone-unreadable", "a phone is no number that can be dialled; mend it, or empty the cell")


def _lost_digits() -> _Refused:
    return _Refused(
        "phone-digits-lost",
        "a phone stands there as a rounded number, and its last digits are lost; "
        "export the list anew with the column formatted as text",
    )


def _opt_out(report: EveryRefusal, row: Row) -> bool:
    """Whether the client wants no messages; what cannot be understood counts as yes."""
    for value in row.values["opt_out"]:
        text = as_text(value).casefold()
        if text in NO:
            continue
        if text not in YES:
            report.ignore(row.number, 1, "opt-out-unclear", "it is not clear whether this is a yes; it counts as yes")
        return True
    return False
