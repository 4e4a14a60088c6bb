"""Parse TARGET, which says what appears at the root of a mount.

| TARGET                        | at the root                                                    |
|-------------------------------|----------------------------------------------------------------|
| nothing                       | the artifacts of the project of the settings                   |
| `ENTITY/PROJECT`              | the artifacts of that project                                  |
| `NAME`, `ENTITY/PROJECT/NAME` | the versions and aliases of one artifact                       |
| `NAME:v3`, `NAME:best`, …     | one version; an alias is resolved once, when the mount starts  |

Two parts without a colon are a project; with one (`PROJECT/NAME:v3`) they are a version, as everywhere else in artfs.
"""

from __future__ import annotations

from dataclasses import dataclass

from artfs.model.names import ArtifactName, VersionName, check_entity, check_project, parse_artifact_name, parse_version_name


@dataclass(frozen=True, slots=True)
class Target:
    """A project, an artifact of it, or one version of that artifact."""

    entity: str
    project: str
    artifact: ArtifactName | None = None
    version: VersionName | None = None

    def __str__(self) -> str:
        if self.version is not None:
            return str(self.version)
        return str(self.artifact) if self.artifact is not None else f"{self.entity}/{self.project}"


def parse_target(text: str | None, *, entity: str, project: str) -> Target:
    """The target that `text` names; raises NameNotValid."""
    if not text:
        return Target(entity, project)
    if ":" in text:
        version = parse_version_name(text, entity=entity, project=project)
        return Target(version.artifact.entity, version.artifact.project, version.artifact, version)
    parts = text.strip("/").split("/")
    if len(parts) == 2:
        return Target(check_entity(parts[0]), check_project(parts[1]))
    artifact = parse_artifact_name(text.strip("/"), entity=entity, project=project)
    return Target(artifact.entity, artifact.project, artifact)
