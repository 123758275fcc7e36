from __future__ import annotations

import pytest

from vetbridge.testing.clock import FakeClock
from vetbridge.web import throttle
from vetbridge.web.address import host_of, local
from vetbridge.web.throttle import SPAN, Throttle, Throttled, caller


def test_tries_count_for_a_quarter_of_an_hour() -> None:
    clock = FakeClock()
    tries = Throttle(clock)
    tries.count({"a": 2})
    clock.advance(60)
    tries.count({"a": 2})
    with pytest.raises(Throttled) as refused:
        tries.count({"a": 2, "b": 1})
    assert refused.value.seconds == SPAN - 60
    tries.count({"b": 1})  # the refused try did not count
    clock.advance(SPAN - 60)
    tries.count({"a": 2})


def test_a_try_that_was_not_in_vain_does_not_count() -> None:
    tries = Throttle(FakeClock())
    for _ in range(5):
        tries.count({"a": 1})
        tries.forgive({"a": 1})


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttle, "MOST_KEYS", 3)
    tries = Throttle(FakeClock())
    for key in "abcd":
        tries.count({key: 1})
    tries.count({"a": 1})  # forgotten
    with pytest.raises(Throttled):
        tries.count({"d": 1})


def test_who_has_many_addresses_is_one_caller() -> None:
    assert caller("2001:db8:1:2::1") == caller("2001:db8:1:2:ffff::9") != caller("2001:db8:1:3::1")
    assert caller("192.0.2.1") == caller("::ffff:192.0.2.1") != caller("192.0.2.2")
    assert caller(None) == caller("testclient")


@pytest.mark.parametrize(
    ("path", "ours"),
    [
        ("/review/3?a=b&c=%C3%A4#x", "/review/3?a=b&c=%C3%A4#x"),
        ("", "/"),
        ("review", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("/a\\b", "/"),
        ("/\t/evil.example", "/"),
        ("https://evil.example", "/"),
    ],
)
def test_only_a_path_of_ours_is_gone_to(path: str, ours: str) -> None:
    assert local(path) == ours


@pytest.mark.parametrize(
    ("netloc", "host"),
    [
        ("Desk.Example:443", "desk.example"),
        ("::1", "::1"),
        ("[::1]:8711", "::1"),
        ("a/b", ""),
        ("a:b:c", ""),
        ("a:99999", ""),
    ],
)
def test_a_host_is_read_from_what_a_browser_says(netloc: str, host: str) -> None:
    assert host_of(netloc) == host
