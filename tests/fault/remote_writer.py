"""Run as a program: commits versions one after the other until it is killed, and notes what it does where a kill loses nothing.

    python -m tests.fault.remote_writer LOG NAME      settings from the environment

Lines of LOG: `begun TOKEN` before a commit whose content holds TOKEN, `done TOKEN NUMBER` when it was acknowledged, `failed TOKEN
CLASS` when the commit raised an error of artfs, after which it goes on with another one.
"""

from __future__ import annotations

import os
import sys

from artfs.config import load_config
from artfs.errors import ArtfsError
from artfs.repository.open import open_repository
from tests.fault.versions import commit

#: Part of every version, so that writers find each other's chunks.
SHARED = bytes(range(256)) * 300
TOKEN_FILE = "token.txt"


def main() -> None:
    path, name = sys.argv[1:]
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def note(line: str) -> None:
        os.write(log, f"{line}\n".encode())
        os.fsync(log)

    with open_repository(load_config()) as repository:
        for number in range(1_000_000):
            token = f"{name}-{number}"
            note(f"begun {token}")
            try:
                files = {TOKEN_FILE: token.encode(), "shared.bin": SHARED, f"own/{name}.bin": os.urandom(20_000)}
                outcome = commit(repository, files)
            except ArtfsError as error:
                note(f"failed {token} {type(error).__name__}")
                continue
            note(f"done {token} {outcome.version.number}")


if __name__ == "__main__":
    main()
