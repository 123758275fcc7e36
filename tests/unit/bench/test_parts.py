"""A long run of the matching benchmark: what is done is not done again, what failed is tried again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bench.matching.parts import ROOT, Part, PartFailed, run

SOURCE = "bench/matching/peers/cutoffs.py"


@pytest.fixture
def part(tmp_path: Path) -> Part:
    """Prints a file of JSON in another form; its second argument is the file that it makes."""
    given, made = tmp_path / "given.json", tmp_path / "work" / "made.json"
    given.write_text('{"one": 1}', encoding="utf-8")
    return Part("tidy", made.parent, ("json.tool", str(given), str(made)), (SOURCE,), makes=(made,))


def test_a_part_makes_its_file_and_is_measured(part: Part) -> None:
    done = run(part)
    [made] = part.makes
    assert made.read_text(encoding="utf-8") == '{\n    "one": 1\n}\n'
    assert done.seconds > 0
    assert done.peak > 1


def test_a_part_is_not_done_again(part: Part) -> None:
    first = run(part)
    [made] = part.makes
    made.write_text("as it was", encoding="utf-8")
    assert run(part) == first
    assert made.read_text(encoding="utf-8") == "as it was"


def test_what_a_part_prints_is_kept(part: Part) -> None:
    printing = replace(part, command=part.command[:2], makes=())
    assert run(printing).text == run(printing).text == '{\n    "one": 1\n}\n'


def test_a_part_is_done_again_where_its_file_is_gone(part: Part) -> None:
    run(part)
    [made] = part.makes
    made.unlink()
    run(part)
    assert made.exists()


def test_other_commands_sources_and_earlier_parts_are_other_inputs(part: Part) -> None:
    others = [
        replace(part, command=(*part.command, "--sort-keys")),
        replace(part, sources=("bench/matching/peers",)),
        replace(part, after=(part,)),
        replace(part, after=(replace(part, command=(*part.command, "--sort-keys")),)),
    ]
    assert len({one.inputs() for one in (part, *others)}) == 5
    [made] = part.makes
    run(part)
    made.write_text("as it was", encoding="utf-8")
    run(others[0])
    assert made.read_text(encoding="utf-8") != "as it was"


def test_a_failed_part_is_named_and_tried_again(part: Part) -> None:
    given = Path(part.command[1])
    given.write_text("no JSON", encoding="utf-8")
    for _ in range(2):
        with pytest.raises(PartFailed, match="work/tidy ended with"):
            run(part)
    given.write_text("[]", encoding="utf-8")
    assert run(part).text == ""


def test_a_source_that_is_gone_is_no_silent_skip(part: Part) -> None:
    assert (ROOT / SOURCE).exists()
    with pytest.raises(OSError, match=r"gone\.py"):
        run(replace(part, sources=("bench/gone.py",)))


def test_the_memory_of_the_run_is_not_the_parts(part: Part) -> None:
    large = b"x" * 200_000_000
    assert run(part).peak < 100
    assert large.endswith(b"x")
