"""Tests of the barrier of the Python client on an in-memory SQLite database: duplicates, empty undos, late actions."""

import os
import sqlite3
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "clients", "python"))

import dta  # noqa: E402


def task(kind="do", key="t/s/a/0/1/do/1"):
    names = {"token": "k", "transaction": "t", "definition": "d", "version": 1, "step": "s", "task": "a", "attempt": 1,
             "generation": 1, "order": 1, "queue": "q", "lease_ms": 1000, "heartbeat_ms": None, "input": None,
             "output": None, "output_known": False, "heartbeat": None, "headers": {}}
    return dta.Task(kind=kind, idempotency_key=key, **names)


class Barrier(unittest.TestCase):
    def setUp(self):
        self.db = sqlite3.connect(":memory:", isolation_level=None)
        self.addCleanup(self.db.close)
        self.db.execute("CREATE TABLE stock (level INTEGER)")
        self.db.execute("INSERT INTO stock VALUES (10)")

    def take(self, db):
        db.execute("UPDATE stock SET level = level - 1")
        return {"level": db.execute("SELECT level FROM stock").fetchone()[0]}

    def put(self, db):
        db.execute("UPDATE stock SET level = level + 1")

    def level(self):
        return self.db.execute("SELECT level FROM stock").fetchone()[0]

    def test_a_duplicate_does_nothing_and_answers_the_same(self):
        self.assertEqual(dta.barrier(self.db, task(), self.take).output, {"level": 9})
        self.assertEqual(dta.barrier(self.db, task(), self.take).output, {"level": 9})
        self.assertEqual(self.level(), 9)

    def test_an_action_done_by_a_service_in_another_language_may_have_no_output(self):
        self.db.execute(dta.BARRIER_TABLE)
        self.db.execute("INSERT INTO dta_barrier (key, origin) VALUES ('t/s/a/0/1/do/1', 'do')")
        self.assertIsNone(dta.barrier(self.db, task(), self.take).output)
        self.assertEqual(self.level(), 10)

    def test_how_values_are_marked_can_be_said(self):
        self.assertEqual(dta.barrier(self.db, task(), self.take, paramstyle="qmark").output, {"level": 9})
        with self.assertRaisesRegex(ValueError, "named"):
            dta.barrier(self.db, task(), self.take, paramstyle="named")

    def test_an_undo_takes_back_once(self):
        undo = task("undo", "t/s/a/0/1/undo/1")
        dta.barrier(self.db, task(), self.take)
        self.assertEqual(dta.barrier(self.db, undo, self.put), dta.Outcome(None, found=True))
        self.assertEqual(dta.barrier(self.db, undo, self.put), dta.Outcome(None, found=True))
        self.assertEqual(self.level(), 10)

    def test_an_undo_ordered_again_does_not_take_back_twice(self):
        dta.barrier(self.db, task(), self.take)
        dta.barrier(self.db, task("undo", "t/s/a/0/1/undo/1"), self.put)
        self.assertTrue(dta.barrier(self.db, task("undo", "t/s/a/0/1/undo/2"), self.put).found)
        self.assertEqual(self.level(), 10)

    def test_an_empty_undo_shuts_the_door_for_a_hanging_action(self):
        self.assertEqual(dta.barrier(self.db, task("undo", "t/s/a/0/1/undo/1"), self.put).found, False)
        with self.assertRaises(dta.TaskFailed) as caught:
            dta.barrier(self.db, task(), self.take)
        failure = caught.exception
        self.assertEqual((failure.code, failure.retryable, failure.effect), ("undone", False, "none"))
        self.assertEqual(self.level(), 10)

    def test_a_duplicate_of_an_undone_action_is_told_so(self):
        dta.barrier(self.db, task(), self.take)
        dta.barrier(self.db, task("undo", "t/s/a/0/1/undo/1"), self.put)
        with self.assertRaises(dta.TaskFailed):
            dta.barrier(self.db, task(), self.take)
        self.assertEqual(self.level(), 10)

    def test_another_generation_is_another_action(self):
        dta.barrier(self.db, task("undo", "t/s/a/0/1/undo/1"), self.put)
        dta.barrier(self.db, task("do", "t/s/a/0/2/do/1"), self.take)
        self.assertEqual(self.level(), 9)

    def test_a_refused_effect_leaves_no_trace(self):
        def refuse(db):
            self.take(db)
            raise dta.TaskFailed("sold_out")

        with self.assertRaises(dta.TaskFailed):
            dta.barrier(self.db, task(), refuse)
        self.assertEqual(self.level(), 10)
        self.assertEqual(self.db.execute("SELECT count(*) FROM dta_barrier").fetchone()[0], 0)
        dta.barrier(self.db, task(), self.take)
        self.assertEqual(self.level(), 9)

    def test_it_refuses_to_join_a_transaction_that_is_open(self):
        self.db.execute("BEGIN")
        with self.assertRaises(ValueError):
            dta.barrier(self.db, task(), self.take)


if __name__ == "__main__":
    unittest.main()
