"""The load: entities whose events are appended, sagas that are started and awaited, workers that do their tasks.

Each of these is a thread with a connection and a random stream of its own, in a closed loop. Whatever the server
acknowledges goes into the ledger; whatever it must never answer goes there as a violation. When asked to finish, a thread
brings what it has begun to its end and stops.
"""

import random
import threading

import ledger as ledgers
import wire

ENTITY = {
    "name": "chaos-entity", "version": 1, "initial": "new", "cycles": True,
    "transitions": [{"from": "new", "on": "open", "to": "open"}, {"from": "open", "on": "add", "to": "open"},
                    {"from": "open", "on": "hold", "to": "held"}, {"from": "held", "on": "free", "to": "open"},
                    {"from": "open", "on": "close", "to": "closed"}],
    "ends": {"closed": "completed"},
}


def _task(name):
    return {"name": name, "queue": "chaos.do", "input": {"n": "/input/n", "fail": "/input/fail"},
            "undo": {"queue": "chaos.undo", "timeouts": {"attempt": "20s"}},
            "retry": {"max_attempts": 5, "first": "1ms", "cap": "10ms"}, "timeouts": {"attempt": "20s"}}


SAGA = {
    "name": "chaos-saga", "version": 1,
    "steps": [{"name": "first", "tasks": [_task("a"), _task("b")]},
              {"name": "second", "tasks": [_task("c"), _task("d")]},
              {"name": "third", "tasks": [_task("e"), _task("last")]}],
}


class Hand(threading.Thread):
    """One thread of the load. `work` runs until `finish` is set; a gate that ended stops it anywhere."""

    def __init__(self, name, gate, ledger, seed):
        super().__init__(name=name, daemon=True)
        self.wire = wire.Wire(gate)
        self.ledger = ledger
        self.random = random.Random(f"{seed}/{name}")
        self.finish = threading.Event()

    def run(self):
        try:
            self.work()
        except wire.Closed:
            pass
        except Exception as error:  # a thread that dies would make the load quietly smaller
            self.ledger.violate(f"{self.name} died: {error!r}")
        finally:
            self.wire.close()

    def start_transaction(self, id_, definition, input_):
        body = {"id": id_, "definition": definition, "version": 1, "input": input_}
        status, answer = self.wire.call("POST", "/v1/transactions", body)
        if status not in (200, 201):
            self.ledger.violate(f"start of {id_} answered {status} {answer}")
            return False
        self.ledger.acknowledge(ledgers.Start(id_, input_))
        return True


class Appender(Hand):
    """Appends to one entity after the other: single events, batches, now and then one that is not legal."""

    def work(self):
        number = 0
        while not self.finish.is_set():
            number += 1
            self.one_entity(f"{self.name}-{number}")

    def one_entity(self, id_):
        if not self.start_transaction(id_, ENTITY["name"], {"owner": self.name}):
            return
        state, sequence, serial = "new", 1, 0
        for _ in range(self.random.randint(1, 10)):
            events = []
            for _ in range(self.random.choice((1, 1, 1, 2, 3))):
                on, state = self.next_event(state)
                serial += 1
                events.append((f"e{serial}", on, {"serial": serial, "noise": self.random.getrandbits(60)}))
            if self.random.random() < 0.1:
                self.try_illegal(id_, sequence)
            sequence = self.append(id_, sequence, events)
            if sequence is None:
                return
        if state == "held":
            sequence = self.append(id_, sequence, [("free", "free", None)])
        if sequence is not None:
            self.append(id_, sequence, [("close", "close", None)])

    def next_event(self, state):
        if state == "new":
            return "open", "open"
        if state == "held":
            return "free", "open"
        return self.random.choice((("add", "open"), ("add", "open"), ("hold", "held")))

    def append(self, id_, sequence, events):
        """Appends at `sequence`; returns the sequence afterwards, or None when the server broke its word."""
        body = {"expected": sequence, "events": []}
        for event_id, on, data in events:
            body["events"].append({"id": event_id, "on": on} | ({} if data is None else {"data": data}))
        status, answer = self.wire.call("POST", f"/v1/transactions/{wire.quote(id_)}/events", body)
        if status != 200 or answer["first_sequence"] != sequence + 1:
            self.ledger.violate(f"append to {id_} at {sequence} answered {status} {answer}")
            return None
        self.ledger.acknowledge(ledgers.Append(id_, sequence + 1, tuple(events)))
        return sequence + len(events)

    def try_illegal(self, id_, sequence):
        body = {"expected": sequence, "events": [{"on": "never"}]}
        status, answer = self.wire.call("POST", f"/v1/transactions/{wire.quote(id_)}/events", body)
        if status != 409 or answer.get("code") != "illegal_event":
            self.ledger.violate(f"an illegal event of {id_} was answered with {status} {answer}")


class Starter(Hand):
    """Starts one saga after the other and waits for its outcome; every fifth is made to fail at its last task."""

    def work(self):
        number = 0
        while not self.finish.is_set():
            number += 1
            id_ = f"{self.name}-{number}"
            fail = number % 5 == 0
            if self.start_transaction(id_, SAGA["name"], {"n": number, "fail": fail}):
                self.await_outcome(id_, "compensated" if fail else "completed")

    def await_outcome(self, id_, expected):
        while True:
            status, answer = self.wire.call("GET", f"/v1/transactions/{wire.quote(id_)}?wait_ms=2000")
            if status != 200:
                self.ledger.violate(f"{id_} was acknowledged, and reading it answered {status} {answer}")
                return
            if answer["outcome"] is not None:
                break
        if answer["outcome"] != expected:
            self.ledger.violate(f"{id_} ended {answer['outcome']} instead of {expected}: {answer.get('error')}")
        self.ledger.acknowledge(ledgers.Outcome(id_, answer["outcome"]))


class Worker(Hand):
    """Takes tasks and returns their results in one request, with the next poll in it."""

    def work(self):
        polls = 0
        results = []
        while True:
            polls += 1
            poll = {"queues": ["chaos.do", "chaos.undo"], "max": 8, "wait_ms": 300, "worker": self.name,
                    "poll_id": f"{self.name}-{polls}"}
            if self.finish.is_set() and not results:
                return
            if results:
                body = {"results": [body for _, body in results], "then_lease": poll}
                status, answer = self.wire.call("POST", "/v1/tasks/results", body)
            else:
                status, answer = self.wire.call("POST", "/v1/lease", poll)
            if status != 200:
                self.ledger.violate(f"{self.name} was answered {status} {answer}")
                return
            self.note(results, answer)
            results = [self.do(task) for task in answer.get("tasks", [])]

    def note(self, results, answer):
        for (transaction, body), item in zip(results, answer.get("results", [])):
            if item["ok"]:
                kind = "task_failed" if "error" in body else "task_completed"
                self.ledger.acknowledge(ledgers.Result(transaction, body["token"], kind, body.get("output")))
            elif item["problem"]["code"] != "stale_lease":
                self.ledger.violate(f"a result of {transaction} was refused: {item['problem']}")

    def do(self, task):
        body = {"token": task["token"]}
        given = task["input"]
        if task["kind"] == "undo":
            if task["output_known"] and task["output"] != {"by": task["idempotency_key"].replace("/undo/", "/do/")}:
                self.ledger.violate(f"the undo of {task['idempotency_key']} was given {task.get('output')}")
        elif task["task"] == "last" and given["fail"]:
            body |= {"error": {"code": "refused", "message": "as asked"}, "retryable": False}
        elif self.random.random() < 0.02:
            body |= {"error": {"code": "again", "message": "once more"}, "retryable": True}
        else:
            body["output"] = {"by": task["idempotency_key"]}
        return task["transaction"], body
