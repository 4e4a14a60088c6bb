"""Pushing content into the page cache: what it must not do when a server does not answer."""

from __future__ import annotations

import subprocess
import sys


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
for number in range(8):
    pusher.note(1, node, number << 17, 1 << 17)
assert node.begun.wait(30)
pusher.stop()
"""
    assert subprocess.run([sys.executable, "-c", script], timeout=60, check=False).returncode == 0
