"""How the load reaches a server that is killed all the time: a gate that says where it listens now, and one keep-alive
connection per thread that sends the same request again until it is answered.

Sending again is always right: every request carries an id, a token or an expected sequence.
"""

import http.client
import json
import threading
import urllib.parse

RETRY_STATUSES = (503,)  # unavailable, overloaded, outcome_unknown, storage_fault: the same request again


class Closed(Exception):
    """The run is over; the thread that sees this ends."""


class Gate:
    """Where the server listens now. Shared by all threads."""

    def __init__(self):
        self._changed = threading.Condition()
        self._port = None
        self._over = False

    def open(self, port):
        with self._changed:
            self._port = port
            self._changed.notify_all()

    def shut(self):
        with self._changed:
            self._port = None

    def end(self):
        with self._changed:
            self._over = True
            self._changed.notify_all()

    def await_port(self):
        with self._changed:
            self._changed.wait_for(lambda: self._port is not None or self._over)
            if self._over:
                raise Closed()
            return self._port

    def pause(self, seconds):
        """Between two tries at a server that answers but does not serve yet."""
        with self._changed:
            self._changed.wait(seconds)
            if self._over:
                raise Closed()


class Wire:
    """One connection; belongs to one thread."""

    def __init__(self, gate):
        self._gate = gate
        self._connection = None
        self._port = None

    def call(self, method, path, body=None):
        """Sends until answered; returns (status, JSON value)."""
        while True:
            port = self._gate.await_port()
            try:
                status, data = self.once(port, method, path, body)
            except (OSError, http.client.HTTPException):
                self.close()
                self._gate.pause(0.001)
                continue
            if status in RETRY_STATUSES:
                self._gate.pause(0.005)
                continue
            return status, json.loads(data) if data else None

    def once(self, port, method, path, body=None):
        """One try; raises OSError or HTTPException. Returns (status, bytes)."""
        if self._connection is None or self._port != port:
            self.close()
            self._connection, self._port = http.client.HTTPConnection("127.0.0.1", port, timeout=90), port
        data = None if body is None else json.dumps(body, separators=(",", ":")).encode()
        self._connection.request(method, path, data, {"Content-Type": "application/json"} if data else {})
        response = self._connection.getresponse()
        payload = response.read()
        if response.will_close:
            self.close()
        return response.status, payload

    def close(self):
        if self._connection is not None:
            self._connection.close()
        self._connection = None


def quote(id_):
    return urllib.parse.quote(id_, safe="")
