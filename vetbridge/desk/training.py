"""Weights trained on what was seen at a clinic, and the gate they have to pass: from the ledger, or from files.

Trained weights take the place of those at work only where, on decisions whose truth is known, they make no more links
to wrong clients and keep the right ones. Half of what people have labelled is trained on, and the other half asked.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vetbridge.connector.clock import SystemClock
from vetbridge.core.matching import Weights, read_weights, shipped
from vetbridge.core.matching.document import toml_of
from vetbridge.core.matching.observing import ELSEWHERE, Observation
from vetbridge.core.matching.replaying import Tally, objection, replay, shipped_replay
from vetbridge.core.matching.training import calibrate, fit, halfway
from vetbridge.desk import clinic_files
from vetbridge.desk.clinic_files import UnusableFile
from vetbridge.desk.evaluation import ClinicFiles, Progress, Reports, counted, decider, replaced, reports_of
from vetbridge.ledger import observations, site_weights
from vetbridge.ledger.database import Ledger

FEWEST = 50
"""Of fewer observations nothing is learnt."""
STEPS = (0.5, 0.25)
"""Where trained weights are refused, so much of the way from the shipped ones to them is tried."""
FEWEST_TO_CALIBRATE = 5_000
"""Of fewer bookings whose truth is known no claim of one in a thousand can be checked."""
LONGEST_LINE = 100_000
"""Characters of a line of a truth file."""

LIVE = "live"
READY = "ready"
WRITTEN = "written"
REFUSED = "refused"
TOO_FEW = "too-few"


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """How one set of decisions comes out, by the weights at work and by the trained ones."""

    name: str
    before: Tally
    after: Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """What came of training."""

    account: str
    """Empty where files were trained on."""
    observations: int
    labelled: int
    result: str
    """``live``, ``ready`` (it would go live), ``written`` (to a file), ``refused``, ``too-few``."""
    words: str
    """The same in words; why, where it was refused."""
    replayed: tuple[Replayed, ...] = ()
    weights_id: int | None = None
    reports: Reports | None = None
    """How the files were read."""


def train(ledger: Ledger, account: str, *, plan: bool) -> Training:
    """Trains weights for a PIMS account on what its daemon has observed, and makes them live where they may.

    ``plan``: looks only. Raises ``LedgerError``.
    """
    with ledger.read() as tx:
        seen = list(observations.read(tx, account))
        present = site_weights.LiveWeights(account).get(tx)
        today = tx.now.date().isoformat()
    found = _fitted(
        [(str(id_), one) for id_, one in seen], present, source="bookings of this clinic", made_on=today, sample=False
    )
    if isinstance(found, Training):
        return replace(found, account=account)
    document, replayed, labelled = found
    done = Training(
        account=account,
        observations=len(seen),
        labelled=labelled,
        result=READY,
        words="the trained weights keep the bound, and would go live",
        replayed=replayed,
    )
    if plan:
        return done
    with ledger.write() as tx:
        id_ = site_weights.put(tx, account, toml_of(document), f"{len(seen)} observations, {labelled} labelled")
    return replace(done, result=LIVE, words="the trained weights are live from now on", weights_id=id_)


def forget(ledger: Ledger, account: str) -> bool:
    """Goes back to the shipped weights; whether others were live."""
    with ledger.write() as tx:
        return site_weights.forget(tx, account)


def train_files(files: ClinicFiles, out: Path, *, truth: Path | None, country: str, progress: Progress) -> Training:
    """Trains weights on a clinic's files, and writes them to ``out`` where they may stand in for the shipped ones.

    ``truth`` says whom each booking means. Raises ``UnusableFile``, and ``LedgerError`` where there is no
    room in the temporary folder.
    """
    reports = reports_of(files)
    said = {} if truth is None else read_truth(truth)
    seen = list(observed(reports, said, country=country, progress=progress))
    progress(f"training on {len(seen)} bookings")
    today = SystemClock().now().date().isoformat()
    found = _fitted(seen, shipped(), source="bookings of a file", made_on=today, sample=truth is not None)
    if isinstance(found, Training):
        return replace(found, reports=reports)
    document, replayed, labelled = found
    with replaced(out, files) as file:
        file.write(toml_of(document))
    return Training(
        account="",
        observations=len(seen),
        labelled=labelled,
        result=WRITTEN,
        words="the trained weights keep the bound",
        replayed=replayed,
        reports=reports,
    )


def observed(
    reports: Reports, truth: dict[str, frozenset[str]], *, country: str, progress: Progress
) -> Iterable[tuple[str, Observation]]:
    """Every booking of the files by its id, as the matcher saw it, labelled where ``truth`` says who is meant."""
    with decider(reports, country, progress) as decide:
        for booking in counted(clinic_files.bookings(reports.bookings), "bookings compared", progress):
            matched = decide(booking)
            one = matched.observation()
            owners = truth.get(booking.id)
            if owners is None:
                yield booking.id, one
                continue
            places = tuple(place for place, each in enumerate(matched.match.candidates) if each.client_id in owners)
            yield booking.id, replace(one, meant=places or ((ELSEWHERE,) if owners else ()))


def read_truth(path: Path) -> dict[str, frozenset[str]]:
    """Whom each booking means, by its id: the owners that are right, none for a new client.

    A file of JSON lines with ``booking_id`` and ``owner_ids``. Raises ``UnusableFile`` with the line that is wrong.
    """
    found: dict[str, frozenset[str]] = {}
    try:
        with path.open(encoding="utf-8-sig") as file:
            for number, line in enumerate(iter(lambda: file.readline(LONGEST_LINE + 1), ""), start=1):
                if not line.strip():
                    continue
                content: Any = None
                with suppress(ValueError, RecursionError):
                    content = json.loads(line) if len(line) <= LONGEST_LINE else None
                if not _is_truth(content):
                    raise UnusableFile(
                        f"{path}:{number}:1: no object with booking_id and owner_ids", code="truth-not-readable"
                    )
                found[content["booking_id"]] = frozenset(content["owner_ids"])
    except UnicodeDecodeError:
        raise UnusableFile(f"{path} is not in UTF-8", code="truth-not-readable") from None
    except OSError as error:
        raise UnusableFile(f"{path} cannot be read: {error.strerror or error}", code="file-unreadable") from None
    return found


def read_weights_file(path: Path) -> Weights:
    """The weights of a TOML file, as `match train` writes it. Raises ``UnusableFile``, and ``ConfigError`` that names
    the place where a number cannot be used."""
    try:
        return read_weights(tomllib.loads(path.read_text(encoding="utf-8")), str(path))
    except OSError as error:
        raise UnusableFile(f"{path} cannot be read: {error.strerror or error}", code="file-unreadable") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UnusableFile(f"{path} is no TOML: {error}", code="weights-not-readable") from None


def _is_truth(content: Any) -> bool:
    return (
        isinstance(content, dict)
        and isinstance(content.get("booking_id"), str)
        and isinstance(content.get("owner_ids"), list)
        and all(isinstance(each, str) for each in content["owner_ids"])
    )


def _fitted(
    seen: Sequence[tuple[str, Observation]], present: Weights, *, source: str, made_on: str, sample: bool
) -> Training | tuple[dict[str, Any], tuple[Replayed, ...], int]:
    """The document that was trained, how it decides beside the present weights, and how many labels there were; else
    why there is none. ``sample``: the labels are of all sorts of bookings, and not of those that were asked about.
    """
    labelled = [(id_, one) for id_, one in seen if one.meant is not None]
    held = [one for id_, one in labelled if not _is_trained_on(id_)]
    trained_on = [one for id_, one in seen if one.meant is None or _is_trained_on(id_)]
    if len(seen) < FEWEST:
        words = f"{len(seen)} observations are too few to learn from; {FEWEST} are needed"
        return Training(account="", observations=len(seen), labelled=len(labelled), result=TOO_FEW, words=words)
    document = fit(trained_on, shipped(), source=source, made_on=made_on)
    tries = [document, *(halfway(document, shipped(), part) for part in STEPS)]
    if sample and len(labelled) >= FEWEST_TO_CALIBRATE:
        pairs = calibrate(trained_on, read_weights(document, "trained weights"))
        tries.insert(0, {**document, "calibration": {"bits": [list(pair) for pair in pairs]}})
    sets = [("shipped", shipped_replay()), ("own", held)]
    before = [replay(ones, present) for _, ones in sets]
    why = ""
    replayed: tuple[Replayed, ...] = ()
    for each in tries:
        weights = read_weights(each, "trained weights")
        replayed = tuple(
            Replayed(name=name, before=old, after=replay(ones, weights))
            for (name, ones), old in zip(sets, before, strict=True)
        )
        why = objection(before, [one.after for one in replayed])
        if not why:
            return each, replayed, len(labelled)
    return Training(
        account="",
        observations=len(seen),
        labelled=len(labelled),
        result=REFUSED,
        words=f"nothing was changed: on decisions whose truth is known the trained weights come to {why}",
        replayed=replayed,
    )


def _is_trained_on(id_: str) -> bool:
    """Half of what is labelled, always the same half."""
    return hashlib.sha256(id_.encode(errors="replace")).digest()[0] % 2 == 0
