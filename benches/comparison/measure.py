"""Runs one client: wall time, CPU time and memory of it and its children, and whether what it fetched is right."""

import filecmp
import os
import shutil
import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

GIB = 1 << 30


@dataclass
class Run:
    """What one run took. `cut` says that it was ended at its limit, `wrong` what was amiss with its result."""

    wall: float
    cpu: float
    memory: int
    code: int
    cut: bool
    wrong: str = ""
    output: str = ""
    connections: int = 0

    def good(self):
        return not self.cut and not self.wrong

    def stored(self):
        fields = {"wall": round(self.wall, 3), "cpu": round(self.cpu, 3), "memory": self.memory}
        if self.connections:
            fields["connections"] = self.connections
        if self.cut:
            fields["cut"] = True
        if self.wrong:
            fields["wrong"] = self.wrong
        return fields


def clean_environment(home):
    """An environment without the user's own settings of any client."""
    keep = {name: os.environ[name] for name in ("PATH", "TERM") if name in os.environ}
    return {**keep, "HOME": str(home), "LANG": "C.UTF-8", "TZ": "UTC"}


def run(command, home, limit, namespace=None, environment=None):
    """Runs a command to its end, or to the limit in seconds; in a network namespace where one is named.

    The command is the leader of its own process group, and the group is what is ended. CPU time is that of the command
    and of all children it waited for: the server is none of them.
    """
    if namespace:
        command = ["nsenter", f"--net=/run/netns/{namespace}", *command]
    home.mkdir(parents=True, exist_ok=True)
    log = home / "output"
    with open(log, "wb") as output:
        begin = time.monotonic()
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**clean_environment(home), **(environment or {})},
            cwd=home,
            start_new_session=True,
        )
        over = threading.Event()

        def end():
            over.set()
            os.killpg(child.pid, signal.SIGKILL)

        timer = threading.Timer(limit, end)
        timer.start()
        try:
            _, status, usage = os.wait4(child.pid, 0)
        except BaseException:
            os.killpg(child.pid, signal.SIGKILL)
            raise
        finally:
            timer.cancel()
        wall = time.monotonic() - begin
    code = os.waitstatus_to_exitcode(status)
    child.returncode = code
    said = log.read_text(errors="replace")[-600:]
    cpu = usage.ru_utime + usage.ru_stime
    return Run(wall, cpu, usage.ru_maxrss * 1024, code, over.is_set(), output=said)


def fault(source, target, names):
    """What is wrong with the files under `target`, which should be those of `source`; empty where nothing is."""
    there = {path.name: path for path in target.rglob("*") if path.is_file()}
    missing = [name for name in names if name not in there]
    if missing:
        return f"{len(missing)} of {len(names)} files missing, {missing[0]} first"
    if len(there) > len(names):
        return f"{len(there) - len(names)} files too many: {min(set(there) - set(names))}"
    for name in names:
        if not same(source / name, there[name]):
            return f"{name} differs"
    return ""


def same(left, right):
    """Whether two files hold the same bytes; of very large ones, 64 KiB of every 4 MiB are compared."""
    size = left.stat().st_size
    if size != right.stat().st_size:
        return False
    if size <= GIB:
        return filecmp.cmp(left, right, shallow=False)
    with open(left, "rb") as one, open(right, "rb") as other:
        for at in (*range(0, size, 4 << 20), size - 65536):
            one.seek(at)
            other.seek(at)
            if one.read(65536) != other.read(65536):
                return False
    return True


def remove(folder):
    """Removes a folder, and waits until the disk has nothing left to write: the next run starts from rest."""
    shutil.rmtree(folder, ignore_errors=True)
    os.sync()


def free_space(folder):
    """Bytes free on the file system that a folder is on."""
    state = os.statvfs(folder)
    return state.f_bavail * state.f_frsize


def file_system(folder):
    """The type of the file system that a folder is on, as the kernel names it."""
    folder = Path(folder).resolve()
    found = ("/", "?")
    with open("/proc/self/mounts") as mounts:
        for line in mounts:
            _, place, kind = line.split()[:3]
            if (folder == Path(place) or Path(place) in folder.parents) and len(place) >= len(found[0]):
                found = (place, kind)
    return found[1]
