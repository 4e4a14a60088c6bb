"""Prints the stored bytes of the chunks that `read_randomly` touches in a file of an artifact, each chunk counted once.

usage: python -m tests.bench.chunks_touched NAME:VERSION PATH COUNT       settings from the environment
"""

from __future__ import annotations

import sys

from artfs.config import load_config
from artfs.content.chunk_map import ChunkMap
from artfs.model.names import ArtifactName, VersionName
from artfs.repository.open import open_repository
from tests.bench.read_randomly import PIECE, places


def main() -> None:
    version, path, count = sys.argv[1:]
    name, _, selector = version.partition(":")
    config = load_config()
    with open_repository(config) as repository:
        artifact = ArtifactName(config.entity, config.project, name)
        entry = repository.manifest(repository.registry.versions.resolve(VersionName(artifact, selector))).get(path)
        if entry is None or entry.content is None:
            raise SystemExit(f"there is no file {path} in {version}")
        chunk_map, content = ChunkMap(repository.chunks), entry.content
        found = {
            at.ref.digest: at.ref for offset in places(entry.size, int(count)) for at in chunk_map.locate(content, offset, PIECE)
        }
        print(sum(ref.stored_size for ref in found.values()))


if __name__ == "__main__":
    main()
