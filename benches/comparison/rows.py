"""The rows of the comparison, and how each is measured."""

import hashlib
import os
import shutil
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

import data
import measure
import million
import peers
import servers
import turns

# A peer is ended at twice the best peer's time: its place is clear, and the rest of the list waits.
PATIENCE, LEAST_PATIENCE = 2.0, 8.0
# After two rounds only peers this near to the best one stay in: one of them could still turn out to be it.
NEAR = 1.15
RTT = 0.05


@dataclass
class Row:
    """One row. `path` are options of the delayed path (None for loopback), `peers` those known to be any good first."""

    id: str
    title: str
    files: str
    server: str = "vsftpd"
    path: tuple = None
    peers: tuple = ("lftp", "rclone", "curl")
    place: str = "disk"
    measures: tuple = ("wall",)
    kind: str = "download"
    connections: int = 8
    algorithm: str = ""
    variants: tuple = ("ftpq", "ftpq, 8 connections", "ftpq, pipelining")


FAR = ("--rtt", "50", "--rate", "1000")
LOSSY = (*FAR, "--loss", "0.05")
ALL_PEERS = ("lftp", "rclone", "curl", "ncftp", "wget", "aria2")
ROWS = [
    Row("small-vsftpd", "500 files of 4 KiB, 50 ms, vsftpd", "small", path=FAR, peers=ALL_PEERS),
    Row("small-proftpd", "500 files of 4 KiB, 50 ms, proftpd", "small", "proftpd", FAR),
    Row("small-pure-ftpd", "500 files of 4 KiB, 50 ms, pure-ftpd", "small", "pure-ftpd", FAR),
    Row("mixed", "400 mixed files, 261 MiB, 50 ms, 1 Gbit/s", "mixed", path=FAR),
    Row(
        "loss",
        "one file of 256 MiB, 50 ms, 0.05 % loss, 8 connections",
        "256-mib",
        path=LOSSY,
        peers=("aria2", "lftp", "rclone", "curl", "ncftp", "wget"),
        variants=("ftpq, 8 connections",),
    ),
    Row(
        "many",
        "5,000 files of 4 KiB, loopback, {disk}",
        "many",
        peers=("lftp", "rclone", "curl", "ncftp", "wget", "aria2"),
        variants=("ftpq", "ftpq, 8 connections", "ftpq, durability none"),
    ),
    Row(
        "4-gib",
        "one file of 4 GiB, loopback, {memory}",
        "4-gib",
        peers=("rclone", "curl", "lftp", "aria2"),
        place="memory",
        measures=("wall", "cpu"),
        connections=1,
        variants=("ftpq",),
    ),
    Row(
        "1-gib",
        "one file of 1 GiB, loopback, {disk}",
        "1-gib",
        peers=("rclone", "curl", "lftp", "aria2"),
        measures=("wall", "cpu"),
        connections=1,
        variants=("ftpq",),
    ),
    Row("md5", "the same 1 GiB, MD5 checked", "1-gib", kind="checked", algorithm="md5"),
    Row("sha-256", "the same 1 GiB, SHA-256 checked", "1-gib", kind="checked", algorithm="sha256"),
    Row("turns-vsftpd", "round trips a file, 1 connection, vsftpd", "few", path=FAR, kind="turns", connections=1),
    Row(
        "turns-proftpd", "round trips a file, 1 connection, proftpd", "few", "proftpd", FAR, kind="turns", connections=1
    ),
    Row(
        "turns-pure-ftpd",
        "round trips a file, 1 connection, pure-ftpd",
        "few",
        "pure-ftpd",
        FAR,
        kind="turns",
        connections=1,
    ),
    Row("million", "a manifest of 1,000,000 lines, 50 hosts", "", kind="million", peers=("aria2",)),
]


class Bench:
    """What all rows share: places, clients, patience."""

    def __init__(self, project, work, ftpq, chosen, runs, limit, say):
        self.project, self.work, self.ftpq, self.runs, self.limit, self.say = (
            project,
            Path(work),
            ftpq,
            runs,
            limit,
            say,
        )
        self.chosen = chosen
        self.ours = {client.name: client for client in peers.variants(ftpq)}
        none = ["--durability", "none"]
        self.ours["ftpq, durability none"] = peers.Ftpq(ftpq, "ftpq, durability none", none)
        self.kit = servers.fetch_kit(project)
        self.path_kind = None

    def names(self):
        """What stands for the two file systems in titles."""
        memory = measure.file_system("/dev/shm")
        return {"disk": measure.file_system(self.work), "memory": memory}

    def measure(self, row):
        """Measures a row; a dictionary as it is stored. Raises Unavailable where the machine can't do it."""
        begin = time.monotonic()
        kinds = {"download": self.download, "checked": self.checked, "turns": self.turns, "million": self.million}
        entries = kinds[row.kind](row)
        title = row.title.format(**self.names())
        taken = round(time.monotonic() - begin)
        return {
            "id": row.id,
            "title": title,
            "measures": ["turns"] if row.kind == "turns" else list(row.measures),
            "kind": row.kind,
            "entries": entries,
            "took": taken,
        }

    def clients(self, row):
        here = {peer.name: peer for peer in self.chosen}
        theirs = [here[name] for name in row.peers if name in here]
        return theirs, [self.ours[name] for name in row.variants if name in self.ours]

    def target(self, row):
        if row.place == "disk":
            return self.work / "target"
        return Path("/dev/shm") / f"ftpq-compare-{self.work.stat().st_ino}"

    def space(self, row):
        """Raises Unavailable where the files would not fit."""
        need = sum(data.sizes_of(row.files).values())
        if row.place == "memory" and measure.file_system("/dev/shm") != "tmpfs":
            raise servers.Unavailable("/dev/shm is no memory file system")
        for folder, times in ((self.target(row).parent, 1.5), (self.work, 3)):
            if measure.free_space(folder) < need * times:
                raise servers.Unavailable(
                    f"not enough space in {'memory' if folder.name == 'shm' else 'the work folder'}"
                )
        with open("/proc/meminfo") as file:
            free = next(int(line.split()[1]) * 1024 for line in file if line.startswith("MemAvailable"))
        # The server's file stays in the page cache, so that no disk is measured.
        if free < need * (2.2 if row.place == "memory" else 1.2):
            raise servers.Unavailable("not enough memory")

    def open(self, row):
        """The row's server with its files, and its path; to be closed in reverse."""
        self.space(row)
        folder, names = data.make(self.work / "data", row.files)
        path = servers.DelayedPath(self.project, *row.path) if row.path else None
        self.path_kind = path.kind if path else self.path_kind
        try:
            port = 2121 if path else servers.free_port(20100)
            server = servers.Server(self.kit, row.server, folder.parent, self.work / "servers" / row.server, port, path)
            work = peers.Work(server, row.files, names, row.connections)
            if path:
                path.check(server, RTT)
        except BaseException:
            if path:
                path.close()
            raise
        return Stage(path, server, work, folder)

    def once(self, row, stage, client, work, limit, before=None):
        """One run of one client, checked; its folders are new, and gone afterwards."""
        home, target = self.work / "home", self.target(row)
        measure.remove(home)
        measure.remove(target)
        home.mkdir(parents=True)
        target.mkdir(parents=True)
        try:
            if before:
                before(target)
                os.sync()
            command = client.command(work, target, home)
            run = measure.run(command, home, limit, stage.server.namespace)
            if not run.cut:
                wrong = measure.fault(stage.folder, target, work.names)
                run.wrong = f"{wrong} (exit code {run.code}: {run.output[-200:].strip()})" if wrong else ""
        finally:
            measure.remove(target)
            measure.remove(home)
        verdict = f"> {limit:.0f}" if run.cut else run.wrong or f"{run.wall:.2f} s, {run.cpu:.2f} CPU"
        self.say(f"    {client.name}: {verdict}")
        return run

    def download(self, row):
        """Interleaved runs of all clients."""
        theirs, ours = self.clients(row)
        stage = self.open(row)
        entries = {client.name: entry(client, client in ours, stage.work) for client in [*theirs, *ours]}
        try:
            for turn in range(self.runs):
                for client in [*theirs, *ours]:
                    found = entries[client.name]
                    if found.get("out") or (turn > 0 and not found["runs"][0].good()):
                        continue
                    limit = self.limit if client in ours else self.patience(entries)
                    run = self.once(row, stage, client, stage.work, limit)
                    found["runs"].append(run)
                    if run.cut:
                        found["over"], found["out"] = limit, True
                if turn >= 1 and "cpu" not in row.measures:
                    self.leave_out(entries)
        finally:
            stage.close()
        return [finished(found, row.measures) for found in entries.values()]

    def best(self, entries):
        """The best peer's median so far."""
        medians = [wall(e) for e in entries.values() if not e["ours"] and wall(e) is not None]
        return min(medians, default=None)

    def patience(self, entries):
        best = self.best(entries)
        return self.limit if best is None else min(self.limit, max(LEAST_PATIENCE, best * PATIENCE))

    def leave_out(self, entries):
        best = self.best(entries)
        for found in entries.values():
            if not found["ours"] and best is not None and wall(found) is not None and wall(found) > best * NEAR:
                found["out"] = True

    def checked(self, row):
        """ftpq alone: hashing what is there, downloading unchecked, and downloading checked."""
        ftpq = self.ours["ftpq"]
        stage = self.open(row)
        (name,) = stage.work.names
        source = stage.folder / name
        with open(source, "rb") as file:
            digest = hashlib.new(row.algorithm)
            while piece := file.read(1 << 20):
                digest.update(piece)
        label = {"md5": "md5", "sha256": "sha-256"}[row.algorithm]
        checked = peers.Work(
            stage.server, row.files, stage.work.names, checksums={name: f"{label}={digest.hexdigest()}"}
        )
        # A file that is there already and whose checksum is known is hashed and nothing else.
        ways = [
            ("hashing alone", checked, lambda target: shutil.copy2(source, target / name)),
            ("downloading alone", stage.work, None),
            ("ftpq", checked, None),
        ]
        entries = {way: entry(ftpq, way == "ftpq", stage.work, way) for way, _, _ in ways}
        try:
            for _ in range(self.runs):
                for way, work, before in ways:
                    entries[way]["runs"].append(self.once(row, stage, ftpq, work, self.limit, before))
        finally:
            stage.close()
        return [finished(found, row.measures) for found in entries.values()]

    def turns(self, row):
        """Round trips a file over one connection, counted in a packet trace."""
        theirs, ours = self.clients(row)
        ours = [client.alone() for client in ours if client.connections is None]
        stage = self.open(row)
        work = stage.work
        entries = []
        try:
            for client in [*theirs, *ours]:
                trace = turns.Trace(stage.path.client, stage.server.port)
                run = self.once(row, stage, client, work, self.limit)
                counted = turns.round_trips(trace.stop(), RTT)
                found = entry(client, client in ours, work)
                found["runs"].append(run)
                entries.append(finished(found, ("wall",)) | {"turns": counted if run.good() else None})
                self.say(f"    {client.name}: {counted and round(counted, 2)} round trips a file")
        finally:
            stage.close()
        return entries

    def million(self, row):
        found = [
            {"name": "ftpq", "ours": True, "runs": million.ours(self.ftpq, self.work / "million", min(self.runs, 3))}
        ]
        self.say(f"    ftpq: {found[0]['runs'][-1]}")
        if any(peer.name == "aria2" for peer in self.chosen):
            found.append({"name": "aria2", "ours": False, "runs": [million.aria2(self.work / "million")]})
            self.say(f"    aria2: {found[1]['runs'][-1]}")
        return found


@dataclass
class Stage:
    """A path, a server on it, and the work that clients are given there."""

    path: object
    server: object
    work: object
    folder: Path

    def close(self):
        self.server.close()
        if self.path:
            self.path.close()


def entry(client, ours, work, name=None):
    own = client.connections
    return {
        "name": name or client.name,
        "ours": ours,
        "how": client.how(work),
        "connections": own if own is None else min(own, work.connections),
        "runs": [],
    }


def good(found):
    return [run for run in found["runs"] if run.good()]


def wall(found):
    """The median of a client's good runs; None where it has none."""
    runs = good(found)
    return statistics.median(run.wall for run in runs) if runs else None


def finished(found, measures):
    """A client's entry as it is stored: its runs, and the medians of the good ones."""
    runs = good(found)
    kept = {key: value for key, value in found.items() if key not in ("runs", "out")}
    for name in measures:
        kept[name] = round(statistics.median(getattr(run, name) for run in runs), 3) if runs else None
    kept["runs"] = [run.stored() for run in found["runs"]]
    return kept
