"""Runs many seeds of the simulator on all cores, adds up what was covered, and shrinks the first failing one.

    scripts/simulate --seeds N [--log memory|leveldb] [--from SEED] [--jobs N] [--binary PATH]

The last line reads `seeds N, failures M`; the exit code is 1 when M is not 0. A seed at which the process ends itself (a
broken assertion) is a failure, and the seeds after it are run all the same.
"""

import argparse
import collections
import os
import pathlib
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHRUNK_AT_MOST = 3


def find_binary():
    for folder in (ROOT / "build" / "release", ROOT / "build" / "dev", ROOT / "build"):
        path = folder / "tests" / "simulation" / "dta_simulation"
        if path.exists():
            return path
    sys.exit("simulate: there is no dta_simulation yet: run scripts/build, or name it with --binary")


class Run:
    """One share of the seeds: `first`, `first + stride`, ... in one process at a time, begun anew behind a seed that ends it."""

    def __init__(self, options, first, count, stride):
        self.options, self.first, self.count, self.stride = options, first, count, stride
        self.done, self.failing, self.covered = 0, {}, collections.Counter()
        self.broken = None

    def go(self):
        first, left = self.first, self.count
        while left > 0 and self.broken is None:
            ended = self.process(first, left)
            if ended is None:
                return
            ran = (ended - first) // self.stride + 1
            first, left = first + ran * self.stride, left - ran
            self.done = self.count - left

    def process(self, first, count):
        """The seed at which the process ended itself; nothing when it ran to its end."""
        base, died, finished = self.done, None, False
        command = [str(self.options.binary), "--seeds", str(count), "--from", str(first), "--stride", str(self.stride),
                   "--log", self.options.log]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            for line in process.stdout:
                word, _, rest = line.strip().partition(" ")
                if word == "progress":
                    self.done = base + int(rest)
                elif word == "failing":
                    seed, _, why = rest.partition(": ")
                    self.failing[int(seed)] = why
                elif word == "died":
                    died = int(rest.removeprefix("at "))
                    self.failing[died] = "the process ended itself"
                elif word in ("event", "transition", "end"):
                    name, _, times = rest.rpartition(" ")
                    self.covered[word, name] += int(times)
                elif word == "seeds":
                    finished = True
        if finished:
            self.done = base + count
        elif died is None:
            self.broken = f"the simulator ended with code {process.returncode} and no word about where"
        return died


def report(covered):
    for word in ("event", "transition", "end"):
        for (kind, name), times in sorted(covered.items()):
            if kind == word:
                print(f"{word:10} {name:45} {times:>12}")


def main():
    parser = argparse.ArgumentParser(description="Runs random histories of the server in a world of faults.")
    parser.add_argument("--seeds", type=int, default=10_000)
    parser.add_argument("--from", dest="first", type=int, default=1, metavar="SEED")
    parser.add_argument("--log", choices=("memory", "leveldb"), default="memory")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 2)
    parser.add_argument("--binary", type=pathlib.Path)
    parser.add_argument("--no-shrink", action="store_true")
    options = parser.parse_args()
    options.binary = options.binary or find_binary()
    jobs = max(1, min(options.jobs, options.seeds))
    runs = [Run(options, options.first + i, (options.seeds - i + jobs - 1) // jobs, jobs) for i in range(jobs)]
    threads = [threading.Thread(target=run.go, daemon=True) for run in runs]
    began, told = time.monotonic(), -1
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        threads[0].join(1) if threads[0].is_alive() else threads[-1].join(1)
        done = sum(run.done for run in runs)
        if done != told:
            told = done
            seconds = time.monotonic() - began
            failures = sum(len(run.failing) for run in runs)
            print(f"\rsimulate: {done} of {options.seeds} seeds, {failures} failures, {done / seconds:.0f} a second ",
                  end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    for run in runs:
        if run.broken:
            sys.exit(f"simulate: {run.broken}")
    covered, failing = collections.Counter(), {}
    for run in runs:
        covered.update(run.covered)
        failing.update(run.failing)
    report(covered)
    for seed in sorted(failing)[: 20 if failing else 0]:
        print(f"failing {seed}: {failing[seed]}")
    for seed in sorted(failing)[: 0 if options.no_shrink else SHRUNK_AT_MOST]:
        print(f"\nThe shortest history of seed {seed} that still fails:")
        sys.stdout.flush()
        subprocess.run([str(options.binary), "--shrink", str(seed), "--log", options.log], check=False)
    print(f"seeds {options.seeds}, failures {len(failing)}")
    return 1 if failing else 0


if __name__ == "__main__":
    sys.exit(main())
