"""Replays: changes are read and decided upon again."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from vetbridge.core.records import Side
from vetbridge.desk import replay
from vetbridge.desk.replay import Replay, Result
from vetbridge.ledger import audit
from vetbridge.web import rehearsing
from vetbridge.web.api.guard import Supporter
from vetbridge.web.api.known import must_know
from vetbridge.web.api.problems import documented
from vetbridge.web.api.selecting import Chosen
from vetbridge.web.api.shapes import WHOLE, Body, Data, Shown, shape
from vetbridge.web.frame import Frame

ReplayShape = shape(Replay)


class Asked(Body):
    """Which changes are to be worked on again, and how."""

    selection: Chosen
    plan: bool = Field(False, strict=True, description="Say what would come of each, and do nothing.")
    limit: Annotated[
        int, Field(ge=1, le=rehearsing.MOST, description="At most so many; the oldest that fit."), WHOLE
    ] = rehearsing.MOST
    rate: Annotated[int, Field(ge=1, le=6000), WHOLE] | None = Field(
        None, description="Begin at most so many a minute; a restart keeps to that."
    )
    side: Side | None = Field(None, description="Write to this side alone; what is to be done at the other is left.")
    anyway: bool = Field(
        False, strict=True, description="Also what is past, and what finds its time taken at the other side."
    )


class Replays(Shown):
    """What became of them."""

    total: int
    """How many fit."""
    replayed: int
    planned: int
    refused: int
    replays: list[ReplayShape]  # type: ignore[valid-type]
    old_mapping: list[str]
    """Sites of which the running VetBridge has another mapping than today's: it works on them after a restart."""


def routes(frame: Frame) -> APIRouter:
    """``POST /replays``."""
    router = APIRouter(tags=["changes"])

    @router.post("/replays", response_model=Replays, responses=documented(404, 409, 413, 415))
    def replay_changes(visitor: Supporter, asked: Asked) -> Data:
        """Lets changes be read and decided upon again, once their cause is mended; 20 at most at a time.

        Each is rehearsed first with today's config, which takes some seconds. It is refused, with its reason, where
        its visit has begun, where its time is taken by now, where it would fail again, and where a newer change of
        the same record is there. Takes the role `support`.
        """
        selection = asked.selection.meant()
        with frame.ledger.read() as tx:
            must_know(tx, frame.config, site=selection.site, account=selection.account)
            chosen = replay.choose(tx, frame.sites, selection, limit=asked.limit, anyway=asked.anyway)
        found, restart = rehearsing.rehearse(frame, chosen, side=asked.side, anyway=asked.anyway)
        if not asked.plan:
            with frame.ledger.write() as tx:
                found = replay.carry_out(
                    tx,
                    found,
                    by=visitor.name,
                    via=audit.API,
                    only_failed=replay.only_failed(selection),
                    anyway=asked.anyway,
                    side=asked.side,
                    rate=asked.rate,
                    old_mapping=lambda site: site in restart,
                )
            frame.wake()
        counts = {result.value: sum(each.result is result for each in found) for result in Result}
        return Data({"total": chosen.total, **counts, "replays": found, "old_mapping": sorted(restart)})

    return router
