"""The weights that were trained for an account: which ones are live, and those before them."""

from __future__ import annotations

import tomllib

import sqlalchemy as sa
from sqlmodel import col, select

from vetbridge.core.errors import ConfigError
from vetbridge.core.matching import Weights, read_weights, shipped
from vetbridge.ledger import statements
from vetbridge.ledger.database import Transaction
from vetbridge.ledger.tables import MatchWeights

TABLE: sa.Table = MatchWeights.__table__  # type: ignore[attr-defined]


class LiveWeights:
    """The weights by which an account is matched: trained ones where some are live, else the shipped.

    Asked for with every booking, so that newly trained ones count at once; read only when they are new.
    """

    def __init__(self, account: str) -> None:
        self._account = account
        self._read: tuple[int | None, Weights] | None = None

    def get(self, tx: Transaction) -> Weights:
        """Those that are live now."""
        id_ = next((row[0] for row in statements.rows(tx, _LIVE, (self._account, True))), None)
        if self._read is None or self._read[0] != id_:
            self._read = (id_, shipped() if id_ is None else _weights(tx, id_))
        return self._read[1]


_LIVE = "SELECT id FROM match_weights WHERE account = ? AND live = ?"


def live(tx: Transaction, account: str) -> MatchWeights | None:
    """The trained weights that are live; None where the shipped ones are."""
    statement = select(MatchWeights).where(MatchWeights.account == account, col(MatchWeights.live))
    return tx.session.exec(statement).first()


def put(tx: Transaction, account: str, document: str, made_from: str) -> int:
    """Makes weights live, as TOML text; returns their number. The ones before stay on record."""
    forget(tx, account)
    row = MatchWeights(account=account, document=document, made_from=made_from, made_at=tx.now, live=True)
    tx.session.add(row)
    tx.session.flush()
    assert row.id is not None  # noqa: S101 - the ledger has given it
    return row.id


def forget(tx: Transaction, account: str) -> bool:
    """Goes back to the shipped weights; whether others were live."""
    row = live(tx, account)
    if row is None:
        return False
    row.live = False
    row.ended_at = tx.now
    tx.session.flush()
    return True


def _weights(tx: Transaction, id_: int) -> Weights:
    """Trained weights; the shipped ones instead of those that an older VetBridge made and this one cannot use."""
    text = tx.session.execute(sa.select(TABLE.c.document).where(TABLE.c.id == id_)).scalar_one()
    try:
        return read_weights(tomllib.loads(text), f"trained weights {id_}")
    except (ConfigError, tomllib.TOMLDecodeError):
        return shipped()
