"""A wrapper that knows when its account answered last, and writes on every error at which account it happened."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from vetbridge.connector.clock import Clock
from vetbridge.connector.drift import Skew
from vetbridge.connector.interface import (
    Capabilities,
    CheckReport,
    Connector,
    Hint,
    HookRequest,
    Native,
    Page,
    Receipt,
    Write,
)
from vetbridge.core.errors import VetBridgeError
from vetbridge.core.records import Kind


class Accounted:
    """A connector whose errors name their account, so that the runner pauses the right one."""

    def __init__(self, inner: Connector, account: str, clock: Clock, skew: Skew | None = None) -> None:
        self._inner = inner
        self._clock = clock
        self.account = account
        self.answered_at = float("-inf")
        """When a call last succeeded, by the steady clock."""
        self.skew = skew or Skew(clock)
        """How far the vendor's clock is from ours."""

    @property
    def capabilities(self) -> Capabilities:
        """What this account can do."""
        return self._inner.capabilities

    def check(self) -> CheckReport:
        """See ``Connector.check``."""
        with self._named():
            return self._inner.check()

    def changes(self, kind: Kind, since: str | None, *, mark: str | None = None) -> Iterator[Page]:
        """See ``Connector.changes``."""
        with self._named():
            yield from self._inner.changes(kind, since, mark=mark)

    def get(self, kind: Kind, id: str) -> Native | None:  # noqa: A002 - the field's word
        """See ``Connector.get``."""
        with self._named():
            return self._inner.get(kind, id)

    def search(self, kind: Kind, query: Mapping[str, str]) -> Iterator[Native]:
        """See ``Connector.search``."""
        with self._named():
            yield from self._inner.search(kind, query)

    def look(self, write: Write) -> Iterator[Native]:
        """See ``Connector.look``."""
        with self._named():
            yield from self._inner.look(write)

    def apply(self, write: Write) -> Receipt:
        """See ``Connector.apply``."""
        with self._named():
            return self._inner.apply(write)

    def content(self, id: str) -> Iterator[bytes]:  # noqa: A002 - the field's word
        """See ``Connector.content``."""
        with self._named():
            yield from self._inner.content(id)

    def code_lists(self) -> Mapping[str, Mapping[str, str]]:
        """See ``Connector.code_lists``."""
        with self._named():
            return self._inner.code_lists()

    def hints(self, request: HookRequest) -> tuple[Hint, ...]:
        """See ``Connector.hints``."""
        return self._inner.hints(request)

    def close(self) -> None:
        """See ``Connector.close``."""
        self._inner.close()

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
            self.answered_at = self._clock.steady()
        except VetBridgeError as error:
            error.account = error.account or self.account
            raise
