"""The order demo: a server, four services in three languages, hundreds of orders, and everything that can go wrong.

    demo.py [--orders N] [--keep] [--data DIR] [--cheat] [--tidy] [--dta PROGRAM] [--stock-worker PROGRAM]

Orders are declined, sold out, not approved, too heavy and cancelled by customers; services crash and hang in the middle
of their work; the server and a service are killed with -9; an operator settles what nobody knows. In the end an audit
compares the services' own books with what DTA says, to the cent. The exit code is 0 only if they agree.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import pathlib
import re
import secrets
import shutil
import signal
import sys
import tempfile
import threading
import time
from typing import Iterator

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "clients" / "python"))
import dta  # noqa: E402
from demo_audit import OrderFacts, audit  # noqa: E402
from demo_orders import Order, make_order  # noqa: E402
from demo_people import People  # noqa: E402
from demo_processes import DemoFailed, Server, Services  # noqa: E402
from demo_report import causes, in_columns, listed, short_history, steps_of  # noqa: E402

FIGURES = ("dta_events_total", "dta_syncs_total", "dta_task_retries_total")


class Progress:
    """A bar on a terminal, a line now and then elsewhere."""

    def __init__(self, total: int) -> None:
        self._total, self._terminal, self._said = total, sys.stdout.isatty(), -1
        self._lock = threading.Lock()

    def show(self, ended: int, text: str) -> None:
        with self._lock:
            if self._terminal:
                filled = 30 * ended // self._total
                bar = "#" * filled + "." * (30 - filled)
                print(f"\r\033[K  [{bar}] {ended}/{self._total}  {text}", end="", flush=True)
            elif ended * 5 // self._total != self._said:
                self._said = ended * 5 // self._total
                print(f"  {ended}/{self._total} ended  {text}", flush=True)

    def say(self, text: str) -> None:
        with self._lock:
            print(("\r\033[K" if self._terminal else "") + text, flush=True)


class Demo:
    def __init__(self, options: argparse.Namespace, folder: pathlib.Path) -> None:
        self._options, self._folder = options, folder
        logs = folder / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        self.server = Server(options.dta, folder / "log", logs)
        self.services = Services(logs)
        self._run = secrets.token_hex(2)
        self._orders = [make_order(self._run, n) for n in range(options.orders)]
        self._figures = dict.fromkeys(FIGURES, 0.0)
        self._before = dict.fromkeys(FIGURES, 0.0)
        self._started = 0
        self._failure: str | None = None
        self.people: People | None = None
        self._service_killed = False
        self._half = threading.Event()
        self._count_lock = threading.Lock()

    def start(self) -> None:
        print(f"A server and four services work in {self._folder}", flush=True)
        self.server.start()
        self.client = dta.Client(self.server.url, retry_for=60)
        self.client.publish((HERE / "order.json").read_text(encoding="utf-8"))
        self.people = People(self.client, self._folder / "pickups.db")
        common = ["--server", self.server.url, "--troubles"] + (["--cheat"] if self._options.cheat else [])
        self.services.start("stock", [self._options.stock_worker, *common, "--db", str(self._folder / "stock.db")])
        self.services.start("payment", [sys.executable, str(HERE / "payment_worker.py"), *common,
                                        "--db", str(self._folder / "payments.db")])
        self.services.start("shipping", [self._options.node, str(HERE / "shipping_worker.mjs"), *common,
                                         "--db", str(self._folder / "shipments.db"),
                                         "--mail", str(self._folder / "mail.txt")])
        self.services.start("courier", [self._options.node, str(HERE / "courier_worker.mjs"), *common,
                                        "--db", str(self._folder / "pickups.db")])
        self.people.start()

    # The run.

    def run(self) -> float:
        """Starts all orders, kills the server and a service in the middle, and waits until each order has ended.
        Returns the seconds."""
        self._before = self._read_figures()
        progress = Progress(len(self._orders))
        begun = time.monotonic()
        waiting = iter(self._orders)
        starters = [threading.Thread(target=self._begin_orders, args=(waiting,), daemon=True) for _ in range(8)]
        for starter in starters:
            starter.start()
        while not self._half.wait(0.05):
            self._check()
        self._add_figures()
        self.server.kill()
        progress.say("  kill -9: the server is gone, in the middle of it all")
        self.server.start()
        progress.say("  the server is back and goes on where its log ends")
        give_up = begun + 180 + 0.2 * len(self._orders)
        while True:
            self._check()
            rows = self._summaries()
            mine = [row for row in rows if row.id.startswith(f"order-{self._run}-")]
            ended = sum(row.ended_at is not None for row in mine)
            compensated = sum(row.phase == "compensated" for row in mine)
            completed = sum(row.phase == "completed" for row in mine)
            progress.show(ended, f"completed {completed}  compensated {compensated}  "
                                 f"services restarted {self.services.restarts}")
            if ended * 3 >= len(self._orders) and not self._service_killed:
                self._service_killed = True
                self.services.kill("shipping")
                progress.say("  kill -9: the shipping service is gone as well, and comes back")
            if ended == len(self._orders) and not any(starter.is_alive() for starter in starters):
                break
            if time.monotonic() > give_up:
                waiting = ", ".join(row.id for row in mine if row.ended_at is None)[:300]
                raise DemoFailed(f"after {time.monotonic() - begun:.0f} s these orders have not ended: {waiting}.")
            time.sleep(0.25)
        seconds = time.monotonic() - begun
        if sys.stdout.isatty():
            print()
        self._add_figures()
        return seconds

    def _begin_orders(self, waiting: Iterator[Order]) -> None:
        """One of several callers: takes orders from the shared iterator until there are none."""
        try:
            while True:
                with self._count_lock:
                    order = next(waiting, None)
                if order is None:
                    return
                self._begin_order(order)
        except Exception as error:  # told by the main thread, which ends the demo
            self._failure = self._failure or f"an order could not be started: {error}"

    def _begin_order(self, order: Order) -> None:
        self.client.start(order.id, "order", input=order.input, attributes={"country": order.input["country"]})
        self.people.begin(order)
        with self._count_lock:
            self._started += 1
            if self._started * 2 >= len(self._orders):
                self._half.set()

    def _check(self) -> None:
        for failure in (self.services.failure, self.people.failure, self._failure):
            if failure is not None:
                raise DemoFailed(failure)

    def _summaries(self) -> list[dta.Summary]:
        return list(self.client.all_transactions(definition="order", limit=1000))

    # What it cost.

    def _read_figures(self) -> dict[str, float]:
        text = self.client.metrics()
        found = dict.fromkeys(FIGURES, 0.0)
        for name, value in re.findall(r"^(\w+)(?:\{[^}]*\})? (\S+)", text, re.MULTILINE):
            if name in found:
                found[name] += float(value)
        return found

    def _add_figures(self) -> None:
        """Counters begin at zero in a new process, so what the killed one had counted is kept here."""
        now = self._read_figures()
        for name in FIGURES:
            self._figures[name] += now[name] - self._before[name]
            self._before[name] = 0.0

    # The report.

    def report(self, seconds: float) -> bool:
        found = [self.client.get(row.id) for row in self._summaries()]
        names = {order.id for order in self._orders}
        mine = [one for one in found if one.id in names]
        compensated = [one.id for one in mine if one.phase == "compensated"]
        print()
        for name, value in (*self._told_of_orders(mine, compensated), *self._told_of_machines(seconds)):
            print(in_columns(f"  {name:<28} ", value))
        findings = audit(self._folder, {one.id: self._facts(one) for one in found})
        findings.differences += self._unexpected(mine)
        print("\nThe audit of the services' own books")
        for check in findings.checks if not findings.differences else ():
            print(f"  ok  {check}")
        for difference in findings.differences[:12]:
            print(f"  DIFFERENCE  {difference}")
        if findings.differences:
            everything = self._folder / "differences.txt"
            everything.write_text("\n".join(findings.differences) + "\n", encoding="utf-8")
            print(f"  {len(findings.differences)} in all, in {everything}")
        self._show_histories(mine)
        self._show_metrics()
        return not findings.differences

    def _told_of_orders(self, mine: list[dta.Transaction], compensated: list[str]) -> Iterator[tuple[str, str]]:
        completed = [steps_of(one) for one in mine if one.phase == "completed"]
        invoiced = sum(steps["invoice"]["outcome"] == "met" for steps in completed)
        quorums = collections.Counter(steps_of(one)["quotes"]["outcome"] for one in mine)
        packed = [one for one in mine if steps_of(one)["pack"]["outcome"] is not None]
        gone = sum(steps_of(one)["pack"]["instances"] for one in packed if one.phase == "completed")
        entered = sum(steps_of(one)["pack"]["instances"] for one in packed)
        asked = collections.Counter(steps_of(one)["approve"]["outcome"] for one in mine)
        said, settled = self.people.said, self.people.settled
        yield "orders", str(len(mine))
        yield "completed", f"{len(completed)}: {len(completed) - invoiced} by card, {invoiced} by invoice"
        yield "compensated", f"{len(compensated)}: {listed(causes(self.client, compensated))}"
        yield "large orders", (f"{asked['met']} answered, {asked['failed']} not in time; said: {said['yes']} yes, "
                               f"{said['no']} no; {said['early']} before it was asked, {said['twice']} twice")
        yield "quotes of two of three", f"{quorums['met']} times met, {quorums['failed']} times out of reach"
        yield "parcels", f"{gone} picked up, {entered - gone} taken back"
        yield "settled by the operator", f"{settled.total()} pick-ups: {listed(settled)}"

    def _told_of_machines(self, seconds: float) -> Iterator[tuple[str, str]]:
        events, syncs, retries = (self._figures[name] for name in FIGURES)
        yield "tasks retried", f"{retries:.0f}"
        yield "kill -9", "the server once, the shipping service once; both recovered"
        yield "services restarted", f"{self.services.restarts}, after crashes and that kill"
        yield "time", f"{seconds:.1f} s"
        yield "events", f"{events:.0f}, {events / seconds:.0f} a second"
        yield "syncs to disk", f"{syncs:.0f} ({syncs / len(self._orders):.1f} an order)"

    @staticmethod
    def _facts(found: dta.Transaction) -> OrderFacts:
        order = found.raw["input"]
        return OrderFacts(
            account=order["account"], total_cents=order["total_cents"],
            items=[(item["sku"], item["quantity"]) for item in order["items"]],
            outcome=found.phase if found.ended else None, attention=found.raw["attention"],
            invoiced=steps_of(found)["invoice"]["outcome"] == "met", mailable=order["trouble"] != "mailbox full")

    def _unexpected(self, mine: list[dta.Transaction]) -> Iterator[str]:
        """What cannot be, whatever was killed when; and what every larger run must have shown."""
        orders = {order.id: order for order in self._orders}
        for one in mine:
            if one.phase == "completed" and orders[one.id].doomed:
                yield f"{one.id} is completed, although {orders[one.id].doomed}"
        if len(mine) < 60:
            return
        completed = [steps_of(one) for one in mine if one.phase == "completed"]
        shown = {"an order paid by invoice": any(steps["invoice"]["outcome"] == "met" for steps in completed),
                 "a large order that was approved": any(steps["approve"]["outcome"] == "met" for steps in completed),
                 "a pick-up settled by the operator": self.people.settled.total() > 0}
        yield from (f"this run did not show {what}" for what, was in shown.items() if not was)

    def _show_histories(self, mine: list[dta.Transaction]) -> None:
        heavy = [one.id for one in mine if one.phase == "compensated" and (one.error or {}).get("code") == "too_heavy"]
        settled = [one.id for one in mine if one.phase == "completed" and one.raw["incidents"]]
        for names, what in ((heavy, "which was compensated"), (settled, "which the operator settled")):
            if names:
                print(f"\nThe history of {names[0]}, {what}")
                for when, told in short_history(self.client, names[0]):
                    print(in_columns(f"  {when} ", told))

    def _show_metrics(self) -> None:
        wanted = ("dta_transactions_ended_total", "dta_undos_total", "dta_late_results_total",
                  "dta_recovered_transactions", "dta_recovery_seconds", "dta_task_retries_total")
        print(f"\nA glance at {self.server.url}/metrics (of the server since it came back)")
        for line in self.client.metrics().splitlines():
            if line.startswith(wanted):
                print(f"  {line}")

    def show_next(self, kept: bool) -> None:
        program = os.path.relpath(self._options.dta)
        name = self._orders[min(11, len(self._orders) - 1)].id
        server = self.server.url if kept else "http://127.0.0.1:7117"
        print("\nHow to go on")
        if not kept:
            print(f"  {program} server --data {self._folder / 'log'}        # then, in another terminal:")
        print(f"  export DTA_SERVER={server}")
        print(f"  {program} tx list --status compensated")
        print(f"  {program} tx show {name}")
        print(f"  {program} tx history {name}")
        print(f"  sqlite3 {self._folder / 'payments.db'} "
              "'SELECT state, count(*), sum(cents) FROM authorizations GROUP BY state'")
        print(f"  less {os.path.relpath(HERE / 'README.md')}", flush=True)

    def stop(self) -> None:
        if self.people is not None:
            self.people.stop()
        self.services.stop()
        self.server.stop()


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    build = ROOT / "build" / "release"
    parser.add_argument("--orders", type=int, default=500, help="how many orders [500]")
    parser.add_argument("--data", type=pathlib.Path, help="directory of everything it writes [a new one]")
    parser.add_argument("--keep", action="store_true", help="leave server and services running until Ctrl-C")
    parser.add_argument("--tidy", action="store_true", help="remove what it wrote when all went well")
    parser.add_argument("--cheat", action="store_true", default=os.environ.get("DTA_DEMO_CHEAT") == "1",
                        help="every service cheats; the audit must notice each")
    parser.add_argument("--dta", default=str(build / "cli" / "dta"), help="the program dta")
    parser.add_argument("--stock-worker", default=str(build / "examples" / "order" / "order_stock_worker"))
    parser.add_argument("--node", default=shutil.which("node") or shutil.which("nodejs") or "node")
    options = parser.parse_args(arguments)
    if options.orders < 1:
        parser.error("--orders must be at least 1")
    return options


def main() -> int:
    options = parse()
    needed = {"dta": options.dta, "the stock worker": options.stock_worker, "node": options.node, "sqlite3": "sqlite3"}
    for name, program in needed.items():
        if shutil.which(program) is None:
            print(f"The demo failed: {name} was not found ({program}); run scripts/demo, which builds what it needs.",
                  file=sys.stderr)
            return 1
    # Both, also where a shell started this in the background and had SIGINT ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    folder = options.data.resolve() if options.data else pathlib.Path(tempfile.mkdtemp(prefix="dta-demo-"))
    demo = Demo(options, folder)
    agreed = False
    try:
        demo.start()
        agreed = demo.report(demo.run())
        if agreed:
            print("\nMoney and stock add up to the cent.")
            demo.show_next(options.keep)
        else:
            print("\nThe demo failed: the services' books do not agree with the outcomes; the differences are above.",
                  file=sys.stderr)
        if options.keep:
            print("\nEverything keeps running; Ctrl-C stops it.", flush=True)
            threading.Event().wait()
        return 0 if agreed else 1
    except KeyboardInterrupt:
        print("\nStopping.", flush=True)
        return 0 if options.keep and agreed else 130
    except (DemoFailed, dta.DtaError, json.JSONDecodeError) as error:
        print(f"\nThe demo failed: {error}\nWhat the processes said is in {folder / 'logs'}.", file=sys.stderr)
        return 1
    finally:
        demo.stop()
        if options.tidy and agreed:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
