"""kill -9 while VetBridge pairs two full sides, and while it writes for the first time: the end is the same."""

from __future__ import annotations

from pathlib import Path

from tests.system.going_live import going_live


def test_killed_in_the_middle_and_resumed_the_end_is_the_same(tmp_path: Path) -> None:
    with going_live(tmp_path, seed=2, clients=120, visits=40, timeout=3.0) as clinic:
        clinic.killed_when(lambda: clinic.links("client") > 0, "sync")
        clinic.killed_when(lambda: clinic.links("appointment") > 5, "sync")
        clinic.run("sync")
        shadow = clinic.audit()
        assert shadow.silent, shadow.as_data()
        for kind, (paired, of) in shadow.paired.items():
            assert paired > 0.85 * of, kind

        clinic.play_day()
        clinic.killed_before_the_answer(1, "sync", "--approve")
        for _ in range(2):
            clinic.killed_before_the_answer(4, "sync")
        clinic.run("sync")
        live = clinic.audit()
        assert live.clean, live.as_data()
        made = {what: len(ids) for what, ids in live.created.items()}
        assert made.items() >= clinic.on_one_side().items()

        clinic.run("sync")
        again = clinic.audit()
        assert again.clean, again.as_data()
        assert again.write_requests == live.write_requests
