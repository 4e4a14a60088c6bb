"""Run as a program: moves all versions to new packs and deletes the old ones, again and again until it is killed.

    python -m tests.fault.repack_worker LOG      settings from the environment

Lines of LOG: `moved COUNT` after each round, `failed CLASS` when a round raised an error of artfs, after which it goes on.
"""

from __future__ import annotations

import os
import sys

from artfs.config import load_config
from artfs.errors import ArtfsError
from artfs.repository.gc import collect_garbage
from artfs.repository.open import open_repository
from artfs.repository.repack import repack

#: No pack has so much in use.
ALL = 2.0


def main() -> None:
    log = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with open_repository(load_config()) as repository:
        while True:
            try:
                report = repack(repository, threshold=ALL)
                collect_garbage(repository, grace_s=0)
                line = f"moved {report.moved}"
            except ArtfsError as error:
                line = f"failed {type(error).__name__}: {error}"
            os.write(log, f"{line}\n".encode())


if __name__ == "__main__":
    main()
