"""Pushing content into the page cache: what it must not do when a server does not answer."""

from __future__ import annotations

import subprocess
import sys
from typing import cast

import pytest

from artfs.errors import ReferenceUnavailable
from artfs.mount.push import PagePusher
from artfs.vfs.version_nodes import VersionFile


def test_a_server_that_does_not_answer_does_not_keep_the_process() -> None:
    script = """
import threading
from artfs.mount.push import PagePusher

class Stuck:
    size, origin, where = 1 << 30, "http://127.0.0.1", "v0/f"
    begun = threading.Event()

    def read(self, offset, length):
        self.begun.set()
        threading.Event().wait()

pusher, node = PagePusher(), Stuck()
pusher.start()
for number in range(16):
    pusher.note(1, node, number << 17, 1 << 17)
assert node.begun.wait(30)
pusher.stop()
"""
    assert subprocess.run([sys.executable, "-c", script], timeout=60, check=False).returncode == 0


class Node:
    size, where = 1 << 40, "v0/f"

    def __init__(self, origin: str | None) -> None:
        self.origin = origin

    def read(self, offset: int, length: int) -> bytes:
        raise ReferenceUnavailable("of no matter")


@pytest.mark.parametrize(("origin", "reads"), [(None, 4), ("http://127.0.0.1", 12)])
def test_pushing_a_reference_begins_later_than_a_program_that_wants_one_mebibyte_ends(origin: str | None, reads: int) -> None:
    pusher, node = PagePusher(), cast("VersionFile", Node(origin))
    pusher.start()
    begun = []
    for number in range(16):
        pusher.note(1, node, number << 17, 1 << 17)
        begun.append(pusher._streams[1].window > 0)
    pusher.stop()
    assert begun.index(True) + 1 == reads
