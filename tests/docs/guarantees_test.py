"""Proves that guarantees.py finds what it is for."""

import unittest

import guarantees

TESTS = {"Scenario.one", "Log.Keeps"}
CLEAN = f"""# Page

- What is promised, in
  two lines. → `Scenario.one`, `Log.Keeps`

```
- no item
```
## {guarantees.NOT_PROMISED}

- **Isolation.** Not here.

## {guarantees.MAY_COME_LATER}

- A rule. → later
"""


class Checker(unittest.TestCase):
    def findings(self, extra="", items_at_least=3):
        return [sentence for _, sentence in guarantees.findings(extra + CLEAN, TESTS, items_at_least)]

    def finds(self, extra, part):
        found = self.findings(extra)
        self.assertTrue(any(part in sentence for sentence in found), f"{part!r} not among {found}")

    def test_a_clean_page_is_clean(self):
        self.assertEqual(self.findings(), [])
        self.assertEqual(len(guarantees.items(CLEAN)), 3)

    def test_it_finds_what_it_is_for(self):
        self.finds("- A promise.\n", "ends with an arrow")
        self.finds("- → `Scenario.one`\n", "ends with an arrow")
        self.finds("- A promise. → `Scenario.two`\n", "does not exist")
        self.finds("- A promise\n  in two lines. → `Scenario.one`,\n  `Scenario.two`\n", "does not exist")
        self.finds("- A promise. → later\n", "may be proved later")
        self.finds("- A promise. → Scenario.one\n", "in backticks")
        self.finds("- A promise. → `Scenario.one` and more\n", "nothing else")
        self.finds(f"## {guarantees.NOT_PROMISED}\n- Not this. → `Scenario.one`\n", "no proof")

    def test_it_finds_an_empty_page(self):
        self.assertTrue(self.findings(items_at_least=4))


if __name__ == "__main__":
    unittest.main()
