"""Tests of the Python client against a small server in this process (fake_server.py). Nothing here depends on how long
something takes: a test waits for an event, and the wait has a limit only so that a fault is told instead of hanging.

Size: client and worker share one server, and a reader wants both.
"""

import json
import logging
import os
import sys
import threading
import unittest
import unittest.mock

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "..", "clients", "python"), HERE]

import dta  # noqa: E402
from fake_server import FakeServer  # noqa: E402

logging.getLogger("dta").setLevel(logging.CRITICAL)


def started(body, **more):
    return json.dumps({"id": body["id"], "definition": body["definition"], "version": 1, "created": True,
                       "status": "running", "phase": "running", "outcome": None, "sequence": 1, **more})


class Case(unittest.TestCase):
    def setUp(self):
        self.server = FakeServer()
        self.addCleanup(self.server.close)
        self.client = dta.Client(self.server.url)
        self.addCleanup(self.client.close)


class ClientCalls(Case):
    def test_start_is_sent_again_unchanged_when_its_answer_is_lost(self):
        self.server.answers["POST /v1/transactions"] = lambda query, body: (201, started(body))
        self.server.faults += [("/v1/transactions", "lose"), ("/v1/transactions", {"code": "overloaded"}),
                               ("/v1/transactions", {"code": "outcome_unknown"}), ("/v1/transactions", "cut")]
        found = self.client.start("o/1 ü", "order", input={"big": 10**40, "n": 1.0}, attributes={"region": "eu"})
        self.assertEqual((found.id, found.phase, found.outcome, found.ended), ("o/1 ü", "running", None, False))
        bodies = self.server.bodies("/v1/transactions")
        self.assertEqual(len(bodies), 5)
        self.assertTrue(all(body == bodies[0] for body in bodies))
        self.assertEqual(bodies[0]["input"]["big"], 10**40)
        self.assertNotIn("version", bodies[0])

    def test_wait_is_passed_in_milliseconds_and_bounded(self):
        self.server.answers["POST /v1/transactions"] = lambda query, body: (201, started(body, output={"a": 1}))
        self.assertEqual(self.client.start("a", "order", wait=600).output, {"a": 1})
        self.assertEqual(self.server.bodies("/v1/transactions")[0]["wait_ms"], 60000)

    def test_refusals_are_typed_and_not_repeated(self):
        self.server.faults += [("/v1/transactions/", {"code": "wrong_sequence", "status": 409, "title": "moved on",
                                                      "detail": "expected 4", "current_sequence": 6})]
        with self.assertRaises(dta.WrongSequence) as caught:
            self.client.append("A1", [{"on": "Payment"}], expected=4)
        self.assertEqual((caught.exception.current_sequence, caught.exception.status), (6, 409))
        self.assertEqual(len(self.server.requests), 1)

    def test_faults_of_a_definition_are_all_told(self):
        faults = [{"pointer": "/steps/0", "message": "no name"}, {"pointer": "", "message": "no version"}]
        self.server.answers["PUT /v1/definitions/a%2Fb/2"] = lambda query, body: (
            422, json.dumps({"code": "invalid_definition", "faults": faults}))
        with self.assertRaises(dta.InvalidDefinition) as caught:
            self.client.publish('{"name": "a/b", "version": 2}')
        self.assertEqual(caught.exception.faults, faults)
        self.assertIn("/steps/0: no name", str(caught.exception))

    def test_an_unknown_code_is_still_told(self):
        self.server.faults += [("/v1/definitions", {"code": "brand_new", "status": 400, "title": "New"})]
        with self.assertRaises(dta.DtaError) as caught:
            self.client.definitions()
        self.assertEqual(caught.exception.code, "brand_new")

    def test_an_unreachable_server_is_connection_failed(self):
        self.server.close()
        with self.assertRaises(dta.ConnectionFailed):
            dta.Client(self.server.url, retry_for=0).metrics()

    def test_an_append_gets_event_ids_that_stay_over_a_retry(self):
        answer = {"id": "A1", "first_sequence": 2, "sequence": 3, "state": "Paid", "status": "running",
                  "phase": "running", "repeated": True}
        self.server.answers["POST /v1/transactions/A1/events"] = lambda query, body: (200, json.dumps(answer))
        self.server.faults += [("/v1/transactions/A1/events", "lose")]
        appended = self.client.append("A1", [{"on": "Payment", "data": 1}, {"on": "Close", "id": "mine"}])
        self.assertEqual((appended.state, appended.repeated), ("Paid", True))
        first, second = self.server.bodies("/v1/transactions/A1/events")
        self.assertEqual(first, second)
        self.assertEqual(first["expected"], "any")
        self.assertEqual(first["events"][1]["id"], "mine")
        self.assertTrue(first["events"][0]["id"])

    def test_cancel_keeps_its_request_id_over_a_retry(self):
        answer = {"id": "o", "status": "compensating", "phase": "compensating", "sequence": 9}
        self.server.answers["POST /v1/transactions/o/cancel"] = lambda query, body: (200, json.dumps(answer))
        self.server.faults += [("/v1/transactions/o/cancel", "lose")]
        self.assertEqual(self.client.cancel("o", "customer called", who="anna").phase, "compensating")
        first, second = self.server.bodies("/v1/transactions/o/cancel")
        self.assertEqual(first, second)
        self.assertEqual((first["reason"], first["who"]), ("customer called", "anna"))

    def test_terminate_and_resolve_keep_their_request_ids_over_a_retry(self):
        answer = {"id": "o", "status": "terminated", "phase": "terminated", "sequence": 9}
        terminate, resolve = "/v1/transactions/o/terminate", "/v1/transactions/o/incidents/2/resolve"
        for path in (terminate, resolve):
            self.server.answers["POST " + path] = lambda query, body: (200, json.dumps(answer))
            self.server.faults += [(path, "lose")]
        self.assertEqual(self.client.terminate("o", "settled", who="anna").phase, "terminated")
        self.assertEqual(self.client.resolve("o", 2, "retry", "it is back").sequence, 9)
        first, second = self.server.bodies(terminate)
        self.assertEqual(first, second)
        self.assertEqual((first["reason"], first["who"]), ("settled", "anna"))
        first, second = self.server.bodies(resolve)
        self.assertEqual(first, second)
        self.assertEqual((first["resolution"], first["reason"]), ("retry", "it is back"))
        self.assertNotIn("who", first)
        self.assertTrue(first["request_id"])

    def test_queues_and_definitions_are_changed_once_over_a_retry(self):
        calls = [
            ("PUT", "/v1/queues/a%2Fb", {"rate": {"per_second": 0.5, "burst": 3}, "concurrency": 2},
             lambda: self.client.set_queue("a/b", "slow", per_second=0.5, burst=3, concurrency=2, who="anna")),
            ("POST", "/v1/queues/q/pause", {}, lambda: self.client.pause_queue("q", "slow", who="anna")),
            ("POST", "/v1/queues/q/resume", {}, lambda: self.client.resume_queue("q", "slow", who="anna")),
            ("POST", "/v1/definitions/d/pause", {}, lambda: self.client.pause_definition("d", "slow", who="anna")),
            ("POST", "/v1/definitions/d/resume", {}, lambda: self.client.resume_definition("d", "slow", who="anna")),
            ("POST", "/v1/definitions/d/deprecate", {"version": 3, "deprecated": True},
             lambda: self.client.deprecate_definition("d", 3, "slow", who="anna")),
        ]
        for method, path, fields, call in calls:
            self.server.answers[method + " " + path] = lambda query, body: (200, '{"sequence":4}')
            self.server.faults += [(path, "lose")]
            self.assertEqual(call()["sequence"], 4)
            first, second = self.server.bodies(path)
            self.assertEqual(first, second)
            self.assertTrue(first.pop("request_id"))
            self.assertEqual(first, {"reason": "slow", "who": "anna", **fields})

    def test_queues_are_read(self):
        self.server.answers["GET /v1/queues"] = lambda query, body: (200, '{"queues":[{"queue":"q","ready":2}]}')
        self.server.answers["GET /v1/queues/q"] = lambda query, body: (200, '{"queue":"q","leased":3}')
        self.assertEqual(self.client.queues(), [{"queue": "q", "ready": 2}])
        self.assertEqual(self.client.queue("q")["leased"], 3)

    def test_pause_and_resume_keep_their_request_ids_over_a_retry(self):
        answer = {"id": "o", "status": "paused", "phase": "running", "sequence": 9}
        for call in (self.client.pause, self.client.resume):
            path = "/v1/transactions/o/" + call.__name__
            self.server.answers["POST " + path] = lambda query, body: (200, json.dumps(answer))
            self.server.faults += [(path, "lose")]
            self.assertEqual(call("o", "stock is counted", who="otto").status, "paused")
            first, second = self.server.bodies(path)
            self.assertEqual(first, second)
            self.assertEqual((first["reason"], first["who"]), ("stock is counted", "otto"))
            self.assertTrue(first["request_id"])

    def test_a_signal_keeps_its_id_over_a_retry(self):
        answer = {"id": "o/1", "status": "running", "phase": "running", "sequence": 4}
        path = "/v1/transactions/o%2F1/signals/decision"
        self.server.answers["POST " + path] = lambda query, body: (200, json.dumps(answer))
        self.server.faults += [(path, "lose")]
        self.assertEqual(self.client.signal("o/1", "decision", {"answer": "no"}).sequence, 4)
        self.client.signal("o/1", "decision", signal_id="mine")
        first, second, third = self.server.bodies(path)
        self.assertEqual(first, second)
        self.assertEqual(first["payload"], {"answer": "no"})
        self.assertTrue(first["signal_id"])
        self.assertEqual(third, {"signal_id": "mine"})
        self.server.faults += [(path, {"code": "unknown_signal", "status": 422})]
        with self.assertRaises(dta.UnknownSignal):
            self.client.signal("o/1", "decision")

    def test_reports_of_external_tasks_get_ids_that_stay_over_a_retry(self):
        answer = {"id": "o", "first_sequence": 5, "sequence": 6, "status": "running", "phase": "running",
                  "repeated": False}
        path = "/v1/transactions/o/events"
        self.server.answers["POST " + path] = lambda query, body: (200, json.dumps(answer))
        self.server.faults += [(path, "lose")]
        error = {"code": "no_room", "message": "full"}
        appended = self.client.report_external("o", [
            {"task": "ship/book", "result": "done", "output": {"n": 1}},
            {"task": "ship/label", "instance": 3, "result": "failed", "error": error, "event_id": "mine"}], expected=4)
        self.assertEqual((appended.first_sequence, appended.sequence, appended.state), (5, 6, None))
        first, second = self.server.bodies(path)
        self.assertEqual(first, second)
        self.assertEqual(first["expected"], 4)
        self.assertEqual(first["events"][0]["output"], {"n": 1})
        self.assertTrue(first["events"][0]["event_id"])
        self.assertEqual(first["events"][1]["event_id"], "mine")

    def test_history_goes_on_past_a_full_page(self):
        def page(query, body):
            first = int(query.split("from=")[1].split("&")[0])
            return 200, "".join(json.dumps({"sequence": n, "kind": "k", "recorded_at": "t", "n": n}) + "\n"
                                for n in range(first, min(first + 1000, 1501)))

        self.server.answers["GET /v1/transactions/o/history"] = page
        events = list(self.client.history("o"))
        self.assertEqual([event.sequence for event in events], list(range(1, 1501)))
        self.assertEqual(events[7].get("n"), 8)

    def test_a_followed_history_goes_on_after_a_broken_stream_until_the_end(self):
        def page(query, body):
            first = int(query.split("from=")[1].split("&")[0])
            self.assertIn("follow=1", query)
            return 200, json.dumps({"sequence": first, "kind": "k", "recorded_at": "t"}) + "\n"

        self.server.answers["GET /v1/transactions/o/history"] = page
        self.server.answers["GET /v1/transactions/o"] = lambda query, body: (200, json.dumps(
            {"id": "o", "definition": "d", "version": 1, "status": "completed", "phase": "completed",
             "outcome": "completed", "sequence": 3}))
        self.server.faults += [("/v1/transactions/o/history", "cut")]
        self.assertEqual([event.sequence for event in self.client.history("o", follow=True)], [1, 2, 3])

    def test_lists_are_read_page_by_page_with_their_filters(self):
        def page(query, body):
            self.assertIn("attr.region=eu", query)
            self.assertIn("status=running", query)
            name, following = ("b", None) if "cursor=c1" in query else ("a", "c1")
            return 200, json.dumps({"transactions": [{"id": name, "status": "running"}], "next": following})

        self.server.answers["GET /v1/transactions"] = page
        rows = self.client.all_transactions(status="running", attributes={"region": "eu"})
        self.assertEqual([row.id for row in rows], ["a", "b"])

    def test_wait_asks_until_the_outcome_is_decided(self):
        outcomes = [None, None, "compensated"]

        def state(query, body):
            self.assertIn("wait_ms=", query)
            outcome = outcomes.pop(0)
            return 200, json.dumps({"id": "o", "status": "x", "phase": outcome or "running", "outcome": outcome})

        self.server.answers["GET /v1/transactions/o"] = state
        self.assertEqual(self.client.wait("o").outcome, "compensated")
        self.assertEqual(outcomes, [])

    def test_events_end_with_a_cursor(self):
        self.server.answers["GET /v1/events"] = lambda query, body: (
            200, '{"sequence":1,"kind":"started","recorded_at":"t","transaction":"o"}\n{"cursor":"c9"}\n')
        page = self.client.events("c8")
        self.assertEqual((page.cursor, page.events[0].get("transaction")), ("c9", "o"))


class WorkerRuns(Case):
    def worker(self, **options):
        worker = dta.Worker(self.client, name="w", **options)
        self.addCleanup(worker.ask_stop)
        return worker

    def result(self, token):
        self.server.wait_for(lambda: token in self.server.results)
        return self.server.results[token]

    def test_one_worker_thread_takes_and_returns_in_the_same_request(self):
        worker = self.worker(concurrency=1)
        worker.do("q")(lambda task: {"was": task.input["n"]})
        for n in range(5):
            self.server.offer(f"k{n}", "q")
        with worker:
            for n in range(5):
                self.assertEqual(self.result(f"k{n}"), {"token": f"k{n}", "output": {"was": f"k{n}"}})
        self.assertEqual([poll["max"] for poll in self.server.bodies("/v1/lease")][:1], [1])
        carried = [body for body in self.server.bodies("/v1/tasks/results") if "then_lease" in body]
        self.assertGreaterEqual(len(carried), 4)
        polls = [body["then_lease"]["poll_id"] for body in carried]
        self.assertEqual(len(set(polls)), len(polls))

    def test_a_task_of_a_for_each_knows_its_instance(self):
        worker = self.worker()
        worker.do("q")(lambda task: task.instance)
        self.server.offer("third", "q", instance=2)
        self.server.offer("alone", "q")
        with worker:
            self.assertEqual(self.result("third")["output"], 2)
            self.assertEqual(self.result("alone")["output"], 0)

    def test_a_poll_keeps_its_id_when_the_answer_is_lost_and_the_task_runs_once(self):
        runs = []
        worker = self.worker()
        worker.do("q")(lambda task: runs.append(task.token))
        self.server.offer("k", "q")
        self.server.faults += [("/v1/lease", "lose"), ("/v1/lease", {"code": "unavailable"})]
        with worker:
            self.assertEqual(self.result("k"), {"token": "k"})
        ids = [poll["poll_id"] for poll in self.server.bodies("/v1/lease")]
        self.assertEqual(ids[0], ids[1])
        self.assertEqual(ids[1], ids[2])
        self.assertEqual(runs, ["k"])

    def test_a_result_is_sent_again_unchanged_when_its_answer_is_lost(self):
        worker = self.worker(concurrency=1, poll_wait=0.05)
        worker.do("q")(lambda task: 7)
        self.server.faults += [("/v1/tasks/results", "lose"), ("/v1/tasks/results", {"code": "outcome_unknown"})]
        self.server.offer("k", "q")
        with worker:
            self.server.wait_for(lambda: len(self.server.requests) >= 4)
        sent = [body["results"] for body in self.server.bodies("/v1/tasks/results")]
        self.assertGreaterEqual(len(sent), 3)
        self.assertTrue(all(items == [{"token": "k", "output": 7}] for items in sent))

    def test_failures_tell_code_effect_and_whether_to_try_again(self):
        worker = self.worker()

        @worker.do("q")
        def fail(task):
            if task.token == "known":
                raise dta.TaskFailed("card_refused", "no money", retryable=False, details={"limit": 5})
            raise KeyError("surprise")

        self.server.offer("known", "q")
        self.server.offer("unknown", "q")
        with worker:
            self.assertEqual(self.result("known"), {
                "token": "known", "error": {"code": "card_refused", "message": "no money", "details": {"limit": 5}},
                "retryable": False, "effect": "none"})
            self.assertEqual(self.result("unknown"), {
                "token": "unknown", "error": {"code": "exception", "message": "KeyError: 'surprise'"},
                "retryable": True, "effect": "unknown"})

    def test_an_undo_says_whether_it_found_something(self):
        worker = self.worker()
        worker.undo("q.undo")(lambda task: dta.Outcome(found=task.output_known and task.output == 5))
        worker.undo("q.plain")(lambda task: None)
        self.server.offer("m", "q.plain", "undo", output_known=True, output=5)
        self.server.offer("k", "q.undo", "undo", output_known=True, output=5)
        self.server.offer("l", "q.undo", "undo", output_known=False)
        with worker:
            self.assertEqual(self.result("k"), {"token": "k", "found": True})
            self.assertEqual(self.result("l"), {"token": "l", "found": False})
            self.assertEqual(self.result("m"), {"token": "m"})

    def test_heartbeats_carry_details_and_bring_the_wish_to_stop(self):
        worker = self.worker()
        begun = threading.Event()

        @worker.do("q")
        def long(task):
            self.assertEqual(task.heartbeat, {"page": 2})
            task.report({"page": 3})
            begun.set()
            while True:
                task.check(effect="unknown")
                task._asked.wait(30)

        self.server.offer("k", "q", heartbeat_ms=30, heartbeat={"page": 2})
        with worker:
            self.assertTrue(begun.wait(30))
            self.server.wait_for(lambda: ("k", {"page": 3}) in self.server.beats)
            with self.server.changed:
                self.server.stop_tokens.add("k")
            result = self.result("k")
        self.assertEqual((result["error"]["code"], result["retryable"], result["effect"]),
                         ("stopped", False, "unknown"))

    def test_a_task_without_heartbeat_asks_now_and_then_whether_to_stop(self):
        worker = self.worker()

        @worker.do("q")
        def long(task):
            task._asked.wait(30)
            task.check()

        self.server.stop_tokens.add("k")
        self.server.offer("k", "q", heartbeat_ms=None)
        with unittest.mock.patch.object(dta, "STOP_CHECK", 0.02), worker:
            self.assertEqual(self.result("k")["error"]["code"], "stopped")

    def test_a_worker_stops_by_itself_before_the_lease_ends(self):
        worker = self.worker()

        @worker.do("q")
        def long(task):
            self.assertLess(task.remaining, 60 - 1.9)  # two seconds of margin for a lease of a minute
            task.deadline -= 60                        # as if that time had passed
            task.check()

        self.server.offer("k", "q", lease_ms=60000)
        with worker:
            result = self.result("k")
        self.assertEqual((result["error"]["code"], result["retryable"]), ("lease_ending", True))

    def test_a_stop_finishes_what_is_begun_and_releases_what_is_not(self):
        worker = self.worker(concurrency=2)
        begun, go_on = threading.Event(), threading.Event()

        @worker.do("q")
        def work(task):
            begun.set()
            go_on.wait(30)
            return "finished"

        # The second poll is given a task, and its answer never arrives.
        self.server.faults += [("/v1/lease", None), ("/v1/lease", "hang")]
        self.server.offer("begun", "q")
        worker.start()
        self.assertTrue(begun.wait(30))
        self.server.offer("late", "q")
        self.server.wait_for(lambda: "late" in self.server.leased)
        worker.ask_stop()
        self.server.wait_for(lambda: self.server.released)
        go_on.set()
        worker.join()
        self.assertEqual(self.server.results, {"begun": {"token": "begun", "output": "finished"}})
        self.assertEqual(self.server.released, [("late", 0)])

    def test_a_stop_that_lasts_too_long_asks_the_handlers(self):
        worker = self.worker(stop_within=3)
        begun = threading.Event()

        @worker.do("q")
        def work(task):
            begun.set()
            task._asked.wait(30)
            task.check()

        self.server.offer("k", "q")
        worker.start()
        self.assertTrue(begun.wait(30))
        worker.stop()
        result = self.result("k")
        self.assertEqual((result["error"]["code"], result["retryable"]), ("worker_stops", True))

    def test_a_stop_does_not_wait_for_an_idle_poll(self):
        worker = self.worker(poll_wait=60)
        worker.do("q")(lambda task: None)
        worker.start()
        self.server.wait_for(lambda: self.server.waiting == 1)
        worker.stop()
        self.assertEqual(self.server.waiting, 1)  # the fake server still holds it

    def test_a_task_without_handler_is_released_for_others(self):
        worker = self.worker()
        worker.do("q")(lambda task: None)
        self.server.offer("k", "q", "undo")
        with worker:
            self.server.wait_for(lambda: self.server.released)
        self.assertEqual(self.server.released, [("k", 1000)])

    def test_an_output_that_is_no_json_ends_as_unknown(self):
        worker = self.worker()
        worker.do("q")(lambda task: {"a": object()})
        self.server.offer("k", "q")
        with worker:
            result = self.result("k")
        self.assertEqual((result["error"]["code"], result["effect"], result["retryable"]),
                         ("output_not_json", "unknown", False))

    def test_a_result_that_the_server_never_takes_does_not_block_the_others(self):
        def refuse(body):
            if any(item.get("output") == "huge" for item in body["results"]):
                return {"code": "too_large", "status": 413, "title": "too large"}
            return None

        self.server.refuse = refuse
        worker = self.worker()
        worker.do("q")(lambda task: "huge" if task.token == "k1" else "fine")
        for n in range(4):
            self.server.offer(f"k{n}", "q")
        with worker:
            for n in (0, 2, 3):
                self.assertEqual(self.result(f"k{n}")["output"], "fine")
            refused = self.result("k1")
        self.assertEqual((refused["error"]["code"], refused["effect"]), ("result_refused", "unknown"))

    def test_a_poll_that_is_refused_ends_the_worker_with_the_reason(self):
        worker = self.worker()
        worker.do("q")(lambda task: None)
        self.server.faults += [("/v1/lease", {"code": "invalid_argument", "status": 400})]
        worker.start()
        with self.assertRaises(dta.DtaError) as caught:
            worker.join()
        self.assertEqual(caught.exception.code, "invalid_argument")


if __name__ == "__main__":
    unittest.main()
