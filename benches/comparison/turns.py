"""Counts round trips a file from a trace of the packets at the client's end of the delayed path.

A round trip begins when the client sends something (a command, or the SYN of a data connection) that waited for an
answer. What goes out together costs one, so all that leaves within half a round trip after the first counts with it.
Acknowledgements and ends of connections are not counted. The files between the first and the last data connection
are looked at: the login is no part of it.

Run as a program in the client's namespace it writes the trace: `turns.py PORT`, one line a packet.
"""

import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

SYN = 2


def trace(port):
    """Prints time, connection, flags and payload of the client's TCP packets until it is killed."""
    every = 0x0003
    # Cooked packets begin with the IP header on any kind of device.
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(every)) as line:
        line.bind(("path", every))
        print("ready", flush=True)
        while True:
            packet, origin = line.recvfrom(128)
            outgoing = origin[2] == socket.PACKET_OUTGOING
            if len(packet) < 40 or packet[0] >> 4 != 4 or packet[9] != 6 or not outgoing:
                continue
            at = (packet[0] & 15) * 4
            _, target, _, _, offset, flags = struct.unpack_from(">HHIIBB", packet, at)
            payload = struct.unpack_from(">H", packet, 2)[0] - at - (offset >> 4) * 4
            if flags & SYN or (payload > 0 and target == port):
                kind = "control" if target == port else "data"
                print(f"{time.monotonic():.6f} {kind} {'syn' if flags & SYN else 'command'}", flush=True)


class Trace:
    """A trace that is being taken."""

    def __init__(self, namespace, port):
        command = ["nsenter", f"--net=/run/netns/{namespace}", sys.executable, Path(__file__), str(port)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.process.stdout.readline()

    def stop(self):
        """All that the client sent: (time, `control` or `data`, `syn` or `command`)."""
        time.sleep(0.1)
        self.process.terminate()
        lines = self.process.communicate()[0].splitlines()
        return [(float(at), place, what) for at, place, what in (line.split() for line in lines)]


def round_trips(sent, rtt):
    """Round trips a file, from what the client sent over one session; `rtt` in seconds."""
    opened = [at for at, place, what in sent if place == "data" and what == "syn"]
    if len(opened) < 2:
        return None
    begins = []
    for at, _, _ in sent:
        if opened[0] <= at < opened[-1] and (not begins or at - begins[-1] > rtt / 2):
            begins.append(at)
    return len(begins) / (len(opened) - 1)


if __name__ == "__main__":
    trace(int(sys.argv[1]))
