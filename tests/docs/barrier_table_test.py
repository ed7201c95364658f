"""The barrier's table is one and the same in docs/barriers.md and in the C++, Python and JavaScript clients."""

import pathlib
import re
import sqlite3
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "clients" / "python"))

import dta  # noqa: E402


def found(path, pattern):
    return re.search(pattern, (ROOT / path).read_text(encoding="utf-8"), re.DOTALL).group(1)


def columns(statement):
    db = sqlite3.connect(":memory:")
    try:
        db.execute(statement)
        return db.execute("PRAGMA table_info(dta_barrier)").fetchall()
    finally:
        db.close()


class OneTable(unittest.TestCase):
    def test_everywhere(self):
        expected = columns(dta.BARRIER_TABLE)
        self.assertEqual([column[1] for column in expected], ["key", "origin", "undone", "found", "output"])
        self.assertEqual(columns(found("docs/barriers.md", r"```sql\n(.*?)```")), expected)
        self.assertEqual(columns(found("clients/javascript/dta.mjs", r"BARRIER_TABLE = `(.*?)`")), expected)
        literals = found("client/include/dta/barrier.h", r"kBarrierTable =(.*?);")
        self.assertEqual(columns("".join(re.findall(r'"(.*?)"', literals))), expected)


if __name__ == "__main__":
    unittest.main()
