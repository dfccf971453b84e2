"""vsftpd, proftpd and pure-ftpd from the tests' kit, and the delayed path that they are reached over.

As root a server runs in mount and process namespaces of its own: its own user list, what it serves under /mnt, and all
its sessions end with it. Without root, vsftpd alone runs, as the user who started this.
"""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

SCRIPT = """
    etc=$1; data=$2; shift 2
    for name in passwd shadow group shells pam.d; do
        [ ! -e "/etc/$name" ] || mount --bind "$etc/$name" "/etc/$name" || exit 1
    done
    mount --bind "$data" /mnt || exit 1
    "$@"
    exit $?"""
PAM = "auth required pam_permit.so\naccount required pam_permit.so\nsession required pam_permit.so\n"
PASSIVE = (12000, 19999)
NAMES = ("vsftpd", "proftpd", "pure-ftpd")


class Unavailable(Exception):
    """Why something can't be had on this machine."""


def fetch_kit(project):
    """The folder of the servers; fetches them first where they are not there."""
    kit = Path(os.environ.get("FTPQ_TEST_KIT", project / ".test-kit"))
    made = subprocess.run([project / "tests/kit"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if made.returncode != 0:
        raise Unavailable(f"the servers can't be fetched: {made.stdout.strip()}")
    return kit


class DelayedPath:
    """A running delayed path; `client` and `server` are its namespaces."""

    address = "10.77.0.2"

    def __init__(self, project, *options):
        command = [project / "benches/path/path", *options, "--", "sh", "-c"]
        # It lasts as long as the pipe to it, so it ends with this program, however that ends.
        inner = 'echo "$PATH_KIND $PATH_CLIENT $PATH_SERVER"; exec cat'
        self.process = subprocess.Popen(
            [*command, inner], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        words = self.process.stdout.readline().split()
        if len(words) != 3:
            raise Unavailable(self.process.communicate()[1].strip() or "the delayed path does not start")
        self.kind, self.client, self.server = words

    def takes(self, server):
        """Seconds that a connection to the server takes: the best of three."""
        timed = (
            "import socket,sys,time; b=time.monotonic(); "
            "socket.create_connection((sys.argv[1],int(sys.argv[2])),5); print(time.monotonic()-b)"
        )
        enter = ["nsenter", f"--net=/run/netns/{self.client}", sys.executable, "-c"]
        command = [*enter, timed, server.address, str(server.port)]
        return min(float(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout) for _ in range(3))

    def close(self):
        self.process.communicate(timeout=30)


class Server:
    """A running server with the files of `data`."""

    def __init__(self, kit, name, data, folder, port, path=None):
        self.name, self.port = name, port
        self.address = path.address if path else "127.0.0.1"
        self.namespace = path.client if path else None
        root = os.geteuid() == 0
        program = kit / name / "usr/sbin" / name
        if not program.exists():
            raise Unavailable(f"no {name}")
        if not root and name != "vsftpd":
            raise Unavailable(f"{name} needs root")
        folder.mkdir(parents=True, exist_ok=True)
        served = Path("/mnt") if root else data
        write_users(folder)
        arguments = {"vsftpd": vsftpd, "proftpd": proftpd, "pure-ftpd": pure_ftpd}[name](
            folder, served, self.address, port
        )
        command = [program, *arguments]
        if root:
            unshare = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", SCRIPT, "sh"]
            command = [*unshare, folder, data, *command]
        if path:
            command = ["nsenter", f"--net=/run/netns/{path.server}", *command]
        # Whatever becomes of this program, its servers go with it.
        command = ["setpriv", "--pdeathsig", "KILL", "--", *command]
        machine = os.uname().machine
        libraries = [str(kit / "lib" / place / f"{machine}-linux-gnu") for place in ("usr/lib", "lib")]
        self.log = folder / "output"
        with open(self.log, "wb+") as log:
            self.process = subprocess.Popen(
                command,
                # vsftpd complains about its settings on descriptor 0.
                stdin=log,
                stdout=log,
                stderr=log,
                cwd="/",
                env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "TZ": "UTC", "LD_LIBRARY_PATH": ":".join(libraries)},
            )
        self.wait()

    def wait(self):
        """Returns when the server answers."""
        greet = (
            "import socket,sys; s=socket.create_connection((sys.argv[1],int(sys.argv[2])),5); "
            "s.recv(4); s.sendall(b'QUIT\\r\\n')"
        )
        enter = ["nsenter", f"--net=/run/netns/{self.namespace}"] if self.namespace else []
        begin = time.monotonic()
        while time.monotonic() < begin + 10:
            if self.process.poll() is not None:
                break
            probe = subprocess.run(
                [*enter, sys.executable, "-c", greet, self.address, str(self.port)], stderr=subprocess.DEVNULL
            )
            if probe.returncode == 0:
                return
            time.sleep(0.05)
        self.close()
        raise Unavailable(f"{self.name} does not start: {self.log.read_text(errors='replace')[-400:]}")

    def url(self, path=""):
        return f"ftp://{self.address}:{self.port}/{path}"

    def sessions(self):
        """Control connections that are open now."""
        with open(f"/proc/{self.process.pid}/net/tcp") as table:
            fields = (line.split()[1:4] for line in table)
            own = f":{self.port:04X}"
            return sum(1 for local, _, state in fields if local.endswith(own) and state == "01")

    def close(self):
        self.process.kill()
        self.process.wait()


def free_port(first):
    """A port from `first` on that nothing listens on."""
    for port in range(first, first + 1000):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise Unavailable("no free port")


def write_users(folder):
    (folder / "pam.d").mkdir(exist_ok=True)
    (folder / "empty").mkdir(exist_ok=True)
    passwd = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/sh\nftp:x:60001:60001:ftp:/mnt:/bin/sh\n"
    (folder / "passwd").write_text(passwd)
    (folder / "shadow").write_text("root:*:19000:0:99999:7:::\nftp:*:19000:0:99999:7:::\n")
    (folder / "group").write_text("root:x:0:\nnogroup:x:65534:\nftp:x:60001:\n")
    (folder / "shells").write_text("/bin/sh\n")
    (folder / "pam.d/ftp").write_text(PAM)
    (folder / "pam.d/other").write_text(PAM)


def vsftpd(folder, served, address, port):
    low, high = PASSIVE
    text = f"""background=NO
listen=YES
listen_ipv6=NO
listen_address={address}
listen_port={port}
anonymous_enable=YES
no_anon_password=YES
anon_root={served}
local_enable=NO
pam_service_name=ftp
secure_chroot_dir={folder}/empty
seccomp_sandbox=NO
write_enable=NO
pasv_min_port={low}
pasv_max_port={high}
max_clients=0
max_per_ip=0
xferlog_enable=NO
connect_from_port_20=NO
"""
    if os.geteuid() != 0:
        import pwd

        user = pwd.getpwuid(os.geteuid()).pw_name
        text += f"run_as_launching_user=YES\nftp_username={user}\nnopriv_user={user}\nisolate=NO\nisolate_network=NO\n"
    (folder / "vsftpd.conf").write_text(text)
    return [folder / "vsftpd.conf"]


def proftpd(folder, served, address, port):
    text = f"""ServerName comparison
ServerType standalone
DefaultAddress {address}
SocketBindTight on
Port {port}
UseIPv6 off
User nobody
Group nogroup
AuthOrder mod_auth_unix.c
WtmpLog off
DelayEngine off
UseReverseDNS off
RequireValidShell off
TimesGMT on
PassivePorts {PASSIVE[0]} {PASSIVE[1]}
MaxInstances 300
PidFile {folder}/pid
ScoreboardFile {folder}/scoreboard
SystemLog {folder}/log
TransferLog none
DefaultRoot {served}
AllowRetrieveRestart on
<Anonymous {served}>
User ftp
Group ftp
UserAlias anonymous ftp
RequireValidShell off
AllowRetrieveRestart on
</Anonymous>
"""
    (folder / "proftpd.conf").write_text(text)
    return ["--nodaemon", "-c", folder / "proftpd.conf"]


def pure_ftpd(folder, served, address, port):
    return [
        f"-S{address},{port}",
        f"-p{PASSIVE[0]}:{PASSIVE[1]}",
        "-c200",
        "-C200",
        "-H",
        "-A",
        "-e",
        "-lunix",
        "-u1",
        f"-g{folder}/pid",
        "-4",
    ]
