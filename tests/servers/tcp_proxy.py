"""Another address of a server: haproxy passing on bytes of any protocol, whose connections a test can break.

proxy = TcpProxy.start(postgres.port)
proxy.break_connections()               those under way are cut; new ones are taken as before
proxy.cut()                             and new ones are refused, until `heal`
proxy.carried()                         bytes that went to the server since the start, or since `heal`
"""

from __future__ import annotations

import socket

from tests.servers.program import Program, Server, find_program, free_ports, listens, listens_at

_CONFIGURATION = """
global
    nbthread 1
    maxconn 1000
    stats socket {folder}/command.sock level admin
defaults
    mode tcp
    option contstats
    timeout client 600s
    timeout server 600s
    timeout connect 5s
listen pass
    bind 127.0.0.1:{port}
    server only 127.0.0.1:{target}
"""


class TcpProxy(Server):
    """A running proxy. Make one with `start`, end it with `stop`."""

    def __init__(self, program: Program, port: int) -> None:
        super().__init__(program)
        self.port = port

    @classmethod
    def start(cls, target: int) -> TcpProxy:
        """Put a proxy in front of a port of this machine. Fails, and never skips, when haproxy is not installed."""
        haproxy = find_program("haproxy", "apt-get install -y --no-install-recommends haproxy")
        program = Program("tcp-proxy")
        (port,) = free_ports(1)
        (program.folder / "haproxy.cfg").write_text(_CONFIGURATION.format(folder=program.folder, port=port, target=target))
        program.start(
            [haproxy, "-db", "-q", "-f", "haproxy.cfg"], lambda: listens(port) and listens_at(program.folder / "command.sock")
        )
        return cls(program, port)

    def break_connections(self) -> None:
        """Cut all connections that are open, in both directions."""
        self._ask(b"shutdown sessions server pass/only\n")

    def cut(self) -> None:
        """Let nothing through any more. For the main thread (`program`)."""
        self._program.kill()

    def heal(self) -> None:
        self._program.resume()

    def carried(self) -> int:
        """Bytes that came for the server, those of connections that are open too."""
        table = self._ask(b"show stat -1 1 -1\n").splitlines()  # the frontend alone
        names = table[0].removeprefix("# ").split(",")
        return int(dict(zip(names, table[1].split(","), strict=True))["bin"])

    def _ask(self, command: bytes) -> str:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(self._program.folder / "command.sock"))
            connection.sendall(command)
            return b"".join(iter(lambda: connection.recv(1 << 16), b"")).decode()
