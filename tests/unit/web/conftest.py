"""Every test here has the page over the clinic of ``tests.unit.desk.practice``."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from tests.ledgers import ledger_place
from tests.unit.desk.practice import Desk, desk, ledger, parked, settled
from tests.unit.web.served import Served, pages
from tests.unit.web.trial import alone, trial
from vetbridge.daemon.assembly import build_program
from vetbridge.ledger.database import Ledger
from vetbridge.web.frame import Frame

__all__ = ["alone", "desk", "ledger", "parked", "settled", "trial"]


@pytest.fixture(autouse=True)
def _tables(tmp_path: Path) -> None:
    """The clinic's ledger has its tables already: quicker to open than a new one."""
    ledger_place(tmp_path, migrated=True)


Serve = Callable[..., Served]


@pytest.fixture
def serve(desk: Desk, ledger: Ledger) -> Iterator[Serve]:
    """Serves the page; the arguments are the config's ``pages``."""
    with ExitStack() as stack:

        def make(**given: Any) -> Served:
            program = stack.enter_context(closing(build_program(desk.loaded(), desk.clock, ledger)))
            woken: list[str] = []
            frame = Frame(
                program, pages=pages(**given), wake=lambda: woken.append("wake"), health=lambda: {"status": "ok"}
            )
            return Served(desk, ledger, frame, woken)

        yield make


@pytest.fixture
def served(serve: Serve) -> Served:
    return serve()
