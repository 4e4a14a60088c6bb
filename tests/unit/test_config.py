"""Settings: where each comes from, and what is said of one that cannot be used."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from artfs.config import load_config, make_private_folder, parse_size
from artfs.errors import ConfigNotValid


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def write_file(home: Path, text: str) -> Path:
    home.mkdir(exist_ok=True)
    path = home / "config.toml"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    return path


def test_an_option_beats_the_environment_which_beats_the_file_which_beats_the_default(home: Path) -> None:
    write_file(home, 'entity = "of-file"\nproject = "of-file"\nmemory = 4096\n')
    environ = {"ARTFS_HOME": str(home), "ARTFS_PROJECT": "of-environment", "ARTFS_RUN_ID": "of-environment"}
    config = load_config({"run_id": "of-option", "memory": None}, environ)
    assert (config.entity, config.project, config.run_id, config.memory) == ("of-file", "of-environment", "of-option", 4096)
    assert config.registry == f"sqlite:///{home}/data/registry.sqlite"
    assert config.objects == f"file://{home}/data/objects"


def test_an_empty_variable_says_nothing(home: Path) -> None:
    write_file(home, 'project = "of-file"\n')
    assert load_config({}, {"ARTFS_HOME": str(home), "ARTFS_PROJECT": "", "ARTFS_RUN_ID": ""}).project == "of-file"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('entitty = "me"', "unknown setting 'entitty' in .*config.toml"),
        ('memory = "lots"', "the setting memory in .*config.toml cannot be used: 'lots' is not a size"),
        ('project = ["a"]', r"the setting project in .*config.toml cannot be used: it is \['a'\], which is not text"),
        ("entity = true", "the setting entity in .*config.toml cannot be used"),
        ("entity = [", "cannot read the settings in .*config.toml: .*; correct the file"),
        ('entity = "\udcff"', "cannot read the settings in .*config.toml: it is no UTF-8; correct the file"),
    ],
)
def test_what_is_wrong_in_the_file_is_told_with_its_place(home: Path, text: str, told: str) -> None:
    write_file(home, text)
    with pytest.raises(ConfigNotValid, match=told):
        load_config({}, {"ARTFS_HOME": str(home)})


SHARED = '[places.shared]\nregistry = "sqlite:////srv/registry"\nobjects = "file:///srv/objects"\n'


def test_a_place_has_its_own_stores_and_leaves_what_it_does_not_say_as_it_is(home: Path) -> None:
    write_file(home, f'entity = "me"\nproject = "mine"\n{SHARED}project = "ours"\n')
    config = load_config({}, {"ARTFS_HOME": str(home)})
    shared = config.at("shared")
    assert (shared.registry, shared.objects) == ("sqlite:////srv/registry", "file:///srv/objects")
    assert (shared.entity, shared.project) == ("me", "ours")
    assert (shared.data_dir, shared.cache_dir, shared.state_dir) == (config.data_dir, config.cache_dir, config.state_dir)


def test_settings_with_places_can_be_keys(home: Path) -> None:
    without = load_config({}, {"ARTFS_HOME": str(home)})
    write_file(home, SHARED)
    settings = load_config({}, {"ARTFS_HOME": str(home)})
    assert {settings: 1, without: 2}[load_config({}, {"ARTFS_HOME": str(home)})] == 1


def test_a_place_that_nobody_has_named_is_told_with_those_there_are(home: Path) -> None:
    write_file(home, SHARED)
    with pytest.raises(ConfigNotValid, match=r"no place 'sahred': name it in a table \[places.sahred\] .* there are: shared"):
        load_config({}, {"ARTFS_HOME": str(home)}).at("sahred")
    with pytest.raises(ConfigNotValid, match="there are none"):
        load_config({}, {"ARTFS_HOME": str(home / "elsewhere")}).at("shared")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[places]\nshared = 3", "the place shared in .*config.toml is no table"),
        ('[places."a b"]', "'a b' in .*config.toml is not a valid name of a place"),
        (SHARED + "colour = 1", "unknown setting 'colour' of the place shared in .*config.toml"),
        (
            '[places.x]\nregistry = "sqlite:///r"',
            'the place x in .*config.toml has no objects: add a line such as objects = "s3://bucket/artfs" below',
        ),
        ('[places.x]\nobjects = "file:///o"', "the place x in .*config.toml has no registry"),
        (SHARED + 'entity = "a b"', "the setting places.shared.entity in .*config.toml cannot be used: 'a b'"),
        (SHARED + "project = [1]", "the setting places.shared.project in .*config.toml cannot be used"),
    ],
)
def test_what_is_wrong_with_a_place_is_told_to_who_names_it_alone(home: Path, text: str, told: str) -> None:
    write_file(home, text)
    config = load_config({}, {"ARTFS_HOME": str(home)})
    (name,) = config.broken_places
    with pytest.raises(ConfigNotValid, match=told):
        config.at(name)


def test_places_that_are_no_table_are_told(home: Path) -> None:
    write_file(home, "places = 3")
    with pytest.raises(ConfigNotValid, match=r"places in .*config.toml is no table"):
        load_config({}, {"ARTFS_HOME": str(home)})


@pytest.mark.parametrize(("name", "value"), [("ENTITY", "a b"), ("PROJECT", "a/b"), ("MEMORY", "1X")])
def test_a_variable_that_cannot_be_used_is_named(home: Path, name: str, value: str) -> None:
    with pytest.raises(ConfigNotValid, match=f"the setting {name.lower()} in the variable ARTFS_{name} cannot be used: '{value}'"):
        load_config({}, {"ARTFS_HOME": str(home), f"ARTFS_{name}": value})


def test_a_home_that_cannot_be_is_told_with_its_variable(tmp_path: Path) -> None:
    with pytest.raises(ConfigNotValid, match="ARTFS_HOME cannot be used: '~no-such-user/artfs' names a user who has no home"):
        load_config({}, {"ARTFS_HOME": "~no-such-user/artfs"})
    (tmp_path / "file").touch()
    with pytest.raises(ConfigNotValid, match=r"cannot read the settings in .*/file/config.toml: Not a directory$"):
        load_config({}, {"ARTFS_HOME": str(tmp_path / "file")})


def test_sizes_are_read_as_they_are_written() -> None:
    assert [parse_size(text) for text in ("7", "1K", "1KiB", "1KB", "2 MiB", "1GB")] == [7, 1024, 1024, 1000, 2 << 20, 10**9]
    assert [parse_size(text) for text in ("1.5GiB", "0.1KB", "2.0")] == [3 << 29, 100, 2]


def test_a_private_folder_and_those_made_above_it_are_for_their_owner_alone(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    before = os.umask(0o022)
    try:
        make_private_folder(tmp_path / "one/two")
    finally:
        os.umask(before)
    assert [stat.S_IMODE(path.stat().st_mode) for path in (tmp_path, tmp_path / "one", tmp_path / "one/two")] == [
        0o755,
        0o700,
        0o700,
    ]
