"""The audit of the order demo: do the services' own databases agree with what DTA says became of every order?

It reads the SQLite files of the services from outside and the outcomes through the public API, and returns every
difference as a sentence. Nothing here knows how the services or the engine work; it only counts.
"""

import collections
import dataclasses
import pathlib
import sqlite3


@dataclasses.dataclass
class OrderFacts:
    """What was ordered, and what DTA says became of it."""
    account: str
    total_cents: int
    items: list[tuple[str, int]]  # (article, quantity)
    outcome: str | None           # completed or compensated; None: it has not ended
    attention: bool


@dataclasses.dataclass
class Findings:
    checks: list[str]      # what was counted, with figures
    differences: list[str]


def _rows(file: pathlib.Path, sql: str) -> list[tuple]:
    db = sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=30)
    try:
        return db.execute(sql).fetchall()
    finally:
        db.close()


def euros(cents: int) -> str:
    return f"{cents / 100:,.2f} EUR"


def audit(folder: pathlib.Path, orders: dict[str, OrderFacts]) -> Findings:
    findings = Findings([], [])
    _outcomes(findings, orders)
    _money(findings, folder / "payments.db", orders)
    _stock(findings, folder / "stock.db", orders)
    _shipments(findings, folder / "shipments.db", orders)
    _mail(findings, folder / "mail.txt", orders)
    return findings


def _completed(orders: dict[str, OrderFacts]) -> dict[str, OrderFacts]:
    return {name: facts for name, facts in orders.items() if facts.outcome == "completed"}


def _outcomes(findings: Findings, orders: dict[str, OrderFacts]) -> None:
    for name, facts in orders.items():
        if facts.outcome not in ("completed", "compensated"):
            findings.differences.append(f"{name} is neither completed nor compensated: {facts.outcome or 'still open'}")
        if facts.attention:
            findings.differences.append(f"{name} waits for a person")
    findings.checks.append(f"{len(orders)} orders have ended, each completed or compensated")


def _money(findings: Findings, file: pathlib.Path, orders: dict[str, OrderFacts]) -> None:
    completed = _completed(orders)
    owed: collections.Counter[str] = collections.Counter()
    for facts in completed.values():
        owed[facts.account] += facts.total_cents
    initial = balance = 0
    for account, was, now in _rows(file, "SELECT id, initial_cents, balance_cents FROM accounts"):
        initial, balance = initial + was, balance + now
        if was - now != owed[account]:
            findings.differences.append(
                f"{account} paid {euros(was - now)}, but its completed orders cost {euros(owed[account])}")
    revenue = sum(owed.values())
    findings.checks.append(
        f"{euros(initial)} at first = {euros(balance)} left + {euros(revenue)} from {len(completed)} completed orders")
    if initial != balance + revenue:
        findings.differences.append(f"{euros(initial - balance - revenue)} are lost")

    paid = dict(_rows(file, "SELECT authorization, -sum(cents) FROM entries GROUP BY authorization"))
    for name in orders.keys() | paid.keys():
        due = completed[name].total_cents if name in completed else 0
        if paid.get(name, 0) != due:
            findings.differences.append(f"{name} should have cost {euros(due)}, and cost {euros(paid.get(name, 0))}")

    states = dict(_rows(file, "SELECT id, state FROM authorizations"))
    for name, state in states.items():
        if state == "open" or (state == "captured") != (name in completed):
            findings.differences.append(f"the authorisation of {name} is {state}, the order {_outcome(orders, name)}")
    count = collections.Counter(states.values())
    states_text = ", ".join(f"{n} {state}" for state, n in sorted(count.items()))
    findings.checks.append(f"authorisations: {states_text}, none open")


def _stock(findings: Findings, file: pathlib.Path, orders: dict[str, OrderFacts]) -> None:
    sold: collections.Counter[str] = collections.Counter()
    for facts in _completed(orders).values():
        for sku, quantity in facts.items:
            sold[sku] += quantity
    gone = 0
    for sku, was, now in _rows(file, "SELECT sku, initial, level FROM stock"):
        gone += was - now
        if was - now != sold[sku]:
            findings.differences.append(f"{was - now} of {sku} left the stock, but completed orders hold {sold[sku]}")
    findings.checks.append(f"{gone} articles left the stock = the articles of completed orders")
    completed = _completed(orders)
    for (name,) in _rows(file, "SELECT DISTINCT transaction_id FROM reservations WHERE state = 'reserved'"):
        if name not in completed:
            findings.differences.append(f"articles are still reserved for {name}, which is {_outcome(orders, name)}")


def _shipments(findings: Findings, file: pathlib.Path, orders: dict[str, OrderFacts]) -> None:
    completed = _completed(orders)
    rows = _rows(file, "SELECT transaction_id FROM shipments WHERE state = 'booked'")
    booked = collections.Counter(name for (name,) in rows)
    cancelled = _rows(file, "SELECT count(*) FROM shipments WHERE state = 'cancelled'")[0][0]
    for name in completed.keys() | booked.keys():
        if booked[name] != (1 if name in completed else 0):
            findings.differences.append(f"{name} is {_outcome(orders, name)} and has {booked[name]} shipments")
    findings.checks.append(
        f"{sum(booked.values())} shipments booked, one for each completed order; {cancelled} cancelled")


def _mail(findings: Findings, file: pathlib.Path, orders: dict[str, OrderFacts]) -> None:
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    sent: collections.Counter[str] = collections.Counter()
    corrected: collections.Counter[str] = collections.Counter()
    for line in text.splitlines():
        fields = line.split("\t")
        if len(fields) != 3 or fields[1] == "(never sent)":
            continue  # a torn line, or the mark of an e-mail that was corrected before it was sent
        parts = fields[0].split("/")
        (corrected if "undo" in parts else sent)[parts[0]] += 1
    for name, facts in orders.items():
        wanted = 1 if facts.outcome == "completed" else corrected[name]
        if sent[name] != wanted or corrected[name] > 1 or (corrected[name] and facts.outcome == "completed"):
            findings.differences.append(
                f"{name} is {facts.outcome}; e-mails: {sent[name]}, corrected: {corrected[name]}")
    findings.checks.append(
        f"{sum(sent.values())} e-mails sent, one for each completed order; {sum(corrected.values())} corrected")


def _outcome(orders: dict[str, OrderFacts], name: str) -> str:
    return (orders[name].outcome or "still open") if name in orders else "unknown to DTA"
