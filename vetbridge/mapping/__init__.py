"""The mapping runtime and code lists: native records <-> canonical ones, by tables that are data.

A table says for each canonical field where it stands in the native record and by which codec it is turned::

    mapping: ezyvet
    extends: NAME or PATH            # optional: laid over that table; a field that is null is taken away
    kinds:
      pet:
        birth_date: {path: date_of_birth, codec: epoch_date}
        species:    {path: species_id, codec: code, list: species}
        deceased:   {path: is_dead, codec: flag, as: string, direction: read}
    codes:                           # lists fixed by the vendor; the site's own are merged over them
      status: {cancelled: inactive, booked: ["1", "6"], otherwise: {read: booked}}

``path`` and canonical names may be dotted. ``direction`` is ``both`` (default), ``read`` or ``write``. Codecs: text,
id, integer, flag, epoch, wall_time, iso_time, date, epoch_date, code, texts, ids (``vetbridge.mapping.codecs``).
"""

from vetbridge.mapping.codecs import MappingContext
from vetbridge.mapping.codes import CodeList
from vetbridge.mapping.mapper import Held, Mapper
from vetbridge.mapping.table import Table, composed_table, load_table

__all__ = ["CodeList", "Held", "Mapper", "MappingContext", "Table", "composed_table", "load_table"]
