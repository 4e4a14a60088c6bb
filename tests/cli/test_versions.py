"""Commands about versions, their names and what is known of them."""

from __future__ import annotations

import re

from tests.cli.conftest import Artfs
from tests.conftest import MakeDataset

VERSION_KEYS = {
    "entity", "project", "artifact", "name", "version", "type", "aliases", "digest", "size", "file_count", "description",
    "metadata", "created_at",
}  # fmt: skip
ENTRY_KEYS = {"path", "kind", "size", "executable", "modified_at", "digest", "target", "uri", "etag", "version_id"}
RUN_KEYS = {"id", "name", "entity", "project", "job_type", "group", "state", "config", "created_at", "finished_at"}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


def aliases_of(artfs: Artfs, name: str) -> list[str]:
    aliases: list[str] = artfs("show", name, "--json").json["aliases"]
    return aliases


def test_ls_lists_artifacts_with_type_versions_and_size(pets: Artfs) -> None:
    assert pets("ls").rows == [["pets", "dataset", "2", str(11 + 10240 + 5)]]
    (artifact,) = pets("ls", "--json").json
    assert set(artifact) == {"entity", "project", "artifact", "type", "version_count", "latest", "size", "file_count", "created_at"}
    assert (artifact["latest"], artifact["version_count"], artifact["file_count"]) == ("v1", 2, 3)


def test_ls_of_another_project_is_asked_for_with_an_option_or_the_environment(pets: Artfs) -> None:
    assert pets("--project", "other", "ls").out == ""
    assert pets("ls", env={"ARTFS_PROJECT": "other"}).out == ""
    assert pets("--project", "default", "ls", env={"ARTFS_PROJECT": "other"}).rows[0][0] == "pets"


def test_ls_of_a_name_is_the_root_of_latest(pets: Artfs) -> None:
    rows = pets("ls", "pets").rows
    assert [(row[0], row[2]) for row in rows] == [("-", "empty/"), ("-", "images/"), ("11", "readme.txt")]
    assert TIME.fullmatch(rows[2][1])


def test_ls_of_a_path_lists_the_directory_or_the_file(pets: Artfs) -> None:
    assert [row[2] for row in pets("ls", "pets:old/images").rows] == ["cat.bin", "dog.bin"]
    assert [row[2] for row in pets("ls", "pets:old/images/").rows] == ["cat.bin", "dog.bin"]
    assert [row[2] for row in pets("ls", "pets:old/images/dog.bin").rows] == ["dog.bin"]
    assert [row[2] for row in pets("ls", "-R", "pets:old/images").rows] == ["images/cat.bin", "images/dog.bin"]


def test_ls_json_has_the_documented_keys(pets: Artfs) -> None:
    entries = pets("ls", "pets:v0", "--json").json
    assert all(set(entry) == ENTRY_KEYS for entry in entries)
    assert [(entry["kind"], entry["size"]) for entry in entries] == [("directory", None), ("directory", None), ("file", 9)]
    assert TIME.fullmatch(entries[2]["modified_at"])
    assert len(entries[2]["digest"]) == 64


def test_versions_are_listed_newest_first(pets: Artfs) -> None:
    rows = pets("versions", "pets").rows
    assert [row[:2] for row in rows] == [["v1", "best,latest"], ["v0", "old"]]
    assert [row[5] for row in rows] == ["-", "the first two"]
    versions = pets("versions", "pets", "--json").json
    assert all(set(version) == VERSION_KEYS for version in versions)
    assert TIME.fullmatch(versions[0]["created_at"])


def test_versions_of_an_unknown_artifact_is_not_found(pets: Artfs) -> None:
    assert pets.fails("versions", "dogs").code == 3


def test_show_tells_all(pets: Artfs) -> None:
    shown = pets("show", "pets", "--json").json
    assert set(shown) == VERSION_KEYS | {"producer", "producers", "consumers", "references"}
    assert shown["metadata"] == {"count": 3, "source": "home"}
    fields = pets("show", "pets:old").fields
    assert fields["name"] == "tester/default/pets:v0"
    assert fields["description"] == "the first two"
    assert len(fields["digest"]) == 64


def test_alias_moves_an_alias(pets: Artfs) -> None:
    assert pets("alias", "pets:v0", "best", "stable").out == "pets:v0\tbest,old,stable\n"
    assert aliases_of(pets, "pets:v1") == ["latest"]


def test_alias_refuses_what_looks_like_a_version(pets: Artfs) -> None:
    assert pets.fails("alias", "pets:v0", "v3").code == 2
    assert pets.fails("alias", "pets:v0", "staging").code == 2
    assert pets.fails("alias", "pets:v7", "fine").code == 3


def test_unalias_takes_aliases_away_or_none_at_all(pets: Artfs) -> None:
    outcome = pets.fails("unalias", "pets", "best", "worst")
    assert outcome.code == 3
    assert "worst" in outcome.err
    assert aliases_of(pets, "pets:v1") == ["best", "latest"]
    pets("unalias", "pets", "best", "old")
    assert aliases_of(pets, "pets:v1") == ["latest"]
    assert aliases_of(pets, "pets:v0") == []


def test_unalias_of_a_version_says_to_name_the_artifact(pets: Artfs) -> None:
    outcome = pets.fails("unalias", "pets:v0", "best")
    assert outcome.code == 2
    assert "'pets'" in outcome.err


def test_describe_changes_what_is_named_and_keeps_the_rest(pets: Artfs) -> None:
    assert pets("describe", "pets", "-d", "three", "-m", "count=4", "--unset", "source").out == "pets:v1\n"
    shown = pets("show", "pets", "--json").json
    assert (shown["description"], shown["metadata"]) == ("three", {"count": 4})
    pets("describe", "pets", "-m", "extra=null")
    shown = pets("show", "pets", "--json").json
    assert (shown["description"], shown["metadata"]) == ("three", {"count": 4, "extra": None})


def test_describe_without_anything_to_change_is_a_mistake(pets: Artfs) -> None:
    assert pets.fails("describe", "pets").code == 2


def test_diff_says_what_was_added_removed_and_changed(pets: Artfs) -> None:
    assert pets("diff", "pets:v0", "pets:v1").rows == [
        ["+", "-", "5", "images/bird.bin"],
        ["-", "2000", "-", "images/dog.bin"],
        ["~", "9", "11", "readme.txt"],
    ]


def test_what_writes_a_version_says_it_as_json_too(pets: Artfs, dataset: MakeDataset) -> None:
    folder = dataset({"readme.txt": b"four pets\n"}, name="third")
    for is_new in (True, False):
        put = pets("put", folder, "pets", "--json").json
        assert set(put) == VERSION_KEYS | {"created"}
        assert (put["name"], put["created"]) == ("pets:v2", is_new)
    alias = pets("alias", "pets:v2", "four", "--json").json
    described = pets("describe", "pets:four", "-d", "four", "--json").json
    assert set(alias) == set(described) == VERSION_KEYS
    assert (alias["aliases"], described["description"]) == (["four", "latest"], "four")


def test_diff_json_has_the_documented_keys(pets: Artfs) -> None:
    difference = pets("diff", "pets:old", "pets", "--json").json
    assert set(difference) == {"before", "after", "added", "removed", "changed"}
    assert (difference["before"], difference["after"]) == ("tester/default/pets:v0", "tester/default/pets:v1")
    assert set(difference["added"][0]) == ENTRY_KEYS
    assert difference["changed"][0]["before"]["size"] == 9


def test_diff_can_answer_with_its_exit_code(pets: Artfs) -> None:
    assert pets.run("diff", "pets:v0", "pets:v1", "--exit-code").code == 1
    same = pets("diff", "pets:latest", "pets:v1", "--exit-code")
    assert (same.out, same.err) == ("", "")


def test_rm_refuses_versions_with_aliases_and_then_deletes_none(pets: Artfs) -> None:
    pets("unalias", "pets", "old")
    outcome = pets.fails("rm", "pets:v0", "pets:v1")
    assert outcome.code == 4
    assert "best" in outcome.err
    assert len(pets("versions", "pets").rows) == 2


def test_rm_deletes_several_and_their_aliases_when_told_to(pets: Artfs) -> None:
    assert pets("rm", "pets:v0", "pets:best", "pets:v1", "--aliases").lines == ["pets:v0", "pets:v1"]
    assert pets("versions", "pets").out == ""
    assert pets.fails("show", "pets:v1").code == 3


def test_rm_insists_on_a_version(pets: Artfs) -> None:
    outcome = pets.fails("rm", "pets", "--aliases")
    assert outcome.code == 2
    assert "pets:v0" in outcome.err


def test_rm_never_gives_a_number_again(pets: Artfs, tmp_path: object) -> None:
    pets("rm", "pets:v1", "--aliases")
    assert pets("put", f"{tmp_path}/second", "pets").out == "pets:v2\n"


def test_text_of_others_cannot_break_lines_or_reach_the_terminal_as_control_characters(pets: Artfs) -> None:
    pets("describe", "pets:v0", "-d", "one\ntwo\tthree\x1b[31mred")
    assert pets("versions", "pets").rows[1][5] == "one two three [31mred"
    assert pets("show", "pets:v0", "--json").json["description"] == "one\ntwo\tthree\x1b[31mred"
