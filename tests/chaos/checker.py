"""The outside checker: compares what a server tells now with the ledger, and its answers with each other.

It knows the public API only. Every finding is a violation in the ledger; what was acknowledged and is not in the log, or
is there with other content, is counted as lost.
"""

import http.client
import json

import wire

ENDS = {"transaction_completed": "completed", "transaction_compensated": "compensated", "transaction_terminated": "terminated"}


class Checker:
    """Belongs to one thread. Reads from the server at `port` until told another one."""

    def __init__(self, ledger):
        self._ledger = ledger
        self._gate = wire.Gate()
        self._wire = wire.Wire(self._gate)
        self.lost = 0

    def use(self, port):
        self._gate.open(port)

    def close(self):
        self._wire.close()

    def read(self, path):
        while True:
            status, data = self._wire.once(self._gate.await_port(), "GET", path)
            if status == 503:  # it listens, and is not ready yet
                self._gate.pause(0.005)
                continue
            if status != 200:
                raise http.client.HTTPException(f"GET {path} answered {status} {data[:300]!r}")
            return data

    def history(self, id_):
        return [json.loads(line) for line in self.read(f"/v1/transactions/{wire.quote(id_)}/history?limit=1000").splitlines()]

    def check_entries(self, id_, entries, history):
        for number, event in enumerate(history, 1):
            if event["sequence"] != number:
                self._ledger.violate(f"{id_}: sequence {event['sequence']} where {number} is due")
                break
        for entry in entries:
            if not entry.found_in(history):
                self.lost += 1
                self._ledger.violate(f"LOST: {entry} is not in the history, which has {len(history)} events")

    def check_touched(self):
        """After a restart: everything acknowledged since the last look is there."""
        for id_, entries in self._ledger.take_touched().items():
            try:
                history = self.history(id_)
            except http.client.HTTPException as error:
                self._ledger.violate(f"{id_}: {error}")
                history = []
            self.check_entries(id_, entries, history)

    def every_event(self):
        """transaction -> history, from the feed of everything; checks positions on the way."""
        histories, position, cursor = {}, 0, ""
        while True:
            lines = self.read("/v1/events?limit=1000" + (f"&cursor={cursor}" if cursor else "")).splitlines()
            for line in lines[:-1]:
                event = json.loads(line)
                if not position <= event["position"] <= position + 1:
                    self._ledger.violate(f"position {event['position']} follows {position}")
                position = event["position"]
                histories.setdefault(event["transaction"], []).append(event)
            cursor = wire.quote(json.loads(lines[-1])["cursor"])
            if len(lines) == 1:
                return histories

    def every_row(self):
        rows, cursor = [], ""
        while True:
            page = json.loads(self.read("/v1/transactions?limit=1000" + (f"&cursor={wire.quote(cursor)}" if cursor else "")))
            rows += page["transactions"]
            cursor = page["next"]
            if not cursor:
                return rows

    def open_ids(self):
        """Transactions that have not ended, by the list."""
        found = []
        for status in ("running", "compensating", "attention"):
            page = json.loads(self.read(f"/v1/transactions?status={status}&limit=1000"))
            found += [row["id"] for row in page["transactions"]]
        return found

    def check_all(self):
        """The whole log against the whole ledger, and the live state against the fold of each history."""
        histories = {id_: events for id_, events in self.every_event().items() if not id_.startswith("$")}
        for id_, entries in self._ledger.everything().items():
            self.check_entries(id_, entries, histories.get(id_, []))
        rows = {row["id"]: row for row in self.every_row()}
        if rows.keys() != histories.keys():
            self._ledger.violate(f"listed but without history, or the other way round: {sorted(rows.keys() ^ histories.keys())[:5]}")
        for id_, history in histories.items():
            if id_ in rows:
                self.check_state(id_, history, rows[id_])

    def check_state(self, id_, history, row):
        state = json.loads(self.read(f"/v1/transactions/{wire.quote(id_)}"))
        end = [ENDS[event["kind"]] for event in history if event["kind"] in ENDS]
        if len(end) != 1:
            self._ledger.violate(f"{id_} ended {len(end)} times; it is {state['status']}")
            return
        for name, live, folded in (("phase", state["phase"], end[0]), ("listed phase", row["phase"], end[0]),
                                   ("sequence", state["sequence"], len(history))):
            if live != folded:
                self._ledger.violate(f"{id_}: {name} is {live}, its history says {folded}")
        if state["form"] == "table":
            moves = [event for event in history if event["kind"] == "transitioned"]
            if state["state"] != moves[-1]["to"]:
                self._ledger.violate(f"{id_}: state is {state['state']}, its history says {moves[-1]['to']}")
        else:
            self.check_tasks(id_, history, state)

    def check_tasks(self, id_, history, state):
        done, undone = set(), set()
        for event in history:
            if event["kind"] == "task_completed":
                (undone if event["undo"] else done).add((event["step"], event["task"]))
        for step in state["steps"]:
            for task in step["tasks"]:
                name = (step["name"], task["name"])
                if (task["status"] == "done") != (name in done):
                    self._ledger.violate(f"{id_}: task {name} is {task['status']}, its history says otherwise")
                undo = task.get("undo")
                if undo is not None and (undo["status"] == "done") != (name in undone):
                    self._ledger.violate(f"{id_}: the undo of {name} is {undo['status']}, its history says otherwise")
        if state["phase"] == "compensated" and done != undone:
            self._ledger.violate(f"{id_} is compensated, but {sorted(done ^ undone)} is done or undone alone")

    def picture(self):
        """Everything that projections answer, to be compared with the same after they were built anew."""
        rows = self.every_row()
        return rows, {row["id"]: json.loads(self.read(f"/v1/transactions/{wire.quote(row['id'])}")) for row in rows}
