"""How each client is asked to do a piece of work, in its fastest fair form for lists of files with 8 connections.

A client is a class with a name, a line that says how it is run, and `command(work, target, home)`: the command, with
its files written to `home`. Many small files come as a list or a folder, as each does it faster; nobody is told sizes.
"""

import json
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

USER, PASSWORD = "anonymous", "ftp@example.org"


@dataclass
class Work:
    """Files to fetch: `folder` on the server and the names in it."""

    server: object
    folder: str
    names: list
    connections: int = 8
    checksums: dict = field(default_factory=dict)

    def url(self, name):
        return self.server.url(f"{self.folder}/{name}")

    def single(self):
        return len(self.names) == 1


def listed(path, lines):
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


class Lftp:
    name, program = "lftp", "lftp"
    aside = False
    connections = 8

    def how(self, work):
        one = "get" if work.connections == 1 else f"pget -n {work.connections}"
        return f"{one if work.single() else f'mirror --parallel={work.connections}'}, ftp:sync-mode off"

    def command(self, work, target, home):
        settings = [
            "ftp:sync-mode off",
            "ftp:use-feat off",
            "net:max-retries 3",
            "net:timeout 30",
            "mirror:set-permissions off",
            f"pget:min-chunk-size {1 << 20}",
        ]
        if work.single():
            name = work.names[0]
            act = f"pget -n {work.connections} -O {target} {work.folder}/{name}"
            if work.connections == 1:
                act = f"get -O {target} {work.folder}/{name}"
        else:
            act = f"mirror --parallel={work.connections} {work.folder} {target}"
        opening = f"open -u {USER},{PASSWORD} -p {work.server.port} {work.server.address}"
        script = listed(home / "script", [*(f"set {s}" for s in settings), opening, act])
        return ["lftp", "--norc", "-f", script]


class Curl:
    name, program = "curl", "curl"
    aside = False
    connections = 8

    def how(self, work):
        return f"--parallel --parallel-max {work.connections}, --ftp-method nocwd"

    def command(self, work, target, home):
        lines = (f'url = "{work.url(name)}"\noutput = "{target}/{name}"' for name in work.names)
        config = listed(home / "list", lines)
        parallel = ["--parallel", "--parallel-max", str(work.connections)] if work.connections > 1 else []
        return ["curl", "-q", "-g", "-sS", "--ftp-method", "nocwd", *parallel, "-K", config]


class Aria2:
    name, program = "aria2", "aria2c"
    aside = False
    connections = 8

    def how(self, work):
        return f"-i list -j{work.connections} -x{work.connections} -s{work.connections} -k1M"

    def command(self, work, target, home):
        n = work.connections
        config = listed(home / "list", (work.url(name) for name in work.names))
        quiet = [
            "--console-log-level=error",
            "--summary-interval=0",
            "--download-result=hide",
            "--show-console-readout=false",
        ]
        return [
            "aria2c",
            "--no-conf",
            *quiet,
            "-i",
            config,
            "-d",
            target,
            f"-j{n}",
            f"-x{n}",
            f"-s{n}",
            "-k1M",
            "--file-allocation=none",
        ]


class Rclone:
    name, program = "rclone", "rclone"
    aside = False
    connections = 8

    def how(self, work):
        return f"copy --transfers {work.connections} --checkers {work.connections} --no-check-dest"

    def command(self, work, target, home):
        n = str(work.connections)
        hidden = subprocess.run(
            ["rclone", "obscure", PASSWORD], stdout=subprocess.PIPE, text=True, check=True
        ).stdout.strip()
        server = work.server
        backend = [
            "--ftp-host",
            server.address,
            "--ftp-port",
            str(server.port),
            "--ftp-user",
            USER,
            "--ftp-pass",
            hidden,
        ]
        # Several streams of one file end in 426 with FTP servers: it closes each early, and takes that for a failure.
        amount = ["--transfers", n, "--checkers", n, "--multi-thread-streams", "1", "--no-check-dest", "--stats", "0"]
        return ["rclone", "--config", "", "copy", f":ftp:{work.folder}", target, *backend, *amount]


class Ncftp:
    name, program = "ncftp", "ncftpget"
    aside = False
    connections = 1

    def how(self, work):
        return "ncftpget of the folder"

    def command(self, work, target, home):
        server = work.server
        login = ["-u", USER, "-p", PASSWORD, "-P", str(server.port)]
        return ["ncftpget", "-V", "-F", *login, server.address, target, f"{work.folder}/*"]


class Wget:
    name, program = "wget", "wget"
    aside = False
    connections = 1

    def how(self, work):
        return "-i list"

    def command(self, work, target, home):
        config = listed(home / "list", (work.url(name) for name in work.names))
        return ["wget", "--no-config", "-q", "-nd", "-P", target, "-i", config]


class Ftpq:
    """ftpq itself: adds the list to a new queue and works through it, in one command."""

    program = None

    def __init__(self, path, name="ftpq", options=(), connections=None, aside=False):
        self.path, self.name, self.options = path, name, list(options)
        self.connections, self.aside = connections, aside

    def alone(self):
        """The same over one connection."""
        return Ftpq(self.path, self.name, [*self.options, "--connections", "1", "--per-host", "1"], 1)

    def how(self, work):
        return " ".join(["get --manifest list", *self.options])

    def command(self, work, target, home):
        if work.checksums:
            lines = (
                json.dumps({"url": work.url(name), "checksum": work.checksums[name], "path": name})
                for name in work.names
            )
            manifest = listed(home / "list.jsonl", lines)
        else:
            manifest = listed(home / "list", (f"{work.url(name)}\t{name}" for name in work.names))
        queue = ["--queue", home / "queue", "--quiet"]
        return [self.path, *queue, "get", "--manifest", manifest, "--into", target, *self.options]


ALL = [Lftp(), Rclone(), Curl(), Aria2(), Ncftp(), Wget()]


def installed(names):
    """The peers of these names that are here, and the names of those that are not."""
    chosen = [peer for peer in ALL if peer.name in names]
    here = [peer for peer in chosen if shutil.which(peer.program)]
    return here, [peer.name for peer in chosen if peer not in here]


def version(peer):
    """The first number in what a program says of its version."""
    option = {"ncftpget": "-v", "rclone": "version"}.get(peer.program, "--version")
    said = subprocess.run([peer.program, option], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout
    words = (word.strip(",") for word in said.split())
    return next((word.lstrip("v") for word in words if word.lstrip("v")[:1].isdigit()), "?")


def variants(path):
    """ftpq with its defaults, with as many connections as the peers, and with what else this build knows."""
    path = Path(path)
    told = subprocess.run([path, "run", "--help"], stdout=subprocess.PIPE, text=True, check=True).stdout
    found = [
        Ftpq(path),
        Ftpq(path, "ftpq, 8 connections", ["--per-host", "8"], 8, aside=True),
    ]
    if "--pipelining" in told:
        # The form that a user has to vouch for; the form that is learned is the default.
        found.append(Ftpq(path, "ftpq, deep pipelining", ["--pipelining", "deep"]))
    return found
