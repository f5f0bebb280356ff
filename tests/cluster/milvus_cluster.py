"""A real Milvus cluster on loopback, each role a process: from PyPI's `milvus` and Debian's etcd."""

from __future__ import annotations

import importlib.util
import lzma
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from tests.support import wait_until

BROKER = Path(__file__).parent / "broker.py"
COORDINATORS = ("-rootcoord=true", "-querycoord=true", "-datacoord=true", "-indexcoord=true")
NODES = {
    "coordinator": ("mixture", *COORDINATORS),
    "proxy": ("proxy",),
    "data": ("datanode",),
    "index": ("indexnode",),
    "query-1": ("querynode",),
    "query-2": ("querynode",),
}
# What the template of the wheel, made for one process, is short of in a cluster, and what makes its tests
# quick: small segments, balancing and leases of seconds, no approximate search of fresh rows.
CHANGES = (
    (r"embed: true", "embed: false"),
    (r"  type: rocksmq", "  type: kafka"),
    (r"maxMessageSize: \d+", "maxMessageSize: 800000"),
    (r"\n  ip: #.*", "\n  ip: 127.0.0.1"),
    (r"dmlChannelNum: \d+", "dmlChannelNum: 4"),
    (r"autoBalance: false", "autoBalance: true"),
    (r"balanceIntervalSeconds: 60", "balanceIntervalSeconds: 3"),
    (r"    maxSize: 512 #", "    maxSize: 16 #"),
    (r"    ttl: 30 #", "    ttl: 5 #"),
    (r"(interimIndex:.*\n      enableIndex: )true", r"\1false"),
)

_given: set[int] = set()
CALM = re.compile(r"\[(INFO|DEBUG)\]")


def etcd() -> str | None:
    """The program, as scripts/setup.sh fetched it or as the system has it."""
    return shutil.which("etcd", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")


def wheel() -> Path | None:
    """The folder of the package, whose module is not meant to be imported here."""
    spec = importlib.util.find_spec("milvus")
    return Path(spec.origin).parent if spec and spec.origin else None


class MilvusCluster:
    """Coordinator, proxy, data node, index node and two query nodes, with etcd and a broker."""

    def __init__(self, folder: Path) -> None:
        found, program = wheel(), etcd()
        assert found
        assert program
        self._data, self._etcd = found / "data", program
        self._folder, self._bin = folder, folder / "bin"
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._etcd_port, self._peer_port, self._proxy_port = (free_port() for _ in range(3))
        self.url = f"http://127.0.0.1:{self._proxy_port}"

    def start(self) -> None:
        """Start everything; answers once the proxy does."""
        for name in ("bin", "configs", "logs"):
            (self._folder / name).mkdir()
        for packed in (self._data / "bin").glob("*.lzma"):
            with lzma.open(packed) as source, (self._bin / packed.stem).open("wb") as target:
                shutil.copyfileobj(source, target)
            (self._bin / packed.stem).chmod(0o755)
        shutil.copy(self._data / "glog.conf", self._folder / "configs")
        peer, client = (f"http://127.0.0.1:{port}" for port in (self._peer_port, self._etcd_port))
        self._spawn(
            "etcd",
            [self._etcd, "--name", "e", "--data-dir", str(self._folder / "etcd"),
             "--listen-client-urls", client, "--advertise-client-urls", client,
             "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
             "--initial-cluster", f"e={peer}"],
        )  # fmt: skip
        self.start_broker()
        self.start_nodes()

    def start_broker(self) -> None:
        """Start an empty broker and tell the nodes that start from now on where it is."""
        address = self._folder / "broker.address"
        address.unlink(missing_ok=True)
        self._spawn("broker", [sys.executable, str(BROKER), str(address)])
        wait_until(address.exists)
        (self._folder / "configs" / "milvus.yaml").write_text(self._configuration(address.read_text()))

    def start_nodes(self) -> None:
        """Start all roles; answers once the proxy does."""
        for name in NODES:
            self.start_node(name)
        wait_until(self._answers, pause=0.1)

    def start_node(self, name: str) -> None:
        """Start one role."""
        folder = self._folder / "nodes" / name
        folder.mkdir(parents=True, exist_ok=True)
        self._spawn(
            name,
            [str(self._bin / "milvus"), "run", *NODES[name]],
            folder,
            MILVUSCONF=str(self._folder / "configs"),
            LD_LIBRARY_PATH=str(self._bin),
            METRICS_PORT=str(free_port()),
            MILVUS_RUN_DIR=str(folder),
        )

    def kill(self, *names: str) -> None:
        """`kill -9`."""
        for name in names:
            self._running[name].kill()
        for name in names:
            self._running.pop(name).wait()

    def stop(self) -> None:
        """Kill all that runs."""
        self.kill(*self._running)

    def logs(self) -> str:
        """The last lines of each process that say something is wrong."""
        lines = []
        for log in sorted((self._folder / "logs").glob("*.log")):
            every = log.read_text(errors="replace").splitlines()
            lines += [f"--- {log.name}", *[line for line in every if not CALM.search(line)][-5:]]
        return "\n".join(lines)

    def _spawn(self, name: str, command: list[str], folder: Path | None = None, **environment: str) -> None:
        with (self._folder / "logs" / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                # The kernel kills them if the tests are killed.
                ["setpriv", "--pdeathsig", "KILL", *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=folder,
                env={**os.environ, **environment},
                start_new_session=True,
            )

    def _configuration(self, broker: str) -> str:
        values = {
            "local_storage_dir": str(self._folder / "storage"),
            "rocksmq_data_dir": str(self._folder / "unused"),
            "etcd_data_dir": str(self._folder / "unused"),
            "proxy_port": str(self._proxy_port),
            "etcd_port": str(self._etcd_port),
        }

        def value(match: re.Match[str]) -> str:
            name, _, default = match[1].strip().partition(":")
            name = re.sub(r"\(.*", "", name).strip()
            return values.get(name) or (str(free_port()) if name.endswith("_port") else default.strip())

        text = re.sub(r"\{\{(.*?)\}\}", value, (self._data / "config.yaml.template").read_text())
        changes = (*CHANGES, (r"endpoints: localhost:\d+", f"endpoints: 127.0.0.1:{self._etcd_port}"))
        for pattern, replacement in changes:
            text, count = re.subn(pattern, replacement, text)
            assert count, pattern
        return f"{text}\nkafka:\n  brokerList: {broker}\n  saslUsername:\n  saslPassword:\n"

    def _answers(self) -> bool:
        from pymilvus import MilvusClient, MilvusException

        try:
            client = MilvusClient(self.url, timeout=3)
            client.list_collections(timeout=3)
        except MilvusException:
            return False
        return True


def free_port() -> int:
    """A port of loopback that nobody listens on, and that no connection is given before somebody does."""
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = secrets.choice(range(lowest // 2, lowest))
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            if port not in _given:
                _given.add(port)
                return port
