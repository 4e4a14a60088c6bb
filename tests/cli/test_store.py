"""`artfs status`, `artfs gc` and `artfs verify`, and settings that cannot be used."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Artfs

STATUS_KEYS = {
    "entity", "project", "registry", "objects", "run", "projects", "artifacts", "versions", "version_size", "packs", "stored_size",
    "commits_under_way", "mounts", "staging", "log_dir", "staging_dir", "memo_dir",
}  # fmt: skip


def test_status_counts_what_is_stored(pets: Artfs, tmp_path: Path) -> None:
    status = pets("status", "--json").json
    assert set(status) == STATUS_KEYS
    assert (status["entity"], status["project"], status["artifacts"], status["versions"]) == ("tester", "default", 1, 2)
    assert status["packs"] > 0
    assert status["stored_size"] > 0
    assert (status["mounts"], status["staging"], status["commits_under_way"]) == ([], [], 0)
    assert status["log_dir"].startswith(str(tmp_path))
    assert pets("status").fields["versions"] == "2"


def test_status_does_not_show_a_password(pets: Artfs) -> None:
    outcome = pets.run("--registry", "postgresql://me:secret@127.0.0.1:1/none", "status")
    assert outcome.code == 6
    assert "secret" not in outcome.err


def test_gc_deletes_what_no_version_needs_after_the_grace_period(pets: Artfs) -> None:
    before = pets("status", "--json").json["stored_size"]
    pets("rm", "pets:v0", "--aliases")
    dry = pets("gc", "--dry-run", "--grace", "0", "--json").json
    assert dry["dry_run"] is True
    assert pets("status", "--json").json["stored_size"] == before
    report = pets("gc", "--json").json
    assert set(report) == {"dry_run", "deleted", "leftovers", "doomed", "leases", "kept"}
    assert report["deleted"] == {"packs": 0, "size": 0}
    assert report["doomed"]["packs"] > 0
    assert pets("gc", "--grace", "0s", "--json").json["deleted"]["packs"] > 0
    assert pets("status", "--json").json["stored_size"] < before
    assert pets("cat", "pets:v1/readme.txt").out == "three pets\n"


def test_gc_prints_a_line_for_each_thing_it_did(pets: Artfs) -> None:
    assert [len(row) for row in pets("gc").rows] == [3] * len(pets("gc").rows)


def test_gc_refuses_what_is_no_duration(pets: Artfs) -> None:
    outcome = pets.fails("gc", "--grace", "soon")
    assert outcome.code == 2
    assert "24h" in outcome.err


def test_verify_of_a_sound_store_is_done(pets: Artfs) -> None:
    report = pets("verify", "--read-data", "--json").json
    assert set(report) == {"sound", "versions", "packs", "bytes_read", "unknown_objects", "problems"}
    assert (report["sound"], report["versions"], report["problems"]) == (True, 2, [])
    assert report["bytes_read"] > 0
    assert pets("verify").fields["problems"] == "0"


def test_verify_of_a_store_that_has_lost_a_pack_says_which_versions_need_it(pets: Artfs, tmp_path: Path) -> None:
    for pack in (tmp_path / "artfs-home/data/objects").rglob("packs/**/*"):
        if pack.is_file():
            pack.unlink()
    outcome = pets.run("verify")
    assert outcome.code == 5
    assert "needed by tester/default/pets:v1" in outcome.out


def test_settings_that_cannot_be_used_are_named(artfs: Artfs) -> None:
    for arguments, environ, named in (
        (["--entity", "a/b", "ls"], {}, "a/b"),
        (["ls"], {"ARTFS_MEMORY": "much"}, "much"),
        (["--objects", "ftp://host/x", "ls"], {}, "ftp://host/x"),
        (["--registry", "oracle://host/x", "ls"], {}, "oracle"),
    ):
        outcome = artfs.fails(*arguments, env=environ)
        assert outcome.code == 2
        assert named in outcome.err


def test_a_damaged_registry_is_an_integrity_error(pets: Artfs, tmp_path: Path) -> None:
    for path in (tmp_path / "artfs-home/data").glob("registry.sqlite*"):
        path.write_bytes(b"this is no database" * 1000)
    outcome = pets.fails("ls")
    assert outcome.code == 5
    assert "registry.sqlite" in outcome.err
