from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from artfs.vfs.gate import PathGate


def test_users_of_paths_do_not_wait_for_each_other() -> None:
    gate, barrier = PathGate(), threading.Barrier(4, timeout=10)

    def use() -> None:
        with gate.using_paths():
            barrier.wait()

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(use) for _ in range(4)]:
            done.result(10)


def test_nobody_uses_a_path_while_paths_move() -> None:
    gate, inside, seen = PathGate(), [], []

    def use(number: int) -> None:
        with gate.using_paths():
            inside.append(number)
            inside.remove(number)

    def move() -> None:
        with gate.moving_paths():
            seen.append(list(inside))

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(use, i) if i % 5 else pool.submit(move) for i in range(500)]:
            done.result(10)
    assert seen == [[]] * 100
