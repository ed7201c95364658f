"""What a real event log says: the traces of its cases, the pairs that occur in it, and what a threshold makes of them.

Pure functions over a CSV file; nothing here talks to a server. The replay below is the small, obvious model that the
server's answers are compared with.
"""

import collections
import csv
import dataclasses
import gzip
import hashlib
import pathlib

START = "(start)"


@dataclasses.dataclass(frozen=True)
class Step:
    """One event of a case, as the log has it."""
    activity: str
    timestamp: str


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What became of a log under one threshold."""
    accepted: int
    rejected: int
    fully_accepted: int
    final_states: dict[str, str]  # case -> state

    def histogram_sha256(self):
        """SHA-256 over the sorted lines `state=count`, each ended by a newline."""
        counts = collections.Counter(self.final_states.values())
        lines = sorted(f"{state}={count}" for state, count in counts.items())
        return hashlib.sha256("".join(line + "\n" for line in lines).encode()).hexdigest()


def read_traces(path, case_column="case", activity_column="activity", time_column="timestamp"):
    """case -> its events in the order of the file. The file may be compressed (.gz)."""
    path = pathlib.Path(path)
    opener = gzip.open if path.suffix == ".gz" else open
    traces = {}
    with opener(path, "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            traces.setdefault(row[case_column], []).append(Step(row[activity_column], row[time_column]))
    return traces


def count_pairs(traces):
    """How often each activity follows each other one directly; the first of a case follows START."""
    pairs = collections.Counter()
    for trace in traces.values():
        state = START
        for step in trace:
            pairs[state, step.activity] += 1
            state = step.activity
    return pairs


def definition_for(name, pairs, threshold):
    """A definition in table form that allows exactly the pairs which occur at least `threshold` times.

    Activities repeat (a fine may be paid in parts), hence `cycles`; no state ends the entity, so it just stays open.
    """
    allowed = sorted(pair for pair, count in pairs.items() if count >= threshold)
    return {
        "name": f"{name}-{threshold}", "version": 1, "initial": START, "cycles": True,
        "transitions": [{"from": state, "on": activity, "to": activity} for state, activity in allowed],
        "ends": {},
    }


def replay(traces, pairs, threshold):
    """The same rule without a server: an event that is not allowed is refused and leaves the state as it was."""
    accepted = rejected = fully = 0
    final_states = {}
    for case, trace in traces.items():
        state, refused = START, 0
        for step in trace:
            if pairs[state, step.activity] >= threshold:
                state = step.activity
            else:
                refused += 1
        accepted += len(trace) - refused
        rejected += refused
        fully += refused == 0
        final_states[case] = state
    return Verdict(accepted, rejected, fully, final_states)
