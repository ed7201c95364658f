"""Runs examples/traffic_fines against a real server with a log small enough to count by hand.

    python3 traffic_fines_test.py --dta PATH-TO-THE-BINARY
"""

import argparse
import gzip
import hashlib
import json
import pathlib
import shutil
import subprocess
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "chaos"))

import server_process  # noqa: E402

EXAMPLE = ROOT / "examples" / "traffic_fines" / "traffic_fines.py"
DTA = None

# Case D goes astray: from "Create Fine" straight to "Send for Credit Collection", a pair that occurs once, and then on
# to a payment, which is tried from "Create Fine" again. Lines of cases are mixed, as in a real log.
LOG = """case,activity,timestamp,amount
A,Create Fine,2006-01-01T00:00:00,35.0
B,Create Fine,2006-01-01T00:00:00,35.0
A,Payment,2006-01-02T00:00:00,
C,Create Fine,2006-01-02T00:00:00,21.0
D,Create Fine,2006-01-02T00:00:00,21.0
B,Send Fine,2006-01-03T00:00:00,
C,Payment,2006-01-03T00:00:00,
D,Send for Credit Collection,2006-01-03T00:00:00,
C,Payment,2006-01-04T00:00:00,
B,Payment,2006-01-04T00:00:00,
D,Payment,2006-01-05T00:00:00,
E,Create Fine,2006-01-05T00:00:00,21.0
E,Send Fine,2006-01-06T00:00:00,
E,Payment,2006-01-07T00:00:00,
E,Payment,2006-01-08T00:00:00,
"""


def sha256(lines):
    return hashlib.sha256("".join(line + "\n" for line in lines).encode()).hexdigest()


# Counted by hand. Threshold 2 allows (start)>Create Fine (5), Create Fine>Payment (2), Create Fine>Send Fine (2),
# Send Fine>Payment (2) and Payment>Payment (2); D's detour is refused and its payment accepted from Create Fine.
# Threshold 3 allows the creation only, so that every case stays there.
ORACLE = {"thresholds": {
    "1": {"allowed_edges": 7, "accepted": 15, "rejected": 0, "traces_fully_accepted": 5,
          "final_state_histogram_sha256": sha256(["Payment=5"])},
    "2": {"allowed_edges": 5, "accepted": 14, "rejected": 1, "traces_fully_accepted": 4,
          "final_state_histogram_sha256": sha256(["Payment=5"])},
    "3": {"allowed_edges": 1, "accepted": 5, "rejected": 10, "traces_fully_accepted": 0,
          "final_state_histogram_sha256": sha256(["Create Fine=5"])},
}}


class TrafficFinesTest(unittest.TestCase):
    def setUp(self):
        self.folder = server_process.scratch_directory("dta-fines-")
        self.log = self.folder / "log.csv.gz"
        with gzip.open(self.log, "wt", encoding="utf-8") as file:
            file.write(LOG)
        self.oracle = self.folder / "oracle.json"
        self.oracle.write_text(json.dumps(ORACLE), encoding="utf-8")
        self.server = server_process.ServerProcess(DTA, self.folder / "data")
        self.server.start()

    def tearDown(self):
        self.server.kill()
        shutil.rmtree(self.folder)

    def run_example(self, *arguments):
        done = subprocess.run([sys.executable, str(EXAMPLE), str(self.log), "--server", self.server.url, *arguments],
                              capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    def test_counts_survive_a_kill_and_a_second_run(self):
        code, said = self.run_example("--oracle", str(self.oracle))
        self.assertEqual(code, 0, said)
        self.assertIn("threshold 2: accepted 14, rejected 1, cases accepted in full 4", said)
        self.assertIn("everything as expected", said)

        self.server.kill()
        self.server.start()
        code, said = self.run_example("--oracle", str(self.oracle), "--verify-only")
        self.assertEqual(code, 0, said)
        self.assertIn("threshold 3: 5 states read", said)

        # The same again: everything is answered as the first time, nothing is stored twice.
        code, said = self.run_example("--oracle", str(self.oracle))
        self.assertEqual(code, 0, said)
        self.assertIn("threshold 3: accepted 5, rejected 10, cases accepted in full 0", said)

    def test_a_difference_is_noticed(self):
        wrong = json.loads(json.dumps(ORACLE))
        wrong["thresholds"]["2"]["rejected"] = 2
        self.oracle.write_text(json.dumps(wrong), encoding="utf-8")
        code, said = self.run_example("--oracle", str(self.oracle), "--threshold", "2")
        self.assertEqual(code, 1, said)
        self.assertIn("DIFFERENT rejected (oracle): expected 2, got 1", said)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--dta", required=True)
    options, rest = parser.parse_known_args()
    DTA = options.dta
    unittest.main(argv=[sys.argv[0], *rest])
