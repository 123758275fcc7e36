"""What Prometheus scrapes: a look at the running VetBridge as metrics; docs/metrics.md lists them.

Labels are names of the config, codes and kinds: nothing of an owner, and nothing that grows with the clinic.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from vetbridge import __version__
from vetbridge.config.models import Config
from vetbridge.core.conditions import Condition, Scope, Severity
from vetbridge.core.errors import VetBridgeError
from vetbridge.core.records import Kind
from vetbridge.daemon.looking import Seen
from vetbridge.desk.status import AccountStatus, SiteStatus, picture
from vetbridge.ledger.glance import Glance

PREFIX = "vetbridge_"
ACCOUNT_STATES = ("answers", "paused", "failing", "blocked", "not-asked")
"""Every state of ``AccountStatus``."""


class Metrics:
    """The metrics of one program. ``look`` tells what is known of it now."""

    media_type = CONTENT_TYPE_LATEST

    def __init__(self, look: Callable[[], Seen], config: Config) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(_Now(look, config))
        ProcessCollector(registry=self._registry)

    def text(self) -> bytes:
        """All of them, in the text format of Prometheus."""
        return generate_latest(self._registry)


class _Now(Collector):
    """Looks whenever it is scraped."""

    def __init__(self, look: Callable[[], Seen], config: Config) -> None:
        self._look = look
        self._config = config

    def collect(self) -> Iterator[Metric]:
        yield _gauge("up", "VetBridge runs.", (), [((), 1)])
        yield _gauge("build_info", "Its version.", ("version",), [((__version__,), 1)])
        try:
            seen = self._look()
        except VetBridgeError:
            yield _gauge("ledger_readable", "Whether the ledger can be read.", (), [((), 0)])
            return
        yield _gauge("ledger_readable", "Whether the ledger can be read.", (), [((), 1)])
        if seen.ledger_bytes is not None:
            yield _gauge("ledger_bytes", "Size of the ledger's files.", (), [((), seen.ledger_bytes)])
        found = picture(seen.glance, self._config, pid=0)  # the process that answers
        accounts = [each for each in found.accounts if each.configured]
        sites = [each for each in found.sites if each.name in self._config.sites]
        yield from _of_conditions(seen.conditions)
        yield from _of_accounts(accounts)
        yield from _of_sites(sites, seen.glance)
        yield from _of_freshness(sites, seen.glance)
        yield _gauge(
            "paused",
            "1 for what is paused: an account, a site, or one kind of records at a site.",
            ("scope", "name"),
            (((each.scope, each.name), 1) for each in seen.glance.pauses),
        )
        attempts = CounterMetricFamily(
            f"{PREFIX}attempts",
            "Attempts at writes that have ended since the start, by how they did.",
            labels=("account", "kind", "operation", "result"),
        )
        for labels, count in sorted(seen.attempts.items()):
            attempts.add_metric(labels, count)
        yield attempts
        if seen.glance.backed_up_at is not None:
            age = (seen.glance.at - seen.glance.backed_up_at).total_seconds()
            yield _gauge("backup_age_seconds", "Since the last backup.", (), [((), age)])


def _of_conditions(conditions: Iterable[Condition]) -> Iterator[Metric]:
    counted = Counter(
        # A question is told by its site: numbers would be labels without end.
        (
            each.code.value,
            each.scope.value,
            str(each.details.get("site", "")) if each.scope is Scope.REVIEW else each.name,
            each.kind,
            each.severity.value,
        )
        for each in conditions
    )
    yield _gauge(
        "condition",
        "How many conditions of this code hold now; docs/alerts.md says what each means.",
        ("code", "scope", "name", "kind", "severity"),
        sorted(counted.items()),
    )
    severities = Counter(each.severity for each in conditions)
    yield _gauge(
        "conditions",
        "How many conditions hold now, by how soon a person is needed.",
        ("severity",),
        (((each.value,), severities[each]) for each in Severity),
    )


def _of_accounts(accounts: Iterable[AccountStatus]) -> Iterator[Metric]:
    accounts = list(accounts)
    yield _gauge(
        "account_state",
        "1 for the state that an account is in.",
        ("account", "state"),
        (((each.name, state), int(each.state == state)) for each in accounts for state in ACCOUNT_STATES),
    )
    mirrors = [(each.name, each.mirror) for each in accounts if each.mirror is not None]
    yield _gauge(
        "mirror_records",
        "Clients and pets that the mirror of a PIMS holds.",
        ("account", "kind"),
        (
            ((name, kind.value), count)
            for name, mirror in mirrors
            for kind, count in ((Kind.CLIENT, mirror.clients), (Kind.PET, mirror.pets))
        ),
    )
    yield _gauge(
        "mirror_complete",
        "Whether all clients and pets of a PIMS were read once, and counted.",
        ("account",),
        (((name,), int(mirror.complete)) for name, mirror in mirrors),
    )


def _of_sites(sites: Iterable[SiteStatus], glance: Glance) -> Iterator[Metric]:
    sites = list(sites)
    yield _gauge(
        "changes",
        "Changes in the ledger, by state.",
        ("site", "state"),
        (((each.name, state), count.count) for each in sites for state, count in each.changes.items()),
    )
    for name, says, value in (
        ("questions", "Open questions.", lambda each: each.review.count),
        ("failures", "Failed changes that nobody has seen to.", lambda each: each.failures.count),
        ("lines_open", "Lines of the work list that nobody has ticked.", lambda each: each.by_hand.count),
        ("lines_ticked", "Lines that somebody has ticked, and no read has shown yet.", lambda each: each.ticked),
        ("fuse_blown", "Whether the fuse has blown.", lambda each: int(each.fuse is not None)),
        ("fuse_held", "Changes that a blown fuse holds back.", lambda each: glance.held.get(each.name, 0)),
        ("over_quota", "Changes that wait, as more would be created than the first days allow.", _over_quota),
        ("shadow", "Whether nothing is written until somebody approves the site.", lambda each: int(each.in_shadow)),
    ):
        yield _gauge(name, says, ("site",), [((each.name,), value(each)) for each in sites])


def _over_quota(site: SiteStatus) -> int:
    return site.over_quota


def _of_freshness(sites: Iterable[SiteStatus], glance: Glance) -> Iterator[Metric]:
    kinds = [(site.name, each) for site in sites for each in site.kinds]
    reads = {
        (read.account, each.kind): (read.read_age, read.read_stale)
        for _, each in kinds
        for read in each.reads
        if read.read_age is not None
    }
    yield _gauge(
        "read_age_seconds",
        "Since a side was last asked what changed, and answered.",
        ("account", "kind"),
        ((labels, age) for labels, (age, _) in reads.items()),
    )
    yield _gauge(
        "read_stale",
        "Whether that is too long ago, in opening hours.",
        ("account", "kind"),
        ((labels, int(stale)) for labels, (_, stale) in reads.items()),
    )
    yield _gauge(
        "write_age_seconds",
        "Since the last write was answered.",
        ("site", "kind"),
        (
            ((site, each.kind), (glance.at - each.write.last_write_at).total_seconds())
            for site, each in kinds
            if each.write.last_write_at is not None
        ),
    )
    yield _gauge(
        "oldest_waiting_seconds",
        "Since the oldest change was received that waits though nobody holds it back; 0 where none does.",
        ("site", "kind"),
        (
            (
                (site, each.kind),
                0.0 if each.write.oldest_waiting is None else (glance.at - each.write.oldest_waiting).total_seconds(),
            )
            for site, each in kinds
        ),
    )


def _gauge(
    name: str, says: str, labels: tuple[str, ...], values: Iterable[tuple[tuple[str, ...], float]]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"{PREFIX}{name}", says, labels=labels)
    for label, value in values:
        family.add_metric(label, value)
    return family
