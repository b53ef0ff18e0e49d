"""A Slurm cluster of one node on loopback, from Debian's packages, for as long as a test lasts."""

import contextlib
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

DAEMONS = ("munged", "slurmctld", "slurmd")
PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/bin"])
MISSING = [name for name in (*DAEMONS, "sbatch", "scontrol") if not shutil.which(name, path=PATH)]

CONFIG = """\
ClusterName=loopback
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={node}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
GresTypes=gpu
KillWait=5
NodeName={host} NodeAddr=127.0.0.1 CPUs=16 RealMemory=65536 Gres=gpu:2 State=UNKNOWN
PartitionName=all Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def free_ports(count):
    with contextlib.ExitStack() as held:
        taken = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in taken]


class Cluster:
    """From `with` to its end: the daemons, which end with it; the node says that it has 2 GPUs, 16 CPUs and 64 GB."""

    def __init__(self, folder):
        self.folder, self.processes = Path(folder), []
        self.environment = {**os.environ, "PATH": PATH, "SLURM_CONF": str(self.folder / "slurm.conf")}

    def __enter__(self):
        try:
            self.begin()
        except BaseException:
            self.__exit__()
            raise
        return self

    def begin(self):
        for name in ("state", "spool"):
            (self.folder / name).mkdir()
        host = socket.gethostname().partition(".")[0]
        controller, node = free_ports(2)
        config = CONFIG.format(folder=self.folder, host=host, controller=controller, node=node)
        (self.folder / "slurm.conf").write_text(config)
        (self.folder / "gres.conf").write_text("Name=gpu File=/dev/null\nName=gpu File=/dev/zero\n")
        (self.folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\nCgroupAutomount=no\n")
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        places = {"socket": "munge.socket", "key-file": "munge.key", "pid-file": "munge.pid", "seed-file": "munge.seed",
                  "log-file": "munge.log"}  # fmt: skip
        self.start("munged", "--foreground", "--force", *(f"--{option}={self.folder / name}"
                                                           for option, name in places.items()))  # fmt: skip
        wait_for(lambda: (self.folder / "munge.socket").exists(), 20, self.said)
        self.start("slurmctld", "-D", "-f", str(self.folder / "slurm.conf"))
        self.start("slurmd", "-D", "-N", host, "-f", str(self.folder / "slurm.conf"))
        wait_for(lambda: "idle" in self.ask("sinfo", "-h", "-o", "%T"), 60, self.said)

    def __exit__(self, *_):
        if len(self.processes) == len(DAEMONS):
            self.ask("scancel", "--full", "--signal=KILL", "--partition=all")
        for process in reversed(self.processes):
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def start(self, name, *arguments):
        with (self.folder / f"{name}.out").open("w") as out:
            command = [shutil.which(name, path=PATH), *arguments]
            self.processes.append(subprocess.Popen(command, env=self.environment, stdout=out, stderr=out))

    def ask(self, *command):
        """The output of one of Slurm's commands; empty where it failed."""
        options = {"env": self.environment, "capture_output": True, "text": True, "timeout": 60}
        return subprocess.run(command, check=False, **options).stdout

    def said(self):
        """The ends of what the daemons wrote, for a test that fails."""
        return "\n".join(f"{path.name}:\n{path.read_text()[-1500:]}" for path in sorted(self.folder.glob("*.*g")) if
                         path.suffix in (".log", ".out"))  # fmt: skip

    def show(self, job):
        """The fields of a job."""
        words = self.ask("scontrol", "show", "job", str(job)).split()
        return dict(word.split("=", 1) for word in words if "=" in word)


def wait_for(found, seconds, said):
    """Waits until something is so; fails with what the daemons said where it does not come."""
    end = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < end, said()
        time.sleep(0.5)
