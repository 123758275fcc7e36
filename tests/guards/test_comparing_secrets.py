"""Secrets are compared by ``hmac.compare_digest`` alone: ``==`` ends at the first wrong letter, and so tells it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
SECRET = re.compile(r"(^|_)(secret|token|password|passphrase|mac|hmac|signature|api_?key|nonce)s?(_hash)?$")
"""What a name ends with that holds one."""
KNOWN = {
    # Looked up in the ledger by its keyed hash: what the database's index tells of a hash says nothing of the token.
    "vetbridge/ledger/staff.py: Staff.token_hash == token_hash",
    "vetbridge/ledger/staff.py: StaffSession.token_hash == token_hash",
    "vetbridge/ledger/staff.py: col(StaffSession.token_hash) == token_hash",
    # Both are hashes out of the ledger: whether the password was changed meanwhile.
    "vetbridge/desk/staff.py: now.password_hash != known",
}


def compared(tree: ast.AST) -> Iterator[ast.Compare]:
    """Comparisons of what bears the name of a secret, other than with a constant or for being there."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Compare):
            continue
        sides = [node.left, *node.comparators]
        if any(isinstance(side, ast.Constant | ast.Compare) for side in sides):
            continue
        equal = any(isinstance(how, ast.Eq | ast.NotEq) for how in node.ops)
        if equal and any(SECRET.search(name) for side in sides for name in _names(side)):
            yield node


def _names(node: ast.AST) -> Iterator[str]:
    """The last name of what stands there, also inside a call: ``col(Staff.token_hash)``, ``secret.encode()``."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name):
            yield inner.id
        elif isinstance(inner, ast.Attribute):
            yield inner.attr


def test_no_secret_is_compared_letter_by_letter() -> None:
    found = {
        f"{path.relative_to(ROOT).as_posix()}: {ast.unparse(node)}"
        for folder in ("vetbridge", "connectors")
        for path in (ROOT / folder).rglob("*.py")
        if not {"testing", "simulator"} & set(path.parts)
        for node in compared(ast.parse(path.read_text("utf-8")))
    }
    assert found == KNOWN


def test_the_look_finds_what_it_is_for() -> None:
    assert list(compared(ast.parse("given == self.hook_secret")))
    assert list(compared(ast.parse("mac != made(key)")))
    assert not list(compared(ast.parse("token == ''")))
