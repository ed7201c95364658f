"""The processes of the order demo: the DTA server and the services, started, restarted and stopped.

Owner: the demo's main thread; one daemon thread restarts services that crash. A process here is always a child of this
one and is ended by its own handle, never by name.
"""

import pathlib
import subprocess
import threading

CRASH_CODE = 70  # the exit code of the crashes that orders ask for
HERE = pathlib.Path(__file__).resolve().parent


class DemoFailed(Exception):
    """Something the demo cannot go on from, in one plain sentence."""


def _spawn(argv: list[str], log: pathlib.Path, **options) -> subprocess.Popen:
    """Starts a child in a session of its own, so that a Ctrl-C in the terminal reaches only the demo, which then stops
    everything in order."""
    try:
        with open(log, "ab") as errors:
            return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=errors, start_new_session=True, **options)
    except OSError as error:
        raise DemoFailed(f"{argv[0]} could not be started: {error.strerror}.") from error


def _end(process: subprocess.Popen, seconds: float) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Server:
    """`dta server` on a free port of loopback; the port stays the same over a restart, as workers expect."""

    def __init__(self, program: str, data: pathlib.Path, logs: pathlib.Path) -> None:
        self._program, self._data, self._log = program, data, logs / "server.log"
        self._port = 0
        self._process: subprocess.Popen | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        argv = [self._program, "server", "--data", str(self._data), "--listen", f"127.0.0.1:{self._port}",
                "--grace", "2s"]
        self._process = _spawn(argv, self._log, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("listening on "):
                self._port = int(line.strip().rsplit(":", 1)[1])
                threading.Thread(target=self._drain, args=(self._process.stdout,), daemon=True).start()
                return
        raise DemoFailed(f"the server ended before it listened; {self._log} says why.")

    def _drain(self, lines) -> None:
        with open(self._log, "a", encoding="utf-8") as log:
            for line in lines:
                log.write(line)

    def kill(self) -> None:
        """kill -9: no clean stop, nothing flushed."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        if self._process is not None:
            _end(self._process, 20)


class Services:
    """The services, each restarted when it dies before it was told to stop."""

    def __init__(self, logs: pathlib.Path) -> None:
        self._logs = logs
        self._lock = threading.Lock()
        self._argv: dict[str, list[str]] = {}
        self._running: dict[str, subprocess.Popen] = {}
        self._stopping = threading.Event()
        self._restarter = threading.Thread(target=self._restart_crashed, daemon=True)
        self._killed: set[int] = set()  # by the demo itself
        self.restarts = 0
        self.failure: str | None = None  # a service that cannot even start

    def start(self, name: str, argv: list[str]) -> None:
        with self._lock:
            self._argv[name] = argv
            self._running[name] = _spawn(argv, self._logs / f"{name}.log", stdout=subprocess.DEVNULL)
        if not self._restarter.is_alive():
            self._restarter.start()

    def kill(self, name: str) -> None:
        """kill -9: whatever the service had under way, nobody hears of it."""
        with self._lock:
            self._killed.add(self._running[name].pid)
            self._running[name].kill()

    def _restart_crashed(self) -> None:
        while not self._stopping.wait(0.05):
            with self._lock:
                for name, process in self._running.items():
                    code = process.poll()
                    if code is None or self._stopping.is_set():
                        continue
                    log = self._logs / f"{name}.log"
                    if code != CRASH_CODE and process.pid not in self._killed:
                        self.failure = f"the {name} service ended with code {code}; {log} says why."
                        return
                    self.restarts += 1
                    try:
                        self._running[name] = _spawn(self._argv[name], log, stdout=subprocess.DEVNULL)
                    except DemoFailed as error:
                        self.failure = str(error)
                        return

    def stop(self) -> None:
        self._stopping.set()
        with self._lock:
            running = list(self._running.values())
        for process in running:
            if process.poll() is None:
                process.terminate()
        for process in running:
            _end(process, 15)
