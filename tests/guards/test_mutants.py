"""The mutants fit today's code, name tests that are there, and their runner tells a survivor from a kill."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.mutants.run import FOLDER, ROOT, Mutant, copy_tree, judge, mutant, mutants, require_own_code

WANTED = {"look-before-retry", "echo-rule", "fuse", "hint-counter", "epoch-fence", "reservation", "two-bases"}
QUICK = "tests/unit/core/test_policy.py"
COMMENT = """\
# what: nothing at all
# test: {test}

diff --git a/vetbridge/core/policy.py b/vetbridge/core/policy.py
--- a/vetbridge/core/policy.py
+++ b/vetbridge/core/policy.py
@@ -1,2 +1,3 @@
 {first}
+# nobody minds this line
 {second}
"""


def quiet(folder: Path, first: str, second: str) -> Mutant:
    """A patch that breaks nothing: a comment between the first two lines of a module."""
    path = folder / "quiet.patch"
    path.write_text(COMMENT.format(test=QUICK, first=first, second=second), encoding="utf-8")
    return mutant(path)


def test_the_laws_that_were_promised_have_a_mutant_each() -> None:
    assert {one.name for one in mutants()} >= WANTED


@pytest.mark.parametrize("one", mutants(), ids=lambda one: one.name)
def test_a_patch_fits_and_names_tests_that_are_there(one: Mutant) -> None:
    command = ["git", "apply", "--check", str(one.path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for test in one.tests:
        file, _, name = test.partition("::")
        assert f"def {name.partition('[')[0]}(" in (ROOT / file).read_text(encoding="utf-8"), test


def test_what_breaks_nothing_survives_and_the_tree_is_left_alone(tmp_path: Path) -> None:
    source = ROOT / "vetbridge" / "core" / "policy.py"
    before = source.read_bytes()
    outcome = judge(quiet(tmp_path, *before.decode().split("\n")[:2]))
    assert outcome.trouble.startswith("SURVIVED"), outcome.trouble
    assert source.read_bytes() == before


def test_a_patch_that_does_not_fit_is_no_kill(tmp_path: Path) -> None:
    assert judge(quiet(tmp_path, "this line stands nowhere", "")).trouble.startswith("does not apply")


def test_a_patch_without_words_or_tests_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mute.patch"
    path.write_text("# what: something\n\ndiff --git a/x b/x\n", encoding="utf-8")
    with pytest.raises(ValueError, match="its head must say"):
        mutant(path)
    assert list(FOLDER.glob("*.patch"))


def test_a_copy_runs_its_own_code(tmp_path: Path) -> None:
    require_own_code(copy_tree(tmp_path.resolve()))
    with pytest.raises(RuntimeError, match="not the copy's code"):
        require_own_code(tmp_path.resolve() / "tests")
