"""A Slurm of two nodes on this machine: munge, one controller, two node daemons, all in a folder of their own."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

NODES = ("n1", "n2")
CONFIG = """
ClusterName=ate
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CryptoType=crypto/munge
ProctrackType=proctrack/pgid
TaskPlugin=task/none
ReturnToService=2
SelectType=select/cons_tres
JobRequeue=1
KillWait=5
MinJobAge=30
SchedulerParameters=sched_interval=1,bf_interval=1
SlurmctldPort={ports[0]}
SlurmctldPidFile={folder}/slurmctld.pid
SlurmctldLogFile={folder}/slurmctld.log
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmdLogFile={folder}/slurmd-%n.log
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=1 RealMemory=4000
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=1 RealMemory=4000
PartitionName=test Nodes=n1,n2 Default=YES MaxTime=60 State=UP
"""


@contextmanager
def slurm(folder: Path) -> Iterator[dict[str, str]]:
    """Start the daemons in an empty folder; yields the environment of their clients, and ends them by their pid files.

    Needs root, as the daemons do, and Debian's packages `slurm-wlm` and `munge`.
    """
    if os.getuid() != 0:
        raise SystemExit("Slurm's daemons need root: run this in a container, or with sudo")
    for name in ("state", *(f"spool-{node}" for node in NODES)):
        (folder / name).mkdir()
    config = folder / "slurm.conf"
    config.write_text(CONFIG.format(host=socket.gethostname(), folder=folder, ports=_free_ports(3)).lstrip())
    environment = {**os.environ, "SLURM_CONF": str(config)}
    with ExitStack() as running:
        _start(_munge(folder), folder / "munge" / "pid", environment, running)
        _start(["slurmctld", "-c"], folder / "slurmctld.pid", environment, running)
        for node in NODES:
            _start(["slurmd", "-N", node], folder / f"slurmd-{node}.pid", environment, running)
        _wait_for_nodes(environment)
        yield environment


def _munge(folder: Path) -> list[str]:
    """A munge of its own, with a key that nobody else has; as its own user, for it refuses to be root."""
    place = folder / "munge"
    place.mkdir(mode=0o755)
    (place / "key").write_bytes(secrets.token_bytes(1024))
    (place / "key").chmod(0o400)
    for path in (place, place / "key"):
        shutil.chown(path, "munge", "munge")
    files = {"key-file": "key", "socket": "socket", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
    options = [f"--{name}={place / file}" for name, file in files.items()]
    return ["runuser", "-u", "munge", "--", shutil.which("munged") or "/usr/sbin/munged", "--force", *options]


def _start(command: list[str], pid_file: Path, environment: dict[str, str], running: ExitStack) -> None:
    subprocess.run(command, env=environment, check=True)
    _until(lambda: pid_file.exists() and bool(pid_file.read_text().strip()), f"{command[0]} to start")
    running.callback(_stop, int(pid_file.read_text()))


def _stop(pid: int) -> None:
    os.kill(pid, signal.SIGTERM)
    end = time.monotonic() + 20
    while Path(f"/proc/{pid}").exists() and time.monotonic() < end:
        time.sleep(0.1)


def _wait_for_nodes(environment: dict[str, str]) -> None:
    def idle() -> bool:
        told = subprocess.run(["sinfo", "-h", "-N", "-o", "%T"], env=environment, capture_output=True, text=True)
        return told.stdout.split() == ["idle"] * len(NODES)

    _until(idle, "two idle nodes")


def _until(true: Callable[[], bool], what: str, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds:.0f} s for {what}")
        time.sleep(0.2)


def _free_ports(count: int) -> list[int]:
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
