"""The watch and what it tells, where something is wrong that nobody has thought of: no silence, and no storm."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tests.unit.daemon.watched import LOOK, Keeping, Watched, full
from vetbridge.config.models import Mail
from vetbridge.core.conditions import Code
from vetbridge.core.errors import LedgerError
from vetbridge.core.records import Kind
from vetbridge.daemon import watching
from vetbridge.daemon.telling import WAITS
from vetbridge.daemon.watching import LATE, OVER_AFTER
from vetbridge.desk import conditions
from vetbridge.ledger import accounts, changes, going_live, pauses, reports
from vetbridge.ledger.events import Message
from vetbridge.ledger.tables import Reading

Watch = Callable[..., Watched]


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Watch]:
    made: list[Watched] = []

    def begin(**more: Any) -> Watched:
        made.append(Watched(tmp_path, more.pop("channels", {"chat": Keeping()}), **more))
        return made[-1]

    yield begin
    for each in made:
        each.close()


class Broken(Keeping):
    """Falls over in a way that nobody has foreseen."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.calls = 0
        self.mended = False

    def send(self, messages: Sequence[Message]) -> None:
        self.calls += 1
        if not self.mended:
            raise IndexError("an address of somebody")
        super().send(messages)


def chat(watched: Watched, name: str = "chat") -> Keeping:
    channel = watched.channels[name]
    assert isinstance(channel, Keeping)
    return channel


# -- deliveries


def test_what_was_delivered_while_the_disk_filled_up_is_not_delivered_again_and_again(watch: Watch) -> None:
    watched = watch(channels={"mail/it": Keeping(at_once=500)})
    watched.finds(Code.DISK_LOW)
    watched.watching.look()
    with full(watched.ledger):
        for _ in range(20):
            with pytest.raises(LedgerError):
                watched.telling.deliver("mail/it")
            watched.clock.advance(5)
    watched.telling.deliver("mail/it")
    assert chat(watched, "mail/it").told == [("alert.raised", "disk-low")]
    with watched.ledger.read() as tx:
        assert reports.glance(tx).lost == ()
    watched.start()
    watched.look(3)
    assert len(chat(watched, "mail/it").told) == 1, "that it was taken is written down once there is room"


def test_a_channel_that_falls_over_is_tried_with_growing_waits_and_given_up(watch: Watch) -> None:
    broken = Broken()
    watched = watch(channels={"odd": broken, "chat": Keeping()})
    watched.finds(Code.DISK_LOW)
    watched.watching.look()
    for wait in (0.0, *WAITS):
        watched.clock.advance(wait)
        watched.telling.deliver("odd")
        watched.telling.deliver("odd")
    assert broken.calls == len(WAITS) + 1
    with watched.ledger.read() as tx:
        (lost,) = reports.glance(tx).lost
    assert (lost.channel, lost.count) == ("odd", 1)


def test_a_channel_that_is_late_is_told_long_before_it_is_given_up(watch: Watch) -> None:
    watched = watch(channels={"chat": Keeping()})
    chat(watched).deaf = True
    watched.finds(Code.DISK_LOW)
    watched.watching.look()
    for wait in (0.0, *WAITS[:4]):
        with watched.ledger.read() as tx:
            assert reports.glance(tx).lost == ()
        watched.clock.advance(wait)
        watched.telling.deliver("chat")
    with watched.ledger.read() as tx:
        assert [(lost.channel, lost.count) for lost in reports.glance(tx).lost] == [("chat", 1)]
    chat(watched).deaf = False
    watched.clock.advance(WAITS[4])
    watched.telling.deliver("chat")
    with watched.ledger.read() as tx:
        assert reports.glance(tx).lost == ()


def test_past_the_ledger_too_a_channel_that_falls_over_keeps_it_from_no_other(watch: Watch) -> None:
    watched = watch(channels={"a-broken-one": Broken(), "mail/it": Keeping()})
    watched.finds(Code.DISK_LOW)
    with full(watched.ledger):
        watched.look(3)
    assert chat(watched, "mail/it").told == [("alert.raised", "ledger-busy")]


@pytest.mark.parametrize(
    "address", ["a..b@clinic.example", "it@clinic.example.", "it@front@clinic.example", "it:b@clinic.example", "i(t"]
)
def test_an_address_that_no_mail_can_be_written_to_is_told_by_the_config(address: str) -> None:
    with pytest.raises(ValidationError, match="no mail address"):
        Mail.model_validate({"to": [address]})


# -- the look itself


def test_a_look_that_falls_over_is_told_past_the_ledger_once_and_once_when_it_works_again(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = watch()

    def fall_over(*_: object) -> None:
        raise KeyError("a site that nobody knows")

    with monkeypatch.context() as patch:
        patch.setattr(watching, "standing", fall_over)
        for _ in range(int(3 * LATE / LOOK)):
            with pytest.raises(KeyError):
                watched.watching.look()
            watched.clock.advance(LOOK)
    assert chat(watched).told == [("alert.raised", "rounds-stuck")]
    assert "watch" in str(chat(watched).taken[0][1]["data"]["text"])
    watched.look(int(OVER_AFTER / LOOK) + 3)
    assert chat(watched).told == [("alert.raised", "rounds-stuck"), ("alert.cleared", "rounds-stuck")]


def test_a_look_that_falls_over_now_and_then_is_not_told(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    watched = watch()

    def fall_over(*_: object) -> None:
        raise KeyError("once")

    for _ in range(int(3 * LATE / LOOK)):
        with monkeypatch.context() as patch:
            patch.setattr(watching, "standing", fall_over)
            with pytest.raises(KeyError):
                watched.watching.look()
        watched.clock.advance(LOOK)
        watched.look()
    assert chat(watched).told == []


# -- silence, and false alarms, of a ledger as it is


def enrolled(watched: Watched) -> None:
    with watched.ledger.write() as tx:
        for name in ("booking", "other", "pims"):
            accounts.enrol(tx, name, "memory", country="DE")
        going_live.meet(tx, "city", start_live=True)
        going_live.meet(tx, "north", start_live=True)


def codes(watched: Watched) -> set[str]:
    with watched.ledger.read() as tx:
        return {each.code for each in conditions.standing(reports.glance(tx), watched.config)}


@pytest.mark.parametrize("lasts", [20.0, 90.0])
def test_restarts_in_a_row_are_no_reason_to_keep_silent(watch: Watch, lasts: float) -> None:
    watched = watch()
    enrolled(watched)
    for _ in range(int(2 * watched.config.watch.read_stale / lasts)):
        with watched.ledger.write() as tx:
            changes.begin_run(tx, "run")
        watched.clock.advance(lasts)
    assert "read-stale" in codes(watched)


def test_a_start_after_a_night_is_given_its_time(watch: Watch) -> None:
    watched = watch()
    enrolled(watched)
    with watched.ledger.write() as tx:
        changes.end_run(tx, changes.begin_run(tx, "run"))
    watched.clock.advance(timedelta(hours=10).total_seconds())
    with watched.ledger.write() as tx:
        changes.begin_run(tx, "run")
    watched.clock.advance(60)
    assert codes(watched) == set()


def test_a_visit_that_waits_for_a_kind_that_a_person_has_paused_is_not_late(watch: Watch) -> None:
    watched = watch()
    enrolled(watched)
    with watched.ledger.write() as tx:
        changes.begin_run(tx, "run")
        pauses.pause(tx, "kind", "city/client", until=None, by="Anna")
        change = changes.receive(
            tx, site="city", account="booking", kind=Kind.APPOINTMENT, remote_id="v1", source="poll"
        )
        assert change.id is not None
        changes.wait(tx, change.id, tx.now + timedelta(days=1), pauses.KIND_PAUSED, "clients are paused")
    watched.clock.advance(2 * watched.config.watch.write_stale)
    assert "write-stale" not in codes(watched)


# -- opening hours: the clock begins at 9 o'clock on a Monday


def clinic(*hours: str) -> dict[str, Any]:
    end, opening = {"account": "pims"}, {"mon": list(hours)}
    site = {"name": "City", "zone": "UTC", "country": "DE", "booking": {"account": "booking"}, "pims": end}
    return {"sites": {"city": {**site, "opening_hours": opening}}}


@pytest.mark.parametrize(
    ("minutes", "expected"),
    [(60, set()), (183, set()), (186, {"account-unreachable"})],
    ids=["in the night", "just opened", "in the morning"],
)
def test_a_vendor_that_is_away_is_told_once_somebody_is_there(
    watch: Watch, minutes: float, expected: set[str]
) -> None:
    watched = watch(**clinic("12:00-18:00"))
    enrolled(watched)
    with watched.ledger.write() as tx:
        changes.begin_run(tx, "run")
        accounts.back_off(tx, "booking", first=5, longest=600)
        for name in ("booking", "pims"):
            accounts.move_cursor(tx, name, Kind.APPOINTMENT, "1")
    watched.clock.advance(minutes * 60)
    assert codes(watched) & {"account-unreachable", "read-stale"} == expected


@pytest.mark.parametrize(("minutes", "expected"), [(150, False), (181, True)], ids=["in the night", "just opened"])
def test_a_mirror_grows_old_in_opening_hours(watch: Watch, minutes: float, expected: bool) -> None:
    watched = watch(**clinic("12:00-18:00"))
    enrolled(watched)
    with watched.ledger.write() as tx:
        changes.begin_run(tx, "run")
        row = accounts.get(tx, "pims")
        row.mirror_complete_at = row.mirror_read_at = tx.now
    watched.clock.advance(minutes * 60)
    assert ("mirror-stale" in codes(watched)) is expected


def test_a_diary_that_is_away_is_told_while_a_feed_shows_the_clients(watch: Watch) -> None:
    watched = watch()
    enrolled(watched)
    with watched.ledger.write() as tx:
        changes.begin_run(tx, "run")
        accounts.get(tx, "pims").mirror_complete_at = tx.now
    for _ in range(20):
        with watched.ledger.write() as tx:
            accounts.get(tx, "pims").mirror_read_at = tx.now
            accounts.answered(tx, "pims")
            accounts.back_off(tx, "pims", first=5, longest=600)  # the folder of the diary, in the same round
        watched.clock.advance(60)
    with watched.ledger.read() as tx:
        found = conditions.standing(reports.glance(tx), watched.config)
    assert [(each.code, each.kind) for each in found if each.name == "pims"] == [("read-stale", "appointment")]


@pytest.mark.parametrize(("hours", "expected"), [(20, False), (25, True)])
def test_a_first_reading_that_does_not_get_on_for_a_day_is_told(watch: Watch, hours: float, expected: bool) -> None:
    watched = watch()
    enrolled(watched)
    with watched.ledger.write() as tx:
        changes.begin_run(tx, "run")
        tx.session.add(Reading(account="pims", kind="client", begun_at=tx.now, seen=300))
    watched.clock.advance(timedelta(hours=hours).total_seconds())
    with watched.ledger.read() as tx:
        found = conditions.standing(reports.glance(tx), watched.config)
    assert ("read-stale" in {each.code for each in found if each.name == "pims"}) is expected


def test_a_pause_of_vetbridges_own_ends_with_the_pair(watch: Watch) -> None:
    watched = watch()
    enrolled(watched)
    with watched.ledger.write() as tx:
        pauses.pause(tx, "site", "city", until=None, by="", why="codes-changed")
    assert "upgrade-paused" in codes(watched)
    with watched.ledger.write() as tx:
        row = going_live.of(tx, "city")
        assert row is not None
        row.ended_at = tx.now
    assert "upgrade-paused" not in codes(watched)
