"""Alerts: over any history each channel is told each episode once when it begins, and once when it is over."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.daemon.watched import Keeping, Watched
from vetbridge.core.conditions import Code

CODES = (Code.DISK_LOW, Code.CLOCK_WRONG, Code.CERTIFICATE_ENDS)
CHANNELS = ("chat", "mail/it")


@dataclass(frozen=True)
class Step:
    """What holds at one look, who does not answer then, and whether the daemon was started anew before it."""

    holds: frozenset[Code]
    deaf: frozenset[str]
    restarted: bool
    looks: int


steps = st.builds(
    Step,
    st.frozensets(st.sampled_from(CODES)),
    st.frozensets(st.sampled_from(CHANNELS)),
    st.booleans(),
    st.integers(1, 3),
)


def episodes(history: Sequence[Step]) -> Iterator[tuple[Code, bool]]:
    """By the words of the page: each episode's code, and whether it is over. A look is 30 seconds after another."""
    for code in CODES:
        is_open, missed = False, 0
        for step in history:
            missed = 0 if step.restarted else missed
            for _ in range(step.looks):
                if code in step.holds:
                    is_open, missed = True, 0
                elif is_open:
                    missed += 1
                    if missed == 3:  # a minute after it was first not found
                        yield code, True
                        is_open, missed = False, 0
        if is_open:
            yield code, False


@settings(max_examples=12, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.lists(steps, min_size=1, max_size=7))
def test_each_episode_is_told_once_and_once(history: Sequence[Step]) -> None:
    channels = {name: Keeping(at_once=500 if name.startswith("mail") else 1) for name in CHANNELS}
    with tempfile.TemporaryDirectory() as folder:
        watched = Watched(Path(folder), channels, alerts={"digest": None})
        for step in history:
            if step.restarted:
                watched.start()
            for name, channel in channels.items():
                channel.deaf = name in step.deaf
            watched.finds(*step.holds)
            watched.look(step.looks)
        for channel in channels.values():
            channel.deaf = False
        for _ in range(6):  # what was not taken has its next try within a day
            watched.clock.advance(86400)
            for name in CHANNELS:
                watched.telling.deliver(name)
        watched.close()
    known = list(episodes(history))
    expected = Counter(("alert.raised", code.value) for code, _ in known)
    expected += Counter(("alert.cleared", code.value) for code, is_over in known if is_over)
    for channel in channels.values():
        assert Counter(channel.told) == expected
        ids = [id_ for id_, _ in channel.taken]
        assert len(set(ids)) == len(ids)
