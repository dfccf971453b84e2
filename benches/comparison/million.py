"""A manifest of a million lines: what it takes to queue it, to begin, and to be asked about it."""

import os
import signal
import socket
import subprocess
import threading
import time

import measure

LINES, HOSTS = 1_000_000, 50
PEER_LINES, PEER_PATIENCE = 200_000, 30


class Listener:
    """A server on all loopback addresses that says 220 and remembers when the first command came."""

    def __init__(self):
        self.socket = socket.create_server(("0.0.0.0", 0), backlog=100)
        self.port = self.socket.getsockname()[1]
        self.first = None
        self.heard = threading.Event()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        kept = []
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            kept.append(client)
            client.sendall(b"220 here\r\n")
            threading.Thread(target=self.listen, args=(client,), daemon=True).start()

    def listen(self, client):
        try:
            if client.recv(100) and not self.heard.is_set():
                self.first = time.monotonic()
                self.heard.set()
        except OSError:
            pass

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


def manifest(path, lines, port):
    """Writes a list of so many files over 50 hosts, all of them this machine."""
    with open(path, "w") as file:
        for n in range(lines):
            file.write(f"ftp://127.0.0.{n % HOSTS + 1}:{port}/pub/archive/2024/{n % 997:03}/file-{n:08}.tar.gz\n")
    return path


def until_first_command(command, home, limit):
    """Seconds until the first command reaches the listener (None where none does) and the peak of memory until then."""
    listener = command.pop()
    listener.heard.clear()
    begin = time.monotonic()
    with open(home / "output", "wb") as output:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=measure.clean_environment(home),
            start_new_session=True,
        )
        heard = listener.heard.wait(limit)
        os.killpg(child.pid, signal.SIGKILL)
        _, _, usage = os.wait4(child.pid, 0)
        child.returncode = -signal.SIGKILL
    return (listener.first - begin if heard else None), usage.ru_maxrss * 1024


def disk(folder):
    """Bytes that a folder takes on the disk."""
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())


def ours(ftpq, work, runs):
    """Measures ftpq; one dictionary a run."""
    found = []
    for _ in range(runs):
        measure.remove(work)
        work.mkdir(parents=True)
        listener = Listener()
        lines = manifest(work / "list", LINES, listener.port)
        queue = ["--queue", work / "queue"]
        home = work / "home"
        add = measure.run([ftpq, *queue, "--quiet", "add", lines, "--into", work / "into"], home, 300)
        if add.code != 0:
            found.append({"wrong": f"add ended with {add.code}"})
            continue
        size = disk(work / "queue")
        asked = sorted(measure.run([ftpq, *queue, "status"], home, 60).wall for _ in range(5))[2]
        first, memory = until_first_command([ftpq, *queue, "--quiet", "run", listener], home, 60)
        listener.close()
        found.append(
            {"add": add.wall, "add_cpu": add.cpu, "add_memory": add.memory, "disk": size, "status": asked}
            | {"first_command": first, "run_memory": memory}
        )
    measure.remove(work)
    return found


def aria2(work):
    """The same of aria2, for a fifth of the lines and within a limit: it reads all before it begins."""
    measure.remove(work)
    home = work / "home"
    home.mkdir(parents=True)
    listener = Listener()
    lines = manifest(work / "list", PEER_LINES, listener.port)
    command = ["aria2c", "--no-conf", "-q", "-i", lines, "-d", work / "into", "-j8", listener]
    first, memory = until_first_command(command, home, PEER_PATIENCE)
    listener.close()
    measure.remove(work)
    return {"lines": PEER_LINES, "first_command": first, "run_memory": memory, "limit": PEER_PATIENCE}
