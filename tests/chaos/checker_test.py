"""Proves that the outside checker notices what it is for: it is run against a stand-in server whose answers are made up,
first faultless ones, then the same with one thing wrong."""

import copy
import http.server
import json
import threading
import unittest
import urllib.parse

import checker as checkers
import ledger as ledgers


def entity_history():
    return [
        {"sequence": 1, "position": 1, "transaction": "e", "kind": "transaction_started", "input": {"owner": "x"}},
        {"sequence": 2, "position": 2, "transaction": "e", "kind": "transitioned", "event_id": "e1", "on": "open", "to": "open",
         "data": {"serial": 1}},
        {"sequence": 3, "position": 3, "transaction": "e", "kind": "transitioned", "event_id": "close", "on": "close", "to": "closed"},
        {"sequence": 4, "position": 3, "transaction": "e", "kind": "transaction_completed"},
    ]


def saga_history():
    place = {"step": "first", "task": "a", "token": "t1"}
    return [
        {"sequence": 1, "position": 4, "transaction": "s", "kind": "transaction_started", "input": {"n": 1}},
        {"sequence": 2, "position": 5, "transaction": "s", "kind": "task_completed", "undo": False, "output": {"by": "k"}, **place},
        {"sequence": 3, "position": 6, "transaction": "s", "kind": "compensation_started"},
        {"sequence": 4, "position": 7, "transaction": "s", "kind": "task_completed", "undo": True, **(place | {"token": "t2"})},
        {"sequence": 5, "position": 7, "transaction": "s", "kind": "transaction_compensated"},
    ]


class StandIn:
    """A faultless server of one ended entity and one compensated saga; tests change what it says."""

    def __init__(self):
        self.histories = {"e": entity_history(), "s": saga_history()}
        self.states = {
            "e": {"id": "e", "form": "table", "phase": "completed", "status": "completed", "sequence": 4, "state": "closed"},
            "s": {"id": "s", "form": "steps", "phase": "compensated", "status": "compensated", "sequence": 5, "steps": [
                {"name": "first", "tasks": [{"name": "a", "status": "done", "undo": {"status": "done"}}]}]},
        }
        self.rows = [{"id": "e", "phase": "completed"}, {"id": "s", "phase": "compensated"}]

    def answer(self, target):
        path = [urllib.parse.unquote(part) for part in urllib.parse.urlsplit(target).path.split("/")[2:]]
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(target).query)
        if path == ["events"]:
            lines = [] if "cursor" in query else [event for id_ in self.histories for event in self.histories[id_]]
            return "\n".join(json.dumps(line) for line in [*lines, {"cursor": "end"}])
        if path == ["transactions"]:
            return json.dumps({"transactions": self.rows, "next": None})
        if path[2:] == ["history"]:
            return "\n".join(json.dumps(event) for event in self.histories[path[1]])
        return json.dumps(self.states[path[1]])


class CheckerTest(unittest.TestCase):
    def setUp(self):
        self.stand_in = stand_in = StandIn()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                data = stand_in.answer(self.path).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()
        self.ledger = ledgers.Ledger()
        for entry in (ledgers.Start("e", {"owner": "x"}), ledgers.Append("e", 2, (("e1", "open", {"serial": 1}),)),
                      ledgers.Append("e", 3, (("close", "close", None),)), ledgers.Start("s", {"n": 1}),
                      ledgers.Result("s", "t1", "task_completed", {"by": "k"}), ledgers.Outcome("s", "compensated")):
            self.ledger.acknowledge(entry)
        self.checker = checkers.Checker(self.ledger)
        self.checker.use(self.http.server_address[1])

    def tearDown(self):
        self.checker.close()
        self.http.shutdown()
        self.http.server_close()

    def check(self):
        self.checker.check_touched()
        lost_after_restart = self.checker.lost
        self.checker.check_all()
        return lost_after_restart, self.ledger.violations

    def notices(self, part):
        _, violations = self.check()
        self.assertTrue(any(part in sentence for sentence in violations), f"{part!r} not among {violations}")

    def test_faultless_answers_pass(self):
        self.assertEqual(self.check(), (0, []))
        self.assertEqual(self.checker.lost, 0)
        self.assertEqual(self.ledger.count(), 6)

    def test_a_lost_append_is_counted(self):
        del self.stand_in.histories["e"][2:]
        lost, violations = self.check()
        self.assertEqual(lost, 1)
        self.assertTrue(violations)

    def test_other_content_counts_as_lost(self):
        self.stand_in.histories["e"][1]["data"] = {"serial": 2}
        self.assertEqual(self.check()[0], 1)

    def test_another_sequence_counts_as_lost(self):
        history = self.stand_in.histories["e"]
        history[1], history[2] = copy.deepcopy(history[2]), copy.deepcopy(history[1])
        self.assertEqual(self.check()[0], 2)

    def test_a_lost_start_is_counted(self):
        self.stand_in.histories["s"][0]["input"] = {"n": 2}
        self.assertEqual(self.check()[0], 1)

    def test_a_lost_result_is_counted(self):
        self.stand_in.histories["s"][1]["token"] = "t9"
        self.assertEqual(self.check()[0], 1)

    def test_a_lost_outcome_is_counted(self):
        for event in self.stand_in.histories["s"][2:]:
            event["kind"] = "step_undone"
        self.assertEqual(self.check()[0], 1)

    def test_a_hole_is_noticed(self):
        self.stand_in.histories["s"][3]["sequence"] = 5
        self.notices("sequence 5 where 4 is due")

    def test_a_missing_position_is_noticed(self):
        self.stand_in.histories["s"][4]["position"] = 9
        self.notices("position 9 follows 7")

    def test_a_transaction_that_does_not_end_is_noticed(self):
        del self.stand_in.histories["s"][4]
        self.notices("s ended 0 times")

    def test_a_state_beside_its_history_is_noticed(self):
        self.stand_in.states["e"]["state"] = "open"
        self.notices("state is open, its history says closed")

    def test_a_list_beside_its_history_is_noticed(self):
        self.stand_in.rows[1]["phase"] = "running"
        self.notices("listed phase is running")

    def test_a_row_without_history_is_noticed(self):
        self.stand_in.rows.append({"id": "ghost", "phase": "running"})
        self.notices("listed but without history")

    def test_a_task_that_was_not_undone_is_noticed(self):
        self.stand_in.histories["s"][3]["kind"] = "task_failed"
        self.notices("done or undone alone")


if __name__ == "__main__":
    unittest.main()
