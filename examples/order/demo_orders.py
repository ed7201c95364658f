"""The orders of the demo: what is ordered, what goes wrong with it, and what must not come of it.

Which order has which fate depends on its number alone, so that every sixty orders have some of each.
"""

from __future__ import annotations

import dataclasses

PRICES = {"lamp": 1999, "chair": 4950, "desk": 12900, "clock": 89900, "anvil": 9900}  # cents
APPROVAL_ABOVE_CENTS = 30_000  # the `when` of step `approve` in order.json
# By the order's number in a round of sixty: what the services do wrong while they work on it.
TROUBLES = {1: "payment hangs", 5: "payment crashes", 9: "label crashes", 13: "courier silent",
            17: "courier crashes before", 25: "capture crashes", 29: "carrier slow", 33: "stock crashes",
            37: "courier crashes after", 41: "courier crashes before", 45: "mailbox full", 49: "capture hangs",
            53: "carrier silent", 57: "carrier busy"}


@dataclasses.dataclass(frozen=True)
class Answer:
    """What somebody says to a large order: how often (always the same signal), and whether before it is asked."""
    word: str
    early: bool = False
    times: int = 1


ANSWERS = (Answer("yes", early=True, times=2), Answer("yes", times=2), Answer("no"), None, Answer("no", early=True))


@dataclasses.dataclass
class Order:
    id: str
    input: dict
    cancelled: bool         # the customer calls at once
    answer: Answer | None   # None: nobody is asked, or nobody answers
    doomed: str | None      # why it cannot be completed, whatever else happens

    @property
    def large(self) -> bool:
        return self.input["total_cents"] > APPROVAL_ABOVE_CENTS


def make_order(run: str, n: int) -> Order:
    """The n-th order of a run."""
    items = [{"sku": ("lamp", "chair", "desk")[n % 3], "quantity": 1 + n % 4}]
    account, country, doomed = f"account-{n % 10}", ("DE", "FR", "NL", "AT")[n % 4], None
    invoice_allowed = n % 40 == 3
    if n % 20 == 3:
        account = "account-blocked"  # the card is declined; some may pay by invoice
        doomed = None if invoice_allowed else "the card is declined"
    elif n % 20 == 7:
        items = [{"sku": "clock", "quantity": 3}]  # five in stock: the first one gets them
    elif n % 20 == 11:
        country, doomed = "XX", "only one carrier goes there"
    elif n % 20 == 19:
        items, doomed = [{"sku": "lamp", "quantity": 2}, {"sku": "anvil", "quantity": 1}], "no courier carries an anvil"
    total = sum(PRICES[item["sku"]] * item["quantity"] for item in items)
    answer = None
    if total > APPROVAL_ABOVE_CENTS:
        answer = ANSWERS[n // 12 % len(ANSWERS)]
        if answer is None or answer.word != "yes":
            doomed = doomed or ("somebody said no" if answer else "nobody approved it")
    order = {"account": account, "items": items, "total_cents": total, "invoice_allowed": invoice_allowed,
             "approve_within": "5m" if answer else "2s", "country": country, "email": f"customer-{n}@example.org",
             "trouble": TROUBLES.get(n % 60, "")}
    return Order(f"order-{run}-{n:05d}", order, n % 20 == 15, answer, doomed)
