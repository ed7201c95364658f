"""Runs a command beside a PostgreSQL server of its own, which is gone afterwards.

    python3 postgresql_server.py COMMAND...

The server lies in a new folder under /tmp (the path of a Unix socket must be short), listens on a socket in it and on no
port, and trusts whoever can reach it. The command finds it by PGHOST, PGUSER and PGDATABASE, which libpq and all
drivers know; DTA_TEST_POSTGRESQL=1 tells a test that it is meant to use it. The exit code is the command's, or 77 with
one sentence when PostgreSQL is not installed.

PostgreSQL refuses to run as root; root becomes the user `postgres` of the Debian package for it. When this program is
killed, the kernel tells the server to stop.
"""

import ctypes
import glob
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import threading

SKIPPED = 77
PR_SET_PDEATHSIG = 1


def programs():
    """The folder of initdb and postgres, the newest first; None when there is none."""
    on_path = shutil.which("initdb")
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda path: int(path.split("/")[4].split(".")[0]))
    folders = found[::-1] + ([os.path.dirname(on_path)] if on_path else [])
    return next((pathlib.Path(folder) for folder in folders
                 if all(os.access(os.path.join(folder, name), os.X_OK) for name in ("initdb", "postgres"))), None)


def identity():
    """How subprocess starts somebody who is not root; None when there is nobody."""
    if os.geteuid() != 0:
        return {}
    try:
        entry = pwd.getpwnam("postgres")
    except KeyError:
        return None
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


class Server:
    """initdb at the beginning, SIGQUIT at the end. Nothing is synced to disk: the data live as long as a test."""

    def __init__(self, folder, programs_folder, who):
        self._log = []
        environment = {**os.environ, "LC_ALL": "C"}
        data = folder / "data"
        subprocess.run([programs_folder / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"],
                       check=True, stdout=subprocess.DEVNULL, env=environment, cwd=folder, **who)
        settings = {"listen_addresses": "", "unix_socket_directories": folder, "fsync": "off", "lc_messages": "C"}
        command = [programs_folder / "postgres", "-D", data]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        libc = ctypes.CDLL(None, use_errno=True)
        self._process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment, cwd=folder, **who,
                                         preexec_fn=lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGQUIT))
        self._ready = threading.Event()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        self._ready.wait()
        if self._process.poll() is not None:
            raise RuntimeError("PostgreSQL did not start:\n" + "".join(self._log))

    def _read(self):
        """Follows the log from start to end: its pipe must not fill up, and one line of it says `ready`."""
        for line in self._process.stderr:
            self._log.append(line)
            if "database system is ready to accept connections" in line:
                self._ready.set()
        self._process.wait()
        self._ready.set()

    def stop(self):
        self._process.send_signal(signal.SIGQUIT)
        self._reader.join()
        self._process.stderr.close()


def main():
    command = sys.argv[1:]
    if not command:
        sys.exit("usage: postgresql_server.py COMMAND...")
    folder_of_programs, who = programs(), identity()
    if folder_of_programs is None or who is None:
        print("skipped: PostgreSQL is not installed (Debian package postgresql-15)")
        return SKIPPED
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = pathlib.Path(tempfile.mkdtemp(prefix="dta-pg-", dir="/tmp"))
    server = None
    try:
        if who:
            os.chown(folder, who["user"], who["group"])
        server = Server(folder, folder_of_programs, who)
        environment = {**os.environ, "PGHOST": str(folder), "PGUSER": "postgres", "PGDATABASE": "postgres",
                       "DTA_TEST_POSTGRESQL": "1"}
        return subprocess.run(command, env=environment).returncode
    finally:
        if server is not None:
            server.stop()
        shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main())
