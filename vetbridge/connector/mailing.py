"""Hands one mail to the config's mail server. TLS is always verified; a server on this machine may go without."""

from __future__ import annotations

import contextlib
import smtplib
import ssl
from collections.abc import Iterator, Sequence
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path

from vetbridge.config.models import MailServer
from vetbridge.connector.telling import NotTaken
from vetbridge.connector.trust import UNTRUSTED, context, why_untrusted
from vetbridge.core.errors import AuthFailed, Unavailable

TIMEOUT = 10.0
"""Seconds that the server has to connect, and for each of its answers."""
LONGEST_SUBJECT = 150
"""Characters."""


def send(
    server: MailServer, to: Sequence[str], subject: str, body: str, *, message_id: str, at: datetime, ca: Path | None
) -> int:
    """Sends one mail to all of ``to``; returns how many of them the server refused, where it took it for others.

    ``message_id`` is the same at every try. ``ca`` is the config's ``network.ca``.

    Raises ``Unavailable`` where nobody answered, ``AuthFailed`` where user or password are not taken, ``NotTaken``
    where the server did not take the mail, ``ConfigError`` where the password cannot be had. None of them repeats
    what the server said, or an address.
    """
    mail = _mail(server.sender, to, subject, body, message_id=message_id, at=at)
    with _signed_in(server, ca) as connection:
        return len(connection.send_message(mail, from_addr=server.sender, to_addrs=list(to)))


def greet(server: MailServer, *, ca: Path | None) -> None:
    """Connects, signs in where the config says so, and sends nothing. Raises as ``send`` does."""
    with _signed_in(server, ca) as connection:
        connection.noop()


@contextlib.contextmanager
def _signed_in(server: MailServer, ca: Path | None) -> Iterator[smtplib.SMTP]:
    """A connection to send on; what goes wrong on it gets its name."""
    password = None if server.password is None else server.password.reveal()
    try:
        with contextlib.closing(_connected(server, ca)) as connection:
            if server.user is not None and password is not None:
                connection.login(server.user, password)
            yield connection
            with contextlib.suppress(smtplib.SMTPException, OSError):  # it has taken the mail
                connection.quit()
    except smtplib.SMTPAuthenticationError:
        raise AuthFailed("the mail server does not take user and password") from None
    except smtplib.SMTPRecipientsRefused as error:
        code = min(status for status, _ in error.recipients.values())
        raise NotTaken(
            f"the mail server takes no mail for these addresses ({code})", code=f"answered-{code}"
        ) from None
    except smtplib.SMTPServerDisconnected:
        raise Unavailable("the mail server hung up") from None
    except smtplib.SMTPResponseException as error:
        raise NotTaken(f"the mail server answered {error.smtp_code}", code=f"answered-{error.smtp_code}") from None
    except smtplib.SMTPNotSupportedError:
        raise NotTaken("the mail server offers no STARTTLS, or no way to sign in") from None
    except smtplib.SMTPException as error:
        raise NotTaken(f"the mail server does not speak as it should ({type(error).__name__})") from None
    except ssl.SSLCertVerificationError as error:
        raise Unavailable(f"the mail server answers, and {why_untrusted(error)}", code=UNTRUSTED) from None
    except (OSError, UnicodeError) as error:
        raise Unavailable(f"the mail server does not answer ({type(error).__name__})") from None


def _connected(server: MailServer, ca: Path | None) -> smtplib.SMTP:
    """A connection that is safe to sign in on."""
    if server.security == "tls":
        return smtplib.SMTP_SSL(server.host, server.port, timeout=TIMEOUT, context=context(ca))
    connection = smtplib.SMTP(server.host, server.port, timeout=TIMEOUT)
    if server.security == "starttls":
        try:
            connection.starttls(context=context(ca))
        except BaseException:
            connection.close()
            raise
    return connection


def _mail(sender: str, to: Sequence[str], subject: str, body: str, *, message_id: str, at: datetime) -> EmailMessage:
    mail = EmailMessage(policy=SMTP)
    mail["From"] = Address("VetBridge", addr_spec=sender)
    mail["To"] = [Address(addr_spec=address) for address in to]
    mail["Subject"] = _plain(subject)[:LONGEST_SUBJECT]
    mail["Date"] = format_datetime(at)
    mail["Message-ID"] = f"<{message_id}@{sender.rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's absence note answers it
    mail.set_content(_encodable(body))
    return mail


def _plain(text: str) -> str:
    """One line without control characters: a header ends where its line does."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in _encodable(text)).split())


def _encodable(text: str) -> str:
    """Text without half characters, which no mail can hold."""
    return text.encode("utf-8", "replace").decode("utf-8")
