"""Eight processes of one machine build one version of a dataset together, with nothing but the standard library.

    python scripts/examples/parallel_multiprocessing.py

Each process contributes its shard as soon as that is ready; nobody sees any of it before the finish, which makes one version of all
shards. Processes and finisher find each other by a `distributed_id`; runs that have a group need none.
"""

from __future__ import annotations

import multiprocessing
import os
import secrets
from functools import partial

import artfs

SHARDS = 8
NAME = "squares"


def write(together: str, number: int) -> str:
    """One process: contributes its shard."""
    with artfs.init(job_type="shard", name=f"shard-{number}") as run:
        shard = artfs.Artifact(NAME, type="dataset", metadata={f"shard-{number}": {"process": os.getpid()}})
        with shard.new_file(f"shards/{number:03}.csv") as file:
            file.writelines(f"{value},{value * value}\n" for value in range(number * 100, number * 100 + 100))
        run.upsert_artifact(shard, distributed_id=together)
        return run.name


def main() -> None:
    together = f"{NAME}-{secrets.token_hex(4)}"
    with multiprocessing.Pool(SHARDS) as pool:
        for name in pool.imap(partial(write, together), range(SHARDS)):
            print(f"{name} contributed")
    with artfs.init(job_type="finish", name="finisher") as run:
        whole = artfs.Artifact(NAME, type="dataset", description=f"squares in {SHARDS} shards")
        with whole.new_file("readme.txt") as file:
            file.write("value, value squared\n")
        run.finish_artifact(whole, distributed_id=together)
        print(f"{whole.name}: {whole.file_count} files, {len(whole.metadata)} notes")


if __name__ == "__main__":
    main()
