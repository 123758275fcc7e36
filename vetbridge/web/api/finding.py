"""Finding clients and visits."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from vetbridge.desk import find as desk
from vetbridge.desk import search
from vetbridge.ledger import access, audit
from vetbridge.web.api.guard import Reader
from vetbridge.web.api.known import must_know
from vetbridge.web.api.problems import documented
from vetbridge.web.api.shapes import Body, Data, Day, Nothing, Text, shape
from vetbridge.web.frame import Frame


class Sought(Body):
    """What is known of a client."""

    q: Text = Field(
        description="A phone or its last digits, an e-mail address, names, an id.", examples=["harris monty"]
    )
    site: Text | Nothing = Field(None, description="Only clients of this site's PIMS.")


class Wanted(Body):
    """What is known of a visit; all that is given has to fit."""

    text: Text | Nothing = Field(
        None, description="A phone or its end, an e-mail address, names.", examples=["harris"]
    )
    phone: Text | Nothing = Field(None, description="The owner's phone, or its end.")
    owner: Text | Nothing = Field(None, description="The owner's name, or how it begins.")
    pet: Text | Nothing = Field(None, description="The pet's name, or how it begins.")
    day: Day | Nothing = Field(None, description="Of the visit, at the site's own time.", examples=["2026-11-24"])
    site: Text | Nothing = None
    limit: int = Field(20, ge=1, le=200)


def routes(frame: Frame) -> APIRouter:
    """``GET /clients``, ``GET /find``."""
    router = APIRouter(tags=["find"])

    @router.get("/clients", response_model=shape(search.Hits), responses=documented(404))
    def search_clients(visitor: Reader, asked: Annotated[Sought, Query()]) -> Data:
        """Clients of the PIMS by whatever is at hand, with the ids that an answer takes; 20 at most.

        Takes the role `reader`.
        """
        with frame.ledger.read() as tx:
            must_know(tx, frame.config, site=asked.site)
            sites = {name: each for name, each in frame.sites.items() if asked.site in (None, name)}
            hits = search.search(tx, sites, asked.q)
        clients = [(each.account, each.client_id) for each in hits.found]
        access.note_clients(frame.ledger, clients, by=visitor.name, via=audit.API)
        return Data(hits)

    @router.get("/find", response_model=shape(desk.Found), responses=documented(404))
    def find_visits(visitor: Reader, asked: Annotated[Wanted, Query()]) -> Data:
        """Whether a visit is in, and how it stands: the soonest first, then those that are over.

        Where nothing is given to look by, nothing is found. Takes the role `reader`.
        """
        with frame.ledger.read() as tx:
            must_know(tx, frame.config, site=asked.site)
            found = desk.find(
                tx,
                frame.sites,
                asked.text or "",
                phone=asked.phone,
                owner=asked.owner,
                pet=asked.pet,
                day=asked.day,
                site=asked.site,
                limit=asked.limit,
            )
        access.note_found(frame.ledger, [each.record_id for each in found.visits], by=visitor.name, via=audit.API)
        return Data(found)

    return router
