"""A small server for the tests of the Python client: leases, results and heartbeats as docs/http_api.md tells them, in
memory, and faults on demand. It listens on any free port of loopback. Handler threads share the state under `changed`;
a test waits for what it expects with wait_for(), never for time to pass."""

import collections
import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class FakeServer:
    def __init__(self):
        self.changed = threading.Condition()
        self.requests = []                    # (method, target, decoded body)
        self.faults = collections.deque()     # (path prefix, None | "lose" | "hang" | "cut" | problem)
        self.answers = {}                     # "METHOD path" -> function(query, body) -> (status, text)
        self.ready = collections.deque()      # tasks to hand out
        self.polls = {}                       # poll_id -> tokens
        self.leased = {}                      # token -> task
        self.results = {}                     # token -> the one result
        self.released = []                    # tokens
        self.beats = []                       # (token, detail)
        self.waiting = 0                      # polls that are being held
        self.stop_tokens = set()
        self.refuse = lambda body: None       # problem for a whole request of results
        self.closing = False
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def log_message(self, *_):
                pass

            def serve(self):
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else None
                outer.serve(self, body)

            do_GET = do_POST = do_PUT = serve

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request, client_address):
                pass  # a client that closes its connection in the middle is part of the tests

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def close(self):
        with self.changed:
            self.closing = True
            self.changed.notify_all()
        self._server.shutdown()
        self._server.server_close()

    def wait_for(self, condition):
        with self.changed:
            if not self.changed.wait_for(condition, 30):
                raise AssertionError("the fake server waited in vain")

    def offer(self, token, queue, kind="do", **more):
        key = more.pop("key", f"t-{token}/step/task/0/1/{kind}/1")
        with self.changed:
            self.ready.append({
                "token": token, "transaction": f"t-{token}", "definition": "d", "version": 1, "step": "step",
                "task": "task", "kind": kind, "attempt": 1, "generation": 1, "order": 1, "queue": queue,
                "idempotency_key": key, "lease_ms": 30000, "heartbeat_ms": None, "input": {"n": token}, "headers": {},
                **more})
            self.changed.notify_all()

    def bodies(self, path):
        with self.changed:
            return [body for _, target, body in self.requests if target.split("?")[0] == path]

    # One request.

    def serve(self, handler, body):
        path, _, query = handler.path.partition("?")
        with self.changed:
            self.requests.append((handler.command, handler.path, body))
            fault = None
            if self.faults and path.startswith(self.faults[0][0]):
                fault = self.faults.popleft()[1]
            self.changed.notify_all()
        if fault == "cut":
            return self._cut(handler)
        if isinstance(fault, dict):
            return self._send(handler, fault.get("status", 503), json.dumps(fault), retry_after="0")
        known = self.answers.get(f"{handler.command} {path}")
        status, text = known(query, body) if known else self._work(path, body, handler)
        if fault == "hang":
            with self.changed:
                self.changed.wait_for(lambda: self.closing)
        if fault in ("lose", "hang"):
            return self._cut(handler)
        self._send(handler, status, text)

    def _cut(self, handler):
        handler.close_connection = True
        handler.connection.shutdown(socket.SHUT_RDWR)

    def _send(self, handler, status, text, retry_after=None):
        data = text.encode()
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(data)))
        if retry_after is not None:
            handler.send_header("Retry-After", retry_after)
        handler.end_headers()
        handler.wfile.write(data)

    def _work(self, path, body, handler):
        if path == "/v1/lease":
            return 200, json.dumps({"tasks": self._lease(body)})
        if path == "/v1/tasks/results":
            problem = self.refuse(body)
            if problem:
                return problem.get("status", 400), json.dumps(problem)
            answer = {"results": [self._result(item) for item in body["results"]]}
            if "then_lease" in body:
                answer["tasks"] = self._lease(body["then_lease"])
            return 200, json.dumps(answer)
        if path == "/v1/tasks/heartbeat":
            return 200, json.dumps({"results": [self._beat(item) for item in body["leases"]]})
        if path == "/v1/tasks/release":
            with self.changed:
                self.released += [(item["token"], item.get("delay_ms", 0)) for item in body["leases"]]
                self.changed.notify_all()
            return 200, json.dumps({"results": [{"token": item["token"], "ok": True} for item in body["leases"]]})
        return 404, json.dumps({"code": "not_found", "title": "There is nothing at this path", "status": 404})

    def _lease(self, poll):
        with self.changed:
            if poll["poll_id"] not in self.polls:
                self.waiting += 1
                self.changed.notify_all()
                self.changed.wait_for(lambda: self.ready or self.closing, poll["wait_ms"] / 1000)
                self.waiting -= 1
                tasks = [self.ready.popleft() for _ in range(min(poll["max"], len(self.ready)))]
                self.leased.update({task["token"]: task for task in tasks})
                if tasks:
                    self.polls[poll["poll_id"]] = [task["token"] for task in tasks]
                self.changed.notify_all()
            return [self.leased[token] for token in self.polls.get(poll["poll_id"], ()) if token not in self.results]

    def _result(self, item):
        with self.changed:
            token = item["token"]
            if token in self.results and self.results[token] != item:
                return {"token": token, "ok": False, "problem": {"code": "id_reused"}}
            self.results[token] = item
            self.changed.notify_all()
            return {"token": token, "ok": True}

    def _beat(self, item):
        with self.changed:
            self.beats.append((item["token"], item.get("detail")))
            self.changed.notify_all()
            return {"token": item["token"], "ok": True, "lease_ms": 30000, "stop": item["token"] in self.stop_tokens}
