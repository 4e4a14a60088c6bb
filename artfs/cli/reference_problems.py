"""What became of references that are not what was recorded: as JSON, and as an exit code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from artfs.cli.exit_codes import INTEGRITY, NOT_FOUND, exit_code_of
from artfs.repository.verify_references import ReferenceProblem


def problem_form(problem: ReferenceProblem) -> dict[str, Any]:
    return {"path": problem.path, "uri": problem.uri, "what": problem.what, "versions": list(problem.versions)}


def exit_code_of_problems(problems: Sequence[ReferenceProblem]) -> int:
    """5 where content changed or is gone; else what keeps a home from answering: 9 it does not allow it, 6 it may answer later."""
    codes = {exit_code_of(problem.error) for problem in problems}
    return INTEGRITY if codes & {INTEGRITY, NOT_FOUND} else max(codes)
