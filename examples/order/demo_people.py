"""The people of the order demo: customers who call, somebody who approves large orders, and an operator.

The operator settles pick-ups of which DTA does not know whether they happened. What did happen stands in the courier's
own book, and its barrier makes both answers safe: asking again with the same key does nothing twice, and a key that the
operator takes can be used by no attempt that comes later.

Threads: one of its own, which looks around a few times a second; begin() is called from any. The first thing that goes
wrong is kept in `failure`, for the demo's main thread.
"""

from __future__ import annotations

import collections
import pathlib
import sqlite3
import threading

import dta
from demo_orders import Order


class People:
    def __init__(self, client: dta.Client, pickups: pathlib.Path) -> None:
        self._client, self._pickups = client, pickups
        self._lock = threading.Lock()
        self._to_answer: dict[str, Order] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._look_around, daemon=True)
        self.said: collections.Counter[str] = collections.Counter()     # to large orders, and how
        self.settled: collections.Counter[str] = collections.Counter()  # pick-ups, by what was found and decided
        self.failure: str | None = None

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def begin(self, order: Order) -> None:
        """What people do as soon as an order is placed."""
        if order.cancelled:
            try:
                self._client.cancel(order.id, "the customer called", who="customer")
            except (dta.Closed, dta.PastPivot):
                pass  # too late: it is decided, and the audit judges what was decided
        if order.answer is None:
            return
        if order.answer.early:
            self._answer(order)
        else:
            with self._lock:
                self._to_answer[order.id] = order

    def _look_around(self) -> None:
        try:
            while not self._stopping.wait(0.2):
                self._answer_those_who_wait()
                for row in self._client.all_transactions(definition="order", status="attention"):
                    self._settle(row.id)
        except Exception as error:  # told by the main thread, which ends the demo
            self.failure = f"an approval or an incident could not be dealt with: {error}"

    # Approvals.

    def _answer_those_who_wait(self) -> None:
        with self._lock:
            orders = list(self._to_answer.values())
        for order in orders:
            found = self._client.get(order.id)
            step = next(step for step in found.raw["steps"] if step["name"] == "approve")
            waits = step["waits_for"] is not None
            if waits:
                self._answer(order)
            if waits or found.outcome is not None or found.phase != "running":
                with self._lock:
                    del self._to_answer[order.id]

    def _answer(self, order: Order) -> None:
        assert order.answer is not None
        for time in range(order.answer.times):
            try:
                self._client.signal(order.id, "decision", {"answer": order.answer.word}, signal_id=f"answer-{order.id}")
            except dta.Closed:
                return  # it is compensated already, for another reason
            self.said[order.answer.word if time == 0 else "twice"] += 1
        self.said["early"] += order.answer.early

    # Incidents.

    def _settle(self, name: str) -> None:
        for incident in self._client.get(name).raw["incidents"]:
            if not incident["open"]:
                continue
            if incident["kind"] != "pivot_unknown":
                raise RuntimeError(f"{name} has an incident that nobody expected: {incident}")
            found, resolution = self._decide(name)
            reason = "the parcels are gone" if found else "the parcels are still here"
            try:
                self._client.resolve(name, incident["number"], resolution, reason, who="operator")
            except dta.Closed:
                continue
            self.settled[f"{'found done' if found else 'not done'}: {resolution}"] += 1

    def _decide(self, name: str) -> tuple[bool, str]:
        """Whether it happened, and what to do. Every answer that is right is given in turn."""
        key = f"{name}/pickup/courier/0/1/do/1"
        db = sqlite3.connect(self._pickups, timeout=30)
        try:
            found = db.execute("SELECT 1 FROM dta_barrier WHERE key = ?", (key,)).fetchone() is not None
            if not found and self.settled["not done: retry"] > 2 * self.settled["not done: force_failed"]:
                # Before it may be called failed, no slow attempt may still succeed: the operator takes its key.
                with db:
                    taken = db.execute("INSERT INTO dta_barrier (key, origin) VALUES (?, 'undo')"
                                       " ON CONFLICT DO NOTHING", (key,)).rowcount
                return (False, "force_failed") if taken else (True, "force_done")
        finally:
            db.close()
        if found and self.settled["found done: force_done"] <= self.settled["found done: retry"]:
            return True, "force_done"
        return found, "retry"
