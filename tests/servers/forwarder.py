"""The link itself: a program that carries packets between two network namespaces, late, at a rate, and not all of them.

    python -m tests.servers.forwarder       (root; `link.py` starts it and talks to it)

Each namespace has one TUN device, and this program reads from one what it writes to the other. Both namespaces are without a name
and live as long as this program and those inside do, so that nothing is left to be cleaned up, however it ends. The kernel hands
over up to 64 KiB of a stream at once as one packet (segmentation is offloaded, as to a network card): one system call instead of
45, and TCP still counts in segments of an Ethernet.

First line of output: {"client": DESCRIPTOR, "server": DESCRIPTOR} of the namespaces. Then each line of input is a JSON object of
settings to change, {} for none, and is answered by {"up": BYTES, "down": BYTES}, the bytes of packets carried so far: up is from
the client to the server. The end of input ends the program. One thread.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import select
import struct
import subprocess
import sys
import time
from collections import deque
from dataclasses import dataclass
from random import Random

CLIENT_ADDRESS = "198.18.0.2"
SERVER_ADDRESS = "198.18.0.1"
_CLONE_NEWNET = 0x40000000
# linux/if_tun.h; a packet is preceded by a virtio_net_hdr of 10 bytes, which says what is still to be done to it.
_TUNSETIFF, _TUNSETOFFLOAD = 0x400454CA, 0x400454D0
_IFF_TUN, _IFF_NO_PI, _IFF_VNET_HDR = 0x0001, 0x1000, 0x4000
_TUN_F_CSUM, _TUN_F_TSO4 = 0x01, 0x02
_HEADER = 10
_LARGEST = _HEADER + (64 << 10)
#: What waits for its turn on the link beyond this is dropped, as a router does: 67 ms at 1 Gbit/s.
_QUEUE_BYTES = 8 << 20
#: At most this many packets of one side, before the other one and the clock are looked at.
_AT_ONCE = 32


@dataclass(slots=True)
class Settings:
    """`delay_s` is one way. A link that is `cut` is a black hole: nobody is told that packets are lost."""

    delay_s: float = 0.010
    bits_per_s: float = 1e9
    loss: float = 0.0
    cut: bool = False


class Way:
    """One direction. A packet waits until those before it are on the link, then for its own bits, then for the delay."""

    def __init__(self, source: int, target: int, settings: Settings) -> None:
        self.carried = 0
        self.source = source
        self._target = target
        self._settings = settings
        self._random = Random(1)
        self._flying: deque[tuple[float, bytes]] = deque()
        self._free_at = 0.0

    def take(self) -> None:
        """Put on the link what the source has."""
        settings = self._settings
        for _ in range(_AT_ONCE):
            try:
                packet = os.read(self.source, _LARGEST)
            except BlockingIOError:
                return
            size, now = len(packet) - _HEADER, time.monotonic()
            waiting_s = max(self._free_at - now, 0.0)
            if settings.cut or (settings.loss and self._random.random() < settings.loss):
                continue
            if waiting_s * settings.bits_per_s > 8 * _QUEUE_BYTES:
                continue
            self.carried += size
            self._free_at = now + waiting_s + 8 * size / settings.bits_per_s
            self._flying.append((self._free_at + settings.delay_s, packet))

    def deliver(self) -> float | None:
        """Hand over what has arrived; the seconds until the next packet does, None when there is none."""
        flying = self._flying
        while flying:
            wait_s = flying[0][0] - time.monotonic()
            if wait_s > 0:
                return wait_s
            packet = flying.popleft()[1]
            if not self._settings.cut:
                os.write(self._target, packet)
        return None


def main() -> None:
    # What runs at either end may take all processors, and the link would be slower for it.
    os.nice(-20)
    client, client_tun = _make_namespace(CLIENT_ADDRESS)
    server, server_tun = _make_namespace(SERVER_ADDRESS)
    print(json.dumps({"client": client, "server": server}), flush=True)
    settings = Settings()
    _carry(Way(client_tun, server_tun, settings), Way(server_tun, client_tun, settings), settings)


def _carry(up: Way, down: Way, settings: Settings) -> None:
    control = sys.stdin.fileno()
    sides = {up.source: up, down.source: down}
    while True:
        waits = [wait_s for way in (up, down) if (wait_s := way.deliver()) is not None]
        readable, _, _ = select.select([control, *sides], [], [], min(waits, default=None))
        for descriptor in readable:
            if descriptor in sides:
                sides[descriptor].take()
                continue
            line = sys.stdin.readline()
            if not line:
                return
            for name, value in json.loads(line).items():
                setattr(settings, name, value)
            print(json.dumps({"up": up.carried, "down": down.carried}), flush=True)


def _make_namespace(address: str) -> tuple[int, int]:
    """Descriptors of a new network namespace, which this process then is in, and of the TUN device in it."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "cannot make a network namespace")
    namespace = os.open("/proc/self/ns/net", os.O_RDONLY)
    tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tun, _TUNSETIFF, struct.pack("16sH22x", b"slow0", _IFF_TUN | _IFF_NO_PI | _IFF_VNET_HDR))
    fcntl.ioctl(tun, _TUNSETOFFLOAD, _TUN_F_CSUM | _TUN_F_TSO4)
    for command in (
        "ip link set dev lo up",
        f"ip addr add {address}/30 dev slow0",
        "ip link set dev slow0 mtu 1500 txqueuelen 10000 up",
    ):
        subprocess.run(command.split(), check=True)
    return namespace, tun


if __name__ == "__main__":
    main()
