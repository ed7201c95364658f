"""Checks docs/guarantees.md: every promise names tests that exist.

    python3 tests/docs/guarantees.py [--root DIR]

A promise is an item of a list. It ends with an arrow and the names of the tests that prove it, in backticks; which tests
exist is what tests/tidy says. `→ later` stands for a proof that has not come yet, and only in the section that announces
that its rules are not promised yet. Items that say what is *not* promised have no arrow.
Each finding is one line `path:line: sentence`; the exit code is 1 when there is one.
"""

import argparse
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tidy"))
import tidy  # noqa: E402

PAGE = pathlib.Path("docs/guarantees.md")
MAY_COME_LATER = "Conditions, waits, fan-out, pivot, external tasks, pause"
NOT_PROMISED = "Not promised either"
ITEMS_AT_LEAST = 40  # fewer, and either the page or this reading of it has lost its point
PROOF = re.compile(r"`[^`]+`(, `[^`]+`)*")


def items(text):
    """Every item of a list as (line, section, text), whatever lines it spans; code blocks hold none."""
    found = []
    section, code, open_item = "", False, False
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("```"):
            code, open_item = not code, False
        elif code:
            continue
        elif line.startswith("## "):
            section, open_item = line[3:].strip(), False
        elif line.startswith("- "):
            found.append([number, section, line[2:].strip()])
            open_item = True
        elif open_item and line.startswith("  ") and line.strip():
            found[-1][2] += " " + line.strip()
        else:
            open_item = False
    return [tuple(item) for item in found]


def findings(text, tests, items_at_least=ITEMS_AT_LEAST):
    promises = items(text)
    if len(promises) < items_at_least:
        yield 1, f"has {len(promises)} items, expected {items_at_least} or more"
    for number, section, item in promises:
        sentence, arrow, proof = (part.strip() for part in item.partition("→"))
        if section == NOT_PROMISED:
            if arrow:
                yield number, "is not promised, so it has no proof"
        elif not arrow or not sentence:
            yield number, "is a promise and ends with an arrow and the tests that prove it"
        elif proof == "later":
            if section != MAY_COME_LATER:
                yield number, f"only what stands under `{MAY_COME_LATER}` may be proved later"
        elif not PROOF.fullmatch(proof):
            yield number, "behind the arrow stand names of tests in backticks, divided by commas, and nothing else"
        else:
            for test in re.findall(r"`([^`]+)`", proof):
                if test not in tests:
                    yield number, f"names the test `{test}`, which does not exist"


def main():
    parser = argparse.ArgumentParser(description="Checks that every promise of docs/guarantees.md is proved.")
    parser.add_argument("--root", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parents[2])
    root = parser.parse_args().root
    text = (root / PAGE).read_text(encoding="utf-8")
    found = list(findings(text, tidy.test_names(root)))
    for number, sentence in found:
        print(f"{PAGE}:{number}: {sentence}")
    later = sum(item.endswith("→ later") for _, _, item in items(text))
    print(f"guarantees: {len(items(text))} items, {later} of them to be proved later, {len(found)} findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
