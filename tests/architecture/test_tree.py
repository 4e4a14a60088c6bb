"""What the shape of the code must be, beyond what the linters know."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "artfs"
FORBIDDEN_NAMES = {"utils", "helpers", "common", "misc", "base", "manager"}
MODULES = sorted(PACKAGE.rglob("*.py"))


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert [str(path) for path in MODULES if path.stem in FORBIDDEN_NAMES or path.parent.name in FORBIDDEN_NAMES] == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_module_says_what_it_is_and_stays_readable(path: Path) -> None:
    text = path.read_text()
    tree = ast.parse(text)
    assert ast.get_docstring(tree), "a module begins with what it is"
    assert len(text.splitlines()) <= 400, "split it: a file has one subject"
    too_long = [
        f"{node.name} has {node.end_lineno - node.lineno + 1} lines"
        for node in _functions(tree)
        if node.end_lineno is not None and node.end_lineno - node.lineno + 1 > 60
    ]
    assert too_long == [], "a function over 60 lines is a list of functions"


def _functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node
