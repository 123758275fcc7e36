"""What vets and nurses write down: vaccinations, wellness plans, therapeutics (ezyvet.md, section 7).

No call of the API is known for it, so it is done at the control door.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from connectors.ezyvet.simulator.requests import whole
from connectors.ezyvet.simulator.resources import ANIMAL, CONSULT, MEMBERSHIP, THERAPEUTIC, VACCINATION
from vetbridge.testing.simkit import Refusal, Request, Response

if TYPE_CHECKING:
    from connectors.ezyvet.simulator.server import EzyVetSimulator

Given = dict[str, Any]


class Clinical:
    """The control routes of one simulator by which pets are treated."""

    def __init__(self, site: EzyVetSimulator) -> None:
        self._site = site

    def routes(self) -> None:
        """Registers them."""
        acts: dict[str, Callable[[Given], int]] = {
            "attach": lambda given: self._site.documents.attach(
                str(given["record_type"]),
                whole(given["record_id"]),
                str(given["name"]),
                base64.b64decode(given["content"], validate=True),
                str(given.get("notes", "")),
            ),
            "vaccinate": lambda given: self.vaccinate(
                whole(given["animal"]),
                whole(given["product"]),
                str(given["description"]),
                date.fromisoformat(given["given"]),
                _day(given.get("due")),
            ),
            "enrol": lambda given: self.enrol(
                whole(given["animal"]),
                whole(given["plan"]),
                date.fromisoformat(given["start"]),
                date.fromisoformat(given["end"]),
                renews=given.get("renews") is True,
            ),
            "treat": lambda given: self.treat(
                whole(given["animal"]),
                whole(given["product"]),
                str(given["name"]),
                date.fromisoformat(given["due"]),
            ),
        }
        for name, act in acts.items():
            self._site.control("POST", f"/{name}", _answering(act))

    def vaccinate(self, animal: int, product: int, description: str, given: date, due: date | None) -> int:
        """Writes down a vaccination in a consult of its own; returns its id. Raises ``ValueError``."""
        row = {
            "consult_id": self._consult(animal, given),
            "product_id": product,
            "qty": "1.000",
            "date_of_administration": _midnight(given),
            "date_of_next_administration": None if due is None else _midnight(due),
            "description": description,
        }
        return int(self._site.insert(VACCINATION, row)["id"])

    def enrol(self, animal: int, plan: int, start: date, end: date, *, renews: bool) -> int:
        """Makes an animal a member of a wellness plan; returns the membership's id. Raises ``ValueError``."""
        row = {
            "wellness_plan": plan,
            "animal_id": self._animal(animal),
            "renew_when_expired": renews,
            "start_date": _midnight(start),
            "end_date": _midnight(end),
        }
        return int(self._site.insert(MEMBERSHIP, row)["id"])

    def treat(self, animal: int, product: int, name: str, due: date) -> int:
        """Writes down a therapeutic, with the made-up fields; returns its id. Raises ``ValueError``."""
        row = {
            "made_up_consult": self._consult(animal, self._site.clock.now().date()),
            "made_up_product": product,
            "made_up_name": name,
            "made_up_due": _midnight(due),
        }
        return int(self._site.insert(THERAPEUTIC, row)["id"])

    def _consult(self, animal: int, day: date) -> int:
        row = {"date": _midnight(day), "animal_id": self._animal(animal)}
        return int(self._site.insert(CONSULT, row)["id"])

    def _animal(self, number: int) -> int:
        if not self._site.is_there(ANIMAL.name, number):
            raise ValueError(f"there is no animal {number}")
        return number


def _answering(act: Callable[[Given], int]) -> Callable[[Request], Response]:
    def handle(request: Request) -> Response:
        try:
            return Response(200, {"id": act(request.document())})
        except KeyError as missing:
            raise Refusal(400, f"{missing.args[0]} is missing") from None
        except (ValueError, TypeError, binascii.Error) as error:
            raise Refusal(400, str(error)) from None

    return handle


def _day(value: Any) -> date | None:
    return None if value is None else date.fromisoformat(value)


def _midnight(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
