"""Records out of rows: what connectors share that read them by a profile.

A profile says for each kind which column a field comes from; a row becomes one flat record of the shipped table
``neutral``, or is refused with the column and the reason. Nothing here reads a file or asks a database.
"""

from vetbridge.connector.rows.profile import Converter, Deleted, FieldRule, KindRules, check_kinds
from vetbridge.connector.rows.reading import BadRow, RowReader

__all__ = ["BadRow", "Converter", "Deleted", "FieldRule", "KindRules", "RowReader", "check_kinds"]
