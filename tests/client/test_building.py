"""Building an artifact: what goes in, under which path, and what is refused."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import artfs
from artfs import errors
from artfs.model.names import normalise_path
from tests.client.making import build, content, log, read_tree


def make(name: str = "things") -> artfs.Artifact:
    return artfs.Artifact(name, type="dataset")


@pytest.mark.parametrize("name", ["a b", "", ".", "..", ".artfs", "a/b", "a:b", "ä", "x" * 129, "name\n", "a\0"])
def test_a_name_that_cannot_be_is_refused_with_a_valid_one(name: str) -> None:
    with pytest.raises(ValueError, match=r"for example '[A-Za-z0-9_.-]{1,128}'"):
        artfs.Artifact(name, type="dataset")


@pytest.mark.parametrize("name", ["a", "x" * 128, "A.b_c-9", "..."])
def test_a_name_of_the_allowed_characters_is_taken(name: str) -> None:
    assert artfs.Artifact(name, type="dataset").name == name


def test_the_type_is_required_and_some_are_taken() -> None:
    with pytest.raises(TypeError):
        artfs.Artifact("things")  # type: ignore[call-arg]
    for value in (None, 7):
        with pytest.raises(TypeError):
            artfs.Artifact("things", type=value)  # type: ignore[arg-type]
    for text in ("", "job", "wandb-history", "a/b"):
        with pytest.raises(ValueError, match="type"):
            artfs.Artifact("things", type=text)


def test_a_file_is_added_under_its_own_name_or_the_one_given(workplace: Path) -> None:
    Path("bicycle-data.h5").write_bytes(b"bikes")
    artifact = make()
    assert artifact.add_file("bicycle-data.h5").path == "bicycle-data.h5"
    assert artifact.add_file(workplace / "bicycle-data.h5", name="deep/./er//x.h5").path == "deep/er/x.h5"
    assert (artifact.file_count, artifact.size) == (2, 10)


def test_content_is_taken_when_it_is_added(tmp_path: Path) -> None:
    source = Path("data.csv")
    source.write_text("before")
    artifact = make()
    artifact.add_file(source)
    source.write_text("after!")
    with artfs.init() as run:
        run.log_artifact(artifact).wait()
    source.unlink()
    assert content(artifact, tmp_path / "out") == {"data.csv": b"before"}


def test_what_is_not_a_file_or_not_a_directory_is_refused(workplace: Path) -> None:
    Path("file").touch()
    Path("folder").mkdir()
    os.mkfifo("pipe")
    artifact = make()
    for place in ("missing", "folder", "pipe"):
        with pytest.raises(ValueError, match=place):
            artifact.add_file(place)
    for place in ("missing", "file"):
        with pytest.raises(ValueError, match=place):
            artifact.add_dir(place)
    with pytest.raises(TypeError):
        artifact.add_file(7)  # type: ignore[arg-type]
    assert artifact.file_count == 0


def test_a_directory_is_added_with_hidden_files_and_through_symlinks(tmp_path: Path) -> None:
    folder = Path("images")
    (folder / "sub").mkdir(parents=True)
    (folder / "cat.png").write_bytes(b"cat")
    (folder / ".hidden").write_bytes(b"hidden")
    (folder / "sub" / "empty").touch()
    Path("elsewhere").mkdir()
    Path("elsewhere/far.png").write_bytes(b"far")
    (folder / "link").symlink_to("../elsewhere")
    files = {"cat.png": b"cat", ".hidden": b"hidden", "sub/empty": b"", "link/far.png": b"far"}
    artifact = make()
    artifact.add_dir("images")
    artifact.add_dir(folder, name="optional-prefix")
    with artfs.init() as run:
        run.log_artifact(artifact)
    assert content(artifact, tmp_path / "out") == files | {f"optional-prefix/{path}": data for path, data in files.items()}


def test_a_directory_in_which_something_is_refused_adds_nothing() -> None:
    Path("folder").mkdir()
    Path("folder/a").write_bytes(b"new")
    Path("folder/z").write_bytes(b"other")
    artifact = build("things", {"z": b"first"})
    with pytest.raises(ValueError, match="'z'"):
        artifact.add_dir("folder")
    assert artifact.file_count == 1
    artifact.add_dir("folder", name="below")
    assert artifact.file_count == 3


def test_a_new_file_is_added_when_its_block_ends(tmp_path: Path) -> None:
    artifact = make()
    with artifact.new_file("hello.txt") as file:
        file.write("grüße\n")
    with artifact.new_file("latin.txt", encoding="latin-1") as file:
        file.write("grüße\n")
    with artifact.new_file("raw.bin", mode="wb") as file:
        file.write(b"\0\1")
    with artfs.init() as run:
        run.log_artifact(artifact)
    expected = {"hello.txt": "grüße\n".encode(), "latin.txt": "grüße\n".encode("latin-1"), "raw.bin": b"\0\1"}
    assert content(artifact, tmp_path / "out") == expected


def test_a_large_new_file_arrives_whole(tmp_path: Path) -> None:
    data = os.urandom(1 << 20) * 9
    artifact = build("things", {"large.bin": data})
    with artfs.init() as run:
        run.log_artifact(artifact)
    assert content(artifact, tmp_path / "out") == {"large.bin": data}


def test_an_exception_in_the_block_of_a_new_file_adds_nothing() -> None:
    artifact = make()
    with pytest.raises(ZeroDivisionError), artifact.new_file("hello.txt") as file:
        file.write(f"half {1 // 0}")
    assert artifact.file_count == 0
    with artifact.new_file("hello.txt") as file:  # the name is free again
        file.write("whole")
    assert artifact.file_count == 1


def test_a_second_new_file_of_that_name_is_refused() -> None:
    artifact = build("things", {"hello.txt": b"first"})
    with pytest.raises(ValueError, match=r"hello\.txt"), artifact.new_file("hello.txt", "wb"):
        pass
    with artifact.new_file("open.txt"), pytest.raises(ValueError, match=r"open\.txt"), artifact.new_file("./open.txt"):
        pass
    assert artifact.file_count == 2


def test_a_new_file_is_for_writing() -> None:
    for mode in ("r", "a", "rb+", "nonsense"):
        with pytest.raises(ValueError, match="mode"), make().new_file("hello.txt", mode=mode):
            pass


def test_same_bytes_at_the_same_path_again_do_nothing() -> None:
    Path("a").write_bytes(b"same")
    Path("b").write_bytes(b"same")
    artifact = make()
    artifact.add_file("a", name="x")
    artifact.add_file("b", name="x")
    assert artifact.file_count == 1


def test_other_bytes_at_the_same_path_are_refused_unless_overwritten(tmp_path: Path) -> None:
    Path("a").write_bytes(b"first")
    Path("b").write_bytes(b"second")
    artifact = make()
    artifact.add_file("a", name="x")
    with pytest.raises(ValueError, match="overwrite=True"):
        artifact.add_file("b", name="x")
    with artfs.init() as run:
        run.log_artifact(artifact)
        replaced = make()
        replaced.add_file("a", name="x")
        replaced.add_file("b", name="x", overwrite=True)
        run.log_artifact(replaced)
    assert content(artifact, tmp_path / "one") == {"x": b"first"}
    assert content(replaced, tmp_path / "two") == {"x": b"second"}


@pytest.mark.parametrize("path", ["/absolute", "../up", "a/../b", "..", "nul\0", "", ".", "new\nline", "x" * 256])
def test_a_path_that_cannot_be_is_refused(path: str) -> None:
    Path("file").write_bytes(b"bytes")
    artifact = make()
    with pytest.raises(ValueError, match="path"):
        artifact.add_file("file", name=path)
    with pytest.raises(ValueError, match="path"), artifact.new_file(path):
        pass
    assert artifact.file_count == 0


def test_a_file_beside_a_directory_of_its_name_is_refused() -> None:
    artifact = build("things", {"x": b"file", "y/deep/z": b"file"})
    for path in ("x/below", "x/much/below", "y", "y/deep"):
        with pytest.raises(ValueError, match="cannot be"), artifact.new_file(path):
            pass
    assert artifact.file_count == 2


def test_removing_a_file_or_a_directory() -> None:
    artifact = build("things", {"a": b"1", "b/c": b"2", "b/d/e": b"3", "bb": b"4"})
    artifact.remove("a")
    artifact.remove("b")
    assert artifact.file_count == 1
    with pytest.raises(KeyError):
        artifact.remove("a")
    with artifact.new_file("b") as file:  # where there was a directory there may now be a file
        file.write("5")
    entry = artifact.add_file(__file__, name="me")
    artifact.remove(entry)
    assert artifact.file_count == 2


def test_awkward_files_go_in_and_come_out(tmp_path: Path) -> None:
    files = {"empty": b"", "ünï/cödé ☃": b"snow", "a b#c?d%20e&f": b"hash", "same1": b"equal", "same2": b"equal", "-rf": b"dash"}
    with artfs.init() as run:
        artifact = log(run, "things", files)
    assert content(artifact, tmp_path / "out") == files


def test_an_artifact_may_have_no_files(tmp_path: Path) -> None:
    with artfs.init() as run:
        artifact = run.log_artifact(make()).wait()
    assert (artifact.file_count, artifact.size, artifact.version) == (0, 0, "v0")
    assert content(artifact, tmp_path / "out") == {}


def test_an_artifact_is_frozen_from_the_moment_it_is_logged() -> None:
    Path("file").write_bytes(b"bytes")
    artifact = build()
    with artfs.init() as run:
        run.log_artifact(artifact)
        for add in (
            lambda: artifact.add_file("file"),
            lambda: artifact.add_dir("."),
            lambda: artifact.remove("data.bin"),
            lambda: artifact.new_file("more").__enter__(),
        ):
            with pytest.raises(errors.ReadOnly, match="final"):
                add()
        artifact.wait()
        with pytest.raises(errors.ReadOnly):
            artifact.add_file("file")
        used = run.use_artifact("bike-dataset:latest")
        with pytest.raises(errors.ReadOnly):
            used.add_file("file")


def test_a_file_that_is_being_written_while_the_artifact_is_logged_is_refused(tmp_path: Path) -> None:
    artifact = build()
    with artfs.init() as run:
        writing = artifact.new_file("late")
        writing.__enter__().write("too late")
        run.log_artifact(artifact)
        with pytest.raises(errors.ReadOnly):
            writing.__exit__(None, None, None)
    assert content(artifact, tmp_path / "out") == {"data.bin": b"one"}


def test_files_that_threads_add_while_it_is_logged_are_in_or_refused(tmp_path: Path) -> None:
    artifact = build()
    taken: set[str] = {"data.bin"}
    began = threading.Barrier(5)

    def add(start: str) -> None:
        began.wait(60)
        for number in range(1000):
            path = f"{start}/{number}"
            try:
                with artifact.new_file(path) as file:
                    file.write(path)
            except errors.ReadOnly:
                return
            taken.add(path)

    threads = [threading.Thread(target=add, args=(start,)) for start in "abcd"]
    for thread in threads:
        thread.start()
    began.wait(60)
    with artfs.init() as run:
        run.log_artifact(artifact)
        for thread in threads:
            thread.join()
    assert set(content(artifact, tmp_path / "out")) == taken


def test_a_refused_call_does_not_freeze() -> None:
    artifact = build()
    with artfs.init() as run:
        with pytest.raises(ValueError, match="alias"):
            run.log_artifact(artifact, aliases=["v7"])
        with artifact.new_file("more") as file:
            file.write("more")
        assert run.log_artifact(artifact).wait().file_count == 2


def test_a_path_that_a_mount_has_for_itself_is_added_with_a_notice(capsys: pytest.CaptureFixture[str]) -> None:
    artifact = build(files={"folder/.artfs": b"1", ".artfs-more": b"2"})
    assert capsys.readouterr().err == ""
    with artifact.new_file(".artfs/x") as file:
        file.write("x")
    assert "artfs: '.artfs/x' is not seen where the version is mounted alone" in capsys.readouterr().err
    assert artifact.file_count == 3


def test_finalize_makes_the_content_final() -> None:
    artifact = build()
    artifact.finalize()
    with pytest.raises(errors.ReadOnly):
        artifact.add_file(__file__)
    with artfs.init() as run:
        assert run.log_artifact(artifact).wait().file_count == 1


@pytest.mark.parametrize(
    "use",
    [
        lambda artifact: artifact.version,
        lambda artifact: artifact.aliases,
        lambda artifact: artifact.aliases.append("best"),
        lambda artifact: artifact.download(),
        lambda artifact: artifact.checkout(),
        lambda artifact: artifact.verify(),
        lambda artifact: artifact.get_path("data.bin"),
        lambda artifact: artifact.get_entry("data.bin"),
        lambda artifact: artifact.files(),
        lambda artifact: artifact.manifest,
        lambda artifact: artifact.delete(),
        lambda artifact: artifact.used_by(),
        lambda artifact: artifact.logged_by(),
        lambda artifact: artifact.entity,
        lambda artifact: artifact.project,
        lambda artifact: artifact.qualified_name,
        lambda artifact: artifact.created_at,
        lambda artifact: artifact.save(),
        lambda artifact: artifact.wait(),
        lambda artifact: artifact.add_file(__file__).download(),
    ],
)
def test_what_only_a_version_has_is_an_attribute_error_before_logging(use: object) -> None:
    assert callable(use)
    with pytest.raises(AttributeError, match="not logged yet"):
        use(build())


def test_many_threads_may_add_to_one_artifact(tmp_path: Path) -> None:
    artifact = make()

    def add(start: int) -> None:
        for number in range(start, start + 20):
            with artifact.new_file(f"{number % 7}/{number}.txt") as file:
                file.write(str(number))

    threads = [threading.Thread(target=add, args=(start,)) for start in range(0, 80, 20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with artfs.init() as run:
        run.log_artifact(artifact)
    assert content(artifact, tmp_path / "out") == {f"{number % 7}/{number}.txt": b"%d" % number for number in range(80)}


path_names = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="/"), min_size=1, max_size=12)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(paths=st.lists(st.lists(path_names, min_size=1, max_size=3).map("/".join), min_size=1, max_size=5))
def test_paths_are_either_refused_or_come_back(workplace: Path, paths: list[str]) -> None:
    artifact = artfs.Artifact("any-paths", type="dataset")
    taken: dict[str, bytes] = {}
    for path in paths:
        try:
            with artifact.new_file(path, "wb") as file:
                file.write(path.encode())
        except ValueError:
            continue
        taken[normalise_path(path)] = path.encode()
    with artfs.init() as run:
        run.log_artifact(artifact).wait()
    assert read_tree(artifact.checkout("out")) == taken
