"""A real `dta server` as a child process: started on a free port, stopped cleanly or killed, always by its own pid."""

import os
import pathlib
import re
import signal
import subprocess
import tempfile

LISTENING = re.compile(rb"listening on 127\.0\.0\.1:(\d+)")


class ServerProcess:
    """Not shared between threads. What the server says is kept in `log_path` and shown when it does not come up."""

    def __init__(self, binary, data, *, arguments=("--grace", "0s"), log_path=None):
        self._command = [str(binary), "server", "--data", str(data), "--listen", "127.0.0.1:0", *arguments]
        self.log_path = pathlib.Path(log_path) if log_path else pathlib.Path(str(data) + ".log")
        self.port = 0
        self._child = None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self):
        return self._child.pid

    def spawn(self):
        """Starts the process and returns at once; await_listening() says when it serves."""
        assert self._child is None
        with open(self.log_path, "ab") as log:
            self._child = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log)

    def await_listening(self):
        """Reads the server's output until it names its port; the end of its output means that it did not come up."""
        said = b""
        while True:
            piece = os.read(self._child.stdout.fileno(), 4096)
            if not piece:
                code = self._child.wait()
                self._forget()
                tail = self.log_path.read_text(errors="replace")[-2000:]
                raise RuntimeError(f"the server ended with {code} before it listened: {said.decode(errors='replace')}{tail}")
            said += piece
            found = LISTENING.search(said)
            if found and said.find(b"\n", found.end()) >= 0:
                self.port = int(found.group(1))
                return

    def start(self):
        self.spawn()
        self.await_listening()

    def kill(self):
        """kill -9: what a power cut looks like to everybody else."""
        self._end(signal.SIGKILL)

    def stop(self):
        """A clean stop; returns the exit code."""
        return self._end(signal.SIGTERM)

    def _end(self, number):
        if self._child is None:
            return None
        self._child.send_signal(number)
        code = self._child.wait(timeout=60)
        self._forget()
        return code

    def _forget(self):
        self._child.stdout.close()
        self._child = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        if self._child is not None:
            self.kill()


def scratch_directory(prefix):
    """A new folder for logs and data, below $TMPDIR; the caller removes it when all went well."""
    return pathlib.Path(tempfile.mkdtemp(prefix=prefix))
