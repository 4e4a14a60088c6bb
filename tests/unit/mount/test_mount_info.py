from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from artfs.mount.mount_info import MountInfo, forget_dead, iter_notes, read_note, remove_note, start_of_process, write_note


def info(mountpoint: Path, **fields: Any) -> MountInfo:
    started = start_of_process(os.getpid())
    assert started is not None
    return replace(MountInfo(mountpoint, "tester/default", os.getpid(), started, "tester", "default"), **fields)


def test_a_note_comes_back_as_it_was(tmp_path: Path) -> None:
    written = replace(info(tmp_path / "mnt"), run_id="r", log=tmp_path / "log")
    write_note(tmp_path, written)
    assert read_note(tmp_path, tmp_path / "mnt") == written
    assert list(iter_notes(tmp_path)) == [written]
    assert written.is_running()


def test_a_process_id_that_was_given_again_is_not_the_mount(tmp_path: Path) -> None:
    assert not info(tmp_path, process_start=1).is_running()


def test_notes_of_processes_that_ended_are_forgotten(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        started = start_of_process(process.pid)
        assert started is not None
        dead = info(tmp_path / "dead", pid=process.pid, process_start=started)
        write_note(tmp_path, dead)
        write_note(tmp_path, info(tmp_path / "alive"))
        process.communicate(b"\n")
    forget_dead(tmp_path)
    assert [note.mountpoint.name for note in iter_notes(tmp_path)] == ["alive"]


def test_a_note_is_removed_by_the_mount_that_wrote_it_only(tmp_path: Path) -> None:
    write_note(tmp_path, info(tmp_path / "mnt"))
    remove_note(tmp_path, info(tmp_path / "mnt", process_start=1))
    assert read_note(tmp_path, tmp_path / "mnt") is not None
    remove_note(tmp_path, info(tmp_path / "mnt"))
    assert read_note(tmp_path, tmp_path / "mnt") is None


def test_damaged_notes_say_nothing(tmp_path: Path) -> None:
    for name, text in (("a", ""), ("b", "[]"), ("c", '{"pid": 1}'), ("d", "\0")):
        (tmp_path / f"{name}.json").write_text(text)
    assert list(iter_notes(tmp_path)) == []
