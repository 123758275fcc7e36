"""First readings: counted, taken up where they were cut off, and never taken for whole where rows have moved."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import select

from tests.rig import Killed, Rig
from vetbridge.connector.interface import Found, Page
from vetbridge.core.errors import Unavailable
from vetbridge.core.records import Kind
from vetbridge.ledger import accounts, mirror, readings
from vetbridge.ledger.tables import Mirror, Reading
from vetbridge.sync.refreshing import read_cards
from vetbridge.testing.memory import MemorySide

CLIENTS = 12


class Shelf(MemorySide):
    """A side that pages by numbers, oldest id first, three rows a page: what goes or comes moves all that follow.

    ``cut_before``: the page before which the line is cut, counted over all walks.
    """

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[int] = []
        self.cut_before: set[int] = set()
        self.between: Callable[[int], None] = lambda number: None
        self.told: int | None = None

    def changes(self, kind: Kind, since: str | None, *, mark: str | None = None) -> Iterator[Page]:
        if kind is not Kind.CLIENT or since is not None:
            yield from super().changes(kind, since, mark=mark)
            return
        page, newest = mark.split() if mark else ("1", self.newest())
        number = int(page)
        while True:
            if len(self.asked) in self.cut_before:
                self.cut_before.discard(len(self.asked))
                raise Unavailable("shelf: the line is cut")
            self.asked.append(number)
            rows = sorted(self.rows(kind), key=lambda row: int(row["id"][1:]))
            chosen = rows[3 * number - 3 : 3 * number]
            last = 3 * number >= len(rows)
            total = len(rows) if self.told is None else self.told
            yield Page(
                records=tuple(Found(id=row["id"], native=row) for row in chosen),
                cursor=newest if last else "0",
                last=last,
                total=total,
                mark=f"{number} {newest}",
            )
            if last:
                return
            self.between(number)
            number += 1

    def newest(self) -> str:
        return str(max(row["rev"] for kind in (Kind.CLIENT, Kind.PET) for row in self.rows(kind)))


def shelved(folder: Path) -> tuple[Rig, Shelf]:
    side = Shelf()
    rig = Rig(folder, pims=side)  # with the placeholder, who is a client too
    for number in range(CLIENTS - 1):
        rig.owner("Ada", f"No {number}", f"+44770090{number:04d}", f"Pet {number}")
    return rig, side


def mirrored(rig: Rig, kind: Kind = Kind.CLIENT, account: str = "pims") -> dict[str, str]:
    with rig.ledger.read() as tx:
        rows = tx.session.exec(select(Mirror).where(Mirror.account == account, Mirror.kind == kind)).all()
        return {row.remote_id: row.digest_hash for row in rows}


def complete(rig: Rig, account: str = "pims") -> bool:
    with rig.ledger.read() as tx:
        return accounts.get(tx, account).mirror_complete_at is not None


def row(rig: Rig, kind: Kind = Kind.CLIENT) -> Reading:
    with rig.ledger.read() as tx:
        return tx.session.get_one(Reading, ("pims", kind.value))


def cut(rig: Rig) -> None:
    with pytest.raises(Unavailable):
        rig.refresher.pass_()
    rig.clock.advance(90)


def test_a_reading_that_is_cut_off_goes_on_with_the_page_that_was_stored_last(tmp_path: Path) -> None:
    rig, side = shelved(tmp_path)
    side.cut_before = {3}
    cut(rig)
    assert not complete(rig)
    assert (row(rig).seen, row(rig).total, row(rig).ended_at) == (9, 12, None)
    rig.start()  # as after a restart: nothing is left in memory
    assert rig.refresher.pass_() >= 12
    assert side.asked == [1, 2, 3, 3, 4], "page 3 once more, to see that nothing moved"
    assert complete(rig)
    assert len(mirrored(rig)) == 12
    assert row(rig).ended_at is not None


def test_a_process_that_is_killed_between_two_pages_loses_no_page(tmp_path: Path) -> None:
    rig, side = shelved(tmp_path)

    def kill(number: int) -> None:
        if number == 2:
            raise Killed

    side.between = kill
    with pytest.raises(Killed):
        rig.refresher.pass_()
    side.between = lambda number: None
    rig.clock.advance(5)
    rig.start()
    rig.refresher.pass_()
    assert side.asked == [1, 2, 2, 3, 4]
    assert complete(rig)


def test_a_kind_that_was_read_is_not_read_again_because_of_the_other(tmp_path: Path) -> None:
    rig, side = shelved(tmp_path)
    side.cut_before = {0}
    cut(rig)
    pets = rig.pims.calls["changes"]
    assert row(rig, Kind.PET).ended_at is not None
    rig.refresher.pass_()
    assert complete(rig)
    assert rig.pims.calls["changes"] == pets + 1, "one page of what changed among the pets, which is nothing"


def test_rows_that_moved_before_the_mark_make_the_reading_begin_again(tmp_path: Path) -> None:
    rig, side = shelved(tmp_path)
    side.cut_before = {3}
    cut(rig)
    first = min(mirrored(rig), key=lambda id_: int(id_[1:]))
    side.remove(Kind.CLIENT, first)
    rig.owner("New", "Owner", "+447700907777")  # as many as before
    rig.refresher.pass_()
    assert side.asked == [1, 2, 3, 3, 1, 2, 3, 4]
    assert complete(rig)
    assert {each["id"] for each in side.rows(Kind.CLIENT)} <= set(mirrored(rig))


def test_a_count_that_does_not_fit_after_a_resumed_walk_is_followed_by_one_full_walk(tmp_path: Path) -> None:
    """Page 3 is as it was, and a row of page 1 has gone all the same: one came in its place."""
    rig, side = shelved(tmp_path)
    side.cut_before = {3}
    cut(rig)
    side.told = 13
    asked = len(side.asked)
    rig.refresher.pass_()
    assert side.asked[asked:] == [3, 4, 1, 2, 3, 4], "one full walk, and no more in this pass"
    assert not complete(rig)
    side.told = None
    rig.refresher.pass_()
    assert side.asked[asked + 6 :] == [1, 2, 3, 4]
    assert complete(rig)


def test_what_changed_while_a_reading_was_cut_off_is_read_before_it_counts(tmp_path: Path) -> None:
    """The cursor after a reading belongs to its beginning, however late it came to its end."""
    rig, side = shelved(tmp_path)
    side.cut_before = {3}
    cut(rig)
    first = _ids(side)[0]
    side.edit(Kind.CLIENT, first, {"name": {"family": "Married"}})
    rig.refresher.pass_()
    assert side.asked == [1, 2, 3, 3, 4], "its page was told before, and not again"
    assert complete(rig)
    with rig.ledger.read() as tx:
        found = mirror.client(tx, "pims", first)
    assert found is not None
    assert found.client.family_name == "Married"


def test_records_that_cannot_be_read_are_counted_and_mirrored_nowhere(tmp_path: Path) -> None:
    rig, side = shelved(tmp_path)
    ids = sorted((each["id"] for each in side.rows(Kind.CLIENT)), key=lambda id_: int(id_[1:]))
    for id_ in (ids[1], ids[-1]):
        side.edit(Kind.CLIENT, id_, {"phones": 7})
    side.cut_before = {3}
    cut(rig)
    rig.start()
    rig.refresher.pass_()
    assert complete(rig)
    assert set(mirrored(rig)) == set(ids) - {ids[1], ids[-1]}
    assert side.asked == [1, 2, 3, 3, 4]


def test_the_booking_side_is_read_too_without_moving_the_cursor_of_its_polls(tmp_path: Path) -> None:
    rig, _ = shelved(tmp_path)
    cards = [rig.booking.add(Kind.CLIENT, {"name": {"given": "Bo", "family": f"B{n}"}}) for n in range(70)]
    pet = rig.booking.add(Kind.PET, {"owner": cards[0], "name": "Rex"})
    told: list[str] = []
    assert read_cards(rig.pair, rig.ledger, told.append) == 71
    assert complete(rig, "booking")
    assert set(mirrored(rig, account="booking")) == set(cards)
    assert set(mirrored(rig, Kind.PET, "booking")) == {pet}
    assert "reading clients of booking: 70 of 70" in told
    assert mirrored(rig) == {}, "it is no reading of the PIMS"
    with rig.ledger.read() as tx:
        assert accounts.cursor(tx, "booking", Kind.CLIENT) is None
    rig.booking.edit(Kind.CLIENT, cards[3], {"name": {"family": "Changed"}})
    before = mirrored(rig, account="booking")
    assert read_cards(rig.pair, rig.ledger) == 1
    after = mirrored(rig, account="booking")
    assert [id_ for id_ in cards if before[id_] != after[id_]] == [cards[3]]


def test_a_reading_tells_how_far_it_is_once_a_second_and_at_the_end(tmp_path: Path) -> None:
    rig, side = shelved(tmp_path)
    side.between = lambda number: rig.clock.advance(0.6)
    told: list[str] = []
    rig.refresher.pass_(told.append)
    assert [words for words in told if "clients" in words] == [
        "reading clients of pims: 9 of 12",
        "reading clients of pims: 12 of 12",
    ]
    told.clear()
    rig.refresher.pass_(told.append)
    assert told == [], "what changed is no reading to wait for"


def test_a_ledger_from_before_there_were_readings_goes_on_from_its_cursor(tmp_path: Path) -> None:
    rig, side = shelved(tmp_path)
    with rig.ledger.write() as tx:
        for kind in (Kind.CLIENT, Kind.PET):
            accounts.move_cursor(tx, "pims", kind, side.newest())
        mirror.completed(tx, "pims", first=True)
    late = rig.owner("Late", "Comer", "+447700905555")
    rig.refresher.pass_()
    assert side.asked == []
    assert set(mirrored(rig)) == {late}
    rig.refresher.pass_()
    with rig.ledger.read() as tx:
        assert readings.cursor(tx, "pims", Kind.CLIENT) == side.newest()


MOVES: Mapping[str, Callable[[Rig, Shelf], Any]] = {
    "stays": lambda rig, side: None,
    "comes": lambda rig, side: rig.owner("New", "Owner", "+447700907777"),
    "goes at the front": lambda rig, side: side.remove(Kind.CLIENT, _ids(side)[0]),
    "goes at the back": lambda rig, side: side.remove(Kind.CLIENT, _ids(side)[-1]),
    "changes": lambda rig, side: side.edit(Kind.CLIENT, _ids(side)[1], {"name": {"family": "Changed"}}),
}


def _ids(side: Shelf) -> list[str]:
    return sorted((each["id"] for each in side.rows(Kind.CLIENT)), key=lambda id_: int(id_[1:]))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.tuples(st.integers(0, 6), st.sampled_from(sorted(MOVES))), max_size=5))
def test_a_walk_cut_anywhere_gives_the_mirror_of_one_that_was_not(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[tuple[int, str]]
) -> None:
    """However often it is cut, and whatever comes or goes meanwhile: once it counts as complete, everybody is there,
    and one more pass makes it the mirror of an uncut walk."""
    rig, side = shelved(tmp_path_factory.mktemp("cut"))
    for after, move in cuts:
        side.cut_before = {len(side.asked) + after}
        try:
            rig.refresher.pass_()
        except Unavailable:
            MOVES[move](rig, side)
        else:
            assert not complete(rig) or set(_ids(side)) <= set(mirrored(rig))
        rig.clock.advance(30)
    side.cut_before = set()
    rig.refresher.pass_()
    rig.refresher.pass_()
    assert complete(rig)
    ids = _ids(side)
    with rig.ledger.read() as tx:
        found = {known.client.id: known.client for known in mirror.clients(tx, "pims", ids)}
    end = rig.pair.pims
    assert found == {id_: end.mapper.read(Kind.CLIENT, side.row(Kind.CLIENT, id_) or {}) for id_ in ids}


def test_the_share_of_bookings_is_kept_while_all_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from vetbridge.connector import budgets  # noqa: PLC0415

    rig, side = shelved(tmp_path)
    seen: list[tuple[str | None, float]] = []
    real = side.changes

    def noted(kind: Kind, since: str | None, *, mark: str | None = None) -> Iterator[Page]:
        seen.append((since, budgets.patience_of(0)))
        return real(kind, since, mark=mark)

    monkeypatch.setattr(side, "changes", noted)
    rig.refresher.pass_()
    rig.refresher.pass_()
    assert [waits for since, waits in seen if since is None] == [budgets.BULK_PATIENCE] * 2
    assert [waits for since, waits in seen if since is not None] == [budgets.POLL_PATIENCE] * 2
