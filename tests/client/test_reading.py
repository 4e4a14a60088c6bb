"""Reading: download, checkout, verify, single files, and how an artifact shows itself."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from blake3 import blake3

import artfs
from artfs import errors
from artfs.client.artifact import Artifact
from artfs.client.session import SESSION
from tests.client.making import build, content, log, read_tree

FILES = {"a.txt": b"alpha", "images/cat.png": b"cat", "images/dog.png": b"dog", "images-old/cat.png": b"old"}


@pytest.fixture
def artifact() -> Artifact:
    with artfs.init() as run:
        return log(run, files=FILES)


def test_download_goes_to_a_folder_of_the_versions_name(artifact: Artifact) -> None:
    assert artifact.download() == "artifacts/bike-dataset:v0"
    assert read_tree("artifacts/bike-dataset:v0") == FILES


def test_download_leaves_right_files_replaces_wrong_ones_and_keeps_foreign_ones(artifact: Artifact, tmp_path: Path) -> None:
    root = tmp_path / "out"
    assert artifact.download(root) == str(root)
    (root / "foreign").write_bytes(b"mine")
    (root / "images/cat.png").write_bytes(b"CAT")
    os.utime(root / "a.txt", ns=(1, 1))
    artifact.download(root=str(root))
    assert read_tree(root) == FILES | {"foreign": b"mine"}
    assert (root / "a.txt").stat().st_mtime_ns == 1


def test_download_of_a_prefix(artifact: Artifact, tmp_path: Path) -> None:
    artifact.download(tmp_path / "one", path_prefix="images/")
    assert read_tree(tmp_path / "one") == {path: data for path, data in FILES.items() if path.startswith("images/")}
    artifact.download(tmp_path / "two", path_prefix=Path("images/cat.png"), skip_cache=True)
    assert read_tree(tmp_path / "two") == {"images/cat.png": b"cat"}
    with pytest.raises(LookupError, match="nothing-like-it"):
        artifact.download(tmp_path / "three", path_prefix="nothing-like-it")


def test_checkout_removes_foreign_files(artifact: Artifact, tmp_path: Path) -> None:
    root = tmp_path / "out"
    artifact.download(root)
    (root / "foreign").mkdir()
    (root / "foreign/file").touch()
    (root / "images/extra").touch()
    assert artifact.checkout(root) == str(root)
    assert read_tree(root) == FILES
    assert not (root / "foreign").exists()
    artifact.verify(root)


@pytest.mark.parametrize("harm", ["change", "remove", "add"])
def test_verify_raises_on_any_difference(artifact: Artifact, tmp_path: Path, harm: str) -> None:
    root = tmp_path / "out"
    artifact.download(root)
    artifact.verify(root)
    path = root / "images" / ("new.png" if harm == "add" else "cat.png")
    if harm == "remove":
        path.unlink()
    else:
        path.write_bytes(b"CAT")
    with pytest.raises(ValueError, match=path.name):
        artifact.verify(root)


def test_editing_a_downloaded_file_does_not_harm_the_store(artifact: Artifact, tmp_path: Path) -> None:
    for path in Path(artifact.download(tmp_path / "one")).rglob("*.png"):
        with path.open("r+b") as file:
            file.write(b"XXX")
    assert content(artifact, tmp_path / "two") == FILES


def test_a_damaged_store_raises_and_leaves_nothing_wrong_behind(
    artifact: Artifact, tmp_path: Path, environ: dict[str, str]
) -> None:
    damage_store(environ)
    with pytest.raises(errors.IntegrityError):
        artfs.Api().artifact("bike-dataset").download(tmp_path / "out")
    assert not (tmp_path / "out/a.txt").exists() or (tmp_path / "out/a.txt").read_bytes() == b"alpha"


def damage_store(environ: dict[str, str]) -> None:
    for pack in Path(environ["ARTFS_HOME"], "data", "objects").rglob("*"):
        if pack.is_file():
            data = bytearray(pack.read_bytes())
            data[:3] = b"???"
            pack.chmod(0o600)
            pack.write_bytes(data)
    SESSION.close_down()


def test_a_notebook_shows_an_artifact_whose_manifest_is_damaged(artifact: Artifact, environ: dict[str, str]) -> None:
    assert artifact.version == "v0"
    damage_store(environ)
    html = artfs.Api().artifact("bike-dataset")._repr_html_()
    assert "bike-dataset:v0" in html
    assert "cat.png" not in html


def test_a_single_file_is_fetched_alone(artifact: Artifact, tmp_path: Path) -> None:
    entry = artifact.get_path("images/cat.png")
    assert (entry.path, entry.name, entry.size) == ("images/cat.png", "images/cat.png", 3)
    assert entry.download(tmp_path / "out") == str(tmp_path / "out/images/cat.png")
    assert read_tree(tmp_path / "out") == {"images/cat.png": b"cat"}
    assert artifact.get_entry("a.txt").download() == "artifacts/bike-dataset:v0/a.txt"
    assert "cat.png" in repr(entry)


def test_the_only_file_is_fetched_without_its_name(artifact: Artifact, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="bike-dataset:v0 has 4 files"):
        artifact.file()
    with artfs.init() as run:
        model = run.log_artifact(build("bike-model", {"deep/model.h5": b"weights"})).wait()
    assert model.file(tmp_path / "out") == str(tmp_path / "out/deep/model.h5")
    assert read_tree(tmp_path / "out") == {"deep/model.h5": b"weights"}


def test_a_path_is_found_however_it_is_spelled(artifact: Artifact) -> None:
    for path in ("./images//cat.png", Path("images/cat.png"), Path("images", ".", "cat.png")):
        assert artifact.get_path(path).path == "images/cat.png"
        assert artifact.manifest[path].size == 3
    with pytest.raises(KeyError, match="images/cow"):
        artifact.get_path(Path("images/cow"))


def test_a_path_that_is_not_there_is_a_key_error(artifact: Artifact) -> None:
    for path in ("missing", "images", "../a.txt", "/a.txt", "", "a.txt/x"):
        with pytest.raises(KeyError):
            artifact.get_path(path)
        with pytest.raises(LookupError, match="bike-dataset:v0"):
            artifact.get_entry(path)


def test_a_plain_file_has_no_reference(artifact: Artifact) -> None:
    for ask in (artifact.get_path("a.txt").ref, artifact.get_path("a.txt").ref_target):
        with pytest.raises(ValueError, match=r"a\.txt"):
            ask()


def test_all_files_as_a_list_and_as_a_mapping(artifact: Artifact) -> None:
    assert {entry.path: entry.size for entry in artifact.files()} == {path: len(data) for path, data in FILES.items()}
    assert [entry.path for entry in artifact.files(names="a.txt")] == ["a.txt"]
    assert [entry.path for entry in artifact.files(names=["images/dog.png", "a.txt"])] == ["images/dog.png", "a.txt"]
    entries = artifact.manifest.entries
    assert set(entries) == set(FILES)
    assert len(entries) == len(FILES)
    assert {path: entry.size for path, entry in entries.items()} == {
        path: entry.size for path, entry in zip(entries, entries.values(), strict=True)
    }
    assert "images/cat.png" in entries
    assert "images" not in entries


def test_the_digest_of_a_file_is_its_blake3(artifact: Artifact) -> None:
    assert artifact.get_path("a.txt").digest == blake3(b"alpha").hexdigest()


def test_api_reads_without_marking(artifact: Artifact) -> None:
    artfs.Api().artifact("bike-dataset:latest").download()
    assert artifact.used_by() == []


def test_an_artifact_shows_itself_in_a_notebook_and_in_a_terminal() -> None:
    nasty = "<script>alert(1)</script>&.txt"
    artifact = build(files={nasty.replace("/", "∕"): b"x" * 2048}, description="<b>bold</b>")
    assert repr(artifact) == "<Artifact bike-dataset (dataset): not logged; 1 file; 2.0 KiB>"
    assert "not logged" in artifact._repr_html_()
    with artfs.init() as run:
        run.log_artifact(artifact, aliases=["best<1>"]).wait()
    html = artifact._repr_html_()
    assert "bike-dataset:v0" in html
    assert "2.0 KiB" in html
    assert "best&lt;1&gt;" in html
    assert "&lt;b&gt;bold" in html
    assert "<script>" not in html
    assert repr(artifact) == "<Artifact bike-dataset:v0 (dataset): aliases best<1>, latest; 1 file; 2.0 KiB>"
    artifact.delete(delete_aliases=True)
    assert "deleted" in repr(artifact)
    assert "deleted" in artifact._repr_html_()
