"""References: content that an artifact names and leaves where it is. With local files, which need no server."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

import artfs
from artfs import errors
from tests.client.making import build, content, read_tree

#: Random, so that no part of it is in the store unless somebody put it there.
BIKES = os.urandom(50_000)
FILES: Mapping[str, bytes] = {"train/1.bin": os.urandom(9_000), "train/2.bin": b"two", "labels.csv": b"a,b\n"}


@pytest.fixture
def bikes(workplace: Path) -> Path:
    path = workplace / "bikes.h5"
    path.write_bytes(BIKES)
    return path


@pytest.fixture
def images(workplace: Path) -> Path:
    root = workplace / "images"
    for path, data in FILES.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    return root


def make(name: str = "things") -> artfs.Artifact:
    return artfs.Artifact(name, type="dataset")


def refer(uri: str, name: str | None = None, **more: bool) -> artfs.Artifact:
    """An artifact of one reference, logged and waited for."""
    artifact = make()
    artifact.add_reference(uri, name=name, **more)
    with artfs.init() as run:
        return run.log_artifact(artifact).wait(60)


def stored_bytes(environ: Mapping[str, str]) -> bytes:
    """All that is in the object store."""
    return b"".join(path.read_bytes() for path in sorted(Path(environ["ARTFS_HOME"]).rglob("packs/**/*")) if path.is_file())


def test_a_reference_to_a_file_gives_its_entry(bikes: Path) -> None:
    (entry,) = make().add_reference(bikes.as_uri())
    assert (entry.path, entry.size, entry.ref(), entry.ref_target()) == ("bikes.h5", len(BIKES), bikes.as_uri(), bikes.as_uri())
    assert entry.is_reference
    (named,) = make().add_reference(bikes.as_uri(), name="data//all.h5")
    assert named.path == "data/all.h5"


def test_a_reference_to_a_directory_gives_all_below_it(images: Path) -> None:
    entries = make().add_reference(images.as_uri())
    assert [(entry.path, entry.ref()) for entry in entries] == [
        (path, (images / path).as_uri()) for path in ("labels.csv", "train/1.bin", "train/2.bin")
    ]
    below = make().add_reference(images.as_uri(), name="pictures")
    assert [entry.path for entry in below] == ["pictures/labels.csv", "pictures/train/1.bin", "pictures/train/2.bin"]


def test_the_bytes_of_references_never_enter_the_store(bikes: Path, environ: dict[str, str], tmp_path: Path) -> None:
    artifact = refer(bikes.as_uri())
    assert (artifact.file_count, artifact.size, artifact.version) == (1, len(BIKES), "v0")
    assert content(artifact, tmp_path / "out") == {"bikes.h5": BIKES}
    stored = stored_bytes(environ)
    assert 0 < len(stored) < 2_000
    assert BIKES[:64] not in stored


def test_files_and_references_lie_in_one_artifact(bikes: Path, tmp_path: Path) -> None:
    artifact = build("things", {"notes.txt": b"of my own"})
    artifact.add_reference(bikes.as_uri(), name="far/bikes.h5")
    with artfs.init() as run:
        run.log_artifact(artifact)
    assert content(artifact, tmp_path / "out") == {"notes.txt": b"of my own", "far/bikes.h5": BIKES}
    assert artifact.get_path("far/bikes.h5").ref() == bikes.as_uri()
    with pytest.raises(ValueError, match="not a reference"):
        artifact.get_path("notes.txt").ref()
    assert [(entry.path, entry.is_reference) for entry in artifact.files()] == [("notes.txt", False), ("far/bikes.h5", True)]


def test_one_reference_is_fetched_alone(images: Path) -> None:
    artifact = refer(images.as_uri())
    place = artifact.get_path("train/2.bin").download()
    assert place == "artifacts/things:v0/train/2.bin"
    assert read_tree("artifacts") == {"things:v0/train/2.bin": b"two"}


def test_the_same_reference_identity_makes_no_new_version_and_a_changed_one_does(bikes: Path) -> None:
    assert refer(bikes.as_uri()).version == "v0"
    os.utime(bikes)
    assert refer(bikes.as_uri()).version == "v0"
    bikes.write_bytes(b"other")
    assert refer(bikes.as_uri()).version == "v1"
    bikes.write_bytes(BIKES)
    assert refer(bikes.as_uri()).version == "v0"


def test_the_same_reference_at_the_same_path_again_does_nothing_and_another_is_refused(bikes: Path, images: Path) -> None:
    artifact = make()
    artifact.add_reference(bikes.as_uri())
    artifact.add_reference(bikes.as_uri())
    assert artifact.file_count == 1
    with pytest.raises(ValueError, match=r"'bikes\.h5' is in the artifact 'things' already"):
        artifact.add_reference((images / "labels.csv").as_uri(), name="bikes.h5")
    with pytest.raises(ValueError, match="already"), artifact.new_file("bikes.h5"):
        pass
    with pytest.raises(ValueError, match="already"):
        artifact.add_file(images / "labels.csv", name="bikes.h5")
    assert [entry.ref() for entry in artifact.add_reference(bikes.as_uri())] == [bikes.as_uri()]
    assert (artifact.file_count, artifact.size) == (1, len(BIKES))


def test_a_reference_with_overwrite_takes_the_place_of_what_was_there(bikes: Path, images: Path, tmp_path: Path) -> None:
    other = (images / "labels.csv").as_uri()
    artifact = make()
    artifact.add_reference(bikes.as_uri())
    artifact.add_file(images / "labels.csv", name="stored")
    with pytest.raises(ValueError, match="pass overwrite=True"):
        artifact.add_reference(other, name="bikes.h5")
    for path in ("bikes.h5", "stored"):
        (entry,) = artifact.add_reference(other, name=path, overwrite=True)
        assert (entry.path, entry.ref()) == (path, other)
    artifact.add_file(bikes, name="stored", overwrite=True)
    with artfs.init() as run:
        run.log_artifact(artifact).wait(60)
    assert content(artifact, tmp_path / "out") == {"bikes.h5": (images / "labels.csv").read_bytes(), "stored": BIKES}


@pytest.mark.parametrize("kind", ["references", "files"])
def test_what_overwrites_and_is_refused_in_part_leaves_all_as_it_was(images: Path, kind: str) -> None:
    def add(artifact: artfs.Artifact, *, overwrite: bool) -> artfs.Artifact:
        if kind == "references":
            artifact.add_reference(images.as_uri(), overwrite=overwrite)
        else:
            artifact.add_dir(images, overwrite=overwrite)
        return artifact

    assert add(build("things", {"labels.csv": b"1"}), overwrite=True).digest == add(make(), overwrite=False).digest
    refused = build("things", {"labels.csv": b"1", "train/2.bin/below": b"x"})
    before = refused.digest
    with pytest.raises(ValueError, match="there are files below it"):
        add(refused, overwrite=True)
    assert refused.digest == before


def test_a_reference_can_be_removed_and_another_put_in_its_place(bikes: Path, images: Path) -> None:
    artifact = make()
    (entry,) = artifact.add_reference(bikes.as_uri())
    artifact.remove(entry)
    assert artifact.file_count == 0
    artifact.add_reference((images / "labels.csv").as_uri(), name="bikes.h5")
    assert artifact.size == 4


def test_a_reference_beside_a_directory_of_its_name_is_refused(bikes: Path) -> None:
    artifact = build("things", {"x": b"file", "y/z": b"file"})
    for name in ("x/below", "y"):
        with pytest.raises(ValueError, match="cannot be"):
            artifact.add_reference(bikes.as_uri(), name=name)
    assert artifact.file_count == 2


def test_nothing_is_asked_for_without_a_checksum_and_the_uri_alone_counts(workplace: Path, tmp_path: Path) -> None:
    uri = (workplace / "later.bin").as_uri()
    (entry,) = make().add_reference(uri, checksum=False)
    assert entry.size is None
    artifact = refer(uri, checksum=False)
    assert (artifact.size, artifact.file_count, artifact.files()[0].size) == (0, 1, None)
    Path("later.bin").write_bytes(b"now it is there")
    assert content(artifact, tmp_path / "out") == {"later.bin": b"now it is there"}
    Path("later.bin").write_bytes(b"and now another")
    assert refer(uri, checksum=False).version == "v0"
    assert content(artifact, tmp_path / "again") == {"later.bin": b"and now another"}


def test_a_folder_without_a_checksum_is_its_files_as_they_are_when_they_are_read(images: Path, tmp_path: Path) -> None:
    entries = make().add_reference(images.as_uri(), checksum=False)
    assert [(entry.path, entry.size) for entry in entries] == [("labels.csv", None), ("train/1.bin", None), ("train/2.bin", None)]
    artifact = refer(images.as_uri(), checksum=False)
    (images / "labels.csv").write_bytes(b"changed")
    assert content(artifact, tmp_path / "out") == {**FILES, "labels.csv": b"changed"}


def test_an_unknown_scheme_is_tracked_under_a_name_and_cannot_be_fetched(tmp_path: Path) -> None:
    uri = "hdfs://cluster/data/bikes"
    with pytest.raises(ValueError, match="name="):
        make().add_reference(uri)
    artifact = refer(uri, name="bikes")
    assert artifact.get_path("bikes").ref() == uri
    assert artifact.get_path("bikes").size is None
    with pytest.raises(errors.UserError, match="hdfs"):
        artifact.download(tmp_path / "out")
    assert read_tree(tmp_path / "out") == {}


def test_a_plain_path_is_refused_with_the_uri_that_may_be_meant(bikes: Path, images: Path) -> None:
    artifact = make()
    uris: list[str | Path] = [str(bikes), "bikes.h5", bikes, Path("images"), "missing"]
    for uri in uris:
        with pytest.raises(ValueError, match="file://"):
            artifact.add_reference(uri)
    assert artifact.file_count == 0
    with pytest.raises(TypeError):
        artifact.add_reference(7)  # type: ignore[arg-type]


def test_what_is_not_there_is_refused(workplace: Path) -> None:
    artifact = make()
    with pytest.raises(LookupError, match="missing"):
        artifact.add_reference((workplace / "missing").as_uri())
    (workplace / "empty").mkdir()
    for checksum in (True, False):
        with pytest.raises(ValueError, match="empty is a folder without files"):
            artifact.add_reference((workplace / "empty").as_uri(), checksum=checksum)
    assert artifact.file_count == 0


def test_more_objects_than_expected_are_refused(images: Path) -> None:
    artifact = build("things")
    with pytest.raises(ValueError, match="max_objects="):
        artifact.add_reference(images.as_uri(), max_objects=2)
    assert artifact.file_count == 1
    assert len(artifact.add_reference(images.as_uri(), max_objects=3)) == 3
    many = images.parent / "many"
    many.mkdir()
    for number in range(10_001):
        (many / str(number)).touch()
    with pytest.raises(ValueError, match="more than 10000 objects"):
        artifact.add_reference(many.as_uri())
    for wrong in (0, -1):
        with pytest.raises(ValueError, match="max_objects"):
            artifact.add_reference(images.as_uri(), max_objects=wrong)
    with pytest.raises(TypeError, match="max_objects"):
        artifact.add_reference(images.as_uri(), max_objects="many")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["/absolute", "../up", "a/../b", "nul\0", ".", "new\nline", "x" * 256])
def test_a_name_that_cannot_be_is_refused_before_anybody_is_asked(name: str, workplace: Path) -> None:
    artifact = make()
    with pytest.raises(ValueError, match="path"):
        artifact.add_reference((workplace / "missing").as_uri(), name=name)
    assert artifact.file_count == 0


def test_a_directory_in_which_one_reference_is_refused_adds_nothing(images: Path) -> None:
    artifact = build("things", {"train/2.bin": b"mine"})
    before = artifact.digest
    with pytest.raises(ValueError, match=r"'train/2\.bin'"):
        artifact.add_reference(images.as_uri())
    assert (artifact.file_count, artifact.digest) == (1, before)


def test_a_reference_of_another_artifact_can_be_taken_over_as_it_was_recorded(bikes: Path, tmp_path: Path) -> None:
    known = refer(bikes.as_uri())
    bikes.unlink()
    artifact = make("others")
    (entry,) = artifact.add_reference(known.get_path("bikes.h5"), name="same.h5")
    assert (entry.path, entry.ref(), entry.digest) == ("same.h5", bikes.as_uri(), known.get_path("bikes.h5").digest)
    with artfs.init() as run:
        stored = run.log_artifact(build("stored")).wait()
    with pytest.raises(ValueError, match="not a reference"):
        artifact.add_reference(stored.get_path("data.bin"))


def test_adding_references_to_what_was_logged_is_refused(bikes: Path) -> None:
    artifact = refer(bikes.as_uri())
    for uri in (bikes.as_uri(), "file:///nowhere/at/all"):  # nobody is asked about the second
        with pytest.raises(errors.ReadOnly, match="final"):
            artifact.add_reference(uri)


def test_a_signed_uri_is_recorded_with_a_warning(capfd: pytest.CaptureFixture[str]) -> None:
    uri = "https://127.0.0.1:9/bikes.h5?X-Amz-Signature=0123456789abcdef"
    make().add_reference(uri, checksum=False)
    told = capfd.readouterr().err
    assert told.startswith("artfs: ")
    assert told.count("\n") == 1
    assert "recorded" in told
    assert "0123456789abcdef" not in told
    make().add_reference("https://127.0.0.1:9/bikes.h5?page=2", checksum=False)
    assert capfd.readouterr().err == ""


def test_content_that_changed_is_not_served_and_other_files_are(images: Path, tmp_path: Path) -> None:
    artifact = refer(images.as_uri())
    (images / "train/2.bin").write_bytes(b"owt")
    with pytest.raises(errors.ReferenceChanged, match=r"recorded digest .*found digest"):
        artifact.download(tmp_path / "out")
    assert not (tmp_path / "out/train/2.bin").exists()
    assert content_of(artifact, "labels.csv", tmp_path / "one") == FILES["labels.csv"]
    assert content_of(artifact, "train/1.bin", tmp_path / "one") == FILES["train/1.bin"]


def content_of(artifact: artfs.Artifact, path: str, root: Path) -> bytes:
    return Path(artifact.get_path(path).download(root)).read_bytes()


def test_content_that_is_gone_is_not_found(bikes: Path, tmp_path: Path) -> None:
    artifact = refer(bikes.as_uri())
    bikes.unlink()
    with pytest.raises((LookupError, errors.ReferenceChanged), match=r"bikes\.h5"):
        artifact.download(tmp_path / "out")
    with pytest.raises((LookupError, errors.ReferenceChanged), match=r"bikes\.h5"):
        artifact.get_path("bikes.h5").download(tmp_path / "out")
    assert read_tree(tmp_path / "out") == {}


def test_missing_references_can_be_a_warning(images: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    artifact = refer(images.as_uri())
    (images / "train/2.bin").write_bytes(b"owt")
    (images / "labels.csv").unlink()
    artifact.download(tmp_path / "out", allow_missing_references=True)
    assert read_tree(tmp_path / "out") == {"train/1.bin": FILES["train/1.bin"]}
    told = capfd.readouterr().err
    assert "train/2.bin" in told
    assert "labels.csv" in told


def test_references_are_constructed_and_used(bikes: Path) -> None:
    with artfs.init(job_type="train") as run:
        artifact = make()
        artifact.add_reference(bikes.as_uri())
        assert run.use_artifact(artifact).version == "v0"
        again = make()
        again.add_reference(bikes.as_uri())
        assert run.use_artifact(again).version == "v0"
        assert [used.name for used in run.used_artifacts()] == ["things:v0"]


def test_runs_that_build_one_version_together_may_refer(bikes: Path, images: Path, tmp_path: Path) -> None:
    for uri in (bikes.as_uri(), images.as_uri()):
        with artfs.init(group="together") as run:
            part = make()
            part.add_reference(uri)
            run.upsert_artifact(part)
    with artfs.init(group="together") as run:
        whole = build("things", {"notes.txt": b"of my own"})
        run.finish_artifact(whole)
    assert content(whole, tmp_path / "out") == {"notes.txt": b"of my own", "bikes.h5": BIKES, **FILES}


def test_a_table_may_be_a_reference(workplace: Path) -> None:
    with artfs.init() as run:
        stored = artfs.Artifact("numbers", type="dataset")
        stored.add(artfs.Table(columns=["n"], data=[[1], [2]]), "parts/one")
        run.log_artifact(stored).wait(60)
        folder = Path(stored.download())
        referred = artfs.Artifact("far-numbers", type="dataset")
        referred.add_reference((workplace / folder).as_uri())
        run.log_artifact(referred).wait(60)
    table = referred.get("parts/one")
    assert isinstance(table, artfs.Table)
    assert [row for _, row in table.iterrows()] == [[1], [2]]


def test_references_can_be_logged_to_another_entity(bikes: Path, tmp_path: Path) -> None:
    only = make("only")
    only.add_reference(bikes.as_uri())
    mixed = build("mixed", {"notes.txt": b"of my own"})
    mixed.add_reference(bikes.as_uri())
    with artfs.init(entity="somebody-else") as run:
        for artifact in (only, mixed):
            run.log_artifact(artifact).wait()
    assert only.entity == mixed.entity == "somebody-else"
    assert content(only, tmp_path / "only") == {"bikes.h5": BIKES}
    assert content(mixed, tmp_path / "mixed") == {"bikes.h5": BIKES, "notes.txt": b"of my own"}


def test_references_show_themselves_in_a_notebook(bikes: Path) -> None:
    artifact = make()
    artifact.add_reference(bikes.as_uri())
    artifact.add_reference("hdfs://cluster/<b>", name="far")
    for state in ("not logged", "v0"):
        html = artifact._repr_html_()
        assert state in html
        assert bikes.as_uri() in html
        assert "hdfs://cluster/&lt;b&gt;" in html
        assert ">unknown</td>" in html
        if state == "not logged":
            with artfs.init() as run:
                run.log_artifact(artifact).wait()
    assert repr(artifact.get_path("far")) == "<ArtifactEntry 'far', unknown size, at hdfs://cluster/<b>>"


def test_a_terminal_sees_how_many_objects_were_found(images: Path, environ: dict[str, str]) -> None:
    script = f"import artfs; artfs.Artifact('things', type='dataset').add_reference({images.as_uri()!r})"
    ours, theirs = pty.openpty()
    try:
        subprocess.run([sys.executable, "-c", script], env={**environ, "TERM": "xterm"}, stderr=theirs, timeout=60, check=True)
        assert b"3 objects" in os.read(ours, 1 << 16)
    finally:
        os.close(theirs)
        os.close(ours)
