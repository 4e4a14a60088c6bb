"""What readers keep, in a forked child: no lock that a thread of the parent held keeps it waiting."""

from __future__ import annotations

import os
import signal

import pytest

from artfs.content.chunk_map import ChunkMap
from artfs.content.manifest_writer import write_manifest
from artfs.content.manifests import ManifestStore
from tests.unit.content.chunk_box import ChunkBox
from tests.unit.content.made_entries import file_entry


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_reads_manifests_and_chunk_lists_whatever_locks_its_parent_held() -> None:
    box = ChunkBox()
    entry = file_entry("file")
    root = write_manifest([entry], box.put).root
    manifests, chunk_map = ManifestStore(box), ChunkMap(box)
    with manifests._lock, manifests.pages._lock, chunk_map._lock:
        child = os.fork()
    if not child:
        signal.alarm(30)
        try:
            is_there = manifests.open(root).get("file") == entry
            os._exit(not (is_there and chunk_map.locate(entry.content, 0, 1)))
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
