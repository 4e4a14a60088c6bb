"""The code of a page of the documentation, and a program that runs it as a reader would.

    python -m tests.docs.pages PAGE FOLDER [HEADING...]

runs all `python` and `sh` blocks of the page in order, in that folder: Python in one session, each `sh` block in a shell of its
own. A line `print(…)  # text` has to print that text. What is under one of the headings is left out. Ends with 1 and a traceback at
the first block that fails.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_BLOCK = re.compile(r"^```(python|sh)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_EXPECTED = re.compile(r"^ *print\(.*\)  # (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """One block of code: `line` is where its code begins on the page, `heading` what it is under."""

    kind: str
    heading: str
    line: int
    code: str

    @property
    def expected(self) -> list[str]:
        """What the block says that it prints, line by line."""
        return _EXPECTED.findall(self.code) if self.kind == "python" else []


def blocks_of(page: Path) -> list[Block]:
    """All blocks of Python and shell on the page."""
    text = page.read_text()
    blocks = []
    for match in _BLOCK.finditer(text):
        # Comments of the shell look like headings: the code of the blocks before is not looked at.
        heading = _HEADING.findall(_BLOCK.sub("", text[: match.start()]))[-1]
        blocks.append(Block(match[1], heading, text.count("\n", 0, match.start(2)) + 1, match[2]))
    return blocks


def _run_python(page: Path, block: Block, names: dict[str, Any]) -> None:
    printed = io.StringIO()
    with redirect_stdout(printed):
        # Empty lines in front, so that a traceback shows the line on the page.
        exec(compile("\n" * (block.line - 1) + block.code, str(page), "exec"), names)
    print(printed.getvalue(), end="")
    lines = iter(printed.getvalue().splitlines())
    missing = [expected for expected in block.expected if expected not in lines]
    if missing:
        raise AssertionError(
            f"the block at line {block.line} of {page} should print {missing[0]!r}, and prints:\n{printed.getvalue()}"
        )


def _run_shell(page: Path, block: Block) -> None:
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", block.code], stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        raise AssertionError(f"the block at line {block.line} of {page} ended with {done.returncode}:\n{block.code}")


def main(page: Path, folder: Path, left_out: Sequence[str] = ()) -> None:
    """Run the page. Output is as it comes, so that a failure is found below what led to it."""
    os.chdir(folder)
    names: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks_of(page):
        if block.heading in left_out:
            continue
        print(f"--- {page.name}, line {block.line}", flush=True)
        if block.kind == "python":
            _run_python(page, block, names)
        else:
            _run_shell(page, block)
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]), sys.argv[3:])
