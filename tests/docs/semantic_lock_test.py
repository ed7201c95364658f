"""Runs the semantic lock of docs/guarantees.md as it stands there, inside the barrier of the Python client."""

import pathlib
import re
import sqlite3
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "clients" / "python"))
sys.path.insert(0, str(ROOT / "tests" / "clients"))

import dta  # noqa: E402
from test_barrier import task as make_task  # noqa: E402


class SemanticLock(unittest.TestCase):
    def setUp(self):
        page = (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8")
        block = re.search(r"### A semantic lock.*?```python\n(.*?)```", page, re.DOTALL).group(1)
        self.page = {"dta": dta}
        exec(block, self.page)
        self.db = sqlite3.connect(":memory:", isolation_level=None)
        self.addCleanup(self.db.close)
        self.db.execute("CREATE TABLE seats (id TEXT PRIMARY KEY, held_by TEXT)")
        self.db.execute("INSERT INTO seats VALUES ('12A', NULL)")

    def call(self, effect, transaction, kind="do", name="hold"):
        one = make_task(kind, f"{transaction}/s/{name}/0/1/{kind}/1")
        one.transaction, one.input = transaction, {"seat": "12A"}
        return dta.barrier(self.db, one, lambda db: self.page[effect](db, one))

    def holder(self):
        return self.db.execute("SELECT held_by FROM seats").fetchone()[0]

    def test_one_holds_it_and_the_other_waits_for_the_end(self):
        for _ in range(2):
            self.call("hold", "a")
            self.assertEqual(self.holder(), "a")
        with self.assertRaises(dta.TaskFailed) as caught:
            self.call("hold", "b")
        self.assertEqual((caught.exception.code, caught.exception.retryable, caught.exception.effect),
                         ("held", True, "none"))
        self.call("let_go", "a", name="confirm")
        self.call("hold", "b")
        self.assertEqual(self.holder(), "b")

    def test_an_undo_lets_go_what_its_own_action_took_and_nothing_else(self):
        self.call("hold", "a")
        self.assertFalse(self.call("let_go", "b", "undo").found)
        self.assertEqual(self.holder(), "a")
        self.assertTrue(self.call("let_go", "a", "undo").found)
        self.assertIsNone(self.holder())
        with self.assertRaisesRegex(dta.TaskFailed, "undone"):
            self.call("hold", "a")
        self.assertIsNone(self.holder())


if __name__ == "__main__":
    unittest.main()
