"""What VetBridge stands on, for the doctor: disks, folders, ports, certificates, the mail server, the clock.

Looked at and never changed: no file is made, no mail is sent, nothing listens.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Protocol
from urllib.parse import urlsplit

from cryptography import x509

from vetbridge.config.models import Config, Tls, Watch
from vetbridge.connector.mailing import greet
from vetbridge.connector.trust import context
from vetbridge.core.errors import ConfigError, LedgerError, VetBridgeError
from vetbridge.desk.doctor import Line, Mark, fine
from vetbridge.desk.wording import span

MEGABYTE = 1024 * 1024
FULL = 20
"""Megabytes: less than this is no room to go on with."""
PATIENCE = 5.0
"""Seconds that a server has to show its certificate."""

NETWORK = frozenset(
    {
        *("9p", "afpfs", "afs", "beegfs", "ceph", "cifs", "davfs", "glusterfs", "lustre", "ncpfs", "nfs", "nfs4"),
        *("smb2", "smb3", "smbfs", "vboxsf", "webdav", "vmhgfs", "prl_fs", "network drive"),
        *("fuse.davfs", "fuse.glusterfs", "fuse.rclone", "fuse.s3fs", "fuse.sshfs", "fuse.vmhgfs-fuse"),
    }
)
"""File systems that other machines serve: two machines see a file there at different times, and SQLite's write-ahead
log, which they would share by memory, does not work (https://sqlite.org/wal.html, "Disadvantages")."""

_OCTAL = re.compile(r"\\([0-7]{3})")


class Usage(Protocol):
    """What is free on a disk."""

    @property
    def free(self) -> int:
        """Bytes."""
        ...


def check_disks(config: Config, usage: Callable[[Path], Usage] = shutil.disk_usage) -> Iterator[Line]:
    """There is room where the ledger, the log and the backups are, each disk once."""
    seen: set[int] = set()
    for name, path in _used(config):
        folder = _there(path)
        try:
            disk, free = folder.stat().st_dev, usage(folder).free // MEGABYTE
        except OSError:
            continue  # which ``check_folders`` tells
        if disk in seen:
            continue
        seen.add(disk)
        least = config.watch.disk_megabytes
        if free >= least:
            yield fine(name, "disk", f"{free} MB are free at {folder}")
            continue
        full = free < FULL
        yield Line(
            subject=name,
            name="disk",
            mark=Mark.WRONG if full else Mark.WARN,
            text=f"only {free} MB are free at {folder}; watch.disk_megabytes asks for {least}",
            advice="Make room on that disk, or move what stands there. "
            + (
                "A ledger that cannot be written to takes no booking." if full else "VetBridge stops when it is full."
            ),
            exit_code=LedgerError.exit_code if full and name == "ledger" else 0,
        )


def check_folders(config: Config) -> Iterator[Line]:
    """Where files are to be made is a folder of a local disk that this user may write to."""
    for name, path in _used(config):
        key = {"ledger": "ledger.path", "log": "log.file", "backup": "backup.folder"}[name]
        folder = path if name == "backup" else path.parent
        code = LedgerError.exit_code if name == "ledger" else ConfigError.exit_code
        if not folder.exists():
            if name != "ledger":
                yield _wrong(name, "folder", f"{folder} does not exist", f"Make it, or correct {key}.", code)
            continue
        if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
            advice = f"Give VetBridge's user the right to write there, or correct {key}."
            yield _wrong(name, "folder", f"{folder} cannot be written to by this user", advice, code)
        if name == "ledger" and path.exists() and not os.access(path, os.W_OK):
            advice = "Give the file to VetBridge's user."
            yield _wrong(name, "file", f"{path} cannot be written to by this user", advice, code)


def check_file_system(config: Config, file_system: Callable[[Path], str] | None = None) -> Iterator[Line]:
    """The ledger's file is on a disk of this machine."""
    place = config.ledger.path if config.ledger.database is None else None
    if place is None:
        return
    found = (file_system or file_system_of)(_there(place))
    if found in NETWORK:
        yield _wrong(
            "ledger",
            "file system",
            f"{place.parent} is on a network share ({found}), where an SQLite file is damaged sooner or later",
            "Stop VetBridge, move the ledger to a disk of this machine, and correct ledger.path. Where several "
            "machines need it, use PostgreSQL: ledger.database.",
            ConfigError.exit_code,
        )


def check_listeners(config: Config, pid: int | None) -> Iterator[Line]:
    """Door and page can listen where the config says. ``pid``: of the VetBridge that listens there by itself."""
    if pid is not None:
        yield Line(
            subject="vetbridge",
            name="process",
            mark=Mark.OK,
            text=f"VetBridge is at work on this ledger (process {pid or 'unknown'}): a second one is refused",
            advice="To start it another way, as by its service, stop that one first.",
        )
        return
    parts = [("door", config.door.host, config.door.port)]
    parts += [] if config.pages is None else [("pages", config.pages.host, config.pages.port)]
    for part, host, port in parts:
        trouble = _cannot_listen(host, port) if port else ""
        if trouble:
            yield _wrong(
                part,
                "port",
                f"nothing of VetBridge runs on this ledger, and it could not listen at {host}:{port}: {trouble}",
                f"Stop what listens there, or choose another {part}.port (or {part}.host).",
                ConfigError.exit_code,
            )


def check_certificate(tls: Tls | None, watch: Watch, now: datetime) -> Iterator[Line]:
    """The page's own certificate can be read, fits its key, and has not ended."""
    if tls is None:
        return
    renew = "Put a renewed certificate there, then restart VetBridge."
    try:
        ends = min(each.not_valid_after_utc for each in x509.load_pem_x509_certificates(tls.certificate.read_bytes()))
        # An empty password: else OpenSSL would ask for one at the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(tls.certificate, tls.key, password="")
    except (OSError, ValueError) as error:
        why = (error.strerror if isinstance(error, OSError) else "") or "not in PEM form, or they do not go together"
        text = f"certificate {tls.certificate} and key {tls.key} cannot be used: {why}"
        advice = "Both are PEM files that belong together, the key without a password."
        yield _wrong("pages", "certificate", text, advice, ConfigError.exit_code)
        return
    if ends <= now:
        text = f"{tls.certificate} ended on {ends:%Y-%m-%d}: browsers refuse the page"
        yield _wrong("pages", "certificate", text, renew, ConfigError.exit_code)
    elif ends - now < timedelta(days=watch.certificate_days):
        text = f"{tls.certificate} ends on {ends:%Y-%m-%d}"
        yield Line(subject="pages", name="certificate", mark=Mark.WARN, text=text, advice=renew)
    else:
        yield fine("pages", "certificate", f"holds until {ends:%Y-%m-%d}")


def check_mail(config: Config) -> Iterator[Line]:
    """The mail server answers, by TLS that can be trusted, and takes user and password. No mail is sent."""
    server = config.alerts.mail_server
    if server is None:
        return
    try:
        greet(server, ca=config.network.ca)
    except VetBridgeError as error:
        yield _wrong(
            "alerts",
            "mail server",
            error.message,
            "Look at alerts.mail_server: host, port, security, user and password. Until it answers nobody is told by "
            "mail. `vetbridge alerts test` sends a mail.",
            ConfigError.exit_code,
        )
        return
    yield fine("alerts", "mail server", "answers, and takes what the config says")


def check_skew(skews: Sequence[float], watch: Watch) -> Iterator[Line]:
    """This machine's clock is where the vendors' clocks are. ``skews``: seconds by which it was ahead of each."""
    if not skews:
        return
    ahead = median(skews)
    if abs(ahead) <= watch.clock_drift:
        return
    way = "ahead of" if ahead > 0 else "behind"
    yield _wrong(
        "clock",
        "vendors",
        f"this machine's clock is {span(abs(ahead))} {way} the vendors' clocks",
        "Set the clock right, and let the system keep it so (NTP): else visits count as past, or as still ahead.",
        ConfigError.exit_code,
    )


def check_trust(account: str, address: str, ca: Path | None) -> Iterator[Line]:
    """For an account that does not answer: whether that is because its certificate cannot be trusted."""
    parts = urlsplit(address)
    if parts.scheme != "https" or not parts.hostname:
        return
    try:
        with (
            socket.create_connection((parts.hostname, parts.port or 443), PATIENCE) as plain,
            context(ca).wrap_socket(plain, server_hostname=parts.hostname),
        ):
            return
    except ssl.SSLCertVerificationError as error:
        yield _wrong(
            account,
            "certificate",
            f"it answers, and its certificate cannot be trusted: {error.verify_message}",
            "Where a proxy of yours looks into TLS, save its certificate as a PEM file and name it in network.ca. "
            "Else the address in base_url is wrong, or somebody listens in: do not go on.",
            ConfigError.exit_code,
        )
    except (VetBridgeError, OSError):
        return  # which the account's own line tells, or the config's


def file_system_of(path: Path) -> str:
    """The kind of file system that a path is on, as the system calls it; empty where it does not say."""
    path = path.resolve()
    if os.name == "nt":
        return _on_windows(path)
    if sys.platform == "darwin":
        listed = subprocess.run(["/sbin/mount"], capture_output=True, text=True, timeout=10, check=False)
        return on_mac(listed.stdout, path)
    try:
        return on_linux(Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace"), path)
    except OSError:
        return ""


def on_linux(mounts: str, path: Path) -> str:
    """The same, by what /proc/self/mountinfo says (proc(5))."""
    found: list[tuple[Path, str]] = []
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        if len(before.split()) > 4 and after:
            # Blanks in a path stand as their octal numbers.
            point = _OCTAL.sub(lambda code: chr(int(code[1], 8)), before.split()[4])
            found.append((Path(point), after.split()[0]))
    return _nearest(found, path)


def on_mac(mounts: str, path: Path) -> str:
    """The same, by what mount(8) prints."""
    lines = re.findall(r"^.+? on (.+) \((\w+)[,)]", mounts, re.MULTILINE)
    return _nearest([(Path(point), kind) for point, kind in lines], path)


def _on_windows(path: Path) -> str:
    import ctypes  # noqa: PLC0415 - only there

    drive_of = getattr(ctypes, "windll").kernel32.GetDriveTypeW  # noqa: B009 - other systems do not know it
    return "network drive" if path.drive.startswith("\\\\") or drive_of(path.anchor) == 4 else ""


def _nearest(found: Sequence[tuple[Path, str]], path: Path) -> str:
    """The mount that a path is on: the deepest, and of several at one place the last."""
    inside = [
        (len(point.parts), number, kind) for number, (point, kind) in enumerate(found) if path.is_relative_to(point)
    ]
    return max(inside)[2] if inside else ""


def _used(config: Config) -> Iterator[tuple[str, Path]]:
    """Where VetBridge makes files."""
    if config.ledger.database is None:
        yield "ledger", config.ledger.path
    if config.log.file is not None:
        yield "log", config.log.file
    if config.backup is not None:
        yield "backup", config.backup.folder


def _there(path: Path) -> Path:
    """The nearest folder of a path that is there."""
    return next((each for each in (path, *path.absolute().parents) if each.is_dir()), path.absolute().parent)


def _cannot_listen(host: str, port: int) -> str:
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as one:
            if os.name == "posix":
                # Also where connections that have just ended still linger. On Windows it would take others' ports.
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind(address)
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _wrong(subject: str, name: str, text: str, advice: str, exit_code: int) -> Line:
    return Line(subject=subject, name=name, mark=Mark.WRONG, text=text, advice=advice, exit_code=exit_code)
