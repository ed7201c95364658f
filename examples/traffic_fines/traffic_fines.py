#!/usr/bin/env python3
"""Appends a real event log to DTA, case by case, and compares what the server made of it with what it should be.

    python3 examples/traffic_fines/traffic_fines.py LOG.csv.gz [--oracle ORACLE.json] [--threshold K ...]
    python3 examples/traffic_fines/traffic_fines.py LOG.csv.gz --oracle ORACLE.json --verify-only

For each threshold K a definition in table form is published that allows a pair of activities when it occurs at least K
times in the whole log. Every case becomes a transaction (`kK-CASE`); its events are appended one by one, in order. The
server refuses what the definition does not allow; the next event is then tried from the old state.

The run may be broken off at any moment, by killing the server too, and started again: an event's id is its place in
the case, so what was appended before is answered as the first time and nothing is appended twice.
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import sys
import threading
import time

sys.path.insert(0, os.environ.get("DTA_PYTHON", str(pathlib.Path(__file__).resolve().parents[2] / "clients" / "python")))

import dta  # noqa: E402
import event_log  # noqa: E402


class Progress:
    """A bar on a terminal, nothing elsewhere. Many threads may call it."""

    def __init__(self, label, total):
        self._label, self._total = label, max(total, 1)
        self._done, self._shown = 0, -1
        self._lock = threading.Lock()

    def advance(self):
        with self._lock:
            self._done += 1
            percent = self._done * 100 // self._total
            if percent != self._shown and sys.stderr.isatty():
                self._shown = percent
                end = "\n" if self._done == self._total else ""
                print(f"\r{self._label} [{'#' * (percent // 4):25}] {percent:3} %", end=end, file=sys.stderr, flush=True)


def transaction_id(threshold, case):
    return f"k{threshold}-{case}"


def append_case(client, threshold, definition, case, trace):
    """Appends one case; returns (accepted, rejected, final state).

    Every append expects the sequence that the appends before it led to. In a case that an earlier run has already
    been through, an event refused then finds the transaction further on (`wrong_sequence`): refused it stays.
    """
    started = client.start(transaction_id(threshold, case), definition, version=1, attributes={"case": case[:256]})
    seen_before = not started.raw["created"]
    sequence = 1  # the start is the first event
    accepted = rejected = 0
    state = event_log.START
    for index, step in enumerate(trace, 1):
        event = {"id": f"e{index}", "on": step.activity, "data": {"timestamp": step.timestamp}}
        try:
            answer = client.append(started.id, [event], expected=sequence)
            accepted, sequence, state = accepted + 1, answer.first_sequence, answer.state
        except dta.IllegalEvent:
            rejected += 1
        except dta.WrongSequence:
            if not seen_before:
                raise
            rejected += 1
    return accepted, rejected, state


def append_log(client, threads, traces, definition, threshold):
    """Publishes the definition and appends every case; each case in order, many cases at once."""
    client.publish(definition)
    progress = Progress(f"threshold {threshold}", len(traces))
    final_states, totals = {}, [0, 0, 0]

    def one(item):
        case, trace = item
        result = append_case(client, threshold, definition["name"], case, trace)
        progress.advance()
        return case, result

    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        for case, (accepted, rejected, state) in pool.map(one, traces.items()):
            final_states[case] = state
            totals[0] += accepted
            totals[1] += rejected
            totals[2] += rejected == 0
    return event_log.Verdict(*totals, final_states)


def read_states(client, threads, traces, threshold):
    """The state of every case as the server has it now."""
    progress = Progress(f"reading {threshold}", len(traces))

    def one(case):
        state = client.get(transaction_id(threshold, case)).raw["state"]
        progress.advance()
        return case, state

    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        return dict(pool.map(one, traces))


def compare(name, expected, got):
    if expected == got:
        return 0
    print(f"  DIFFERENT {name}: expected {expected}, got {got}")
    return 1


def check_threshold(options, client, traces, pairs, threshold, oracle):
    """Runs or re-reads one threshold and compares; returns how many values differ."""
    expected = event_log.replay(traces, pairs, threshold)
    began = time.monotonic()
    differences = 0
    if options.verify_only:
        final_states = read_states(client, options.threads, traces, threshold)
        got = event_log.Verdict(expected.accepted, expected.rejected, expected.fully_accepted, final_states)
    else:
        definition = event_log.definition_for(options.name, pairs, threshold)
        got = append_log(client, options.threads, traces, definition, threshold)
        differences += compare("accepted", expected.accepted, got.accepted)
        differences += compare("rejected", expected.rejected, got.rejected)
        differences += compare("cases accepted in full", expected.fully_accepted, got.fully_accepted)
        # The states that the appends answered must also be the states that a reader finds.
        differences += compare("states read back", got.final_states, read_states(client, options.threads, traces, threshold))
    wrong = [case for case in traces if got.final_states[case] != expected.final_states[case]]
    differences += compare("cases in another state than the model's", [], wrong[:10])
    if oracle is not None:
        row = oracle["thresholds"][str(threshold)]
        allowed = sum(count >= threshold for count in pairs.values())
        for name, value in (("allowed_edges", allowed), ("accepted", got.accepted), ("rejected", got.rejected),
                            ("traces_fully_accepted", got.fully_accepted),
                            ("final_state_histogram_sha256", got.histogram_sha256())):
            differences += compare(f"{name} (oracle)", row[name], value)
    seconds = time.monotonic() - began
    if options.verify_only:
        print(f"threshold {threshold}: {len(traces)} states read, ", end="")
    else:
        print(f"threshold {threshold}: accepted {got.accepted}, rejected {got.rejected}, "
              f"cases accepted in full {got.fully_accepted}, ", end="")
    print(f"states {got.histogram_sha256()[:12]}, {seconds:.1f} s, {'DIFFERENT' if differences else 'as expected'}", flush=True)
    return differences


def main():
    parser = argparse.ArgumentParser(description="Appends an event log (CSV) to DTA and checks the result.")
    parser.add_argument("log", help="CSV with one event a line, .gz or not")
    parser.add_argument("--server", default=None, help="default: $DTA_SERVER or http://127.0.0.1:7117")
    parser.add_argument("--threshold", type=int, action="append", default=[], metavar="K",
                        help="repeatable; default: every threshold of the oracle, or 1")
    parser.add_argument("--oracle", metavar="FILE", help="JSON with the expected figures for each threshold")
    parser.add_argument("--verify-only", action="store_true", help="append nothing; read the states and compare")
    parser.add_argument("--name", default="fines", help="definitions are called NAME-K")
    parser.add_argument("--threads", type=int, default=16, help="cases under way at once")
    parser.add_argument("--case-column", default="case")
    parser.add_argument("--activity-column", default="activity")
    parser.add_argument("--time-column", default="timestamp")
    options = parser.parse_args()

    oracle = json.loads(pathlib.Path(options.oracle).read_text(encoding="utf-8")) if options.oracle else None
    thresholds = options.threshold or ([int(key) for key in oracle["thresholds"]] if oracle else [1])
    traces = event_log.read_traces(options.log, options.case_column, options.activity_column, options.time_column)
    pairs = event_log.count_pairs(traces)
    events = sum(len(trace) for trace in traces.values())
    print(f"{options.log}: {len(traces)} cases, {events} events, {len(pairs)} pairs of activities")
    differences = 0
    with dta.Client(options.server) as client:
        for threshold in thresholds:
            differences += check_threshold(options, client, traces, pairs, threshold, oracle)
    print("everything as expected" if differences == 0 else f"{differences} values differ")
    return 1 if differences else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except dta.DtaError as error:
        sys.exit(f"the server refused: {error}")
