"""Measures rows: one server and one path a row, all clients in turn, each run checked."""

import hashlib
import os
import shutil
import statistics
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import data
import measure
import million
import peers
import servers
import turns
from rows import RTT

# A peer is ended at this many times the best peer's time: its place is clear, and the rest of the list waits.
PATIENCE, LEAST_PATIENCE = 2.0, 12.0
# After the first round, and after each later one, only peers this near to the best stay in: one of those could still
# turn out to be it.
FIRST, NEAR = 1.3, 1.15
# Runs of what is beside the point: the same with as many connections as the peers.
ASIDE = 3
# Files that are deleted at once.
FEW = 100


class Bench:
    """What all rows share: places, clients, patience."""

    def __init__(self, project, work, ftpq, chosen, runs, limit, say):
        self.project, self.work, self.ftpq, self.chosen = project, Path(work), ftpq, chosen
        self.runs, self.limit, self.say = runs, limit, say
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
        if not row.path:
            return self.stage(row, folder, names, None)
        for own in ((), ("--line",)):
            path = servers.DelayedPath(self.project, *row.path, *own)
            try:
                stage = self.stage(row, folder, names, path)
            except BaseException:
                path.close()
                raise
            taken = path.takes(stage.server)
            if RTT * 0.98 <= taken <= RTT * 1.3:
                self.path_kind = path.kind
                return stage
            stage.close()
            self.say(f"    {path.kind} takes {taken * 1000:.1f} ms for a round trip")
        raise servers.Unavailable("the delayed path does not keep its delay")

    def stage(self, row, folder, names, path):
        port = 2121 if path else servers.free_port(20100)
        server = servers.Server(self.kit, row.server, folder.parent, self.work / "servers" / row.server, port, path)
        return Stage(path, server, peers.Work(server, row.files, names, row.connections), folder)

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
            with Sessions(stage.server) as sessions:
                run = measure.run(command, home, limit, stage.server.namespace)
            run.connections = sessions.most
            if not run.cut:
                wrong = measure.fault(stage.folder, target, work.names)
                run.wrong = f"{wrong}; exit code {run.code}" if wrong else ""
        finally:
            self.spend(row, target)
            measure.remove(home)
        verdict = f"> {limit:.0f}" if run.cut else run.wrong or f"{run.wall:.2f} s, {run.cpu:.2f} CPU"
        self.say(f"    {client.name}: {verdict}, {run.connections} connections")
        if run.wrong:
            self.say(run.output)
        return run

    def spend(self, row, target):
        """Takes a run's files away; many on a disk only once the row is over: for minutes after thousands of files were
        deleted, ext4 takes longer to create others, and the next client would pay for it."""
        if row.place != "disk" or len(os.listdir(target)) < FEW:
            return measure.remove(target)
        spent = self.work / "spent"
        spent.mkdir(exist_ok=True)
        target.rename(spent / str(time.monotonic_ns()))
        os.sync()

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
                    if client.aside and turn >= ASIDE and len(ours) > 1:
                        continue
                    limit = self.limit if client in ours else self.patience(entries)
                    run = self.once(row, stage, client, stage.work, limit)
                    found["runs"].append(run)
                    if run.cut:
                        found["over"], found["out"] = limit, True
                self.leave_out(entries, row.measures, FIRST if turn == 0 else NEAR)
        finally:
            stage.close()
            measure.remove(self.work / "spent")
        return [finished(found, row.measures) for found in entries.values()]

    def patience(self, entries):
        best = best_peer(entries, "wall")
        return self.limit if best is None else min(self.limit, max(LEAST_PATIENCE, best * PATIENCE))

    def leave_out(self, entries, measures, near):
        """Marks the peers that are too far behind in all measures to turn out the best."""
        best = {name: best_peer(entries, name) for name in measures}
        for found in entries.values():
            if not found["ours"] and good(found):
                found["out"] = all(median(found, name) > best[name] * near for name in measures)

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


class Sessions:
    """Counts the server's control connections now and then; `most` were open at a time."""

    def __init__(self, server):
        self.server, self.most, self.over = server, 0, threading.Event()
        self.thread = threading.Thread(target=self.count, daemon=True)

    def count(self):
        while not self.over.wait(0.2):
            self.most = max(self.most, self.server.sessions())

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


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
    return {
        "name": name or client.name,
        "ours": ours,
        "how": client.how(work),
        "runs": [],
    }


def good(found):
    return [run for run in found["runs"] if run.good()]


def median(found, name):
    """The median of a client's good runs; None where it has none."""
    runs = good(found)
    return statistics.median(getattr(run, name) for run in runs) if runs else None


def best_peer(entries, name):
    """The best median of any peer so far."""
    medians = [median(e, name) for e in entries.values() if not e["ours"] and good(e)]
    return min(medians, default=None)


def finished(found, measures):
    """A client's entry as it is stored: its runs, and the medians of the good ones."""
    kept = {key: value for key, value in found.items() if key not in ("runs", "out")}
    for name in measures:
        value = median(found, name)
        kept[name] = None if value is None else round(value, 3)
    kept["connections"] = max((run.connections for run in found["runs"]), default=0)
    kept["runs"] = [run.stored() for run in found["runs"]]
    return kept
