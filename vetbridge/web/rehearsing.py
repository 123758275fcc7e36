"""What would come of changes that are to be replayed: rehearsed with today's config, one at a time."""

from __future__ import annotations

import threading

from structlog.contextvars import bound_contextvars

from vetbridge.connector.configured import read_config
from vetbridge.core.errors import ConfigError
from vetbridge.core.records import Side
from vetbridge.daemon.rehearsal import rehearsed
from vetbridge.desk import replay
from vetbridge.desk.language import phrase
from vetbridge.desk.replay import Chosen, Replay, Result
from vetbridge.web.frame import Frame, Refusal

MOST = 20
"""Changes that are rehearsed at a time: somebody waits for it."""
PATIENCE = 15.0
"""Seconds that a rehearsal waits for a side that does not answer."""

_rehearsing = threading.Lock()
"""One rehearsal at a time: each copies the ledger."""


def rehearse(
    frame: Frame, chosen: Chosen, *, side: Side | None = None, anyway: bool = False
) -> tuple[tuple[Replay, ...], set[str]]:
    """What would come of each with today's mapping, and the sites of which this VetBridge has another one.

    ``side``: where that one only is written to. ``anyway``: also what is past, and what finds its time taken. Raises
    ``Refusal`` where another rehearsal is under way (503), or today's config cannot be used (409).
    """
    wanted = [each.change for each in chosen.replays if each.result is not Result.REFUSED]
    if not wanted:
        return chosen.replays, set()
    if not _rehearsing.acquire(blocking=False):
        raise Refusal(
            503,
            phrase("Somebody else is just looking"),
            phrase("What would come of a change is looked at one at a time. Wait a moment, and try again."),
            back="/failures",
        )
    try:
        # The log of this VetBridge tells what happens; what is rehearsed does not.
        with bound_contextvars(rehearsal=True), rehearsed(read_config(frame.program.loaded.path)) as rehearsal:
            planned = rehearsal.replay(wanted, side=side, patience=PATIENCE, progress=lambda _words: None)
            today = rehearsal.program.mappings
    except ConfigError:
        raise Refusal(
            409,
            phrase("The config has a fault"),
            phrase(
                "It was changed since VetBridge was started. `vetbridge config check` says what is wrong with it."
            ),
            back="/failures",
        ) from None
    finally:
        _rehearsing.release()
    mine = frame.program.mappings
    differ = {site for site, mapping in today.items() if mine.get(site, mapping) != mapping}
    found = replay.judge(chosen.replays, planned, anyway=anyway)
    return found, differ & {each.site for each in found if each.result is not Result.REFUSED}
