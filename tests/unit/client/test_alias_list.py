"""The list of aliases: it behaves as a list, checks what is put in, and knows what to do on `save()`."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable

import pytest

from artfs.client.alias_list import AliasList


def test_it_is_a_list() -> None:
    aliases = AliasList(["a", "b"])
    assert aliases == ["a", "b"]
    assert (len(aliases), aliases[0], "a" in aliases, sorted(aliases)) == (2, "a", True, ["a", "b"])
    assert json.dumps(aliases) == '["a", "b"]'
    assert pickle.loads(pickle.dumps(aliases)) == ["a", "b"]
    assert repr(aliases) == "['a', 'b']"


def test_every_way_to_put_one_in() -> None:
    aliases = AliasList(["a"])
    aliases.append("b")
    aliases.extend(["c", "b"])
    aliases += ["d"]
    aliases.insert(0, "e")
    aliases[1] = "f"
    assert aliases == ["e", "f", "b", "c", "d"]
    assert sorted(aliases.to_add()) == ["b", "c", "d", "e", "f"]
    assert aliases.to_remove() == ["a"]


def test_every_way_to_take_one_out() -> None:
    aliases = AliasList(["a", "b", "c", "d", "e"])
    aliases.remove("a")
    assert aliases.pop() == "e"
    del aliases[0]
    assert (aliases, aliases.to_remove(), aliases.to_add()) == (["c", "d"], ["a", "b", "e"], [])
    aliases.clear()
    assert aliases.to_remove() == ["a", "b", "c", "d", "e"]
    with pytest.raises(ValueError, match="not in list"):
        aliases.remove("a")


def test_one_that_was_there_and_is_put_in_again_is_to_be_added() -> None:
    aliases = AliasList(["a", "b"])
    aliases.append("a")
    assert (aliases, aliases.to_add(), aliases.to_remove()) == (["a", "b"], ["a"], [])


def test_one_that_is_put_in_and_taken_out_again_changes_nothing() -> None:
    aliases = AliasList(["a"])
    aliases.append("b")
    aliases.remove("b")
    assert (aliases.to_add(), aliases.to_remove()) == ([], [])


def test_replacing_all() -> None:
    aliases = AliasList(["a", "b"])
    aliases.replace(["b", "c", "c"])
    assert (aliases, aliases.to_add(), aliases.to_remove()) == (["b", "c"], ["b", "c"], ["a"])
    aliases.replace("single")
    assert aliases == ["single"]
    aliases.load(["x"])
    assert (aliases, aliases.to_add(), aliases.to_remove()) == (["x"], [], [])


@pytest.mark.parametrize("alias", ["v3", "a/b", "a:b", "", ".x", "staging"])
def test_what_is_no_alias_is_refused_and_changes_nothing(alias: str) -> None:
    aliases = AliasList(["a"])
    ways: list[Callable[[], object]] = [
        lambda: aliases.append(alias),
        lambda: aliases.extend(["b", alias]),
        lambda: aliases.insert(0, alias),
        lambda: aliases.__setitem__(0, alias),
        lambda: aliases.replace(["b", alias]),
    ]
    for put in ways:
        with pytest.raises(ValueError, match="alias"):
            put()
    assert (aliases, aliases.to_add(), aliases.to_remove()) == (["a"], [], [])


def test_what_is_no_text_is_a_type_error() -> None:
    aliases = AliasList()
    for wrong in (None, 7):
        with pytest.raises(TypeError):
            aliases.append(wrong)  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            aliases.replace(wrong)  # type: ignore[arg-type]
