"""Run as a program: many processes that contribute at once.

    python -m tests.fault.contribution_worker PROCESSES ROUNDS GROUP

Forks PROCESSES children after everything is imported; when all are ready they begin at once, and each contributes ROUNDS times in a
run of its own: a file of its own, and one that all have. Prints one line of JSON: for each child, how long its contributions took.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback

import artfs
from artfs.config import load_config
from artfs.registry.open import open_registry


def contribute(number: int, rounds: int, group: str, start: int) -> list[float]:
    took: list[float] = []
    with artfs.init(group=group, id=f"writer-{number}") as run:
        os.read(start, 1)  # returns when the parent closes its end
        for step in range(rounds):
            began = time.monotonic()
            part = artfs.Artifact("parts", type="dataset", metadata={f"{number}.{step}": number})
            with part.new_file(f"{number}/{step}.bin", "wb") as file:
                file.write(b"%d/%d" % (number, step))
            with part.new_file("shared.bin", "wb") as file:
                file.write(bytes(range(256)) * 100)
            run.upsert_artifact(part)
            took.append(time.monotonic() - began)
    return took


def _child(number: int, rounds: int, group: str, start: int, result: int) -> None:
    code = 1
    try:
        line = json.dumps(contribute(number, rounds, group, start)) + "\n"
        os.write(result, line.encode())  # short enough to be written in one piece
        code = 0
    except BaseException:  # noqa: BLE001  told by the parent
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def main() -> None:
    processes, rounds, group = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    # So that all is imported, the driver of the database too, and the children need not.
    open_registry(load_config().registry).close()
    assert artfs.init is not None
    start, begin = os.pipe()
    results, result = os.pipe()
    children = []
    for number in range(processes):
        child = os.fork()
        if child == 0:
            os.close(begin)
            _child(number, rounds, group, start, result)
        children.append(child)
    os.close(begin)
    os.close(result)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    with open(results) as lines:
        print(json.dumps([json.loads(line) for line in lines]))
    sys.exit(any(codes))


if __name__ == "__main__":
    main()
