"""A process that is killed while it writes to staging: what it was told is done is there afterwards (I5)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.vfs.staging.doubles import get, make_directory

_WRITER = """
import itertools, os, sys
from pathlib import Path
from artfs.model.names import ArtifactName
from artfs.vfs.staging.directory import StagingDirectory

directory = StagingDirectory(Path(sys.argv[1]), ArtifactName("tester", "default", "bikes"))
for number in itertools.count():
    fd = directory.open("new", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    os.write(fd, b"%d" % number)
    os.close(fd)
    directory.mkdir(f"d{number}")
    directory.rename("new", f"d{number}/f")
    print(number, flush=True)
"""


@pytest.mark.parametrize("lines", [1, 300])
def test_what_a_killed_process_was_told_is_done_is_there(tmp_path: Path, lines: int) -> None:
    directory = make_directory(tmp_path / "s")
    with subprocess.Popen([sys.executable, "-c", _WRITER, tmp_path / "s"], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        for _ in range(lines):
            said = int(writer.stdout.readline())
        writer.kill()
    for number in range(said + 1):
        assert get(directory, f"d{number}/f") == b"%d" % number
    directory.mkdir("goes on")
    names = {name for name, _ in directory.list("")}
    assert names - {f"d{number}" for number in range(len(names))} <= {"new", "goes on"}
