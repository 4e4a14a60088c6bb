"""The two sides of `artfs copy`, as they are written: `[[ENTITY/]PROJECT/][NAME][@PLACE]`.

Without a NAME (`demo/`, `.`, or the place alone) a side is a whole project, or leaves the name as it is. What a destination with a
place does not say is as at the source, so that `demo/bike @shared` stays in `demo`, unless the place says something else. Without a
place it is in the project that is in force, as everywhere else.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from artfs.config import Config
from artfs.errors import NameNotValid, NotFound, UserError
from artfs.model.names import ArtifactName, check_artifact_name, check_entity, check_project
from artfs.registry.collections import Collections


@dataclass(frozen=True, slots=True)
class Side:
    """One side as it was written; None is what was not said."""

    text: str
    entity: str | None
    project: str | None
    name: str | None
    place: str | None

    def config(self, in_force: Config) -> Config:
        """The settings of this side. Raises ConfigNotValid when there is no such place."""
        return in_force if self.place is None else in_force.at(self.place)


def parse_side(text: str) -> Side:
    """The side that `text` names. Raises UserError for a version, NameNotValid for what is no name."""
    names, at, place = text.rpartition("@") if "@" in text else (text, "", "")
    if at and not place:
        raise NameNotValid(f"{text!r} names no place after its @: write for example {names + '@shared'!r}")
    if ":" in names:
        raise UserError(f"{text!r} names a version, but all versions of an artifact are copied together: leave out the colon")
    parts = [] if names in {"", ".", "./"} else names.split("/")
    if len(parts) > 3 or not all(parts[:-1]):
        raise NameNotValid(f"{text!r} names nothing to copy: expected [[ENTITY/]PROJECT/][NAME][@PLACE]")
    entity, project, name = [None] * (3 - len(parts)) + [part or None for part in parts]
    return Side(
        text=text,
        entity=check_entity(entity) if entity else None,
        project=check_project(project) if project else None,
        name=check_artifact_name(name) if name else None,
        place=place or None,
    )


def select_artifacts(source: Side, destination: Side, in_force: Config, there: Collections) -> dict[ArtifactName, ArtifactName]:
    """The artifacts at the source (whose collections are `there`), each with what it is called at the destination.

    Raises UserError when a whole project shall get one name, NotFound when it has no artifacts.
    """
    config = source.config(in_force)
    entity, project = source.entity or config.entity, source.project or config.project
    to_entity, to_project = _project_of(destination, in_force, entity, project)
    if source.name is not None:
        name = destination.name or source.name
        return {ArtifactName(entity, project, source.name): ArtifactName(to_entity, to_project, name)}
    if destination.name is not None:
        raise UserError(
            f"{source.text!r} is a whole project, and {destination.text!r} names one artifact: for the project of that name write "
            f"{_as_project(destination)!r}"
        )
    found = [collection.artifact.name for collection in there.list(entity, project)]
    if not found:
        raise NotFound(f"the project {entity}/{project} of the source has no artifacts: `artfs ls` lists those of a project")
    return {ArtifactName(entity, project, name): ArtifactName(to_entity, to_project, name) for name in found}


def _project_of(side: Side, in_force: Config, entity: str, project: str) -> tuple[str, str]:
    """Entity and project at the destination, which come from `entity` and `project`."""
    if side.place is None:
        return side.entity or in_force.entity, side.project or in_force.project
    place = in_force.places[side.place]
    return side.entity or place.entity or entity, side.project or place.project or project


def _as_project(side: Side) -> str:
    said: Iterable[str | None] = (side.entity, side.project, side.name)
    return "/".join([part for part in said if part][-2:]) + "/" + (f"@{side.place}" if side.place else "")
