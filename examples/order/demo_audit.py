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
    invoiced: bool                # its card was refused, and it is to be paid by invoice
    mailable: bool                # its mailbox takes e-mails


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
    _parcels(findings, folder, orders)
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
    by_card = {name: facts for name, facts in completed.items() if not facts.invoiced}
    owed: collections.Counter[str] = collections.Counter()
    for facts in by_card.values():
        owed[facts.account] += facts.total_cents
    initial = balance = 0
    for account, was, now in _rows(file, "SELECT id, initial_cents, balance_cents FROM accounts"):
        initial, balance = initial + was, balance + now
        if was - now != owed[account]:
            findings.differences.append(
                f"{account} paid {euros(was - now)}, but its completed orders cost {euros(owed[account])}")
    revenue = sum(owed.values())
    findings.checks.append(
        f"{euros(initial)} at first = {euros(balance)} left + {euros(revenue)} from {len(by_card)} orders by card")
    if initial != balance + revenue:
        findings.differences.append(f"{euros(initial - balance - revenue)} are lost")

    paid = dict(_rows(file, "SELECT authorization, -sum(cents) FROM entries GROUP BY authorization"))
    billed = dict(_rows(file, "SELECT id, cents FROM invoices WHERE state = 'open'"))
    for name in orders.keys() | paid.keys() | billed.keys():
        due = completed[name].total_cents if name in completed else 0
        cost = paid.get(name, 0) + billed.get(name, 0)
        if cost != due:
            findings.differences.append(f"{name} should have cost {euros(due)}, and cost {euros(cost)}")
        if (name in billed) != (name in completed and completed[name].invoiced):
            findings.differences.append(f"{name} is {_outcome(orders, name)}; open invoice: {name in billed}")
    findings.checks.append(f"{euros(sum(billed.values()))} more on {len(billed)} invoices; no order paid twice")

    states = dict(_rows(file, "SELECT id, state FROM authorizations"))
    for name, state in states.items():
        if state == "open" or (state == "captured") != (name in by_card):
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
    rows = _rows(file, "SELECT transaction_id, carrier FROM shipments WHERE state = 'booked'")
    booked = collections.Counter(name for name, _ in rows)
    cancelled = _rows(file, "SELECT count(*) FROM shipments WHERE state = 'cancelled'")[0][0]
    for name in completed.keys() | booked.keys():
        if booked[name] != (1 if name in completed else 0):
            findings.differences.append(f"{name} is {_outcome(orders, name)} and has {booked[name]} shipments")
    findings.checks.append(
        f"{sum(booked.values())} shipments booked, one for each completed order; {cancelled} cancelled")

    quotes: dict[str, set[str]] = collections.defaultdict(set)
    for name, carrier in _rows(file, "SELECT transaction_id, carrier FROM quotes WHERE state = 'open'"):
        quotes[name].add(carrier)
    dropped = _rows(file, "SELECT count(*) FROM quotes WHERE state = 'dropped'")[0][0]
    for name in completed.keys() | quotes.keys():
        if len(quotes[name]) != (2 if name in completed else 0):
            findings.differences.append(f"{name} is {_outcome(orders, name)} and holds {len(quotes[name])} quotes")
    for name, carrier in rows:
        if carrier not in quotes[name]:
            findings.differences.append(f"{name} is booked with {carrier}, whose quote is not open")
    findings.checks.append(f"two quotes held for each completed order; {dropped} others dropped again")


def _parcels(findings: Findings, folder: pathlib.Path, orders: dict[str, OrderFacts]) -> None:
    completed = _completed(orders)
    articles = {name: sum(quantity for _, quantity in facts.items) for name, facts in completed.items()}
    states: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for name, state, count in _rows(folder / "shipments.db",
                                    "SELECT transaction_id, state, count(*) FROM parcels GROUP BY 1, 2"):
        states[name][state] = count
    for name in articles.keys() | states.keys():
        weighed, labelled = states[name]["weighed"], states[name]["labelled"]
        if weighed != articles.get(name, 0) or labelled:
            findings.differences.append(f"{name} is {_outcome(orders, name)} and has {weighed + labelled} parcels")
    picked_up = dict(_rows(folder / "pickups.db", "SELECT transaction_id, parcels FROM pickups"))
    for name in articles.keys() | picked_up.keys():
        if picked_up.get(name) != articles.get(name):
            findings.differences.append(
                f"{name} is {_outcome(orders, name)}; the courier took {picked_up.get(name, 0)} parcels of it")
    void = sum(counts["void"] for counts in states.values())
    findings.checks.append(
        f"{sum(picked_up.values())} parcels picked up, one for each article of a completed order; {void} labels void")


def _mail(findings: Findings, file: pathlib.Path, orders: dict[str, OrderFacts]) -> None:
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    fields = [line.split("\t") for line in lines]  # key, address, text; a torn line says so
    sent = collections.Counter(parts[0].split("/")[0] for parts in fields
                               if len(parts) == 3 and parts[2] != "(torn)")
    for name in orders.keys() | sent.keys():
        wanted = name in orders and orders[name].outcome == "completed" and orders[name].mailable
        if sent[name] != int(wanted):
            findings.differences.append(f"{name} is {_outcome(orders, name)}; e-mails: {sent[name]}")
    findings.checks.append(
        f"{sum(sent.values())} e-mails sent, one for each completed order whose mailbox was not full")


def _outcome(orders: dict[str, OrderFacts], name: str) -> str:
    return (orders[name].outcome or "still open") if name in orders else "unknown to DTA"
