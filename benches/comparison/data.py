"""The files that are served: made once, from fixed seeds, and kept for the next time."""

import random
import struct
from pathlib import Path

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30


def sizes_of(name):
    """Names and sizes of a set of files."""
    if name == "small":
        return {f"small-{n:04}": 4 * KIB for n in range(500)}
    if name == "few":
        return {f"few-{n:04}": 4 * KIB for n in range(16)}
    if name == "many":
        return {f"many-{n:04}": 4 * KIB for n in range(5000)}
    if name == "mixed":
        return mixed()
    sizes = {"256-mib": 256 * MIB, "1-gib": GIB, "4-gib": 4 * GIB}
    return {f"{name}.bin": sizes[name]}


def mixed():
    """400 sizes, log-normal (sigma 1.5), 261 MiB together."""
    dice = random.Random(400)
    drawn = [dice.lognormvariate(0, 1.5) for _ in range(400)]
    sizes = [int(d / sum(drawn) * 261 * MIB) for d in drawn]
    sizes[0] += 261 * MIB - sum(sizes)
    return {f"mixed-{n:03}": size for n, size in enumerate(sizes)}


def make(root, name):
    """The folder of a set below `root`, made where it is not there yet, and read once so that no disk is waited for."""
    folder = Path(root) / name
    sizes = sizes_of(name)
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    for path in folder.iterdir():
        if path.name not in sizes:
            path.unlink()
    for number, (file, size) in enumerate(sizes.items()):
        path = folder / file
        if not path.exists() or path.stat().st_size != size:
            fill(path, size, number)
            path.chmod(0o644)
        with open(path, "rb", buffering=0) as there:
            while there.read(4 * MIB):
                pass
    return folder, list(sizes)


def fill(path, size, seed):
    """Writes bytes that neither compress nor repeat at any distance: each MiB is a random one under its own number."""
    block = bytearray(random.Random(seed).randbytes(min(size, MIB)))
    with open(path, "wb", buffering=0) as file:
        for number in range(0, size, MIB):
            if size >= MIB:
                block[:8] = struct.pack(">Q", number)
            piece = memoryview(block)[: size - number]
            while piece:
                piece = piece[file.write(piece) :]
