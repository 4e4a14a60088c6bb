"""References on the command line: `put`, `ls`, `show`, `get` and `cat` of content that stays where it is. With local files."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Artfs
from tests.conftest import MakeDataset
from tests.servers.nginx import Nginx
from tests.servers.program import free_ports

FILES = {"cat.txt": b"a cat\n", "more/dog.txt": b"a dog\n"}


@pytest.fixture
def images(dataset: MakeDataset) -> Path:
    return dataset(FILES, name="images")


@pytest.fixture
def referred(artfs: Artfs, images: Path) -> Artfs:
    """A project with `pets:v0` of one file and two references."""
    (images.parent / "notes.md").write_text("# pets\n")
    artfs("put", images.parent / "notes.md", images.as_uri(), "pets", "--at", "", "--at", "images")
    return artfs


def paths(artfs: Artfs, name: str = "pets") -> dict[str, str]:
    """Path and kind of all in a version that is no directory."""
    entries = artfs("ls", "-R", name, "--json").json
    return {entry["path"]: entry["kind"] for entry in entries if entry["kind"] != "directory"}


def test_put_of_a_uri_makes_references(artfs: Artfs, images: Path) -> None:
    outcome = artfs("put", images.as_uri(), "pets")
    assert (outcome.out, outcome.err) == ("pets:v0\n", "")
    assert paths(artfs) == {"cat.txt": "reference", "more/dog.txt": "reference"}
    assert artfs("show", "pets", "--json").json["size"] == 12
    assert artfs("put", (images / "cat.txt").as_uri(), "cats", "--at", "deep/cat.md").out == "cats:v0\n"
    assert paths(artfs, "cats") == {"deep/cat.md": "reference"}


def test_put_of_the_same_references_is_the_same_version_and_of_changed_ones_another(artfs: Artfs, images: Path) -> None:
    artfs("put", images.as_uri(), "pets")
    assert artfs("put", images.as_uri(), "pets").out == "pets:v0\n"
    (images / "cat.txt").write_bytes(b"two cats\n")
    assert artfs("put", images.as_uri(), "pets").out == "pets:v1\n"


def test_put_of_files_and_references_mixes_them_in_one_version(referred: Artfs) -> None:
    assert paths(referred) == {"notes.md": "file", "images/cat.txt": "reference", "images/more/dog.txt": "reference"}


def test_put_with_reference_leaves_local_paths_where_they_are(artfs: Artfs, images: Path) -> None:
    odd = images / "50% ünï #1?.txt"
    odd.write_bytes(b"odd")
    artfs("put", "--reference", images, odd, "pets", "--at", "all")
    assert set(paths(artfs).values()) == {"reference"}
    listed = {entry["path"]: entry["uri"] for entry in artfs("ls", "-R", "pets", "--json").json}
    assert listed["all/cat.txt"] == (images / "cat.txt").as_uri()
    assert listed["50% ünï #1?.txt"] == odd.as_uri()
    assert artfs("cat", "pets:v0/50% ünï #1?.txt", "pets:v0/all/50% ünï #1?.txt").out == "oddodd"


def test_put_with_reference_takes_relative_paths(program: Callable[..., Any], artfs: Artfs, images: Path) -> None:
    done = program("put", "--reference", "cat.txt", "pets", cwd=images)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"pets:v0\n", b"")
    assert artfs("cat", "pets:v0/cat.txt").out == "a cat\n"


def test_put_without_checksum_asks_nobody(artfs: Artfs, tmp_path: Path) -> None:
    uri = (tmp_path / "later.txt").as_uri()
    artfs("put", uri, "pets", "--no-checksum")
    (entry,) = artfs("ls", "pets", "--json").json
    assert (entry["size"], entry["etag"], entry["version_id"], entry["uri"]) == (None, None, None, uri)
    assert artfs("ls", "pets").rows[0][0] == "-"
    (tmp_path / "later.txt").write_text("now it is there")
    assert artfs("cat", "pets:v0/later.txt").out == "now it is there"


def test_put_refuses_more_objects_than_it_is_told_to_expect(artfs: Artfs, images: Path) -> None:
    outcome = artfs.fails("put", images.as_uri(), "pets", "--max-objects", "1")
    assert outcome.code == 2
    assert "more than 1 object" in outcome.err
    assert "--max-objects" in outcome.err
    assert artfs("put", images.as_uri(), "pets", "--max-objects", "2").out == "pets:v0\n"


def test_put_of_references_that_cannot_be_says_why_and_leaves_nothing(artfs: Artfs, images: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for source, code in (
        ((tmp_path / "missing").as_uri(), 3),
        ((tmp_path / "empty").as_uri(), 3),
        ("file://elsewhere/x", 2),
        ("hdfs://cluster/x", 2),
        ("s3://", 2),
    ):
        outcome = artfs.fails("put", images, source, "pets")
        assert outcome.code == code, outcome.err
        assert source in outcome.err
    assert artfs.fails("put", images.as_uri(), (images / "more").as_uri(), "pets", "--at", "a", "--at", "a/cat.txt").code == 2
    assert artfs("ls", "--json").json == []


def test_put_tells_by_its_exit_code_what_a_home_did(artfs: Artfs, images: Path, http_server: Nginx) -> None:
    http_server.put("put/page", b"a page")
    for uri, code in (
        (http_server.url_of("put/missing"), 3),
        (http_server.url_of("put/page", "e403"), 9),
        (http_server.url_of("put/page", "private"), 9),
        (f"http://127.0.0.1:{free_ports(1)[0]}/page", 6),
    ):
        outcome = artfs.fails("put", images, uri, "pets")
        assert (outcome.code, uri in outcome.err) == (code, True), outcome.err
    assert artfs("ls", "--json").json == []
    assert artfs("put", images, http_server.url_of("put/page", "noetag"), "pets").out == "pets:v0\n"
    assert artfs("cat", "pets:v0/page").out == "a page"


def test_put_of_an_unknown_scheme_needs_a_place(artfs: Artfs) -> None:
    assert "--at" in artfs.fails("put", "hdfs://cluster/x", "pets").err
    artfs("put", "hdfs://cluster/x", "pets", "--at", "far")
    assert paths(artfs) == {"far": "reference"}
    outcome = artfs.fails("cat", "pets:v0/far")
    assert outcome.code == 2
    assert "hdfs" in outcome.err


def test_put_of_a_signed_uri_warns_and_does_not_repeat_the_secret(artfs: Artfs) -> None:
    uri = "https://user:hunter2@127.0.0.1:9/a.bin?X-Amz-Signature=0123456789abcdef"
    outcome = artfs("put", uri, "pets", "--no-checksum")
    assert outcome.out == "pets:v0\n"
    for told in (outcome.err, artfs("ls", "-l", "pets").out, artfs("show", "pets").out):
        assert "127.0.0.1:9/a.bin" in told
        assert "0123456789abcdef" not in told
        assert "hunter2" not in told
    assert artfs("ls", "pets", "--json").json[0]["uri"] == uri


def test_ls_shows_where_references_lead_and_at_length_what_they_were(referred: Artfs, images: Path) -> None:
    uri = (images / "cat.txt").as_uri()
    assert referred("ls", "pets:v0/images").rows[0][2] == f"cat.txt -> {uri}"
    size, _, pin, name = referred("ls", "-l", "pets:v0/images").rows[0]
    assert (size, name) == ("6", f"cat.txt -> {uri}")
    assert re.fullmatch("digest [0-9a-f]{64}", pin)
    digest = referred("ls", "pets", "--json").json[1]["digest"]
    assert referred("ls", "--long", "pets").rows[1][2] == digest


def test_show_lists_references(referred: Artfs, images: Path) -> None:
    rows = [row for row in referred("show", "pets").rows if row[0] == "reference"]
    assert [row[1:4] for row in rows] == [
        ["images/cat.txt", (images / "cat.txt").as_uri(), "6"],
        ["images/more/dog.txt", (images / "more/dog.txt").as_uri(), "6"],
    ]
    assert all(re.fullmatch("digest [0-9a-f]{64}", row[4]) for row in rows)
    shown = referred("show", "pets", "--json").json["references"]
    assert [(entry["path"], entry["uri"], entry["size"]) for entry in shown] == [(row[1], row[2], int(row[3])) for row in rows]


def test_get_and_cat_fetch_references(referred: Artfs, tmp_path: Path) -> None:
    assert referred("cat", "pets:v0/notes.md", "pets:v0/images/cat.txt").out == "# pets\na cat\n"
    referred("get", "pets", tmp_path / "out")
    assert (tmp_path / "out/images/more/dog.txt").read_bytes() == b"a dog\n"
    assert (tmp_path / "out/notes.md").read_bytes() == b"# pets\n"
    referred("get", "pets:v0/images/cat.txt", tmp_path / "one.txt")
    assert (tmp_path / "one.txt").read_bytes() == b"a cat\n"


def test_get_and_cat_of_changed_references_say_what_was_recorded_and_found(referred: Artfs, images: Path, tmp_path: Path) -> None:
    (images / "cat.txt").write_bytes(b"a dog\n")
    (images / "more/dog.txt").unlink()
    for arguments in (["cat", "pets:v0/images/cat.txt"], ["get", "pets:v0/images/cat.txt", tmp_path / "out.txt"]):
        outcome = referred.fails(*arguments)
        assert outcome.code == 5
        assert "recorded digest" in outcome.err
        assert "found digest" in outcome.err
    assert referred.fails("cat", "pets:v0/images/more/dog.txt").code in {3, 5}
    assert not (tmp_path / "out.txt").exists()
    outcome = referred("get", "pets", tmp_path / "out", "--allow-missing-references")
    assert [line.split(" was left out: ")[0] for line in outcome.err.splitlines()] == [
        "artfs: images/cat.txt",
        "artfs: images/more/dog.txt",
    ]
    assert [path.name for path in (tmp_path / "out").rglob("*") if path.is_file()] == ["notes.md"]
    assert referred("cat", "pets:v0/notes.md").out == "# pets\n"


def test_verify_tells_which_references_are_no_longer_what_was_recorded(referred: Artfs, images: Path) -> None:
    assert referred("verify", "--references").fields == {"references": "2", "of schemes that cannot be asked": "0", "problems": "0"}
    (images / "cat.txt").write_bytes(b"a dog\n")
    (images / "more/dog.txt").unlink()
    outcome = referred.run("verify", "--references", "pets:v0")
    assert outcome.code == 5
    assert "images/cat.txt: " in outcome.out
    assert "recorded digest" in outcome.out
    assert "images/more/dog.txt: " in outcome.out
    assert "    needed by tester/default/pets:v0" in outcome.lines
    report = referred.run("verify", "--references", "pets", "--json").json
    assert (report["sound"], report["checked"], report["unknown"]) == (False, 2, 0)
    assert [(problem["path"], problem["versions"]) for problem in report["problems"]] == [
        ("images/cat.txt", ["tester/default/pets:v0"]),
        ("images/more/dog.txt", ["tester/default/pets:v0"]),
    ]
    assert referred("verify").fields["problems"] == "0"


def test_verify_of_references_looks_at_the_versions_it_is_told_of(referred: Artfs, images: Path) -> None:
    (images / "cat.txt").write_bytes(b"two cats\n")
    referred("put", images.as_uri(), "pets")
    assert referred("verify", "--references", "pets").fields["references"] == "2"
    assert referred.run("verify", "--references", "pets:v0", "pets").code == 5
    assert referred.run("verify", "--references").code == 5
    assert referred.fails("verify", "--references", "pets:v7").code == 3
    for wrong in (["verify", "pets"], ["verify", "--references", "--read-data"]):
        assert referred.fails(*wrong).code == 2


def test_verify_of_a_home_that_does_not_answer_is_another_exit_code(artfs: Artfs, http_server: Nginx) -> None:
    artfs("put", http_server.put("verified/page", b"a page"), "pets", "--at", "page")
    (entry,) = artfs("ls", "pets", "--json").json
    assert artfs("verify", "--references").fields["references"] == "1"
    http_server.delete("verified/page")
    assert artfs.run("verify", "--references").code == 5
    artfs("put", http_server.url_of("x", "e403"), "denied", "--no-checksum")
    assert artfs.run("verify", "--references", "denied").code == 9
    artfs("put", f"http://127.0.0.1:{free_ports(1)[0]}/x", "away", "--no-checksum")
    assert artfs.run("verify", "--references", "away").code == 6
    assert artfs.fails("get", "away", "out").code == 6
    assert entry["etag"].startswith('"')


def test_show_can_check_references(referred: Artfs, images: Path) -> None:
    assert [row[5] for row in referred("show", "pets", "--check").rows if row[0] == "reference"] == ["no problem", "no problem"]
    (images / "cat.txt").write_bytes(b"a dog\n")
    outcome = referred.run("show", "pets", "--check")
    assert outcome.code == 5
    told = [row[5] for row in outcome.rows if row[0] == "reference"]
    assert "recorded digest" in told[0]
    assert told[1] == "no problem"
    shown = referred.run("show", "pets", "--check", "--json").json["references"]
    assert [entry["problem"] for entry in shown] == [told[0], None]
    assert [entry["problem"] for entry in referred("show", "pets", "--json").json["references"]] == [None, None]
