from __future__ import annotations

import pytest

from artfs.errors import NameNotValid
from artfs.vfs.target import parse_target


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        (None, "me/mine"),
        ("", "me/mine"),
        ("bike", "me/mine/bike"),
        ("you/yours", "you/yours"),
        ("you/yours/bike", "you/yours/bike"),
        ("bike:v3", "me/mine/bike:v3"),
        ("bike:", None),
        ("yours/bike:best", "me/yours/bike:best"),
        ("you/yours/bike:latest", "you/yours/bike:latest"),
        ("a/b/c/d", None),
        ("../x", None),
        ("bike:a/b", None),
        (".artfs", None),
    ],
)
def test_targets_are_parsed(text: str | None, spelled: str | None) -> None:
    if spelled is None:
        with pytest.raises(NameNotValid):
            parse_target(text, entity="me", project="mine")
    else:
        assert str(parse_target(text, entity="me", project="mine")) == spelled
