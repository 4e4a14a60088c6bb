"""A second S3 server for tests: Ceph's object gateway, which does conditions, checksums and versions otherwise than most.

One monitor, one object storage daemon with a sparse file for a disk, and the gateway, in a temporary folder and on free ports of
127.0.0.1: started in some ten seconds. `PACKAGES` are the Debian packages it takes; `scripts/setup --dev` installs them. Tests that
ask for it are skipped where they are not installed.
"""

from __future__ import annotations

import shutil
import subprocess
import uuid

from tests.servers.program import Program, free_ports, status_of
from tests.servers.s3_access import S3Access

PACKAGES = "ceph-mon ceph-osd radosgw"
ACCESS_KEY = "artfs-tester"
SECRET_KEY = "the-secret-of-a-tester"
_REGION = "default"
_PROGRAMS = ("ceph-mon", "ceph-osd", "radosgw", "radosgw-admin", "ceph-authtool", "monmaptool", "ceph")
_DISK = 20 << 30

_CONFIGURATION = """
[global]
fsid = {cluster}
mon_host = [v2:127.0.0.1:{monitor_port}]
public_network = 127.0.0.0/8
cluster_network = 127.0.0.0/8
ms_bind_port_min = {first_port}
ms_bind_port_max = {last_port}
ms_bind_msgr1 = false
keyring = {folder}/keyring
run_dir = {folder}
admin_socket = {folder}/$name.sock
pid_file = {folder}/$name.pid
crash_dir = {folder}/crash
log_to_file = false
log_to_stderr = true
mon_cluster_log_to_file = false
auth_allow_insecure_global_id_reclaim = false
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pgp_num = 1
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_max_pg_per_osd = 1000
mon_data_avail_crit = 1
mon_data_avail_warn = 2
mon_data = {folder}/monitor
osd_data = {folder}/storage
osd_objectstore = bluestore
osd_memory_target = 1073741824
bluestore_block_size = {disk}
[client.gateway]
rgw_frontends = beast endpoint=127.0.0.1:{port} tcp_nodelay=1
rgw_dns_name = localhost
rgw_thread_pool_size = 64
rgw_run_sync_thread = false
rgw_enable_usage_log = false
"""
_KEYS = {
    "mon.": ("mon", "allow *"),
    "client.admin": ("mon", "allow *", "osd", "allow *", "mgr", "allow *"),
    "client.gateway": ("mon", "allow rw", "osd", "allow rwx"),
    "osd.0": ("mon", "allow profile osd", "osd", "allow *"),
}


class Ceph(S3Access):
    """A running server. Make one with `start`, end it with `stop`."""

    def __init__(self, program: Program, port: int) -> None:
        super().__init__(program, f"http://127.0.0.1:{port}", ACCESS_KEY, SECRET_KEY, _REGION)

    @classmethod
    def start(cls) -> Ceph:
        """Make a new cluster of one and wait until its gateway answers. Fails when that cannot be done."""
        program = Program("ceph")
        port, monitor_port = free_ports(2)
        # The daemon takes four ports of a range; those that others have got meanwhile are passed over.
        first = free_ports(1)[0]
        cluster = str(uuid.uuid4())
        ports = {"port": port, "monitor_port": monitor_port, "first_port": first, "last_port": min(first + 60, 65535)}
        configuration = program.folder / "ceph.conf"
        configuration.write_text(_CONFIGURATION.format(folder=program.folder, cluster=cluster, disk=_DISK, **ports))
        try:
            _start_daemons(program, cluster, ports)
        except BaseException:
            program.stop()
            raise
        return cls(program, port)


def why_no_ceph() -> str:
    """Which of its programs are not installed, and what to do; empty where all are there."""
    missing = [name for name in _PROGRAMS if shutil.which(name) is None]
    return f"{', '.join(missing)} not installed: apt-get install -y --no-install-recommends {PACKAGES}" if missing else ""


def _start_daemons(program: Program, cluster: str, ports: dict[str, int]) -> None:
    folder = program.folder
    (folder / "monitor").mkdir()
    (folder / "storage").mkdir()
    for name, rights in _KEYS.items():
        create = [] if (folder / "keyring").exists() else ["--create-keyring"]
        caps = [word for part in zip(rights[::2], rights[1::2], strict=True) for word in ("--cap", *part)]
        _do(program, "ceph-authtool", "keyring", *create, "--gen-key", "--name", name, *caps)
    address = f"[v2:127.0.0.1:{ports['monitor_port']}]"
    _do(program, "monmaptool", "--create", "--fsid", cluster, "--addv", "a", address, "map")
    _do(program, "ceph-mon", "--id", "a", "--mkfs", "--monmap", "map", "--keyring", "keyring", "--conf", "ceph.conf")
    conf = ["--conf", str(folder / "ceph.conf")]
    program.start(["ceph-mon", "--id", "a", "-f", *conf], (folder / "mon.a.sock").exists)
    disk = str(uuid.uuid4())
    _do(program, "ceph", *conf, "osd", "new", disk, "0")
    _do(program, "ceph-osd", "--id", "0", "--mkfs", "--osd-uuid", disk, *conf)
    program.start(["ceph-osd", "--id", "0", "-f", *conf], (folder / "osd.0.sock").exists)
    program.start(
        ["radosgw", "--name", "client.gateway", "-f", *conf], lambda: status_of(f"http://127.0.0.1:{ports['port']}/") == 200
    )
    user = ["--uid", "tester", "--display-name", "tester", "--access-key", ACCESS_KEY, "--secret-key", SECRET_KEY]
    _do(program, "radosgw-admin", *conf, "--name", "client.gateway", "user", "create", *user)


def _do(program: Program, *command: str) -> None:
    done = subprocess.run(command, cwd=program.folder, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode:
        raise AssertionError(f"{' '.join(command)} ended with {done.returncode}: {(done.stderr or done.stdout)[-2000:]}")
