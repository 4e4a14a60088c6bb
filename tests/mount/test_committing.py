"""Commit by rename(2), aliases by ln, mv and rmdir, and what the names show right afterwards."""

from __future__ import annotations

import errno
import json
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from artfs.repository.open import open_repository
from artfs.vfs.staging.store import StagingStore
from tests.mount.conftest import FILES, make_source
from tests.mount.mounting import Mounted, Place, eventually


@pytest.fixture
def data(writable: Mounted, source: Path) -> Path:
    """The directory of a mounted artifact with one version."""
    return writable.new_artifact(source)


def stage(data: Path, name: str = "work", **files: bytes) -> Path:
    staging = data / "staging" / name
    staging.mkdir()
    for file, content in files.items():
        (staging / file).write_bytes(content)
    return staging


def mv(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["mv", *map(str, arguments)], capture_output=True, text=True, check=False)


def expect(number: int, call: object, *arguments: object, **named: object) -> None:
    with pytest.raises(OSError) as caught:
        call(*arguments, **named)  # type: ignore[operator]
    assert caught.value.errno == number, caught.value


def test_mv_of_a_staging_directory_to_an_alias_makes_a_version(data: Path) -> None:
    staging = stage(data, a=b"new content")
    assert mv(staging, data / "best").returncode == 0
    assert (data / "best/a").read_bytes() == b"new content"
    assert sorted(os.listdir(data)) == [".artfs", "best", "latest", "staging", "v0", "v1"]
    assert os.listdir(data / "staging") == []


def test_renamed_name_shows_the_version_at_once(data: Path) -> None:
    staging = stage(data, a=b"1")
    (staging / "a").stat()
    os.rename(staging, data / "best")
    assert os.listdir(data / "best") == ["a"]
    assert (data / "best").stat().st_mode & 0o777 == 0o555
    expect(errno.EROFS if os.geteuid() == 0 else errno.EACCES, open, data / "best/a", "wb")
    expect(errno.ENOENT, os.stat, staging)


def test_latest_and_the_version_follow_a_commit_at_once(data: Path) -> None:
    assert (data / "latest/readme.txt").exists()
    assert not (data / "v1").exists()
    os.rename(stage(data, a=b"1"), data / "best")
    assert os.listdir(data / "latest") == ["a"]
    assert os.listdir(data / "v1") == ["a"]


def test_mv_onto_an_existing_alias_moves_it(data: Path) -> None:
    os.rename(stage(data, a=b"1"), data / "best")
    second = stage(data, b=b"2")
    assert mv("-T", second, data / "best").returncode == 0
    assert os.listdir(data / "best") == ["b"]
    assert os.listdir(data / "v1") == ["a"]
    third = stage(data, c=b"3")
    os.rename(third, data / "latest")
    assert os.listdir(data / "latest") == ["c"]
    assert os.listdir(data / "best") == ["b"]


def test_mv_to_a_number_insists_on_it(data: Path) -> None:
    os.rename(stage(data, a=b"1"), data / "v1")
    assert os.listdir(data / "v1") == ["a"]
    staging = stage(data, b=b"2")
    expect(errno.EEXIST, os.rename, staging, data / "v0")
    expect(errno.EEXIST, os.rename, staging, data / "v9")
    assert (staging / "b").read_bytes() == b"2"
    os.rename(staging, data / "v2")
    assert os.listdir(data / "v2") == ["b"]


def test_unchanged_content_makes_no_new_version(data: Path) -> None:
    os.rename(stage(data, a=b"1"), data / "best")
    os.rename(stage(data, a=b"1"), data / "same")
    assert "v2" not in os.listdir(data)
    assert (data / "same").is_dir()
    last = json.loads((data / ".artfs/log").read_text().splitlines()[-1])
    assert (last["staging"], last["version"], last["created"]) == ("work", "v1", False)


def test_a_file_still_open_for_writing_makes_the_commit_busy_and_loses_nothing(data: Path) -> None:
    staging = stage(data, a=b"1")
    with open(staging / "open", "wb") as file:
        file.write(b"half")
        file.flush()
        expect(errno.EBUSY, os.rename, staging, data / "best")
        file.write(b" and half")
    assert (staging / "open").read_bytes() == b"half and half"
    os.rename(staging, data / "best")
    assert (data / "best/open").read_bytes() == b"half and half"


def test_a_file_open_for_reading_does_not_hinder_a_commit(data: Path) -> None:
    staging = stage(data, a=b"content")
    with open(staging / "a", "rb", buffering=0) as file:
        os.rename(staging, data / "best")
        assert file.read() == b"content"


def test_writes_right_before_the_rename_are_in_the_version(data: Path) -> None:
    for round_number in range(10):
        staging = stage(data, a=b"%d" % round_number)
        os.rename(staging, data / "best")
        assert (data / "best/a").read_bytes() == b"%d" % round_number


def test_a_bad_alias_is_refused_and_nothing_is_lost(data: Path) -> None:
    staging = stage(data, a=b"1")
    # EPERM, not EINVAL, of which mv says that a directory cannot be moved to a subdirectory of itself.
    for name in (".hidden", "a:b", "v01"):
        expect(errno.EPERM, os.rename, staging, data / name)
    assert (staging / "a").read_bytes() == b"1"
    assert "not a valid alias" in (data.parent / ".artfs/errors").read_text()


def test_options_beside_a_staging_directory_go_into_the_version(data: Path) -> None:
    staging = stage(data, a=b"1")
    options = {"description": "first light", "metadata": {"lr": 0.1}, "aliases": ["good"]}
    (data / "staging/work.json").write_text(json.dumps(options))
    assert sorted(os.listdir(data / "staging")) == ["work", "work.json"]
    os.rename(staging, data / "best")
    told = json.loads((data / ".artfs/v1.json").read_text())
    assert (told["description"], told["metadata"]) == ("first light", {"lr": 0.1})
    assert told["aliases"] == ["best", "good", "latest"]
    assert os.listdir(data / "staging") == []


def test_options_that_make_no_sense_keep_the_staging_directory(data: Path) -> None:
    staging = stage(data, a=b"1")
    (data / "staging/work.json").write_text("{")
    expect(errno.EPERM, os.rename, staging, data / "best")
    assert (staging / "a").read_bytes() == b"1"
    assert "work.json is not valid JSON" in (data.parent / ".artfs/errors").read_text()


def test_rename_within_staging_keeps_content_and_open_files(data: Path) -> None:
    staging = stage(data, a=b"1")
    with open(staging / "a", "ab") as file:
        os.rename(staging, data / "staging/other")
        file.write(b"2")
    assert (data / "staging/other/a").read_bytes() == b"12"
    expect(errno.ENOENT, os.stat, staging)
    stage(data, "work", b=b"x")
    expect(errno.EEXIST, os.rename, data / "staging/other", staging)


def test_a_staging_directory_is_removed_by_rmdir_only_when_empty(data: Path) -> None:
    staging = stage(data, a=b"1")
    expect(errno.ENOTEMPTY, os.rmdir, staging)
    os.unlink(staging / "a")
    os.rmdir(staging)
    assert os.listdir(data / "staging") == []


def test_staging_holds_directories_and_options_only(data: Path) -> None:
    expect(errno.EPERM, open, data / "staging/file.txt", "wb")
    expect(errno.EINVAL, os.mkdir, data / "staging/.hidden")


def test_moves_between_staging_directories_and_out_of_them_cross_devices(data: Path) -> None:
    first, second = stage(data, "one", a=b"1"), stage(data, "two")
    expect(errno.EXDEV, os.rename, first / "a", second / "a")
    (first / "sub").mkdir()
    expect(errno.EXDEV, os.rename, first / "sub", data / "best")
    assert mv(first / "a", second / "a").returncode == 0
    assert (second / "a").read_bytes() == b"1"


def test_ln_makes_an_alias_and_rmdir_removes_it(data: Path) -> None:
    subprocess.run(["ln", "-s", "v0", data / "good"], check=True)
    assert (data / "good").is_dir()
    assert (data / "good/readme.txt").read_bytes() == FILES["readme.txt"]
    expect(errno.EEXIST, os.symlink, "v0", data / "good")
    os.rmdir(data / "good")
    expect(errno.ENOENT, os.stat, data / "good")
    assert "good" not in os.listdir(data)


def test_ln_and_mv_move_an_alias_in_one_step(data: Path) -> None:
    os.symlink("v0", data / "best")
    os.rename(stage(data, a=b"1"), data / "next")
    assert (data / "best/readme.txt").exists()
    subprocess.run(["ln", "-s", "v1", data / "tmp"], check=True)
    assert mv("-T", data / "tmp", data / "best").returncode == 0
    assert os.listdir(data / "best") == ["a"]
    assert "tmp" not in os.listdir(data)
    expect(errno.ENOENT, os.stat, data / "tmp")


def test_alias_of_something_that_is_not_there_is_refused(data: Path) -> None:
    expect(errno.ENOENT, os.symlink, "v7", data / "good")
    expect(errno.EINVAL, os.symlink, "/etc/passwd", data / "good")
    expect(errno.EROFS, os.symlink, "v0", data / "v5")
    expect(errno.EROFS, os.rmdir, data / "v0")


def test_alias_held_open_stays_on_its_version(data: Path) -> None:
    os.symlink("v0", data / "best")
    held = os.open(data / "best", os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.rename(stage(data, a=b"1"), data / "latest")
        os.symlink("v1", data / "tmp")
        os.rename(data / "tmp", data / "best")
        assert os.listdir(data / "best") == ["a"]
        assert "readme.txt" in os.listdir(held)
        with open(os.open("labels.csv", os.O_RDONLY, dir_fd=held), "rb") as file:
            assert file.read() == FILES["labels.csv"]
        os.rmdir(data / "best")
        assert os.stat("images/cat.bin", dir_fd=held).st_size == len(FILES["images/cat.bin"])
    finally:
        os.close(held)


def test_alias_that_was_removed_and_made_again_is_alive(data: Path) -> None:
    for _ in range(3):
        os.symlink("v0", data / "best")
        with open(data / "best/readme.txt", "rb"):
            os.rmdir(data / "best")
    os.symlink("v0", data / "best")
    assert "images" in os.listdir(data / "best")


def test_what_others_commit_appears_within_a_second(data: Path, writable: Mounted, tmp_path: Path) -> None:
    assert (data / "latest/readme.txt").exists()
    other = make_source(tmp_path / "other")
    (other / "extra").write_bytes(b"from elsewhere")
    writable.place.commit(other, data.name, aliases=["remote"])
    eventually(lambda: (data / "latest/extra").exists() and (data / "remote").exists(), within_s=5)


def test_mkdir_makes_an_artifact_that_the_first_commit_gives_its_type(data: Path, writable: Mounted) -> None:
    place, root = writable.place, data.parent
    (root / "model").mkdir()
    assert "model" in os.listdir(root)
    assert sorted(os.listdir(root / "model")) == [".artfs", "staging"]
    staging = stage(root / "model", weights=b"w")
    (root / "model/staging/work.json").write_text('{"type": "model"}')
    os.rename(staging, root / "model/best")
    assert place.resolve("model", "best").type == "model"
    (root / "plain").mkdir()
    os.rename(stage(root / "plain", a=b"1"), root / "plain/best")
    assert place.resolve("plain", "v0").type == "dataset"
    expect(errno.EEXIST, os.mkdir, root / "plain")
    (root / "unused").mkdir()
    (root / "unused").rmdir()
    assert "unused" not in os.listdir(root)
    expect(errno.EINVAL, os.mkdir, root / "not valid")


def test_a_run_gets_what_it_read_and_committed(place: Place, source: Path) -> None:
    place.commit(source)
    place.commit(source, name="unread")
    with place.mounted(run_id="train-7") as mountpoint:
        os.listdir(mountpoint / "unread/v0")
        (mountpoint / "data/latest/readme.txt").read_bytes()
        os.rename(stage(mountpoint / "data", a=b"1"), mountpoint / "data/best")
        told = json.loads((mountpoint / "data/.artfs/v0.json").read_text())
        assert [run["id"] for run in told["consumers"]] == ["train-7"]
        told = json.loads((mountpoint / "data/.artfs/v1.json").read_text())
        assert told["producer"]["id"] == "train-7"
        with open_repository(place.config) as repository:
            store = StagingStore(place.config.staging_dir, repository)
            store.create(place.artifact("unread"), "edit", place.resolve("unread", "v0"))
            store.close()
        assert json.loads((mountpoint / "unread/.artfs/v0.json").read_text())["consumers"] == []
        (mountpoint / "unread/staging/edit/more").write_bytes(b"x")
        os.rename(mountpoint / "unread/staging/edit", mountpoint / "unread/best")
        told = json.loads((mountpoint / "unread/.artfs/v0.json").read_text())
        assert [run["id"] for run in told["consumers"]] == ["train-7"], "what a run edits, it has used"


def test_commits_to_one_name_at_the_same_time_all_succeed(data: Path) -> None:
    """The first attempt at each is told to try again, and there is no third: none may take the second try of another."""

    def commit_some(who: str) -> None:
        for number in range(5):
            os.rename(stage(data, f"{who}-{number}", a=f"{who} {number}".encode()), data / "best")

    with ThreadPoolExecutor(3) as threads:
        for done in [threads.submit(commit_some, who) for who in ("one", "two", "three")]:
            done.result()
    assert {f"v{number}" for number in range(16)} <= set(os.listdir(data))
    assert os.listdir(data / "staging") == []
