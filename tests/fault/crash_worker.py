"""Run as a program: kills processes in the middle of a commit, one for each point, each in a copy of a repository.

    python -m tests.fault.crash_worker calls|system TEMPLATE_HOME FOLDER [commit|contribute|finish]

`calls`: the points are writes to the object store and calls of the registry. `system`: the points are the operations on files that
Python announces to audit hooks (open, rename, link, mkdir, remove), so also those in the middle of one put. Leaves one home for
each point in FOLDER, and prints the points. Forks from a process with one thread, so that the children are as good as new ones.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from artfs.config import Config, load_config
from artfs.repository.open import open_repository
from artfs.repository.repository import Repository
from tests.fault.contributing import SECOND, finish, upsert
from tests.fault.crashing import Points, crashing_repository
from tests.fault.versions import AFTER, commit

_FILE_EVENTS = ("open", "os.rename", "os.link", "os.mkdir", "os.remove", "os.rmdir", "os.truncate")


def _die(point: str) -> None:
    os.write(1, f"{point}\n".encode())
    os.kill(os.getpid(), signal.SIGKILL)


WHAT: dict[str, Callable[[Repository], object]] = {
    "commit": lambda repository: commit(repository, AFTER, aliases=["best"], run_id="the-run"),
    "contribute": lambda repository: upsert(repository, SECOND, "second"),
    "finish": finish,
}


def _act_and_die_at(how: str, what: str, config: Config, at: int) -> None:
    points = Points(at, _die)
    if how == "calls":
        with crashing_repository(config, points) as repository:
            WHAT[what](repository)
        return
    home = str(config.data_dir.parent)

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event in _FILE_EVENTS and any(isinstance(arg, str | bytes) and home in os.fsdecode(arg) for arg in args):
            points.reach(event)

    with open_repository(config) as repository:
        sys.addaudithook(hook)
        WHAT[what](repository)


def _run_child(how: str, what: str, config: Config, at: int) -> bool:
    """True if the child was killed, False if it came to its end."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            _act_and_die_at(how, what, config, at)
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return True
    if os.WEXITSTATUS(status) != 0:
        raise SystemExit(f"the {what} at point {at} failed by itself")
    return False


def main() -> None:
    how, template, folder, *rest = sys.argv[1:]
    what = rest[0] if rest else "commit"
    for at in range(1000):
        home = Path(folder) / f"{at:03}"
        shutil.copytree(template, home)
        config = load_config({"entity": "tester", "project": "default"}, {"ARTFS_HOME": str(home)})
        if not _run_child(how, what, config, at):
            return
    raise SystemExit(f"the {what} has more points than expected")


if __name__ == "__main__":
    main()
