"""The payment service of the order example: accounts, authorisations, captures and invoices in one SQLite file.

Invariants (the audit of the demo checks them from outside):
- money is integer cents; an account's balance changes only by a capture or by its refund, each with an entry;
- every effect is in one SQL transaction with its idempotency key (dta.barrier), so a duplicate, an undo of nothing and
  an action that arrives after its undo change nothing;
- one connection, used under one lock, so that handlers of several threads queue here and not inside SQLite.

`--troubles` makes the service obey the `trouble` of an order: it crashes or hangs at the worst moment, once.
`--cheat` makes it swallow refunds: only to see that the audit notices.
"""

import argparse
import os
import pathlib
import sqlite3
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "clients" / "python"))
import dta  # noqa: E402

SCHEMA = """
CREATE TABLE IF NOT EXISTS accounts (
  id TEXT PRIMARY KEY, initial_cents INTEGER NOT NULL, balance_cents INTEGER NOT NULL CHECK (balance_cents >= 0),
  blocked INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS authorizations (
  id TEXT PRIMARY KEY, account TEXT NOT NULL REFERENCES accounts (id), cents INTEGER NOT NULL CHECK (cents > 0),
  state TEXT NOT NULL CHECK (state IN ('open', 'captured', 'voided', 'refunded')));
CREATE TABLE IF NOT EXISTS entries (
  number INTEGER PRIMARY KEY, authorization TEXT NOT NULL, account TEXT NOT NULL, cents INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS invoices (
  id TEXT PRIMARY KEY, account TEXT NOT NULL REFERENCES accounts (id), cents INTEGER NOT NULL CHECK (cents > 0),
  state TEXT NOT NULL CHECK (state IN ('open', 'cancelled')));
"""
ACCOUNTS = [(f"account-{n}", 10_000_000, 0) for n in range(10)] + [("account-blocked", 10_000_000, 1)]
ATTEMPT_SECONDS = 2.0  # timeouts.attempt of order.json: who sleeps longer finds its lease gone


class Payments:
    """What the service knows. Each method is one effect, called inside the SQL transaction of the barrier."""

    def __init__(self, path: str, cheat: bool) -> None:
        self._db = sqlite3.connect(path, isolation_level=None, timeout=30, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.executescript(SCHEMA)
        self._db.executemany("INSERT OR IGNORE INTO accounts VALUES (?, ?, ?, ?)",
                             [(name, cents, cents, blocked) for name, cents, blocked in ACCOUNTS])
        self._lock = threading.Lock()
        self._cheat = cheat

    def once(self, task: dta.Task, effect) -> dta.Outcome:
        with self._lock:
            return dta.barrier(self._db, task, lambda db: effect(db, task))

    def authorize(self, db: sqlite3.Connection, task: dta.Task) -> dict:
        account, cents = task.input["account"], task.input["cents"]
        row = db.execute("SELECT balance_cents, blocked FROM accounts WHERE id = ?", (account,)).fetchone()
        if row is None:
            raise dta.TaskFailed("no_such_account", account, retryable=False)
        if row[1]:
            raise dta.TaskFailed("card_declined", f"{account} is blocked", retryable=False)
        held = db.execute("SELECT coalesce(sum(cents), 0) FROM authorizations WHERE account = ? AND state = 'open'",
                          (account,)).fetchone()[0]
        if row[0] - held < cents:
            raise dta.TaskFailed("card_declined", f"{account} has no {cents} cents left", retryable=False)
        db.execute("INSERT INTO authorizations VALUES (?, ?, ?, 'open')", (task.transaction, account, cents))
        return {"authorization": task.transaction, "cents": cents}

    def void(self, db: sqlite3.Connection, task: dta.Task) -> None:
        # One that was captured has been refunded before: compensation goes backwards through the steps.
        db.execute("UPDATE authorizations SET state = 'voided' WHERE id = ? AND state = 'open'", (task.transaction,))

    def capture(self, db: sqlite3.Connection, task: dta.Task) -> dict:
        account, cents = self._move(db, task, "open", "captured", -1)
        return {"account": account, "cents": cents}

    def refund(self, db: sqlite3.Connection, task: dta.Task) -> None:
        if self._cheat:
            return
        self._move(db, task, "captured", "refunded", +1)

    def bill(self, db: sqlite3.Connection, task: dta.Task) -> dict:
        """For a customer whose card was refused and who may pay later: the balance stays as it is."""
        account, cents = task.input["account"], task.input["cents"]
        db.execute("INSERT INTO invoices VALUES (?, ?, ?, 'open')", (task.transaction, account, cents))
        return {"invoice": task.transaction, "cents": cents}

    def unbill(self, db: sqlite3.Connection, task: dta.Task) -> None:
        db.execute("UPDATE invoices SET state = 'cancelled' WHERE id = ?", (task.transaction,))

    def _move(self, db: sqlite3.Connection, task: dta.Task, before: str, after: str, sign: int) -> tuple[str, int]:
        name = task.input["authorization"]
        row = db.execute("UPDATE authorizations SET state = ? WHERE id = ? AND state = ? RETURNING account, cents",
                         (after, name, before)).fetchone()
        if row is None:
            raise dta.TaskFailed("no_such_authorization", f"{name} is not {before}", retryable=False)
        account, cents = row
        db.execute("UPDATE accounts SET balance_cents = balance_cents + ? WHERE id = ?", (sign * cents, account))
        db.execute("INSERT INTO entries (authorization, account, cents) VALUES (?, ?, ?)",
                   (name, account, sign * cents))
        return account, cents


def trouble(task: dta.Task, wanted: str) -> bool:
    return task.attempt == 1 and task.kind == "do" and (task.input or {}).get("trouble") == wanted


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--server", default=os.environ.get("DTA_SERVER", "http://127.0.0.1:7117"))
    arguments.add_argument("--db", default="payments.db", help="the service's SQLite file")
    arguments.add_argument("--troubles", action="store_true", help="obey the `trouble` of orders")
    arguments.add_argument("--cheat", action="store_true", help="swallow refunds")
    options = arguments.parse_args()

    payments = Payments(options.db, options.cheat)
    worker = dta.Worker(options.server, name=f"payment-{os.getpid()}", concurrency=16)

    def handler(effect, crash: str, hang: str):
        def handle(task: dta.Task) -> dta.Outcome:
            if options.troubles and trouble(task, hang):
                time.sleep(ATTEMPT_SECONDS * 1.5)  # the effect comes after the lease ended, perhaps after the undo
            outcome = payments.once(task, effect)
            if options.troubles and trouble(task, crash):
                os._exit(70)  # the effect is there, and nobody was told
            return outcome
        return handle

    worker.handle("payment.authorize", do=handler(payments.authorize, "payment crashes", "payment hangs"))
    worker.handle("payment.void", undo=lambda task: payments.once(task, payments.void))
    worker.handle("payment.capture", do=handler(payments.capture, "capture crashes", "capture hangs"))
    worker.handle("payment.refund", undo=lambda task: payments.once(task, payments.refund))
    worker.handle("payment.bill", do=lambda task: payments.once(task, payments.bill))
    worker.handle("payment.unbill", undo=lambda task: payments.once(task, payments.unbill))
    worker.run()


if __name__ == "__main__":
    main()
