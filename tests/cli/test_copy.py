"""`artfs copy`: how both sides are written, what is printed, what is refused. The copying: tests/unit/repository/test_copy.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from artfs.cli.copy_sides import Side, parse_side
from artfs.errors import NameNotValid, UserError
from tests.cli.conftest import Artfs, Program
from tests.cli.test_help import DOCUMENT


@pytest.fixture
def places(pets: Artfs, tmp_path: Path) -> Artfs:
    """`pets` with two more places: `shared`, and `ours` in which the project is `vision` of `team`."""
    text = ""
    for name, more in (("shared", ""), ("ours", 'entity = "team"\nproject = "vision"\n')):
        where = tmp_path / name
        text += f'[places.{name}]\nregistry = "sqlite:///{where}/registry.sqlite"\nobjects = "file://{where}/objects"\n{more}'
    (tmp_path / "artfs-home/config.toml").write_text(text)
    return pets


def at(tmp_path: Path, place: str) -> list[str]:
    """The global options that mean a place."""
    return ["--registry", f"sqlite:///{tmp_path}/{place}/registry.sqlite", "--objects", f"file://{tmp_path}/{place}/objects"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("pets", (None, None, "pets", None)),
        ("demo/pets@shared", (None, "demo", "pets", "shared")),
        ("team/demo/pets", ("team", "demo", "pets", None)),
        ("demo/", (None, "demo", None, None)),
        ("team/demo/@shared", ("team", "demo", None, "shared")),
        ("@shared", (None, None, None, "shared")),
        (".@shared", (None, None, None, "shared")),
        (".", (None, None, None, None)),
    ],
)
def test_a_side_says_what_is_written(text: str, said: tuple[str | None, ...]) -> None:
    assert parse_side(text) == Side(text, *said)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("pets:v0", "all versions of an artifact are copied together"),
        ("pets@", "names no place after its @"),
        ("a/b/c/d", "names nothing to copy"),
        ("/pets", "names nothing to copy"),
        ("a b@shared", "is not a valid artifact name"),
    ],
)
def test_a_side_that_means_nothing_is_refused(text: str, told: str) -> None:
    with pytest.raises((NameNotValid, UserError), match=told):
        parse_side(text)


def test_a_copy_prints_what_it_did_and_doing_it_again_does_nothing(places: Artfs, tmp_path: Path) -> None:
    first = places("copy", "pets", "@shared")
    assert [row[1] for row in first.rows if row[0] == "copied"] == ["tester/default/pets:v0", "tester/default/pets:v1"]
    assert [row[1] for row in first.rows if row[0] == "aliases"] == [
        f"tester/default/pets:{name}" for name in ("old is v0", "best is v1", "latest is v1")
    ]
    assert int(first.fields["bytes sent"]) > 0
    assert places(*at(tmp_path, "shared"), "versions", "pets").out == places("versions", "pets").out
    assert places(*at(tmp_path, "shared"), "cat", "pets:best/readme.txt").out == "three pets\n"
    assert places(*at(tmp_path, "shared"), "verify", "--read-data", "--json").json["sound"] is True
    again = places("copy", "pets", "@shared").fields
    assert ("copied" in again, again["there already"], again["bytes sent"]) == (False, "2", "0")


def test_a_place_says_into_which_project(places: Artfs, tmp_path: Path) -> None:
    names = [("pets", "@ours"), ("pets", "animals@ours"), ("pets", "demo/@ours"), ("pets", "me/demo/@ours"), (".", "zoo/@ours")]
    found = [places("copy", *each, "--json").json["artifacts"][0]["destination"] for each in names]
    assert found == ["team/vision/pets", "team/vision/animals", "team/demo/pets", "me/demo/pets", "team/zoo/pets"]
    back = places("copy", "@ours", "from-ours/", "--json").json["artifacts"]
    assert [each["destination"] for each in back] == ["tester/from-ours/animals", "tester/from-ours/pets"]


def test_without_anything_said_a_place_gets_the_project_of_the_source(places: Artfs) -> None:
    places("copy", "pets", "somebody/demo/pets")
    (copied,) = places("copy", "somebody/demo/", "@shared", "--json").json["artifacts"]
    assert (copied["source"], copied["destination"]) == ("somebody/demo/pets", "somebody/demo/pets")


def test_a_dry_run_says_what_would_be_copied_and_copies_nothing(places: Artfs, tmp_path: Path) -> None:
    outcome = places("copy", "pets", "@shared", "--dry-run")
    assert [row[1] for row in outcome.rows if row[0] == "would be copied"] == ["tester/default/pets:v0", "tester/default/pets:v1"]
    form = places("copy", "pets", "@shared", "-n", "--json").json
    assert (form["dry_run"], form["bytes_sent"], form["artifacts"][0]["copied"]) == (True, None, ["v0", "v1"])
    assert not (tmp_path / "shared").exists()


def test_a_dry_run_asks_a_destination_that_is_there(places: Artfs, tmp_path: Path) -> None:
    places("copy", "pets", "@shared")
    (tmp_path / "note.txt").write_text("another pet\n")
    places("put", tmp_path / "note.txt", "pets")
    (told,) = places("copy", "pets", "@shared", "-n", "--json").json["artifacts"]
    assert (told["copied"], told["present"]) == (["v2"], ["v0", "v1"])


def test_conflicts_of_one_artifact_do_not_stop_the_others(places: Artfs, tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("another pet\n")
    places("put", tmp_path / "note.txt", "notes")
    places(*at(tmp_path, "shared"), "put", tmp_path / "note.txt", "pets")
    outcome = places.run("copy", ".", "@shared")
    assert outcome.code == 4
    assert [row[1] for row in outcome.rows if row[0] == "copied"] == ["tester/default/notes:v0"]
    assert "artfs: not copied: tester/default/pets:v0 at the destination has other content" in outcome.err
    alone = places.fails("copy", "pets", "@shared")
    assert alone.code == 4


def test_an_alias_of_the_destination_s_own_stays_and_is_said(places: Artfs, tmp_path: Path) -> None:
    places("copy", "pets", "@shared")
    (tmp_path / "note.txt").write_text("another pet\n")
    places(*at(tmp_path, "shared"), "put", tmp_path / "note.txt", "pets")
    outcome = places("copy", "pets", "@shared")
    assert "the alias latest of tester/default/pets stays on v2, which the source does not have: say --force" in outcome.err
    assert places("copy", "pets", "@shared", "--force", "--json").json["artifacts"][0]["aliases_moved"] == {"latest": "v1"}


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["pets", "@sahred"], 2, "there is no place 'sahred'"),
        (["pets", "pets"], 2, "cannot be copied to itself"),
        (["pets:v1", "@shared"], 2, "names a version"),
        ([".", "zoo@shared"], 2, "for the project of that name write 'zoo/@shared'"),
        (["nobody/", "@shared"], 3, "the project tester/nobody of the source has no artifacts"),
        (["cats", "@shared"], 3, "there is no artifact tester/default/cats"),
    ],
)
def test_what_cannot_be_copied_is_one_line(places: Artfs, arguments: list[str], code: int, told: str) -> None:
    outcome = places.fails("copy", *arguments)
    assert outcome.code == code
    assert told in outcome.err


def test_the_keys_of_its_json_are_documented(places: Artfs) -> None:
    form = places("copy", ".", "@shared", "--json").json
    (line,) = [line for line in DOCUMENT.read_text().splitlines() if line.startswith("| `copy` |")]
    assert [key for key in (*form, *form["artifacts"][0]) if f"`{key}`" not in line] == []


def test_names_and_places_are_completed(places: Artfs, program: Program) -> None:
    def complete(word: str) -> list[str]:
        env = {"_ARTFS_COMPLETE": "complete_fish", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
        return program(env={**env, "_TYPER_COMPLETE_ARGS": f"artfs copy {word}"}).stdout.decode().split()

    assert complete("pe") == ["pets"]
    assert complete("pets@") == ["pets@ours", "pets@shared"]
