"""The commands and the code of the README run as they are written."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).parents[2] / "README.md"
MARKED = re.compile(r"<!-- test: (commands|python) -->\n```\w+\n(.*?)```", re.DOTALL)


def test_commands_and_code_of_the_readme_run_in_order(tmp_path: Path) -> None:
    marked = MARKED.findall(README.read_text())
    assert [kind for kind, _ in marked] == ["commands", "commands", "python", "commands", "python"]
    environment = {
        **os.environ,
        "ARTFS_HOME": str(tmp_path / "home"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    work = tmp_path / "work"
    work.mkdir()
    try:
        for kind, text in marked:
            command = ["bash", "-euxo", "pipefail", "-c", text] if kind == "commands" else [sys.executable, "-c", text]
            result = subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True, timeout=120, check=False)
            assert result.returncode == 0, result.stdout + result.stderr
    finally:
        if os.path.ismount(work / "mnt"):
            subprocess.run(["fusermount3", "-u", "-z", work / "mnt"], check=False)
    assert (work / "copy" / "cat.txt").read_text() == "a cat\n"
    assert (work / "artifacts" / "numbers:v0" / "squares.csv").read_text().startswith("0,0\n1,1\n")


def test_every_file_the_readme_links_to_is_there() -> None:
    targets = re.findall(r"\]\(((?:docs|artfs)/[^)]*)\)", README.read_text())
    assert targets
    assert [target for target in targets if not (README.parent / target).exists()] == []
