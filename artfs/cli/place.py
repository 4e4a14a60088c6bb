"""Parse `NAME[:VERSION[/PATH]]`, as `ls`, `get` and `cat` take it.

A path needs a version before it: in `bike/images` there is no telling whether `bike` is a project or an artifact, so that without a
colon all slashes belong to the name (`PROJECT/NAME`, `ENTITY/PROJECT/NAME`).
"""

from __future__ import annotations

from dataclasses import dataclass

from artfs.errors import NameNotValid
from artfs.model.names import LATEST, VersionName, normalise_path, parse_version_name


@dataclass(frozen=True, slots=True)
class Place:
    """A version and a path in it; the path is empty for the root."""

    version: VersionName
    path: str = ""
    #: How the path would be spelled, if what was read as a project or an entity was meant as an artifact with a path.
    alternative: str = ""

    def __str__(self) -> str:
        return f"{self.version}/{self.path}" if self.path else str(self.version)


def parse_place(text: str, *, entity: str, project: str) -> Place:
    """The place that `text` names; the version is `latest` when it says none."""
    head, colon, tail = text.partition(":")
    if not colon:
        if head.count("/") > 2:
            raise NameNotValid(f"{text!r} names no artifact: write NAME:VERSION/PATH, for example 'bike-dataset:{LATEST}/images'")
        name, slash, path = head.partition("/")
        alternative = f"{name}:{LATEST}/{path}" if slash else ""
        return Place(parse_version_name(head, entity=entity, project=project), alternative=alternative)
    selector, _, path = tail.partition("/")
    path = path.lstrip("/")
    version = parse_version_name(f"{head}:{selector}", entity=entity, project=project)
    return Place(version, normalise_path(path) if path.strip("/.") or ".." in path else "")
