"""The rounds that a clock calls: polls of the booking side, refreshes of the PIMS mirror, and upkeep."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import structlog

from vetbridge.config.secrets import secrets_in
from vetbridge.core.answers import NO_SHOW_AHEAD
from vetbridge.core.errors import SchemaChanged, Scope, Unavailable, VetBridgeError
from vetbridge.core.records import Kind, Side
from vetbridge.daemon.assembly import Program
from vetbridge.daemon.machine import clock_is_sure
from vetbridge.ledger import accounts, changes, events, going_live, observations, pauses, pruning, retention, reviews
from vetbridge.ledger.database import Transaction
from vetbridge.sync.due_services import MOST_OPEN
from vetbridge.sync.pair import Pair
from vetbridge.sync.refreshing import Progress, Refresher, quiet, read_cards
from vetbridge.sync.upgrades import Upgrades

UPGRADES_EVERY = 6 * 3600.0
"""Seconds between two readings of an account's code lists: vendors change them at night, people in the morning."""
UPGRADES_AGAIN = 600.0
"""The same, where they could not be read."""
SECRETS_EVERY = 300.0
"""Seconds between two looks at the secrets of a blocked account that commands and keyrings give."""
MOST_JOINED = 2000
"""So many clients of a chain are compared in a single pass at the most; the next one goes on."""
PAIR_EVERY = timedelta(hours=1)
"""In the shadow, what people have entered on both sides meanwhile is paired so often."""


log = structlog.get_logger("vetbridge.daemon")


class Rounds:
    """Polls and refreshes of one program. A round that fails pauses its account; the next one tries again."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._upgrades = Upgrades(program.ledger, program.pairs)
        self._next_look: dict[str, float] = {}
        """When the code lists of an account are to be read again, by the steady clock."""
        self._pairing = {pair.site: threading.Lock() for pair in program.pairs}
        """Held by whoever pairs a site: two at once would ask the same twice."""
        self._next_secrets: dict[str, float] = {}
        """When all secrets of a blocked account are to be read again, by the steady clock."""
        self._next_pairing: dict[str, float] = {}
        """When a site whose pairing could not be done may be paired again, by the steady clock."""

    def accounts(self, side: Side) -> list[str]:
        """The accounts that have rounds at one side."""
        ends = [pair.booking if side is Side.BOOKING else pair.pims for pair in self._program.pairs]
        return list(dict.fromkeys(end.account for end in ends))

    def upgrades(self, account: str) -> bool:
        """Compares an account's code lists with what they were, and pauses the sites whose codes have changed.

        False where it could not be done.
        """

        def work() -> int:
            now = self._program.clock.steady()
            self._next_look[account] = now + UPGRADES_AGAIN
            changed = self._upgrades.look(account)
            # Where something has changed, as soon as a person has resumed the site: until then the account rests.
            self._next_look[account] = now if changed else now + UPGRADES_EVERY
            return changed

        return self._round("upgrades", account, work)

    def upgrades_are_due(self, account: str) -> bool:
        """Whether the code lists of an account are to be read now; at first they are."""
        return self._program.clock.steady() >= self._next_look.get(account, float("-inf"))

    def poll(self, account: str) -> bool:
        """Polls one booking account; False where it could not be done."""
        return self._round("poll", account, self._program.receivers[account].poll)

    def refresh(self, account: str) -> bool:
        """Reads what changed at one PIMS account: clients and pets into the mirror, then visits.

        False where it could not be done.
        """
        return self.mirror(account) and self.desk(account)

    def desk(self, account: str) -> bool:
        """Reads which visits changed at one PIMS account; False where it could not be done."""
        return self._round("desk", account, self._program.receivers[account].poll_desk)

    def mirror(self, account: str, progress: Progress = quiet) -> bool:
        """Reads the clients and pets of one PIMS account into the mirror; False where it could not be done."""
        return self._round("refresh", account, lambda: self._program.refreshers[account].pass_(progress))

    def sweep(self, site: str) -> bool:
        """Compares what both sides of a site list with the ledger; False where it could not be done."""
        sweeper = self._program.sweepers[site]
        pair = self._pair_of(site)
        if self.rests(pair.booking.account) or self.rests(pair.pims.account):
            return False
        return self._round("sweep", sweeper.account, sweeper.sweep)

    def pair(self, site: str, progress: Progress = quiet) -> bool:
        """Pairs what stands on both sides of a site where that is due; False where it could not be done.

        It is due in the shadow, and once more when a person has approved the pair: writing begins after it.
        """
        pair = self._pair_of(site)
        with self._program.ledger.read() as tx:
            row = going_live.of(tx, site)
            mirrored = accounts.get(tx, pair.pims.account).mirror_complete_at is not None
        if row is None or going_live.writes(row) or row.ended_at is not None:
            return True
        if not mirrored or self.rests(pair.booking.account) or self.rests(pair.pims.account):
            return False

        def work() -> int:
            # Of a side that does not answer the account's own wait grows; this is for all else.
            self._next_pairing[site] = self._program.clock.steady() + self._program.timings.retry_first
            Refresher(pair, self._program.ledger).pass_(progress)  # whoever was entered a minute ago is no stranger
            cards = read_cards(pair, self._program.ledger, progress)
            with self._program.ledger.read() as tx:
                counted = accounts.get(tx, pair.booking.account).mirror_complete_at is not None
            if not counted:  # who is not known to be all would be taken for new
                error = Unavailable(f"{pair.booking.account}: fewer clients came than it counts; they are read again")
                error.account = pair.booking.account
                raise error
            self._program.pairers[site].pass_(progress)
            del self._next_pairing[site]
            return cards

        if not self._pairing[site].acquire(blocking=False):
            return False
        try:
            return self._round("pair", pair.booking.account, work, other=pair.pims.account)
        finally:
            self._pairing[site].release()

    def pairing_is_due(self, site: str) -> bool:
        """Whether a person has approved a pair that is to be paired once more, or its last pairing is a while ago."""
        with self._program.ledger.read() as tx:
            row = going_live.of(tx, site)
            if row is None or going_live.writes(row) or row.ended_at is not None:
                return False
            if self._program.clock.steady() < self._next_pairing.get(site, float("-inf")):
                return False
            if row.approved_at is not None or row.paired_at is None:
                return True
            return tx.now - row.paired_at >= PAIR_EVERY

    def probe(self, account: str) -> bool:
        """Asks a blocked account once more, by one page of a listing of each of its connectors; whether it takes the
        credentials again.

        That is done when it is due, and at once when a secret of it is another one than before.
        """
        with self._program.ledger.read() as tx:
            row = accounts.get(tx, account)
            blocked, due = row.blocked_code is not None, accounts.probe_is_due(row, tx.now)
            asked = {kind: accounts.cursor(tx, account, kind) for kind in self._probed(account)}
            rests = self._rests(tx, account)
        if not blocked:
            self._next_secrets.pop(account, None)
            return False
        if rests or not (self._renewed(account) or due):
            return False
        with self._program.ledger.write() as tx:
            accounts.probing(tx, account)
        try:
            for kind, since in asked.items():
                next(iter(self._program.connectors[account].changes(kind, since)), None)
        except VetBridgeError as error:
            if isinstance(error, Unavailable):
                with self._program.ledger.write() as tx:
                    accounts.not_probed(tx, account)
            elif error.scope is Scope.ACCOUNT:
                self._program.engine.account_failed(error)
            log.warning("account.probed", account=account, code=error.code, message=error.message)
            return False
        with self._program.ledger.write() as tx:
            accounts.unblock(tx, account)
        log.warning("account.unblocked", account=account)
        return True

    def _probed(self, account: str) -> list[Kind]:
        """One kind that each connector of an account reads, visits where it has them."""
        able = self._program.connectors[account].capabilities
        parts = [set(part.serves) for part in self._program.loaded.config.accounts[account].parts.values()]
        rest = set(Kind).difference(*parts)
        turn = sorted(Kind, key=lambda kind: kind is not Kind.APPOINTMENT)
        found = (
            next((kind for kind in turn if kind in kinds and able.of(kind).read), None) for kinds in (rest, *parts)
        )
        return [kind for kind in found if kind is not None]

    def _renewed(self, account: str) -> bool:
        """Whether a secret of an account is another one than it was. Commands and keyrings are asked more seldom."""
        now = self._program.clock.steady()
        all_ = now >= self._next_secrets.get(account, float("-inf"))
        if all_:
            self._next_secrets[account] = now + SECRETS_EVERY
        of = self._program.loaded.config.accounts[account]
        looked_at = [secret for secret in secrets_in((of.options, of.parts)) if all_ or secret.kind == "file"]
        changed = [secret for secret in looked_at if secret.renew()]
        return bool(changed)

    def expire(self) -> int:
        """Gives up writes whose visit has begun meanwhile; returns how many. None while the clock is in doubt.

        A visit that was marked as missed before it began is worked on again: what was a question is plain by now.
        """
        self._program.engine.mind_clock()
        if not clock_is_sure(self._program):
            return 0
        with self._program.ledger.write() as tx:
            expired = changes.expire(tx, without_sites=going_live.held_back(tx))
            for record_id in reviews.begun_meanwhile(tx, NO_SHOW_AHEAD):
                changes.receive_again(tx, record_id, "visit-begun")
        if expired:
            log.error("changes.expired", count=expired)
        return expired

    def prune(self, *, stopping: Callable[[], bool] = lambda: False) -> int:
        """Drops the personal values that are kept no longer, the oldest of the matcher's observations, what others
        were told as long ago, and rows that are kept no longer; returns how many rows of the first that were."""
        observations.trim(self._program.ledger)
        days = self._program.loaded.config.ledger.keep_bodies_days
        dropped = retention.drop_bodies(self._program.ledger, days, stopping=stopping)
        events.prune(self._program.ledger, days, stopping=stopping)
        pruning.prune_rows(self._program.ledger, self._program.loaded.config.retention, stopping)
        if dropped.total:
            log.info(
                "bodies.dropped",
                actions=dropped.actions,
                questions=dropped.questions,
                lines=dropped.lines,
                links=dropped.links,
            )
        return dropped.total

    def join(self, organisation: str) -> int:
        """Compares the next clients of a chain's branches; returns how many."""
        return self._program.joiners[organisation].pass_()

    def join_through(self, organisation: str) -> int:
        """Compares all clients of a chain's branches who have changed, or many of them; returns how many."""
        return self._program.joiners[organisation].through(MOST_JOINED)

    def files(self, site: str) -> bool:
        """Looks for new files at both sides of a site; False where it could not be done."""
        pair = self._pair_of(site)
        looker = self._program.file_lookers[site]
        return self._round("files", pair.booking.account, looker.pass_, other=pair.pims.account)

    def due_services(self, account: str) -> bool:
        """Reads what a PIMS account tells of due services; False where it could not be done."""
        return self._round("due-services", account, self._program.due_readers[account].pass_)

    def due_round(self, site: str, most: int = MOST_OPEN) -> int:
        """Looks at the next cards of a site whose due services may be others today; returns how many are to be
        changed, ``most`` at the most. Asks the ledger alone, and does nothing while the clock is in doubt."""
        if not clock_is_sure(self._program):
            return 0
        return self._program.due_rounds[site].pass_(most)

    def _pair_of(self, site: str) -> Pair:
        return next(pair for pair in self._program.pairs if pair.site == site)

    def rests(self, account: str) -> bool:
        """Whether an account, or every site that uses it, is paused or has ended: then it has no rounds."""
        with self._program.ledger.read() as tx:
            return self._rests(tx, account)

    def _rests(self, tx: Transaction, account: str) -> bool:
        sites = {pair.site for pair in self._program.pairs if account in (pair.booking.account, pair.pims.account)}
        if any(app.holds(account) for app in self._program.connecting.values()):
            return True
        return account in pauses.paused(tx, "account") or sites <= pauses.paused(tx, "site") | going_live.ended(tx)

    def _round(self, what: str, account: str, work: Callable[[], int], *, other: str = "") -> bool:
        """``other``: the account at the other side, where the work reads that, too."""
        with self._program.ledger.read() as tx:
            if accounts.not_answering(tx, [account, other]) or self._rests(tx, account):
                return False
        try:
            count = work()
        except VetBridgeError as error:
            if error.scope is Scope.ACCOUNT:
                self._program.engine.account_failed(error)
            if isinstance(error, SchemaChanged):
                self._upgrades.schema_changed(error.account or account)
            log.warning("round.failed", round=what, account=account, code=error.code, message=error.message)
            return False
        with self._program.ledger.write() as tx:
            accounts.answered(tx, account)
        log.debug("round.done", round=what, account=account, count=count)
        return True
