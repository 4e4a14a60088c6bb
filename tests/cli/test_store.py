"""`artfs status`, `artfs gc` and `artfs verify`, and settings that cannot be used."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from artfs.config import Config, load_config
from artfs.model.entry import pack_key
from artfs.repository.open import open_repository
from tests.cli.conftest import Artfs
from tests.fault.contributing import upsert

STATUS_KEYS = {
    "entity", "project", "registry", "objects", "run", "projects", "artifacts", "versions", "version_size", "packs", "stored_size",
    "commits_under_way", "unfinished", "registry_problem", "mounts", "staging", "log_dir", "staging_dir", "memo_dir",
}  # fmt: skip

UNFINISHED_KEYS = {
    "entity", "project", "artifact", "type", "distributed_id", "writers", "contributions", "file_count", "size", "first_at",
    "last_at",
}  # fmt: skip


def test_status_counts_what_is_stored(pets: Artfs, tmp_path: Path) -> None:
    status = pets("status", "--json").json
    assert set(status) == STATUS_KEYS
    assert (status["entity"], status["project"], status["artifacts"], status["versions"]) == ("tester", "default", 1, 2)
    assert status["packs"] > 0
    assert status["stored_size"] > 0
    assert (status["mounts"], status["staging"], status["commits_under_way"], status["unfinished"]) == ([], [], 0, [])
    assert status["log_dir"].startswith(str(tmp_path))
    assert pets("status").fields["versions"] == "2"


def test_status_does_not_show_a_password(pets: Artfs) -> None:
    outcome = pets.run("--registry", "postgresql://me:secret@127.0.0.1:1/none", "status")
    assert outcome.code == 6
    assert "secret" not in outcome.err + outcome.out


def test_gc_deletes_what_no_version_needs_after_the_grace_period(pets: Artfs) -> None:
    before = pets("status", "--json").json["stored_size"]
    pets("rm", "pets:v0", "--aliases")
    dry = pets("gc", "--dry-run", "--grace", "0", "--json").json
    assert dry["dry_run"] is True
    assert pets("status", "--json").json["stored_size"] == before
    report = pets("gc", "--json").json
    assert set(report) == {"dry_run", "deleted", "leftovers", "doomed", "leases", "abandoned", "kept"}
    assert report["deleted"] == {"packs": 0, "size": 0}
    assert report["doomed"]["packs"] > 0
    assert pets("gc", "--grace", "0s", "--json").json["deleted"]["packs"] > 0
    assert pets("status", "--json").json["stored_size"] < before
    assert pets("cat", "pets:v1/readme.txt").out == "three pets\n"


def test_gc_repacks_what_is_mostly_dead(pets: Artfs) -> None:
    told = pets("gc", "--repack", "--threshold", "100", "--dry-run", "--json").json["repack"]
    assert set(told) == {"packs", "size", "live", "versions", "moved", "left", "written", "damaged"}
    assert (told["moved"], told["written"]) == (0, 0)
    pets("rm", "pets:v0", "--aliases")
    done = pets("gc", "--repack", "--threshold", "100%", "--json").json["repack"]
    assert done["moved"] == done["versions"]
    assert pets("gc", "--repack", "--threshold", "100%").lines[0].startswith("repacked, moving 0 versions\t0\t")
    assert pets("gc", "--grace", "0").code == 0
    assert pets("cat", "pets:v1/readme.txt").out == "three pets\n"
    for wrong in ("0", "101%", "half"):
        assert wrong in pets.fails("gc", "--repack", "--threshold", wrong).err


def test_gc_repack_tells_damage_in_one_sentence_and_does_all_the_rest(pets: Artfs) -> None:
    with open_repository(load_config(environ=pets.environ)) as repository:
        for version in repository.registry.versions.iter_live():
            repository.objects.delete(pack_key(version.manifest.pack))
    for more in ([], ["--dry-run"]):
        outcome = pets.run("gc", "--repack", "--threshold", "100%", *more)
        assert outcome.code == 5
        assert [len(row) for row in outcome.rows] == [3] * len(outcome.rows)
        assert outcome.err.startswith("artfs: tester/default/pets:v0 and 1 other version stay where they are, as they are damaged")
        assert outcome.err.endswith("run `artfs verify --read-data`, which says what is damaged and what to do\n")
        assert outcome.err.count("artfs verify") == 1
    outcome = pets.run("gc", "--repack", "--threshold", "100%", "--json")
    assert outcome.code == 5
    assert [found["version"] for found in outcome.json["repack"]["damaged"]] == ["tester/default/pets:v0", "tester/default/pets:v1"]


def test_gc_prints_a_line_for_each_thing_it_did(pets: Artfs) -> None:
    assert [len(row) for row in pets("gc").rows] == [3] * len(pets("gc").rows)


def test_gc_says_of_each_pack_what_keeps_it(pets: Artfs) -> None:
    rows = pets("gc", "--dry-run", "--packs").rows
    assert {(row[2], row[3].partition(":")[0]) for row in rows} == {("kept", "needed by live versions")}
    assert all("pets:v" in row[3] for row in rows)
    told = pets("gc", "--dry-run", "--packs", "--json").json["packs"]
    assert [pack["pack"] for pack in told] == [row[0] for row in rows]
    assert told[0]["versions"]["count"] >= 1
    assert "--dry-run" in pets.fails("gc", "--packs").err


def test_gc_refuses_what_is_no_duration(pets: Artfs) -> None:
    for option in ("--grace", "--abandoned"):
        outcome = pets.fails("gc", option, "soon")
        assert outcome.code == 2
        assert "24h" in outcome.err


@pytest.fixture
def contributed(pets: Artfs, config: Config) -> Artfs:
    """Two runs have contributed to a version that nobody has finished."""
    with open_repository(config) as repository:
        for run_id in ("first", "second"):
            repository.registry.runs.create("tester", "default", run_id=run_id, name=f"the {run_id}")
            upsert(repository, {f"{run_id}.bin": b"1234567"}, run_id, together="a group")
    return pets


def test_status_lists_what_is_contributed_and_not_finished(contributed: Artfs) -> None:
    (found,) = contributed("status", "--json").json["unfinished"]
    assert set(found) == UNFINISHED_KEYS
    assert (found["entity"], found["project"], found["artifact"], found["type"]) == ("tester", "default", "parts", "dataset")
    assert (found["distributed_id"], found["writers"]) == ("a group", ["the first (run first)", "the second (run second)"])
    assert (found["contributions"], found["file_count"], found["size"]) == (2, 2, 14)
    assert found["first_at"] < found["last_at"]
    assert re.fullmatch(
        r"tester/default/parts under the distributed_id 'a group': 2 files in 2 contributions by the first \(run first\), "
        r"the second \(run second\), the last \d+[sm] ago, 14 bytes",
        contributed("status").fields["contributed, not finished"],
    )


def test_gc_gives_up_what_was_abandoned_and_says_so_before(contributed: Artfs) -> None:
    assert contributed("gc", "--json").json["abandoned"] == []
    dry = contributed("gc", "--abandoned", "0", "--dry-run", "--json").json
    assert [found["distributed_id"] for found in dry["abandoned"]] == ["a group"]
    assert dry["doomed"]["packs"] > 0
    assert (
        contributed("gc", "--json").json["kept"]["needed by contributions that are not finished"]["packs"] == dry["doomed"]["packs"]
    )
    first_line = contributed("gc", "--abandoned", "0s").lines[0]
    assert first_line.startswith("given up: tester/default/parts under the distributed_id 'a group': 2 files")
    assert contributed("status", "--json").json["unfinished"] == []
    assert contributed("gc", "--grace", "0", "--json").json["deleted"]["packs"] == dry["doomed"]["packs"]
    assert contributed("verify", "--json").json["sound"] is True


def test_verify_says_which_contribution_needs_a_pack_that_is_lost(contributed: Artfs, config: Config) -> None:
    with open_repository(config) as repository:
        (record, _) = repository.registry.contributions.list_all()
        for pack in repository.registry.contributions.needed_packs([record.id]):
            repository.objects.delete(pack_key(pack))
    outcome = contributed.run("verify", "--read-data")
    assert outcome.code == 5
    assert f"needed by tester/default/parts (contribution {record.id} of the first (run first) to 'a group')" in outcome.out


def test_verify_of_a_sound_store_is_done(pets: Artfs) -> None:
    report = pets("verify", "--read-data", "--json").json
    assert set(report) == {"sound", "versions", "packs", "bytes_read", "unknown_objects", "restored_packs", "problems"}
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
    assert "what to do: put the objects named above back" in outcome.err
    (lost, *_) = pets.run("verify", "--json").json["problems"]
    assert f"the pack {lost['packs'][0]} is missing" in lost["what"]


def test_verify_in_the_store_of_another_registry_condemns_nothing(pets: Artfs, tmp_path: Path) -> None:
    other = {"ARTFS_REGISTRY": f"sqlite:///{tmp_path}/other.sqlite", "ARTFS_OBJECTS": f"file://{tmp_path}/other"}
    file = tmp_path / "file"
    file.write_text("of another registry")
    pets("put", file, "elsewhere", env=other)
    for objects in (other["ARTFS_OBJECTS"], f"file://{tmp_path}/nothing"):
        outcome = pets.fails("verify", "--read-data", env={"ARTFS_OBJECTS": objects})
        assert (outcome.code, "set ARTFS_OBJECTS" in outcome.err) == (2, True)
    assert pets("verify", "--read-data").fields["problems"] == "0"


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
