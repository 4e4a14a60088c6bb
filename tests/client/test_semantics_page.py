"""Every promise of `docs/semantics.md` names a test that is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "semantics.md"
PROOF = re.compile(r"`([a-z_/]+\.py)::(test_\w+)`")


def test_every_promise_is_proved_by_a_test_that_is_there() -> None:
    paragraphs = [text for text in PAGE.read_text().split("\n\n") if text.startswith("**")]
    assert len(paragraphs) > 30
    assert [text for text in paragraphs if not PROOF.search(text)] == []


def test_the_tests_it_names_are_there() -> None:
    named = set(PROOF.findall(PAGE.read_text()))
    there = {
        (path, node.name)
        for path in {path for path, _ in named}
        for node in ast.walk(ast.parse((TESTS / path).read_text()))
        if isinstance(node, ast.FunctionDef)
    }
    assert named - there == set()
