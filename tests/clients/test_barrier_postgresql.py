"""Tests of the barrier of the Python client on a real PostgreSQL server, through psycopg2, with two connections at once.

    /usr/bin/python3 tests/clients/postgresql_server.py /usr/bin/python3 tests/clients/test_barrier_postgresql.py

Without the server of postgresql_server.py, or without psycopg2, they are skipped.
"""

import os
import sys
import threading
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(HERE, "..", "..", "clients", "python"))

import dta  # noqa: E402
import test_barrier  # noqa: E402
from test_barrier import task  # noqa: E402

try:
    import psycopg2
except ImportError:
    psycopg2 = None


def why_skipped():
    if psycopg2 is None:
        return f"psycopg2 is not installed for {sys.executable} (Debian package python3-psycopg2, for /usr/bin/python3)"
    if "DTA_TEST_POSTGRESQL" not in os.environ:
        return "there is no PostgreSQL server for this test; tests/clients/postgresql_server.py COMMAND starts one"
    return None


def setUpModule():
    if why_skipped():
        raise unittest.SkipTest(why_skipped())


class Postgresql(unittest.TestCase):
    def setUp(self):
        self.watcher = self.connect()
        self.watcher.autocommit = True
        self.ask("DROP TABLE IF EXISTS dta_barrier, stock", None)
        self.ask(dta.BARRIER_TABLE, None)
        self.ask("CREATE TABLE stock (level INTEGER)", None)
        self.ask("INSERT INTO stock VALUES (10)", None)
        self.db = self.connect()

    def connect(self):
        connection = psycopg2.connect("")
        self.addCleanup(connection.close)
        return connection

    def ask(self, statement, *values):
        with self.watcher.cursor() as cursor:
            cursor.execute(statement, values if values != (None,) else None)
            return cursor.fetchone()[0] if cursor.description else None

    def level(self):
        return self.ask("SELECT level FROM stock")

    def change(self, db, by):
        with db.cursor() as cursor:
            cursor.execute("UPDATE stock SET level = level + %s RETURNING level", (by,))
            return cursor.fetchone()[0]

    def take(self, db):
        return {"level": self.change(db, -1)}

    def put(self, db):
        self.change(db, +1)


class Alone(Postgresql):
    """What holds on SQLite holds here: the same tests, on this connection."""

    test_a_duplicate_does_nothing_and_answers_the_same = test_barrier.Barrier.test_a_duplicate_does_nothing_and_answers_the_same
    test_an_undo_takes_back_once = test_barrier.Barrier.test_an_undo_takes_back_once
    test_an_undo_ordered_again = test_barrier.Barrier.test_an_undo_ordered_again_does_not_take_back_twice
    test_an_empty_undo_shuts_the_door = test_barrier.Barrier.test_an_empty_undo_shuts_the_door_for_a_hanging_action
    test_a_duplicate_of_an_undone_action_is_told_so = test_barrier.Barrier.test_a_duplicate_of_an_undone_action_is_told_so
    test_another_generation_is_another_action = test_barrier.Barrier.test_another_generation_is_another_action

    def test_a_refused_effect_leaves_no_trace(self):
        def refuse(db):
            self.take(db)
            raise dta.TaskFailed("sold_out")

        with self.assertRaises(dta.TaskFailed):
            dta.barrier(self.db, task(), refuse)
        self.assertEqual((self.level(), self.ask("SELECT count(*) FROM dta_barrier")), (10, 0))
        dta.barrier(self.db, task(), self.take)
        self.assertEqual(self.level(), 9)

    def test_an_error_that_the_effect_swallowed_is_no_success(self):
        def swallow(db):
            self.take(db)
            with self.assertRaises(psycopg2.Error), db.cursor() as cursor:
                cursor.execute("UPDATE nowhere SET level = 1")

        with self.assertRaises(psycopg2.Error):
            dta.barrier(self.db, task(), swallow)
        self.assertEqual(self.level(), 10)

    def test_it_refuses_an_open_transaction_and_autocommit(self):
        self.change(self.db, 0)
        with self.assertRaisesRegex(ValueError, "begins"):
            dta.barrier(self.db, task(), self.take)
        self.db.rollback()
        self.db.autocommit = True
        with self.assertRaisesRegex(ValueError, "autocommit"):
            dta.barrier(self.db, task(), self.take)
        self.assertEqual(self.level(), 10)


class Broken(Exception):
    """Thrown by an effect after it took place."""


class AtOnce(Postgresql):
    """One connection is inside its effect while the other one calls, and is seen waiting by the server."""

    def meet(self, first, second, breaks=False):
        """Gives what the two answered; the first one goes on only when the second one waits for it."""
        other = self.connect()
        answers = {}

        def call(name, connection, one, effect):
            try:
                outcome = dta.barrier(connection, one, effect)
                answers[name] = "done" if one.kind == "do" else {True: "found", False: "nothing"}[outcome.found]
            except dta.TaskFailed as failure:
                answers[name] = failure.code
            except Broken:
                answers[name] = "broken"

        def effect_of(one):
            return self.take if one.kind == "do" else self.put

        thread = threading.Thread(target=call, args=("second", other, second, effect_of(second)))

        def slow(db):
            effect_of(first)(db)
            thread.start()
            while not self.ask("SELECT cardinality(pg_blocking_pids(%s)) > 0", other.info.backend_pid):
                self.assertTrue(thread.is_alive(), "the second call did not wait for the first one")
            if breaks:
                raise Broken()

        call("first", self.db, first, slow)
        thread.join()
        return answers["first"], answers["second"]

    DO, UNDO, UNDO_AGAIN = task(), task("undo", "t/s/a/0/1/undo/1"), task("undo", "t/s/a/0/1/undo/2")

    def test_the_same_action_twice_takes_effect_once(self):
        self.assertEqual(self.meet(self.DO, self.DO), ("done", "done"))
        self.assertEqual(self.level(), 9)

    def test_the_second_one_does_what_the_first_one_failed_to_do(self):
        self.assertEqual(self.meet(self.DO, self.DO, breaks=True), ("broken", "done"))
        self.assertEqual(self.level(), 9)

    def test_an_undo_waits_for_its_action_and_takes_it_back(self):
        self.assertEqual(self.meet(self.DO, self.UNDO), ("done", "found"))
        self.assertEqual(self.level(), 10)

    def test_an_undo_of_an_action_that_breaks_finds_nothing_and_shuts_the_door(self):
        self.assertEqual(self.meet(self.DO, self.UNDO, breaks=True), ("broken", "nothing"))
        with self.assertRaises(dta.TaskFailed):
            dta.barrier(self.db, self.DO, self.take)
        self.assertEqual(self.level(), 10)

    def test_the_same_undo_twice_takes_back_once(self):
        dta.barrier(self.db, self.DO, self.take)
        self.assertEqual(self.meet(self.UNDO, self.UNDO), ("found", "found"))
        self.assertEqual(self.level(), 10)

    def test_two_orders_of_one_undo_take_back_once(self):
        dta.barrier(self.db, self.DO, self.take)
        self.assertEqual(self.meet(self.UNDO, self.UNDO_AGAIN), ("found", "found"))
        self.assertEqual(self.level(), 10)

    def test_the_second_order_takes_back_what_the_first_one_failed_to(self):
        dta.barrier(self.db, self.DO, self.take)
        self.assertEqual(self.meet(self.UNDO, self.UNDO_AGAIN, breaks=True), ("broken", "found"))
        self.assertEqual(self.level(), 10)


if __name__ == "__main__":
    if why_skipped():
        print(f"skipped: {why_skipped()}")
        sys.exit(77)
    unittest.main()
