"""The first days at a clinic whose two sides are full: nothing twice, nothing unasked, and nobody is disturbed."""

from __future__ import annotations

from pathlib import Path

from tests.system.going_live import going_live


def test_the_first_days_create_nothing_twice_and_write_nothing_unasked(tmp_path: Path) -> None:
    with going_live(tmp_path, seed=1, clients=120, visits=40) as clinic:
        clinic.run("sync")
        shadow = clinic.audit()
        assert shadow.silent, shadow.as_data()
        for kind, (paired, of) in shadow.paired.items():
            assert paired > 0.85 * of, kind

        clinic.play_day()
        clinic.run("sync")
        day = clinic.audit()
        assert day.silent, day.as_data()

        clinic.run("sync", "--approve")
        live = clinic.audit()
        assert live.clean, live.as_data()
        made = {what: len(ids) for what, ids in live.created.items()}
        assert made.items() >= clinic.on_one_side().items()

        clinic.run("sync")
        again = clinic.audit()
        assert again.clean, again.as_data()
        assert again.write_requests == live.write_requests
