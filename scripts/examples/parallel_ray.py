"""Five writers on Ray build one version of a table together.

    pip install 'artfs[tables]' ray
    python scripts/examples/parallel_ray.py

Each writer contributes one part, from a process (or a host) of its own; nobody sees any of it before the finish, which makes one
version of all parts. Writers and finisher find each other by the group of their runs. On a cluster (`RAY_ADDRESS`), all hosts need
the same registry and object store: `ARTFS_REGISTRY` and `ARTFS_OBJECTS`.
"""

from __future__ import annotations

import os
import secrets

import ray

import artfs

WRITERS = 5
ROWS = 100
NAME = "measurements"


@ray.remote(num_cpus=0.4)
def write(group: str, number: int) -> str:
    """One writer: contributes a part of the table."""
    with artfs.init(group=group, job_type="writer", name=f"writer-{number}") as run:
        rows = [[number, step, number * step / 10] for step in range(ROWS)]
        part = artfs.Artifact(NAME, type="dataset")
        part.add(artfs.Table(columns=["writer", "step", "value"], data=rows), f"parts/table_{number}")
        run.upsert_artifact(part)
        return f"{run.name} contributed {len(rows)} rows from process {os.getpid()}"


def finish(group: str) -> str:
    """Makes the version; returns its name."""
    with artfs.init(group=group, job_type="finisher", name="finisher") as run:
        whole = artfs.Artifact(NAME, type="dataset", description=f"built by {WRITERS} writers")
        whole.add(artfs.data_types.PartitionedTable("parts"), "distributed_table")
        return run.finish_artifact(whole).name


def read(name: str) -> None:
    """Prints what the version holds, and who made it."""
    version = artfs.Api().artifact(name)
    table = version.get("distributed_table")
    assert isinstance(table, artfs.data_types.PartitionedTable)
    rows = [row for _, row in table.iterrows()]
    print(f"{version.name}: {len(rows)} rows, {len({row[0] for row in rows})} writers, sum {sum(row[2] for row in rows):.1f}")
    for entry in version.files():
        print(f"  {entry.path}")


def main() -> None:
    if "RAY_ADDRESS" in os.environ:
        ray.init()
    else:
        ray.init(num_cpus=2, include_dashboard=False)
    group = f"{NAME}-{secrets.token_hex(4)}"
    for line in ray.get([write.remote(group, number) for number in range(WRITERS)]):
        print(line)
    read(finish(group))
    ray.shutdown()


if __name__ == "__main__":
    main()
