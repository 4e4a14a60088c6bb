"""Makes a version of very many files, then opens it in a fresh process and prints seconds and the peak of its memory in MiB.

usage: python -m tests.bench.open_large_version HOME COUNT
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

from artfs.config import load_config
from artfs.model.digest import Digest
from artfs.model.entry import ChunkRef, Content, Entry, directory_entry
from artfs.model.names import ArtifactName, VersionName

ARTIFACT = ArtifactName("bench", "bench", "many")
PER_FOLDER = 1000


def make_entries(count: int, ref: ChunkRef) -> Iterator[Entry]:
    """Entries in manifest order whose digests differ, as those of real files do; they are never read."""
    folders = range(0, count, PER_FOLDER)
    for first in folders:
        yield directory_entry(f"{first // PER_FOLDER:05d}")
    random = Random(count)
    for first in folders:
        for number in range(first, min(first + PER_FOLDER, count)):
            digest = Digest(random.randbytes(32))
            place = ref._replace(digest=digest)
            path = f"{first // PER_FOLDER:05d}/image-{number:07d}.png"
            yield Entry(path, size=ref.size, mtime_ns=time.time_ns(), digest=digest, content=Content((place,)))


def make_version(count: int) -> None:
    from artfs.repository.commit import CommitRequest, begin_ingest, commit_entries
    from artfs.repository.open import open_repository

    with open_repository(load_config()) as repository:
        ingest = begin_ingest(repository, ARTIFACT.entity)
        ref = ingest.add_bytes(os.urandom(1000), "any").content.refs[0]
        commit_entries(repository, ingest, make_entries(count, ref), CommitRequest(ARTIFACT, type="dataset"))


def open_version(count: int) -> None:
    start = time.perf_counter()
    from artfs.repository.open import open_repository

    with open_repository(load_config()) as repository:
        manifest = repository.manifest(repository.registry.versions.resolve(VersionName(ARTIFACT, "latest")))
        folder = count // PER_FOLDER // 2
        if manifest.get(f"{folder:05d}/image-{folder * PER_FOLDER:07d}.png") is None:
            raise SystemExit("the file in the middle is not there")
        if len(manifest.list(f"{folder:05d}")) != PER_FOLDER or manifest.file_count != count:
            raise SystemExit("the version does not hold what was put into it")
    print(time.perf_counter() - start, _peak_mebibytes())


def _peak_mebibytes() -> float:
    """The most memory this program had. Not getrusage(2): that counts what the process was before exec(2), too."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) / 1024


def main() -> None:
    home, count, *role = sys.argv[1:]
    if role:
        open_version(int(count))
        return
    environment = {**os.environ, "ARTFS_HOME": home, "ARTFS_ENTITY": ARTIFACT.entity, "ARTFS_PROJECT": ARTIFACT.project}
    os.environ.update(environment)
    make_version(int(count))
    # A fresh process: what made the version must not count as memory of the one that opens it.
    subprocess.run([sys.executable, "-m", "tests.bench.open_large_version", home, count, "open"], check=True, env=environment)


if __name__ == "__main__":
    main()
