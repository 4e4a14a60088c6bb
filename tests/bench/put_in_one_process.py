"""Puts a folder twice in one process, as a notebook does, and prints the seconds of both: the cost without a start-up.

usage: python -m tests.bench.put_in_one_process HOME FOLDER
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from artfs.config import load_config
from artfs.model.names import ArtifactName
from artfs.repository.commit import CommitRequest
from artfs.repository.commit_folder import commit_folder
from artfs.repository.open import open_repository


def main() -> None:
    home, folder = sys.argv[1:]
    config = load_config(environ={**os.environ, "ARTFS_HOME": home})
    request = CommitRequest(ArtifactName("bench", "bench", "data"), type="dataset")
    with open_repository(config) as repository:
        repository.registry.collections.projects()  # opens the connection
        for _ in range(2):
            start = time.perf_counter()
            commit_folder(repository, Path(folder), request)
            print(time.perf_counter() - start)


if __name__ == "__main__":
    main()
