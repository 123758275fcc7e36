"""The placeholder stands in for everybody, so it is nobody: what it is called by never makes it a candidate."""

from __future__ import annotations

from pathlib import Path

from tests.rig import Rig
from vetbridge.core.records import Kind


def test_the_placeholder_is_never_a_candidate(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    # Staff have given it the practice's own phone, and somebody books by that phone.
    rig.pims.edit(Kind.CLIENT, rig.placeholder.client_id, {"phones": ["+447700900123"]})
    rig.refresher.pass_()
    rig.book("Online", "Placeholder", "+447700900123", "Placeholder")
    rig.run()
    (visit,) = rig.visits()
    assert visit["owner"] != rig.placeholder.client_id
    assert rig.endings()[-1][0] == "done"
    assert rig.questions() == ()
