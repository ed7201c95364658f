"""What the server acknowledged, written down by the load and read by the checker.

Shared by all threads under one lock. An entry is put down only after its answer was read as a whole, so every entry is a
promise of the server.
"""

import collections
import dataclasses
import threading


@dataclasses.dataclass(frozen=True)
class Start:
    transaction: str
    input: object

    def found_in(self, history):
        return bool(history) and history[0]["kind"] == "transaction_started" and history[0].get("input") == self.input


@dataclasses.dataclass(frozen=True)
class Append:
    transaction: str
    first_sequence: int
    events: tuple  # of (id, on, data)

    def found_in(self, history):
        for offset, (id_, on, data) in enumerate(self.events):
            index = self.first_sequence - 1 + offset
            if index >= len(history):
                return False
            event = history[index]
            stored = (event["kind"], event.get("event_id"), event.get("on"), event.get("data"))
            if event["sequence"] != index + 1 or stored != ("transitioned", id_, on, data):
                return False
        return True


@dataclasses.dataclass(frozen=True)
class Result:
    transaction: str
    token: str
    kind: str  # task_completed or task_failed
    output: object

    def found_in(self, history):
        for event in history:
            if event["kind"] == self.kind and event.get("token") == self.token:
                return self.kind == "task_failed" or event.get("output") == self.output
        return False


@dataclasses.dataclass(frozen=True)
class Outcome:
    transaction: str
    outcome: str

    def found_in(self, history):
        if self.outcome == "compensated":  # decided by the event that begins compensation, ended later
            return any(event["kind"] in ("compensation_started", "transaction_compensated") for event in history)
        return any(event["kind"] == "transaction_" + self.outcome for event in history)


class Ledger:
    def __init__(self):
        self._changed = threading.Condition()
        self._by_transaction = collections.defaultdict(list)
        self._touched = set()
        self._count = 0
        self.violations = []

    def acknowledge(self, entry):
        with self._changed:
            self._by_transaction[entry.transaction].append(entry)
            self._touched.add(entry.transaction)
            self._count += 1
            self._changed.notify_all()

    def violate(self, sentence):
        with self._changed:
            self.violations.append(sentence)

    def count(self):
        with self._changed:
            return self._count

    def await_count(self, count, seconds):
        """True as soon as so many entries are there."""
        with self._changed:
            return self._changed.wait_for(lambda: self._count >= count, seconds)

    def take_touched(self):
        """Transactions with new entries since the last call, with all their entries so far."""
        with self._changed:
            touched, self._touched = self._touched, set()
            return {id_: list(self._by_transaction[id_]) for id_ in touched}

    def everything(self):
        with self._changed:
            return {id_: list(entries) for id_, entries in self._by_transaction.items()}
