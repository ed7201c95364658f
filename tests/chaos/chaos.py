"""kill -9 of a real server, over and over, under load, with a checker outside.

    scripts/chaos --cycles N [--seed S] [--data DIR] [--dta BINARY]

A cycle: the server starts on the log as the last kill left it, the load goes on where it was, everything that was
acknowledged before is looked for, and after a random number of further acknowledgements the process is killed; now and
then it is killed while it is still opening its log. After the last cycle every transaction must come to its end, the
whole log is compared with the whole ledger, and the projections are compared with those of one more restart.

The last line is `cycles N, acknowledged N, lost N`; the exit code is 0 only when nothing is lost and no rule is broken.
"""

import argparse
import os
import pathlib
import random
import shutil
import subprocess
import sys
import time

import checker as checkers
import ledger as ledgers
import load
import server_process
import wire

ROOT = pathlib.Path(__file__).resolve().parents[2]
SETTLE_SECONDS_MAX = 120


def find_binary():
    for place in (os.environ.get("DTA"), ROOT / "build/release/cli/dta", shutil.which("dta")):
        if place and pathlib.Path(place).is_file():
            return pathlib.Path(place)
    sys.exit("chaos: no dta binary; build one with scripts/build, or name it with --dta")


def publish(port, definition):
    gate = wire.Gate()
    gate.open(port)
    status, answer = wire.Wire(gate).call("PUT", f"/v1/definitions/{definition['name']}/{definition['version']}", definition)
    if status not in (200, 201):
        sys.exit(f"chaos: the definition {definition['name']} was refused: {answer}")


class Chaos:
    def __init__(self, options, binary, folder):
        self.options = options
        self.random = random.Random(options.seed)
        self.ledger = ledgers.Ledger()
        self.gate = wire.Gate()
        self.checker = checkers.Checker(self.ledger)
        # With a kill a few times a second no checkpoint would be written at its usual interval, and kills must come while
        # one is being written, too. The server writes none for a short tail, so only runs of some thousand cycles see them.
        self.server = server_process.ServerProcess(binary, folder / "data", log_path=folder / "server.log",
                                                   arguments=("--grace", "0s", "--checkpoint-every", "100ms"))
        self.binary = binary
        self.data = folder / "data"
        seed = options.seed
        self.appenders = [load.Appender(f"s{seed}-appender{i}", self.gate, self.ledger, seed) for i in range(4)]
        self.starters = [load.Starter(f"s{seed}-starter{i}", self.gate, self.ledger, seed) for i in range(8)]
        self.workers = [load.Worker(f"s{seed}-worker{i}", self.gate, self.ledger, seed) for i in range(3)]

    def up(self):
        self.server.start()
        self.gate.open(self.server.port)
        self.checker.use(self.server.port)

    def down(self):
        self.gate.shut()
        self.server.kill()

    def cycle(self):
        if self.random.random() < 0.1:
            # Killed while it opens its log: it may or may not have come as far as listening.
            self.server.spawn()
            time.sleep(self.random.uniform(0, 0.03))
            self.server.kill()
        self.up()
        if self.random.random() < 0.7:  # else the kill may come in the first milliseconds; the next cycle looks
            self.checker.check_touched()
        target = self.ledger.count() + self.random.choice((1, 5, 20, 50, 100, 200))
        if not self.ledger.await_count(target, 30):
            self.ledger.violate(f"only {self.ledger.count()} of {target} acknowledgements came within 30 s")
        self.down()

    def settle(self):
        """No new transactions; what is under way comes to its end."""
        self.up()
        self.checker.check_touched()
        for hand in self.appenders + self.starters:
            hand.finish.set()
        end = time.monotonic() + SETTLE_SECONDS_MAX
        for hand in self.appenders + self.starters:
            hand.join(max(0.0, end - time.monotonic()))
        still_open = self.checker.open_ids()
        while still_open and time.monotonic() < end:
            time.sleep(0.02)
            still_open = self.checker.open_ids()
        for id_ in still_open[:5]:
            self.ledger.violate(f"{id_} has not ended {SETTLE_SECONDS_MAX} s after the last restart")
        for hand in self.workers:
            hand.finish.set()
        for hand in self.workers:
            hand.join(10)
        self.gate.end()
        self.checker.check_all()

    def compare_projections(self):
        """What was folded while it happened, and what is folded from the log, must give the same answers."""
        live = self.checker.picture()
        self.server.kill()
        self.server.start()
        self.checker.use(self.server.port)
        rebuilt = self.checker.picture()
        if live[0] != rebuilt[0]:
            self.ledger.violate("the list is another one after the projections were built anew")
        for id_, state in live[1].items():
            if rebuilt[1].get(id_) != state:
                self.ledger.violate(f"{id_} is another one after the projections were built anew: {state} {rebuilt[1].get(id_)}")
                break

    def verify_log(self):
        code = self.server.stop()
        if code != 0:
            self.ledger.violate(f"a clean stop ended with exit code {code}")
        done = subprocess.run([str(self.binary), "log", "verify", str(self.data)], capture_output=True, text=True)
        if done.returncode != 0:
            self.ledger.violate(f"dta log verify: {done.stdout[-2000:]}{done.stderr[-500:]}")

    def run(self):
        began = time.monotonic()
        self.server.start()
        publish(self.server.port, load.ENTITY)
        publish(self.server.port, load.SAGA)
        self.server.kill()
        for hand in self.appenders + self.starters + self.workers:
            hand.start()
        for number in range(1, self.options.cycles + 1):
            self.cycle()
            if number % 100 == 0:
                print(f"{number} cycles, {self.ledger.count()} acknowledged, {time.monotonic() - began:.0f} s", flush=True)
            if self.ledger.violations:
                break
        self.settle()
        if not self.ledger.violations:
            self.compare_projections()
        self.verify_log()
        seconds = time.monotonic() - began
        print(f"{number / seconds:.1f} cycles/s, {len(self.ledger.everything())} transactions")
        return number


def main():
    parser = argparse.ArgumentParser(prog="chaos", description="Kills a real server under load and checks what it kept.")
    parser.add_argument("--cycles", type=int, default=20)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--data", type=pathlib.Path, help="folder for the log, kept afterwards; default: a temporary one")
    parser.add_argument("--dta", type=pathlib.Path, help="the binary; default: $DTA, build/release/cli/dta, or the one on the PATH")
    options = parser.parse_args()
    if options.cycles < 1:
        parser.error("--cycles must be at least 1")
    if options.seed is None:
        options.seed = random.SystemRandom().randrange(1 << 31)
    binary = options.dta or find_binary()
    folder = options.data or server_process.scratch_directory("dta-chaos-")
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / "data").exists():
        parser.error(f"{folder}/data exists; a run begins with an empty log")
    print(f"seed {options.seed}; data in {folder}", flush=True)

    chaos = Chaos(options, binary, folder)
    try:
        cycles = chaos.run()
    finally:
        chaos.gate.end()
        chaos.checker.close()
        chaos.server.kill()
    violations = chaos.ledger.violations
    for sentence in violations[:20]:
        print(f"violation: {sentence}")
    if violations:
        print(f"{len(violations)} violations; again with: scripts/chaos --cycles {options.cycles} --seed {options.seed}; "
              f"the log is kept in {folder}")
    elif not options.data:
        shutil.rmtree(folder)
    lost = chaos.checker.lost
    print(f"cycles {cycles}, acknowledged {chaos.ledger.count()}, lost {lost}")
    return 1 if lost or violations else 0


if __name__ == "__main__":
    sys.exit(main())
