"""What the order demo prints in the end: the figures of a run, by the public API, and one order's history in short."""

from __future__ import annotations

import collections
import datetime
import itertools
import textwrap
from typing import Iterable, Iterator

import dta

def steps_of(found: dta.Transaction) -> dict[str, dict]:
    return {step["name"]: step for step in found.raw["steps"]}


def causes(client: dta.Client, names: Iterable[str]) -> collections.Counter[str]:
    """Why these orders were compensated: the step and the code that decided, or who wanted it."""
    counted: collections.Counter[str] = collections.Counter()
    for name in names:
        step = ""
        for event in client.history(name):
            if event.kind in ("step_failed", "step_met"):
                step = event.get("step")
            elif event.kind == "compensation_started":
                by_itself = event.get("cause") in ("step_failed", "decided")
                counted[f"{step} {event.get('reason')}" if by_itself else event.get("cause")] += 1
    return counted


def listed(counted: collections.Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counted.most_common()) or "none"


def in_columns(left: str, text: str) -> str:
    return textwrap.fill(text, 118, initial_indent=left, subsequent_indent=" " * len(left))


def short_history(client: dta.Client, name: str) -> Iterator[tuple[str, str]]:
    """When and where, and what: one for each stretch of events that belongs to one step. Hand-outs, and what is ready,
    go without saying."""
    events = list(client.history(name))
    begun = datetime.datetime.fromisoformat(events[0].recorded_at)
    told = [(event, *_told(event)) for event in events]
    said = [(event, place, words) for event, place, words in told if words is not None]
    for place, stretch in itertools.groupby(said, key=lambda one: one[1]):
        lines = list(stretch)
        since = datetime.datetime.fromisoformat(lines[0][0].recorded_at) - begun
        yield f"{since.total_seconds() * 1000:>6.0f} ms  {place:<15}", ", ".join(words for _, _, words in lines)


def _told(event: dta.Event) -> tuple[str, str | None]:
    """Where an event belongs, and its words; no words: it is left out."""
    step, task = event.get("step") or "", event.get("task")
    code = (event.get("error") or {}).get("code")
    instance = event.get("instance")
    subject = f"{task} {instance + 1}" if instance is not None else task
    place = f"undo of {step}" if event.get("undo") or event.kind == "step_undone" else step
    match event.kind:
        case "task_completed":
            return place, f"{subject} {'undone' if event.get('undo') else 'done'}"
        case "task_failed":
            return place, f"{subject} failed: {code}"
        case "attempt_timed_out":
            return place, f"{subject} unknown: no answer"
        case "late_result":
            return place, f"{subject} answered too late"
        case "step_met":
            return place, "met"
        case "step_failed":
            return place, "the step failed"
        case "signal_received":
            return "", f"signal {event.get('name')}"
        case "incident_raised":
            return "", f"incident {event.get('number')}: {event.get('incident')}"
        case "incident_resolved":
            said = f"{event.get('resolution')} ({event.get('who')}: {event.get('reason')})"
            return "", f"incident {event.get('number')}: {said}"
        case "compensation_started":
            return "", f"compensation begins: {event.get('reason')}"
        case "transaction_started" | "outcome_decided" | "transaction_completed" | "transaction_compensated":
            return "", event.kind.replace("_", " ")
        case _:
            return place, None
