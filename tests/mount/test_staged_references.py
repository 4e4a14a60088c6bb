"""References below a staging directory: what stays one when it is committed, and what becomes a file."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from artfs.model.entry import Entry, Kind
from artfs.repository.open import open_repository
from tests.mount.failures import errno_of_failure, told_errors
from tests.mount.mounting import Mounted, Place
from tests.servers.nginx import Nginx

DATA = b"".join(i.to_bytes(4, "little") * 16 for i in range(20_000))


@pytest.fixture(scope="module")
def mounted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mounted]:
    place = Place(tmp_path_factory.mktemp("staged-references"))
    with place.mounted(expect_errors=True) as mountpoint:
        yield Mounted(place, mountpoint)


class Staged:
    """An artifact of references, and a staging directory over it."""

    def __init__(self, mounted: Mounted, server: Nginx, name: str, *, checksum: bool) -> None:
        self._place = mounted.place
        self._server = server
        self.name = name
        self.artifact = mounted.mountpoint / name
        urls = [server.put(f"{name}/{path}", DATA + path.encode()) for path in ("one", "two", "folder/three")]
        mounted.place.refer({url: url.partition(f"{name}/")[2] for url in urls}, name, checksum=checksum)
        self.base = self.entries("v0")
        command = [str(Path(sys.executable).with_name("artfs")), "stage", name, "--from", "v0", "--name", "work"]
        subprocess.run(command, env=mounted.place.environ, check=True, capture_output=True)
        self.work = self.artifact / "staging/work"
        server.requests()

    def entries(self, selector: str) -> dict[str, Entry]:
        with open_repository(self._place.config) as repository:
            manifest = repository.manifest(self._place.resolve(self.name, selector))
            return {entry.path: entry for entry in manifest.iter_entries() if entry.kind is not Kind.DIRECTORY}

    def commit(self) -> dict[str, Entry]:
        """The entries of the version that the staging directory becomes."""
        self.work.rename(self.artifact / "next")
        return self.entries("next")

    def gets(self) -> int:
        return sum(request.method == "GET" for request in self._server.requests())

    def change_home(self, path: str) -> None:
        self._server.put(f"{self.name}/{path}", DATA[::-1])


@pytest.fixture(params=["recorded", "of unknown size"])
def staged(request: pytest.FixtureRequest, mounted: Mounted, http_server: Nginx) -> Staged:
    name = "".join(letter if letter.isalnum() else "-" for letter in request.node.name).strip("-")
    return Staged(mounted, http_server, name, checksum=request.param == "recorded")


def test_references_are_read_through_a_staging_directory(staged: Staged) -> None:
    assert sorted(os.listdir(staged.work)) == ["folder", "one", "two"]
    assert (staged.work / "one").read_bytes() == DATA + b"one"
    assert (staged.work / "folder/three").stat().st_size == len(DATA) + 12
    copied = subprocess.run(["cp", "-r", staged.work, staged.work.parent.parent / "staging/copy"], check=False)
    assert copied.returncode == 0
    assert (staged.work.parent / "copy/two").read_bytes() == DATA + b"two"


def test_untouched_and_renamed_references_stay_references(staged: Staged) -> None:
    (staged.work / "one").rename(staged.work / "uno")
    (staged.work / "folder").rename(staged.work / "moved")
    (staged.work / "two").chmod(0o600)
    os.utime(staged.work / "two", (5, 5))
    (staged.work / "note.txt").write_bytes(b"a note")
    assert staged.gets() == 0
    entries = staged.commit()
    assert sorted(entries) == ["moved/three", "note.txt", "two", "uno"]
    assert entries["two"] == staged.base["two"]
    assert entries["uno"] == staged.base["one"].at("uno")
    assert entries["moved/three"] == staged.base["folder/three"].at("moved/three")
    assert staged.gets() == 0
    assert (staged.artifact / "next/uno").read_bytes() == DATA + b"one"


def test_a_reference_that_is_written_to_becomes_a_file_and_others_do_not(staged: Staged) -> None:
    with (staged.work / "one").open("r+b") as file:
        file.seek(2)
        file.write(b"XY")
    os.truncate(staged.work / "folder/three", 10)
    expected = DATA[:2] + b"XY" + DATA[4:] + b"one"
    assert (staged.work / "one").read_bytes() == expected
    assert (staged.work / "folder/three").read_bytes() == DATA[:10]
    entries = staged.commit()
    assert {path: entry.kind for path, entry in entries.items()} == {
        "one": Kind.FILE,
        "folder/three": Kind.FILE,
        "two": Kind.REFERENCE,
    }
    assert (staged.artifact / "next/one").read_bytes() == expected
    assert (staged.artifact / "v0/one").read_bytes() == DATA + b"one"


def test_appending_knows_where_a_reference_ends(staged: Staged) -> None:
    with (staged.work / "one").open("ab") as file:
        file.write(b" and more")
    assert (staged.work / "one").read_bytes() == DATA + b"one and more"


def test_removed_and_replaced_references_are_gone(staged: Staged) -> None:
    (staged.work / "one").unlink()
    (staged.work / "two").write_bytes(b"a file now")
    assert staged.gets() == 0
    entries = staged.commit()
    assert sorted(entries) == ["folder/three", "two"]
    assert entries["two"].kind is Kind.FILE


def test_a_reference_has_one_name(staged: Staged) -> None:
    assert errno_of_failure(lambda: os.link(staged.work / "one", staged.work / "other")) == "EPERM"
    assert "cannot have two names" in " ".join(told_errors(staged.work).values())
    assert not (staged.work / "other").exists()
    assert staged.gets() == 0


def test_what_cannot_be_copied_is_an_error_and_nothing_is_lost(mounted: Mounted, http_server: Nginx) -> None:
    staged = Staged(mounted, http_server, "cannot-be-copied", checksum=True)
    (staged.work / "note.txt").write_bytes(b"a note")
    staged.change_home("one")
    assert errno_of_failure(lambda: (staged.work / "one").open("r+b")) == "EIO"
    assert errno_of_failure(lambda: os.truncate(staged.work / "one", 5)) == "EIO"
    assert "recorded" in told_errors(staged.work)[f"{staged.name}/staging/work/one"]
    assert (staged.work / "two").read_bytes() == DATA + b"two"
    entries = staged.commit()
    assert entries["one"] == staged.base["one"]
    assert (staged.artifact / "next/note.txt").read_bytes() == b"a note"


def test_a_reference_that_is_open_is_read_on_whatever_becomes_of_its_name(staged: Staged) -> None:
    with (staged.work / "one").open("rb") as file:
        (staged.work / "one").rename(staged.work / "uno")
        assert file.read(100) == DATA[:100]
        (staged.work / "uno").unlink()
        file.seek(len(DATA))
        assert file.read() == b"one"


def test_a_version_with_references_can_be_copied_into_a_new_one(staged: Staged, tmp_path: Path) -> None:
    new = staged.artifact / "staging/new"
    new.mkdir()
    subprocess.run(["rsync", "-a", f"{staged.artifact}/v0/", new], check=True)
    assert (new / "folder/three").read_bytes() == DATA + b"folder/three"
