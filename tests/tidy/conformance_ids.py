"""The ids that docs/conformance.md must account for: groups by letter, numbered from 1 without gaps, 136 in all."""

GROUPS = {"A": 15, "B": 13, "C": 14, "D": 15, "E": 19, "F": 11, "G": 12, "H": 8, "I": 15, "J": 3, "K": 11}
IDS = [f"{letter}{number}" for letter, count in GROUPS.items() for number in range(1, count + 1)]
assert len(IDS) == 136
