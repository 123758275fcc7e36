"""Every test here has the clinic of ``practice``."""

from tests.unit.desk.practice import desk, ledger, parked, settled

__all__ = ["desk", "ledger", "parked", "settled"]
