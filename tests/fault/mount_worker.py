"""A mount whose object store does what a file says: `block` until the file says something else, or `break` in an unforeseen way.

Run as a program: `python -m tests.fault.mount_worker MOUNTPOINT ORDERS DEADLINE_S`, settings from the environment. Prints `ready`.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from artfs.config import load_config
from artfs.mount.daemon import MountRequest, serve, set_up_log
from artfs.objectstore.open import open_objects
from artfs.objectstore.protocol import ObjectStore, Piece
from artfs.registry.open import open_registry
from artfs.repository.open import assemble_repository


class ObeyingStore:
    """An object store that looks at its orders before it reads a range; everything else it passes on."""

    def __init__(self, inner: ObjectStore, orders: Path) -> None:
        self._inner = inner
        self._orders = orders

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    def read_range(self, key: str, offset: int, length: int) -> Piece:
        while self._orders.read_text() == "block":
            time.sleep(0.01)
        if self._orders.read_text() == "break":
            raise RuntimeError("nobody expected this")
        return self._inner.read_range(key, offset, length)


def main() -> None:
    """Serve until unmounted."""
    mountpoint, orders, deadline_s = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])
    config = load_config()
    log = config.log_dir / "worker.log"
    set_up_log(log)
    objects = ObeyingStore(open_objects(config.objects), orders)
    repository = assemble_repository(config, open_registry(config.registry), objects)  # type: ignore[arg-type]
    request = MountRequest(config, mountpoint, deadline_s=deadline_s, log=log)
    serve(request, lambda info: print("ready", info.pid, flush=True), repository)


if __name__ == "__main__":
    main()
