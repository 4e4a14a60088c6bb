"""Writers of one version that give a path different content: who is told, and what overwriting does."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

import artfs
from artfs import errors
from tests.client.making import build, content
from tests.client.together import count_versions, finish, upsert


def test_two_writers_with_different_bytes_are_a_conflict_that_names_path_and_writers(tmp_path: Path) -> None:
    for number in range(2):
        upsert({"same": b"same", f"own/{number}": b"1", "model.bin": b"%d" % number, "z": b"%d" % number}, f"w{number}")
    with artfs.init(group="g", id="z") as run:
        whole = build("parts", {"whole": b"whole"})
        with pytest.raises(errors.Conflict) as caught:
            run.finish_artifact(whole)
        assert str(caught.value) == (
            "tester/default/parts cannot be finished under the distributed_id 'g': 'model.bin' has one content from w0 and another "
            "from w1 (and 1 more path differs); contribute what is right with upsert_artifact(…, overwrite=True), or begin anew "
            "under another distributed_id"
        )
        assert isinstance(caught.value, errors.ContributionsDiffer)
        assert (caught.value.path, caught.value.writers) == ("model.bin", ("w0", "w1"))
        assert count_versions() == 0
        # All is as before: the artifact can be added to, and the remedy works.
        assert whole.state == "DRAFT"
        with whole.new_file("more") as file:
            file.write("more")
        upsert({"model.bin": b"1", "z": b"1"}, "w0", overwrite=True)
        run.finish_artifact(whole)
    expected = {"same": b"same", "own/0": b"1", "own/1": b"1", "model.bin": b"1", "z": b"1", "whole": b"whole", "more": b"more"}
    assert content(whole, tmp_path / "out") == expected


def test_the_finisher_is_a_writer_too() -> None:
    with artfs.init(id="w", group="g", name="a worker", reinit="create_new") as run:
        run.upsert_artifact(build("parts", {"a": b"1"}))
    with pytest.raises(errors.Conflict, match=r"'a' has one content from a worker \(run w\) and another from z;"):
        finish({"a": b"2"})
    assert finish({"a": b"1"}).file_count == 1


def test_a_file_beside_a_directory_of_its_name_is_a_conflict() -> None:
    upsert({"x": b"file"}, "one")
    upsert({"x/y": b"below"}, "two")
    with pytest.raises(errors.Conflict, match=r"'x' is a file from one, but 'x/y' comes from two;"):
        finish()
    upsert({"x": b"file"}, "two", overwrite=True)
    assert [entry.path for entry in finish().files()] == ["x"]


@pytest.mark.parametrize("order", [("one", "two"), ("two", "one")])
@pytest.mark.parametrize(("right", "left"), [({"x/y": b"right"}, ["x/y", "x/z"]), ({"x": b"right"}, ["x"])])
def test_a_file_beside_a_directory_makes_place_for_what_overwrites(
    order: tuple[str, str], right: dict[str, bytes], left: list[str]
) -> None:
    said = {"one": {"x/y": b"below", "x/z": b"below"}, "two": {"x": b"file"}}
    for run in order:
        upsert(said[run], run)
    with pytest.raises(errors.Conflict):
        finish()
    finished = finish(right, overwrite=True)
    assert [entry.path for entry in finished.files()] == left
    assert Path(finished.get_path(next(iter(right))).download()).read_bytes() == b"right"


def test_an_empty_directory_beside_a_file_is_a_conflict_and_may_overwrite_it(tmp_path: Path) -> None:
    (tmp_path / "in/x").mkdir(parents=True)
    upsert({"x": b"file"}, "one")
    with artfs.init(id="two", group="g", reinit="create_new") as run:
        folder = artfs.Artifact("parts", type="dataset")
        folder.add_dir(tmp_path / "in")
        with pytest.raises(errors.Conflict, match=r"'x' is a file from one, and a directory from two;"):
            run.finish_artifact(folder)
        run.finish_artifact(folder, overwrite=True)
    assert folder.files() == []


@pytest.mark.parametrize("first", [0o755, 0o644])
def test_the_same_bytes_are_no_conflict_and_executable_when_any_writer_says_so(first: int, tmp_path: Path) -> None:
    source = tmp_path / "tool.sh"
    source.write_bytes(b"true")
    with artfs.init(group="g") as run:
        for mode in (first, 0o755 ^ 0o644 ^ first):
            source.chmod(mode)
            part = artfs.Artifact("parts", type="dataset")
            part.add_file(source)
            run.upsert_artifact(part)
        finished = run.finish_artifact(artfs.Artifact("parts", type="dataset"))
    assert Path(finished.get_path("tool.sh").download(tmp_path / "out")).stat().st_mode & 0o111


def test_two_threads_of_one_run_are_two_writers() -> None:
    with artfs.init(id="a", group="g") as run:
        threads = [threading.Thread(target=run.upsert_artifact, args=(build("parts", {"x": b"%d" % n}),)) for n in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with pytest.raises(errors.ContributionsDiffer, match="'x' has two contents, both from a;") as caught:
            run.finish_artifact(build("parts"))
        assert caught.value.writers == ("a", "a")


def test_what_overwrites_takes_the_place_of_what_was_there(tmp_path: Path) -> None:
    upsert({"a": b"1", "b": b"1", "x": b"file", "y/1": b"below"})
    upsert({"a": b"2", "x/y": b"below", "y": b"file"}, "other", overwrite=True)
    finished = finish({"b": b"2"}, overwrite=True)
    assert content(finished, tmp_path / "out") == {"a": b"2", "b": b"2", "x/y": b"below", "y": b"file"}


def test_one_that_overwrites_does_not_overwrite_what_comes_later() -> None:
    upsert({"a": b"1"}, overwrite=True)
    upsert({"a": b"2"}, "other")
    with pytest.raises(errors.Conflict, match="'a' has one content from a and another from other;"):
        finish()
