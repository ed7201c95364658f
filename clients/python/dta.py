"""The Python client of DTA: start transactions, read them, and work for them. One file, standard library only.

    client = dta.Client("http://127.0.0.1:7117")
    order = client.start("o-17", "order", input={"total": 4200}, wait=30)

    worker = dta.Worker(client, name="payments")

    @worker.do("payment.authorize")
    def authorize(task: dta.Task) -> dict:
        return {"authorization": "A-1"}

    worker.run()

Invariants:
- Every call that changes something carries an id (start id, event id, request id, poll id, lease token), made here when
  the caller gives none, so that a request may be repeated and takes effect once. That is why retries are built in.
- A lease is counted from the moment its answer was received, on the monotonic clock, less a margin.
- A result that the server has not acknowledged is kept and sent again with the same token.

Threads: a Client may be used by many threads. A Worker owns one thread that polls, one that reports, one that keeps
leases alive, and a pool of `concurrency` threads that run handlers.
Size: one file, because users copy it.
"""

from __future__ import annotations

import collections
import dataclasses
import http.client
import json
import logging
import os
import random
import signal
import socket
import sqlite3
import sys
import threading
import time
import urllib.parse
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Iterable, Iterator, Mapping, Optional, Sequence, Union

__all__ = [
    "Client", "Worker", "Task", "Outcome", "TaskFailed", "Transaction", "Summary", "Page", "Event", "EventPage",
    "Published", "Appended", "barrier", "BARRIER_TABLE", "DtaError", "RETRYABLE",
]

# ---------------------------------------------------------------------------------------------------------- errors ---

#: Codes after which the same request, with the same id, is sent again.
RETRYABLE = frozenset({"connection_failed", "overloaded", "request_timeout", "unavailable", "outcome_unknown"})

WAIT_MS_MAX = 60_000      # the server holds an answer no longer
RESULTS_MAX = 1000        # results in one request
BATCH_CHARS = 4 << 20     # encoded results in one request; the server takes bodies of 16 MiB
MESSAGE_CHARS = 1000      # of an error message made from an exception
CODE_CHARS = 64           # of an error code
STOP_CHECK = 5.0          # seconds after which a task without heartbeat asks whether it shall stop


class DtaError(Exception):
    """A refusal or fault, as the server's problem document tells it. Test `code`, or catch the subclass for it."""

    code = "internal"

    def __init__(self, code: str, title: str = "", detail: str = "", advice: str = "", status: int = 0,
                 faults: Sequence[Mapping[str, str]] = (), current_sequence: Optional[int] = None,
                 retry_after: Optional[float] = None) -> None:
        self.code = code
        self.title, self.detail, self.advice, self.status = title, detail, advice, status
        self.faults = list(faults)                # [{"pointer": "/steps/0/name", "message": "…"}]
        self.current_sequence = current_sequence  # of wrong_sequence and illegal_event
        self.retry_after = retry_after            # seconds
        text = f"{code}: {detail or title}"
        for fault in self.faults:
            text += f"\n  {fault.get('pointer') or '(whole)'}: {fault.get('message')}"
        super().__init__(text + (f"\n  {advice}" if advice else ""))


class InvalidDefinition(DtaError):
    code = "invalid_definition"


class DefinitionNotFound(DtaError):
    code = "definition_not_found"


class DefinitionConflict(DtaError):
    code = "definition_conflict"


class TransactionNotFound(DtaError):
    code = "transaction_not_found"


class IdReused(DtaError):
    code = "id_reused"


class WrongSequence(DtaError):
    code = "wrong_sequence"


class IllegalEvent(DtaError):
    code = "illegal_event"


class UnknownSignal(DtaError):
    code = "unknown_signal"


class Closed(DtaError):
    code = "closed"


class PastPivot(DtaError):
    code = "past_pivot"


class StaleLease(DtaError):
    code = "stale_lease"


class TooLarge(DtaError):
    code = "too_large"


class Overloaded(DtaError):
    code = "overloaded"


class Unavailable(DtaError):
    code = "unavailable"


class OutcomeUnknown(DtaError):
    code = "outcome_unknown"


class ConnectionFailed(DtaError):
    code = "connection_failed"


_BY_CODE: dict[str, type[DtaError]] = {kind.code: kind for kind in DtaError.__subclasses__()}


def _error(problem: Mapping[str, Any], status: int = 0, retry_after: Optional[float] = None) -> DtaError:
    code = str(problem.get("code") or "internal")
    return _BY_CODE.get(code, DtaError)(
        code, str(problem.get("title", "")), str(problem.get("detail", "")), str(problem.get("advice", "")), status,
        problem.get("faults") or (), problem.get("current_sequence"), retry_after)


class TaskFailed(Exception):
    """Raised by a handler: the task failed in a way the handler understands.

    `retryable` False means that trying again cannot help; `effect` is "none" when nothing was done, "unknown" when the
    action may have taken effect (then it will be undone). Any other exception counts as retryable with effect unknown.
    """

    def __init__(self, code: str, message: str = "", *, retryable: bool = True, effect: str = "none",
                 details: Any = None) -> None:
        if effect not in ("none", "unknown"):
            raise ValueError("effect is 'none' or 'unknown'")
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.retryable, self.effect, self.details = code, message, retryable, effect, details


# ---------------------------------------------------------------------------------------------------------- values ---


@dataclasses.dataclass(frozen=True)
class Published:
    """A published definition; `warnings` say what is legal but probably not meant."""
    name: str
    version: int
    digest: str
    created: bool
    warnings: list[dict[str, str]]


@dataclasses.dataclass(frozen=True)
class Transaction:
    """A transaction as start and get answer it. `raw` is the whole answer: steps, tasks, incidents and the rest."""
    id: str
    definition: str
    version: int
    status: str             # what lists show: attention, paused, or the phase
    phase: str              # running, compensating, completed, compensated, terminated
    outcome: Optional[str]  # None until decided; completed, compensated or terminated
    sequence: int
    output: Any
    error: Optional[dict[str, Any]]
    raw: dict[str, Any] = dataclasses.field(repr=False)

    @property
    def ended(self) -> bool:
        return self.phase in ("completed", "compensated", "terminated")


@dataclasses.dataclass(frozen=True)
class Summary:
    """A row of a list."""
    id: str
    definition: str
    version: int
    status: str
    phase: str
    attention: bool
    paused: bool
    attributes: dict[str, str]
    started_at: str
    ended_at: Optional[str]


@dataclasses.dataclass(frozen=True)
class Page:
    transactions: list[Summary]
    next: Optional[str]  # the cursor of the next page


@dataclasses.dataclass(frozen=True)
class Event:
    """One line of a history; `fields` is all of it."""
    sequence: int
    kind: str
    recorded_at: str
    fields: dict[str, Any] = dataclasses.field(repr=False)

    def get(self, name: str, default: Any = None) -> Any:
        return self.fields.get(name, default)


@dataclasses.dataclass(frozen=True)
class EventPage:
    events: list[Event]
    cursor: str


@dataclasses.dataclass(frozen=True)
class Appended:
    id: str
    first_sequence: Optional[int]
    sequence: int
    state: Optional[str]
    status: str
    phase: str
    repeated: bool


def _pick(kind: type, answer: Mapping[str, Any], **more: Any) -> Any:
    """Builds a dataclass from those members of an answer that it knows, so that servers may add fields."""
    names = [field.name for field in dataclasses.fields(kind)]
    return kind(**{name: more[name] if name in more else answer.get(name) for name in names})


def _event(fields: dict[str, Any]) -> Event:
    return _pick(Event, fields, fields=fields)


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _wait_ms(seconds: float) -> int:
    return max(0, min(WAIT_MS_MAX, int(seconds * 1000)))


# ------------------------------------------------------------------------------------------------------- transport ---


class _Backoff:
    """Delays between tries: doubling from 50 ms to 2 s, drawn from the upper half, never less than Retry-After."""

    def __init__(self) -> None:
        self._delay = 0.05

    def next(self, error: DtaError) -> float:
        delay, self._delay = self._delay, min(self._delay * 2, 2.0)
        return max(delay * random.uniform(0.5, 1.0), error.retry_after or 0.0)


class _Channel:
    """One keep-alive connection. Used by one thread at a time; only interrupt() may be called from another one."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._connection: Optional[http.client.HTTPConnection] = None
        self._interrupted = False

    def open(self, method: str, target: str, body: Optional[bytes], timeout: float) -> http.client.HTTPResponse:
        """Sends one request and returns the answer's head. The same request may be sent twice: it carries its id."""
        headers = {"Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        while True:
            if self._interrupted:
                raise ConnectionFailed("connection_failed", detail="this connection was interrupted by its owner")
            reused = self._connection is not None
            if self._connection is None:
                self._connection = http.client.HTTPConnection(self._host, self._port, timeout=timeout)
            try:
                if self._connection.sock is not None:
                    self._connection.sock.settimeout(timeout)
                self._connection.request(method, target, body, headers)
                return self._connection.getresponse()
            except (OSError, http.client.HTTPException) as error:
                self.close()
                # An idle connection that the server closed meanwhile says nothing about the server.
                if not (reused and isinstance(error, (ConnectionError, http.client.RemoteDisconnected))):
                    detail = f"{self._host}:{self._port}: {error!r}"
                    raise ConnectionFailed("connection_failed", detail=detail) from error

    def exchange(self, method: str, target: str, body: Optional[bytes], timeout: float) -> bytes:
        """One request and its whole answer; a problem document is raised as its typed error."""
        response = self.open(method, target, body, timeout)
        try:
            data = response.read()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise ConnectionFailed("connection_failed", detail=f"the answer broke off: {error!r}") from error
        if response.will_close:
            self.close()
        if response.status < 400:
            return data
        raise _problem(response, data)

    def interrupt(self) -> None:
        """Breaks off the call under way, for good: the channel is of no use afterwards."""
        self._interrupted = True
        connection = self._connection
        sock = connection.sock if connection is not None else None
        if sock is not None:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it was closed already, which is what was wanted

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _problem(response: http.client.HTTPResponse, data: bytes) -> DtaError:
    try:
        problem = json.loads(data)
    except ValueError:
        problem = None
    if not isinstance(problem, dict):
        problem = {"code": "internal", "detail": f"HTTP {response.status} without a problem document"}
    after = response.getheader("Retry-After") or ""
    return _error(problem, response.status, float(after) if after.isdigit() else None)


class Client:
    """The calls of one server. Safe for many threads; each call borrows a connection from a small pool.

    `timeout`: seconds that an answer may take beyond the wait that was asked for. `retry_for`: seconds during which a
    call is repeated after connection_failed, overloaded, unavailable or outcome_unknown, always with the same ids.
    Payloads are anything that `json` encodes; integers of any length stay whole.
    """

    def __init__(self, server: Optional[str] = None, *, timeout: float = 30.0, retry_for: float = 30.0) -> None:
        url = urllib.parse.urlsplit(server or os.environ.get("DTA_SERVER") or "http://127.0.0.1:7117")
        if url.scheme != "http" or not url.hostname:
            raise ValueError("the server's address has the form http://host:port")
        self._host, self._port = url.hostname, url.port or 7117
        self._timeout, self._retry_for = timeout, retry_for
        self._lock = threading.Lock()
        self._idle: list[_Channel] = []

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def close(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for channel in idle:
            channel.close()

    def channel(self) -> _Channel:
        """A connection of one's own, for a caller that wants to interrupt its calls (the worker does)."""
        return _Channel(self._host, self._port)

    def exchange(self, method: str, target: str, body: Union[None, str, bytes] = None, *, wait: float = 0.0) -> bytes:
        """One call, retried while that can help. `wait` is how long the server was asked to hold the answer."""
        data = body.encode() if isinstance(body, str) else body
        give_up = time.monotonic() + self._retry_for + wait
        backoff = _Backoff()
        while True:
            try:
                return self.exchange_once(method, target, data, wait=wait)
            except DtaError as error:
                delay = backoff.next(error)
                if error.code not in RETRYABLE or time.monotonic() + delay > give_up:
                    raise
                time.sleep(delay)

    def exchange_once(self, method: str, target: str, body: Optional[bytes] = None, *, wait: float = 0.0) -> bytes:
        with self._lock:
            channel = self._idle.pop() if self._idle else self.channel()
        try:
            return channel.exchange(method, target, body, self._timeout + wait)
        finally:
            with self._lock:
                self._idle.append(channel)

    def _get(self, path: str, query: Optional[Mapping[str, Any]] = None, *, wait: float = 0.0) -> bytes:
        pairs = {name: value for name, value in (query or {}).items() if value is not None}
        return self.exchange("GET", path + ("?" + urllib.parse.urlencode(pairs) if pairs else ""), wait=wait)

    def _post(self, path: str, body: Any, *, wait: float = 0.0) -> Any:
        return json.loads(self.exchange("POST", path, _dump(body), wait=wait))

    # Definitions.

    def publish(self, definition: Union[str, bytes, Mapping[str, Any]]) -> Published:
        """Publishes a definition: its JSON text (kept byte for byte) or a mapping. The same bytes again do nothing."""
        text = definition if isinstance(definition, (str, bytes)) else _dump(definition)
        head = json.loads(text)
        path = f"/v1/definitions/{_quote(head['name'])}/{_quote(head['version'])}"
        return _pick(Published, json.loads(self.exchange("PUT", path, text)))

    def definition(self, name: str, version: Union[int, str] = "newest", *, full: bool = False) -> bytes:
        """The definition as it was published; `full` writes every default out."""
        return self._get(f"/v1/definitions/{_quote(name)}/{_quote(version)}", {"full": 1 if full else None})

    def definitions(self) -> list[dict[str, Any]]:
        return json.loads(self._get("/v1/definitions"))["definitions"]

    # Transactions.

    def start(self, id: str, definition: str, *, version: Optional[int] = None, input: Any = None,
              attributes: Optional[Mapping[str, str]] = None, headers: Optional[Mapping[str, str]] = None,
              wait: float = 0.0) -> Transaction:
        """Starts a transaction, or finds the one started before under this id with the same content.

        `wait`: seconds to hold the answer until the outcome is decided (60 at most; see wait()).
        """
        body: dict[str, Any] = {"id": id, "definition": definition}
        for name, value in (("version", version), ("input", input), ("attributes", attributes), ("headers", headers)):
            if value is not None:
                body[name] = value
        if wait > 0:
            body["wait_ms"] = _wait_ms(wait)
        answer = self._post("/v1/transactions", body, wait=wait)
        return _pick(Transaction, answer, raw=answer)

    def get(self, id: str, *, at: Optional[int] = None, wait: float = 0.0) -> Transaction:
        """The state now, after event `at`, or as soon as the outcome is decided (at most `wait` seconds)."""
        query = {"at": at, "wait_ms": _wait_ms(wait) if wait > 0 else None}
        answer = json.loads(self._get(f"/v1/transactions/{_quote(id)}", query, wait=wait))
        return _pick(Transaction, answer, raw=answer)

    def wait(self, id: str, timeout: Optional[float] = None) -> Transaction:
        """Waits until the outcome is decided, however long that takes; TimeoutError after `timeout` seconds."""
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            left = 30.0 if end is None else min(30.0, end - time.monotonic())
            found = self.get(id, wait=max(left, 0.0))
            if found.outcome is not None:
                return found
            if end is not None and time.monotonic() >= end:
                raise TimeoutError(f"transaction {id} is {found.status} after {timeout} s")

    def transactions(self, *, status: Optional[str] = None, definition: Optional[str] = None,
                     since: Optional[str] = None, attributes: Optional[Mapping[str, str]] = None,
                     limit: int = 100, cursor: Optional[str] = None) -> Page:
        """One page, newest first."""
        query: dict[str, Any] = {"status": status, "definition": definition, "since": since, "limit": limit,
                                 "cursor": cursor}
        query.update({f"attr.{name}": value for name, value in (attributes or {}).items()})
        answer = json.loads(self._get("/v1/transactions", query))
        return Page([_pick(Summary, row) for row in answer["transactions"]], answer.get("next"))

    def all_transactions(self, **filters: Any) -> Iterator[Summary]:
        """Every transaction that transactions() with these filters finds, page after page."""
        cursor: Optional[str] = None
        while True:
            page = self.transactions(**filters, cursor=cursor)
            yield from page.transactions
            cursor = page.next
            if cursor is None:
                return

    def history(self, id: str, *, first: int = 1, follow: bool = False) -> Iterator[Event]:
        """The events of a transaction in order. With `follow`, new ones too, until the transaction has ended."""
        path = f"/v1/transactions/{_quote(id)}/history"
        while True:
            count = 0
            for event in self._history_lines(path, first, follow):
                first, count = event.sequence + 1, count + 1
                yield event
            if follow:
                # A stream that ended says nothing about why; the state does.
                found = self.get(id)
                if found.ended and found.sequence < first:
                    return
            elif count < 1000:
                return

    def _history_lines(self, path: str, first: int, follow: bool) -> Iterator[Event]:
        if not follow:
            for line in self._get(path, {"from": first, "limit": 1000}).splitlines():
                if line.strip():
                    yield _event(json.loads(line))
            return
        channel = self.channel()
        try:
            response = channel.open("GET", f"{path}?from={first}&follow=1", None, WAIT_MS_MAX / 1000 + self._timeout)
            if response.status >= 400:
                raise _problem(response, response.read())
            while line := response.readline():
                if line.strip():
                    yield _event(json.loads(line))
        except (ConnectionFailed, OSError, http.client.HTTPException):
            return  # history() asks for the state, with retries, and goes on from the next sequence
        finally:
            channel.close()

    def cancel(self, id: str, reason: str, *, who: Optional[str] = None,
               request_id: Optional[str] = None) -> Transaction:
        """Begins compensation. Raises Closed when the outcome is decided, PastPivot past the point of no return."""
        return self._control(id, "cancel", {"reason": reason}, who, request_id)

    def terminate(self, id: str, reason: str, *, who: Optional[str] = None,
                  request_id: Optional[str] = None) -> Transaction:
        """Stops at once and undoes nothing. Raises Closed when it has ended."""
        return self._control(id, "terminate", {"reason": reason}, who, request_id)

    def resolve(self, id: str, incident: int, resolution: str, reason: str, *, who: Optional[str] = None,
                request_id: Optional[str] = None) -> Transaction:
        """Decides what becomes of an incident: "retry", "force_done", "force_failed", "give_up" or "accept"."""
        return self._control(id, f"incidents/{incident}/resolve", {"reason": reason, "resolution": resolution}, who, request_id)

    def pause(self, id: str, reason: str, *, who: Optional[str] = None,
              request_id: Optional[str] = None) -> Transaction:
        """Hands nothing out until resume(); results are taken. Raises IllegalEvent when it is paused already."""
        return self._control(id, "pause", {"reason": reason}, who, request_id)

    def resume(self, id: str, reason: str, *, who: Optional[str] = None,
               request_id: Optional[str] = None) -> Transaction:
        """Ends a pause. Raises IllegalEvent when it is not paused."""
        return self._control(id, "resume", {"reason": reason}, who, request_id)

    def signal(self, id: str, name: str, payload: Any = None, *, signal_id: Optional[str] = None) -> Transaction:
        """Sends a signal that a step waits for, or will. A signal's id counts once: give one that outlives your process
        to send it once over a restart. Raises UnknownSignal, or Closed once the outcome is decided.
        """
        body = {"signal_id": signal_id or str(uuid.uuid4())}
        if payload is not None:
            body["payload"] = payload
        answer = self._post(f"/v1/transactions/{_quote(id)}/signals/{_quote(name)}", body)
        return _pick(Transaction, answer, raw=answer)

    def _control(self, id: str, what: str, body: dict[str, Any], who: Optional[str],
                 request_id: Optional[str]) -> Transaction:
        body["request_id"] = request_id or str(uuid.uuid4())
        if who is not None:
            body["who"] = who
        answer = self._post(f"/v1/transactions/{_quote(id)}/{what}", body)
        return _pick(Transaction, answer, raw=answer)

    def append(self, id: str, events: Iterable[Mapping[str, Any]], *, expected: Union[int, str] = "any") -> Appended:
        """Appends events to a transaction in table form: {"on": "Payment", "data": …, "id": …}, all or none.

        Events without an id get one here, so that a retried append takes effect once.
        """
        items = [dict(event) for event in events]
        for item in items:
            item.setdefault("id", str(uuid.uuid4()))
        return self._append(id, items, expected)

    def report_external(self, id: str, reports: Iterable[Mapping[str, Any]], *,
                        expected: Union[int, str] = "any") -> Appended:
        """Reports what became of external tasks, all or none: {"task": "step/task", "result": "done", "output": …} or
        {"task": …, "result": "failed", "error": {"code": …, "message": …}, "effect": "none"}, with "instance" for a task
        of a for_each.

        Reports without an "event_id" get one here, so that a retry takes effect once. A report that comes after its task
        has settled is accepted and kept as late.
        """
        items = [dict(report) for report in reports]
        for item in items:
            item.setdefault("event_id", str(uuid.uuid4()))
        return self._append(id, items, expected)

    def _append(self, id: str, items: list[dict[str, Any]], expected: Union[int, str]) -> Appended:
        answer = self._post(f"/v1/transactions/{_quote(id)}/events", {"expected": expected, "events": items})
        return _pick(Appended, answer)

    def events(self, cursor: Optional[str] = None, *, limit: int = 1000, wait: float = 0.0) -> EventPage:
        """Events of all transactions in order of position, after `cursor`."""
        query = {"cursor": cursor, "limit": limit, "wait_ms": _wait_ms(wait) if wait > 0 else None}
        lines = [json.loads(line) for line in self._get("/v1/events", query, wait=wait).splitlines() if line.strip()]
        return EventPage([_event(line) for line in lines[:-1]], lines[-1]["cursor"])

    # Service.

    def ready(self) -> bool:
        """Whether the server serves requests now; asked once, without retry."""
        try:
            return bool(json.loads(self.exchange_once("GET", "/readyz")).get("ready"))
        except DtaError:
            return False

    def metrics(self) -> str:
        return self._get("/metrics").decode()


def _quote(part: Union[str, int]) -> str:
    return urllib.parse.quote(str(part), safe="")


# ---------------------------------------------------------------------------------------------------------- worker ---


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a handler may return instead of a plain output. `found` belongs to an undo: True when its action had taken
    effect and is undone now, False when there was nothing to undo, None (a plain undo) when it cannot tell. A success of
    the action that is reported too late raises an incident unless `found` was True."""
    output: Any = None
    found: Optional[bool] = None


@dataclasses.dataclass(eq=False)
class Task:
    """One leased task, as a handler sees it. The handler's thread reads it; lease and stop flag move under it."""
    token: str
    transaction: str
    definition: str
    version: int
    step: str
    task: str
    kind: str              # "do" or "undo"
    attempt: int
    generation: int
    order: int
    queue: str
    idempotency_key: str
    lease_ms: int
    heartbeat_ms: Optional[int]
    input: Any
    output: Any            # an undo's: what the action gave, where that is known
    output_known: bool
    heartbeat: Any         # the last detail that an earlier attempt reported
    headers: dict[str, str]
    instance: int = 0      # under a for_each the element's index
    deadline: float = 0.0  # on time.monotonic(): the lease's end less the margin
    _detail: Any = dataclasses.field(default=None, repr=False)
    _next_beat: float = dataclasses.field(default=0.0, repr=False)
    _asked: threading.Event = dataclasses.field(default_factory=threading.Event, repr=False)
    _worker_stops: bool = dataclasses.field(default=False, repr=False)

    @property
    def action_key(self) -> str:
        """The idempotency key of the action: its own for a do, that of the do it undoes for an undo."""
        return action_key(self.idempotency_key)

    @property
    def remaining(self) -> float:
        """Seconds left to work before the lease is too near its end."""
        return self.deadline - time.monotonic()

    @property
    def stop_asked(self) -> bool:
        """Whether the server asked to stop (a heartbeat brings it; tasks without one ask every few seconds), the lease
        is lost, or the worker itself stops and cannot wait any longer."""
        return self._asked.is_set()

    def report(self, detail: Any) -> None:
        """Keeps a detail for the next heartbeat; the next attempt finds it in `heartbeat`."""
        self._detail = detail

    def check(self, effect: str = "none") -> None:
        """For long handlers, between two pieces of work: raises TaskFailed when it is time to stop."""
        if self._worker_stops:
            raise TaskFailed("worker_stops", "this worker is being stopped", retryable=True, effect=effect)
        if self.stop_asked:
            raise TaskFailed("stopped", "the server asked to stop", retryable=False, effect=effect)
        if self.remaining <= 0:
            raise TaskFailed("lease_ending", "the lease is about to end", retryable=True, effect=effect)


def action_key(key: str) -> str:
    """The key of the action that an undo's key belongs to. The last two parts of a key are do|undo and order; only an
    undo is ever ordered again, so the action's order is 1."""
    base, kind, _ = key.rsplit("/", 2)
    return f"{base}/do/1" if kind == "undo" else key


Handler = Callable[[Task], Any]
_log = logging.getLogger("dta")


def _beat_period(task: Task) -> float:
    """Seconds between heartbeats: a third of what the lease allows, or now and then to hear of a wish to stop."""
    return task.heartbeat_ms / 3000 if task.heartbeat_ms else STOP_CHECK


def _margin(lease_s: float) -> float:
    """How long before a lease ends the worker stops: a tenth, at most two seconds."""
    return min(lease_s * 0.1, 2.0)


class Worker:
    """Polls queues, runs handlers, reports results. Handlers run in threads, at most `concurrency` at a time.

    One poll is outstanding at a time, for all the free slots; results travel with it (`then_lease`) where they can, and
    beside it while it waits. stop() finishes what is begun and releases what is not; handlers that still run after two
    thirds of `stop_within` seconds are asked to stop.
    """

    def __init__(self, client: Union[Client, str, None] = None, *, name: Optional[str] = None, concurrency: int = 8,
                 poll_wait: float = 20.0, stop_within: float = 30.0) -> None:
        self._client = client if isinstance(client, Client) else Client(client)
        self.name = name or f"{socket.gethostname()}-{os.getpid()}"
        self._concurrency, self._poll_wait, self._stop_within = concurrency, poll_wait, stop_within
        self._handlers: dict[tuple[str, str], Handler] = {}
        self._polls = f"{self.name[:60]}-{uuid.uuid4().hex[:12]}"
        self._poll_number = 0
        self._poll_channel = self._client.channel()
        self._changed = threading.Condition()
        # Guarded by _changed:
        self._running: dict[str, Task] = {}
        self._results: collections.deque[tuple[str, str]] = collections.deque()  # (token, encoded item)
        self._sending = 0            # results on their way
        self._polling = False
        self._stopping = False
        self._give_up = float("inf")  # on time.monotonic(): when a stop no longer waits for the server
        self.fault: Optional[Exception] = None
        self._threads: list[threading.Thread] = []
        self._pool: Optional[ThreadPoolExecutor] = None

    # Handlers.

    def handle(self, queue: str, *, do: Optional[Handler] = None, undo: Optional[Handler] = None) -> None:
        if do is not None:
            self._handlers[queue, "do"] = do
        if undo is not None:
            self._handlers[queue, "undo"] = undo

    def do(self, queue: str) -> Callable[[Handler], Handler]:
        """Decorator: this function performs the tasks of a queue."""
        return lambda handler: self._handlers.setdefault((queue, "do"), handler)

    def undo(self, queue: str) -> Callable[[Handler], Handler]:
        """Decorator: this function undoes the tasks whose undo names this queue."""
        return lambda handler: self._handlers.setdefault((queue, "undo"), handler)

    # Life.

    def start(self) -> None:
        if not self._handlers:
            raise ValueError("a worker needs at least one handler")
        self._pool = ThreadPoolExecutor(self._concurrency, thread_name_prefix=f"dta-{self.name}")
        for target in (self._poll_loop, self._report_loop, self._lease_loop):
            thread = threading.Thread(target=self._guard, args=(target,), name=f"dta{target.__name__}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def run(self) -> None:
        """Works until stop() is called or, in the main thread, SIGTERM or SIGINT arrives."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: threading.Thread(target=self.ask_stop).start())
        self.start()
        self.join()

    def ask_stop(self) -> None:
        """Begins a graceful stop and returns at once."""
        with self._changed:
            if self._stopping:
                return
            self._stopping = True
            self._give_up = time.monotonic() + self._stop_within
            self._changed.notify_all()
        self._poll_channel.interrupt()

    def join(self) -> None:
        for thread in self._threads:
            thread.join()
        if self._pool is not None:
            self._pool.shutdown(wait=False)
        self._poll_channel.close()
        if self.fault is not None:
            raise self.fault

    def stop(self) -> None:
        """Stops gracefully: handlers under way finish and are reported; what has not begun is released."""
        self.ask_stop()
        self.join()

    def __enter__(self) -> "Worker":
        self.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.stop()

    def _guard(self, target: Callable[[], None]) -> None:
        try:
            target()
        except Exception as error:  # a loop that ends takes the worker down, and join() tells why
            self.fault = self.fault or error
            _log.error("worker %s ends: %s", self.name, error)
            self.ask_stop()

    @staticmethod
    def _transient(error: DtaError) -> bool:
        return error.code in RETRYABLE or error.code == "storage_fault"

    # Polling: the only place where tasks come in.

    def _poll_loop(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._stopping or len(self._running) < self._concurrency)
                if self._results and self._running:  # handlers that end together report together
                    self._changed.wait_for(lambda: self._stopping or not self._running, 0.001)
                if self._stopping:
                    return
                batch = self._take_results()
                free = self._concurrency - len(self._running)
                self._polling = True
                self._changed.notify_all()
            self._poll_number += 1
            poll = {"queues": sorted({queue for queue, _ in self._handlers}), "max": min(free, 1000),
                    "wait_ms": _wait_ms(self._poll_wait), "worker": self.name,
                    "poll_id": f"{self._polls}-{self._poll_number}"}
            try:
                tasks = self._poll(poll, batch)
            finally:
                with self._changed:
                    self._polling = False
                    self._changed.notify_all()
            received = time.monotonic()
            for leased in tasks:
                self._begin(leased, received)

    def _poll(self, poll: dict[str, Any], batch: list[tuple[str, str]]) -> list[dict[str, Any]]:
        """One poll, repeated with the same id until it is answered; the results that travel with it are settled."""
        backoff = _Backoff()
        while True:
            try:
                if batch:
                    body = '{"results":[%s],"then_lease":%s}' % (",".join(item for _, item in batch), _dump(poll))
                    answer = self._call("/v1/tasks/results", body, self._poll_wait, self._poll_channel)
                else:
                    answer = self._call("/v1/lease", _dump(poll), self._poll_wait, self._poll_channel)
            except DtaError as error:
                if self._stopping:
                    self._put_back(batch)
                    return self._drain(poll)
                if self._transient(error):
                    self._pause(backoff.next(error))
                    continue
                if not batch:
                    raise
                self._report_each(batch, error)  # the results were refused as a whole: find the one that is at fault
                batch = []
                continue
            self._settled(batch, answer.get("results", []))
            return answer.get("tasks", [])

    def _drain(self, poll: dict[str, Any]) -> list[dict[str, Any]]:
        """An interrupted poll may have been answered: fetch what it was given, so that it can be released."""
        try:
            return self._call("/v1/lease", _dump({**poll, "wait_ms": 0}), 0.0)["tasks"]
        except DtaError:
            return []  # those leases end by themselves

    def _begin(self, leased: dict[str, Any], received: float) -> None:
        task = _pick(Task, leased, instance=leased.get("instance") or 0, output_known=bool(leased.get("output_known")),
                     headers=leased.get("headers") or {}, deadline=0.0, _detail=None, _next_beat=0.0,
                     _asked=threading.Event(), _worker_stops=False)
        lease_s = task.lease_ms / 1000
        task.deadline = received + lease_s - _margin(lease_s)
        task._next_beat = received + _beat_period(task)
        handler = self._handlers.get((task.queue, task.kind))
        with self._changed:
            begin = handler is not None and not self._stopping
            if begin:
                self._running[task.token] = task
                self._changed.notify_all()
        if begin:
            assert self._pool is not None and handler is not None
            self._pool.submit(self._execute, handler, task)
        else:
            if handler is None:
                _log.warning("no %s handler for queue %s: released", task.kind, task.queue)
            self._release(task, 0 if handler is not None else 1000)

    def _release(self, task: Task, delay_ms: int) -> None:
        body = _dump({"leases": [{"token": task.token, "delay_ms": delay_ms}]})
        try:
            self._call("/v1/tasks/release", body, 0.0)
        except DtaError as error:
            _log.warning("could not release %s: %s", task.idempotency_key, error.code)

    # Handlers, in threads of the pool.

    def _execute(self, handler: Handler, task: Task) -> None:
        try:
            item = self._success(task, handler(task))
        except TaskFailed as failure:
            item = self._failure(task, failure)
        except Exception as error:
            _log.exception("handler of %s failed", task.idempotency_key)
            text = f"{type(error).__name__}: {error}"[:MESSAGE_CHARS]
            item = self._failure(task, TaskFailed("exception", text, retryable=True, effect="unknown"))
        with self._changed:
            self._running.pop(task.token, None)
            self._results.append((task.token, item))
            self._changed.notify_all()

    def _success(self, task: Task, value: Any) -> str:
        outcome = value if isinstance(value, Outcome) else Outcome(value)
        item: dict[str, Any] = {"token": task.token}
        if outcome.output is not None:
            item["output"] = outcome.output
        if outcome.found is not None and task.kind == "undo":
            item["found"] = outcome.found
        try:
            return _dump(item)
        except (TypeError, ValueError) as error:
            return self._failure(task, TaskFailed("output_not_json", str(error), retryable=False, effect="unknown"))

    def _failure(self, task: Task, failure: TaskFailed) -> str:
        error: dict[str, Any] = {"code": failure.code[:CODE_CHARS] or "failed", "message": failure.message}
        item = {"token": task.token, "error": error, "retryable": failure.retryable, "effect": failure.effect}
        if failure.details is None:
            return _dump(item)
        try:
            return _dump({**item, "error": {**error, "details": failure.details}})
        except (TypeError, ValueError):
            return _dump(item)  # details that are no JSON are left out; the failure itself is what matters

    # Reporting.

    def _report_loop(self) -> None:
        """Sends results while a poll is waiting, and the last ones of a stop."""
        while True:
            with self._changed:
                self._changed.wait_for(
                    lambda: (self._results and (self._polling or self._stopping)) or self._finished())
                if self._finished():
                    return
                batch = self._take_results()
            self._report(batch)

    def _finished(self) -> bool:
        idle = not self._running and not self._results and not self._sending and not self._polling
        return self._stopping and (idle or time.monotonic() > self._give_up)

    def _take_results(self) -> list[tuple[str, str]]:
        batch: list[tuple[str, str]] = []
        size = 0
        while self._results and len(batch) < RESULTS_MAX:
            size += len(self._results[0][1])
            if batch and size > BATCH_CHARS:
                break
            batch.append(self._results.popleft())
        self._sending += len(batch)
        return batch

    def _put_back(self, batch: list[tuple[str, str]]) -> None:
        with self._changed:
            self._results.extendleft(reversed(batch))
            self._sending -= len(batch)
            self._changed.notify_all()

    def _report(self, batch: list[tuple[str, str]]) -> None:
        backoff = _Backoff()
        while True:
            try:
                answer = self._call("/v1/tasks/results", '{"results":[%s]}' % ",".join(item for _, item in batch), 0.0)
            except DtaError as error:
                if not self._transient(error):
                    return self._report_each(batch, error)
                if time.monotonic() > self._give_up:
                    _log.warning("%d results could not be reported: %s", len(batch), error.code)
                    return self._settled(batch, [])
                self._pause(backoff.next(error))
                continue
            return self._settled(batch, answer["results"])

    def _report_each(self, batch: list[tuple[str, str]], error: DtaError) -> None:
        """A request refused as a whole holds a result that the server does not take: its task ends as unknown."""
        if len(batch) > 1:
            for one in batch:
                self._report([one])
            return
        token, item = batch[0]
        _log.error("result refused: %s", error)
        refused = {"token": token, "error": {"code": "result_refused", "message": str(error)[:MESSAGE_CHARS]},
                   "retryable": False, "effect": "unknown"}
        if item != _dump(refused):
            return self._report([(token, _dump(refused))])
        self._settled(batch, [])

    def _settled(self, batch: list[tuple[str, str]], answers: list[dict[str, Any]]) -> None:
        again: list[tuple[str, str]] = []
        for result, answer in zip(batch, answers):
            if answer.get("ok"):
                continue
            problem = answer.get("problem") or {}
            if problem.get("code") in RETRYABLE:
                again.append(result)
            else:
                _log.warning("result of %s: %s: %s", result[0], problem.get("code"), problem.get("detail"))
        if again:
            self._pause(0.1)
        with self._changed:
            self._results.extendleft(reversed(again))
            self._sending -= len(batch)
            self._changed.notify_all()

    # Leases.

    def _lease_loop(self) -> None:
        """Keeps the leases of tasks that need heartbeats; for the others, asks whether they shall stop."""
        while True:
            with self._changed:
                now = time.monotonic()
                if self._stopping:
                    if self._polling:
                        self._poll_channel.interrupt()  # again: the first time may have come before it was connected
                    if now > self._give_up - self._stop_within / 3:
                        for task in self._running.values():
                            task._worker_stops = True
                            task._asked.set()
                if self._finished():
                    return
                due = [task for task in self._running.values() if task._next_beat <= now]
                if not due:
                    until = min((task._next_beat for task in self._running.values()), default=now + 0.5)
                    self._changed.wait(min(until - now, 0.5, self._stop_within / 10))
                    continue
                for task in due:
                    task._next_beat = now + _beat_period(task)
            self._beat(due[:RESULTS_MAX])

    def _beat(self, tasks: list[Task]) -> None:
        leases = [{"token": task.token} if task._detail is None else {"token": task.token, "detail": task._detail}
                  for task in tasks]
        try:
            answers = self._call("/v1/tasks/heartbeat", _dump({"leases": leases}), 0.0)["results"]
        except (DtaError, TypeError, ValueError) as error:
            _log.warning("heartbeat failed: %s", error)  # the next one is a third of the period away
            return
        received = time.monotonic()
        for task, answer in zip(tasks, answers):
            if answer.get("ok"):
                lease_s = answer["lease_ms"] / 1000
                task.deadline = received + lease_s - _margin(lease_s)
            if answer.get("stop") or (answer.get("problem") or {}).get("code") == "stale_lease":
                task._asked.set()

    # Calls of the worker: once, the loops decide about retries.

    def _call(self, path: str, body: str, wait: float, channel: Optional[_Channel] = None) -> Any:
        if channel is None:
            return json.loads(self._client.exchange_once("POST", path, body.encode(), wait=wait))
        return json.loads(channel.exchange("POST", path, body.encode(), 30.0 + wait))

    def _pause(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        with self._changed:
            stopping = self._stopping
            self._changed.wait_for(lambda: self._stopping != stopping, max(0.0, end - time.monotonic()))


# --------------------------------------------------------------------------------------------------------- barrier ---

#: Create it once, with the rest of your schema. SQLite and PostgreSQL take it as it stands.
BARRIER_TABLE = """CREATE TABLE IF NOT EXISTS dta_barrier (
  key    TEXT PRIMARY KEY,
  origin TEXT NOT NULL,                -- who inserted the key: 'do' with its effect, or 'undo' to shut the door
  undone INTEGER NOT NULL DEFAULT 0,   -- of an action's key: its undo took effect
  found  INTEGER,                      -- of an undo's key: whether there was something to undo
  output TEXT)                         -- JSON, so that a duplicate answers what the first call answered"""


def barrier(connection: Any, task: Task, effect: Callable[[Any], Any], *, paramstyle: Optional[str] = None) -> Outcome:
    """Runs `effect` at most once for a task's idempotency key, in one local SQL transaction with the key.

    - A duplicate does nothing and gives the first answer again.
    - An undo inserts its action's key as well. Finding that key free means that the action never took effect: nothing
      is undone, the answer says `found` False, and an action that arrives later finds itself undone.
    - An action that finds itself undone raises TaskFailed("undone", retryable=False, effect="none").

    If `effect` raises, the SQL transaction is rolled back, key included. The connection must not be inside one.

    `connection` is one of sqlite3, or of a DB-API 2.0 driver for PostgreSQL (psycopg2, psycopg) that is not in
    autocommit mode. The table BARRIER_TABLE must be there; on SQLite it is created when it is not. How values are marked
    in statements is what the driver's module says (`paramstyle`: qmark, format or pyformat); say it yourself when the
    connection is wrapped in something else. Any isolation level from READ COMMITTED upwards will do.
    """
    sql = _BarrierSql(connection, paramstyle)
    sql.begin()
    try:
        outcome = (_barrier_do if task.kind == "do" else _barrier_undo)(sql, task, effect)
        connection.commit()
        return outcome
    except BaseException:
        connection.rollback()
        raise


class _BarrierSql:
    """A connection of any driver: begins a transaction in it, and runs statements with `?` for values."""

    def __init__(self, connection: Any, paramstyle: Optional[str]) -> None:
        self.connection = connection
        if paramstyle is None:
            module = sys.modules.get(type(connection).__module__.partition(".")[0])
            paramstyle = getattr(module, "paramstyle", None)
        if paramstyle not in ("qmark", "format", "pyformat"):
            raise ValueError(f"barrier() knows the paramstyles qmark, format and pyformat, not {paramstyle}")
        self._mark = "?" if paramstyle == "qmark" else "%s"

    def begin(self) -> None:
        connection = self.connection
        if isinstance(connection, sqlite3.Connection):
            if connection.in_transaction:
                raise ValueError("barrier() begins the SQL transaction itself")
            connection.execute(BARRIER_TABLE)
            connection.commit()
            connection.execute("BEGIN IMMEDIATE")
            return
        if getattr(connection, "autocommit", False):
            raise ValueError("barrier() needs a connection that is not in autocommit mode")
        if getattr(getattr(connection, "info", None), "transaction_status", 0):
            raise ValueError("barrier() begins the SQL transaction itself")
        # Nothing to do: the driver begins a transaction with the first statement.

    def run(self, statement: str, *values: Any) -> int:
        cursor = self.connection.cursor()
        try:
            cursor.execute(statement.replace("?", self._mark), values)
            return cursor.rowcount
        finally:
            cursor.close()

    def row(self, key: str) -> tuple:
        cursor = self.connection.cursor()
        try:
            statement = "SELECT origin, undone, found, output FROM dta_barrier WHERE key = ?"
            cursor.execute(statement.replace("?", self._mark), (key,))
            return tuple(cursor.fetchone())
        finally:
            cursor.close()

    def insert(self, key: str, origin: str) -> bool:
        """True for one caller only: of two at once the second waits until the first one's transaction has ended."""
        return self.run("INSERT INTO dta_barrier (key, origin) VALUES (?, ?) ON CONFLICT DO NOTHING", key, origin) == 1


def _barrier_output(value: Any) -> Any:
    return value.output if isinstance(value, Outcome) else value


def _barrier_known_output(text: Optional[str]) -> Any:
    return None if text is None else json.loads(text)


def _barrier_do(sql: _BarrierSql, task: Task, effect: Callable[[Any], Any]) -> Outcome:
    key = task.idempotency_key
    if not sql.insert(key, "do"):
        origin, undone, _, known = sql.row(key)
        if origin == "undo" or undone:
            raise TaskFailed("undone", "this action was undone before it took effect", retryable=False, effect="none")
        return Outcome(_barrier_known_output(known))
    output = _barrier_output(effect(sql.connection))
    sql.run("UPDATE dta_barrier SET output = ? WHERE key = ?", _dump(output), key)
    return Outcome(output)


def _barrier_undo(sql: _BarrierSql, task: Task, effect: Callable[[Any], Any]) -> Outcome:
    key, action = task.idempotency_key, task.action_key
    if not sql.insert(key, "undo"):
        _, _, found, known = sql.row(key)
        return Outcome(_barrier_known_output(known), found=bool(found))
    output = None
    found = False
    if not sql.insert(action, "undo"):
        # The undo may have been ordered more than once, and two orders may run at once: one of them gets the row.
        mine = sql.run(
            "UPDATE dta_barrier SET undone = 1 WHERE key = ? AND origin = 'do' AND undone = 0", action) == 1
        if mine:
            output = _barrier_output(effect(sql.connection))
        found = mine or sql.row(action)[0] == "do"
    sql.run("UPDATE dta_barrier SET found = ?, output = ? WHERE key = ?", int(found), _dump(output), key)
    return Outcome(output, found=found)
