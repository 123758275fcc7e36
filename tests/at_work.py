"""A vendor's connector, over HTTP to its simulator, on one side of a rig, with all that the daemon does once in a
while."""

from __future__ import annotations

from tests.rig import Rig
from vetbridge.connector.accounted import Accounted
from vetbridge.connector.interface import Connector
from vetbridge.connector.plugin import Environment
from vetbridge.core.files import FileRules
from vetbridge.ledger import accounts
from vetbridge.mapping import Mapper
from vetbridge.sync.due_reading import DueReader
from vetbridge.sync.due_services import DueRound
from vetbridge.sync.engine import Engine
from vetbridge.sync.file_looking import FileLooker
from vetbridge.sync.pair import End, Pair
from vetbridge.sync.receiving import Receiver
from vetbridge.sync.refreshing import Refresher
from vetbridge.testing.clock import FakeClock
from vetbridge.testing.simkit import Simulator

ZONE = "Europe/London"
RULES = FileRules(types={"pdf": 1_000_000})


def environment(account: str, clock: FakeClock) -> Environment:
    """What the connector is built with."""
    return Environment(account=account, zone=ZONE, country="GB", clock=clock, timeout=5.0, limit_scale=1000.0)


def end(account: str, connector: Connector, mapper: Mapper, clock: FakeClock) -> End:
    """The side of the pair that is the vendor's."""
    return End(account=account, connector=Accounted(connector, account, clock), mapper=mapper, timeout=10.0)


class AtWork:
    """One pair, one side of which is a vendor's."""

    def __init__(self, rig: Rig, pair: Pair, simulator: Simulator, connector: Connector, *, account: str) -> None:
        self.rig, self.clock, self.pair = rig, rig.clock, pair
        self._simulator, self._connector = simulator, connector
        with rig.ledger.write() as tx:
            accounts.enrol(tx, account, account.partition("-")[0], country="GB")
        rig.engine = Engine([pair], rig.ledger, rig.clock, rig.timings)
        self.refresher, self.receiver = Refresher(pair, rig.ledger), Receiver(pair, rig.ledger)
        self.looker = FileLooker(pair, rig.ledger)
        self.reader, self.round = DueReader(pair, rig.ledger), DueRound(pair, rig.ledger)

    def begin(self) -> None:
        """From now on files are new."""
        self.looker.pass_()
        self.clock.advance(1)

    def go_on(self) -> None:
        """All that the daemon does once in a while."""
        self.refresher.pass_()
        self.receiver.poll_desk()
        self.receiver.poll()
        self.reader.pass_()
        self.round.pass_()
        self.rig.settle()

    def look(self) -> None:
        """Time passes, files are looked for and carried."""
        self.clock.advance(self.looker.again.total_seconds())
        self.looker.pass_()
        self.rig.settle()

    def close(self) -> None:
        """Gives everything back."""
        self._connector.close()
        self._simulator.stop()
        self.rig.ledger.close()
