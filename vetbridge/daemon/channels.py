"""The ways by which VetBridge tells others what happens: webhooks, mails and commands of the config."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from datetime import datetime
from pathlib import Path
from uuid import uuid4

import structlog

from vetbridge.config.models import Command, Config, Mail, MailServer, Webhook
from vetbridge.connector import calling, mailing
from vetbridge.connector.clock import Clock
from vetbridge.connector.http import Caller
from vetbridge.connector.telling import NotTaken, tell
from vetbridge.core.errors import VetBridgeError
from vetbridge.desk import alerts, language, mails
from vetbridge.ledger import events
from vetbridge.ledger.events import Happening, Message

TIMEOUT = 10.0
"""Seconds that a webhook has to connect, and to answer."""

log = structlog.get_logger("vetbridge.daemon")


class Channel(ABC):
    """One way. ``tells``: the types of events that it is told."""

    at_once = 1
    """So many messages are handed over together, at most."""

    def __init__(self, tells: Collection[str]) -> None:
        self.tells = frozenset(tells)

    @abstractmethod
    def send(self, messages: Sequence[Message]) -> None:
        """Hands messages over. Raises a ``VetBridgeError`` without address and secret where they are not taken."""

    def close(self) -> None:  # noqa: B027 - most have none
        """Gives back connections."""


class WebhookChannel(Channel):
    """A webhook: a signed call for each message."""

    def __init__(self, hook: Webhook, caller: Caller, clock: Clock) -> None:
        super().__init__(hook.events)
        self._hook = hook
        self._caller = caller
        self._clock = clock

    def send(self, messages: Sequence[Message]) -> None:
        """Calls it. Raises ``NotTaken`` with the status in its code for any answer but a 2xx."""
        for message in messages:
            status = tell(
                self._caller,
                self._hook.url,
                self._hook.secret.reveal(),
                message_id=message.id,
                at=self._clock.now(),
                body=message.content.encode(),
            )
            if not 200 <= status < 300:
                raise NotTaken(f"it answered {status}", code=f"answered-{status}")

    def close(self) -> None:
        """Gives back the connections; those of all webhooks are the same."""
        self._caller.close()


class MailChannel(Channel):
    """A mail: what is due at once is one mail. ``zone`` is the one that moments are written in."""

    at_once = 500

    def __init__(
        self, name: str, mail: Mail, server: MailServer, clock: Clock, *, zone: str, ca: Path | None
    ) -> None:
        super().__init__(mail.tells)
        self._name = name
        self._mail = mail
        self._server = server
        self._clock = clock
        self._zone = zone
        self._ca = ca

    def send(self, messages: Sequence[Message]) -> None:
        """Writes one mail, and hands it to the server."""
        with language.speaking(self._mail.language):
            subject, body = mails.written([message.content for message in messages], self._zone)
        ids = " ".join(message.id for message in messages)
        refused = mailing.send(
            self._server,
            self._mail.to,
            subject,
            body,
            message_id=ids if len(messages) == 1 else f"evts_{hashlib.sha256(ids.encode()).hexdigest()[:32]}",
            at=self._clock.now(),
            ca=self._ca,
        )
        if refused:
            log.warning("mail.partly_refused", channel=self._name, refused=refused, of=len(self._mail.to))


class CommandChannel(Channel):
    """A program: it is run once for each message."""

    def __init__(self, command: Command, folder: Path) -> None:
        super().__init__(command.tells)
        self._command = command.command
        self._folder = folder

    def send(self, messages: Sequence[Message]) -> None:
        """Runs it to its end."""
        for message in messages:
            calling.call(self._command, message.content.encode(), folder=self._folder)


def channels(config: Config, folder: Path, clock: Clock) -> dict[str, Channel]:
    """Every channel of a config, by name: a webhook by its own, else ``mail/NAME`` and ``command/NAME``.

    ``folder`` is the config's. Raises ``ConfigError`` where ``network.ca`` cannot be used.
    """
    found: dict[str, Channel] = {}
    if config.webhooks:  # else no HTTP client is made: that takes its time
        caller = Caller(timeout=TIMEOUT, ca=config.network.ca)
        found |= {name: WebhookChannel(hook, caller, clock) for name, hook in config.webhooks.items()}
    if (server := config.alerts.mail_server) is not None:
        zone = alerts.zone(config)
        for name, mail in config.alerts.mails.items():
            channel = f"mail/{name}"
            found[channel] = MailChannel(channel, mail, server, clock, zone=zone, ca=config.network.ca)
    for name, command in config.alerts.commands.items():
        found[f"command/{name}"] = CommandChannel(command, folder)
    return found


def named(error: Exception) -> VetBridgeError:
    """Why a channel did not take something. Of what nobody has foreseen the type alone: it may hold an address."""
    return error if isinstance(error, VetBridgeError) else NotTaken(f"VetBridge failed ({type(error).__name__})")


def trial(at: datetime) -> Message:
    """What `vetbridge alerts test` sends."""
    data = {"text": "This is a test: whoever reads it is told when VetBridge needs a person."}
    return Message(f"evt_{uuid4().hex}", mails.TEST, events.content(Happening(mails.TEST, "", at, data)))
