"""The rows of the comparison."""

from dataclasses import dataclass

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
    variants: tuple = ("ftpq", "ftpq, 8 connections", "ftpq, deep pipelining")


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
