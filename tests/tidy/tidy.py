"""The rules of the house as a test: floors, banned names, sizes, first comments, loose ends, the two lists in docs/.

    python3 tests/tidy/tidy.py RULE [--root DIR]      one rule, by name
    python3 tests/tidy/tidy.py all  [--root DIR]      every rule that needs no compiler

Each finding is one line `path:line: sentence`; the exit code is 1 when there is one. tidy_test.py proves that every
rule can fail. Only files that belong to the source tree are looked at: build folders and hidden folders are not.
"""

import argparse
import pathlib
import re
import sys

import conformance_ids

SOURCE_FOLDERS = ("schema", "engine", "storage", "projections", "server", "client", "simulation", "cli", "tests", "bench", "examples")

# Floor -> floors it may include from. A folder that is not listed here may include from any.
FLOORS = {
    "schema": {"schema"},
    "engine": {"engine", "schema"},
    "storage": {"storage", "schema"},
    "projections": {"projections", "engine", "schema"},
    "server": {"server", "projections", "engine", "storage", "schema"},
    "simulation": {"simulation", "server", "projections", "engine", "storage", "schema"},
    "client": {"client", "schema"},
    "cli": {"cli", "simulation", "server", "projections", "engine", "storage", "schema", "client"},
    "examples": {"client", "examples"},
}
FLOOR_NAMES = set(SOURCE_FOLDERS) | {"dta"}

BANNED_FILE_WORDS = {"util", "utils", "common", "manager", "misc", "helper", "helpers"}
BANNED_TEXT = (
    (re.compile(r"\busing\s+namespace\s+std\s*;"), "`using namespace std` is banned"),
    (re.compile(r"\b(?:class|struct)\s+Engine\b"), "no type is called Engine: name what it does"),
)
# Not in client/ and examples/: there it is a word of SQL.
BANNED_ON_THE_FLOORS = (re.compile(r"\brollback\b", re.IGNORECASE), "`rollback` is not a word of DTA: say compensation or undo")
LOOSE_ENDS = re.compile(r"\b(?:TODO|FIXME|XXX|HACK)\b")
LINES_WITHOUT_REASON = 400
LINES_AT_MOST = 600
SIZE_REASON = re.compile(r"^\s*(?://|#|\*)?\s*Size:\s+\S+", re.MULTILINE)

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^">]+)[">]')


def files(root, suffixes, folders=SOURCE_FOLDERS):
    """Every file of the source tree with one of the suffixes, as (relative path, text)."""
    for folder in folders:
        for path in sorted((root / folder).rglob("*")):
            relative = path.relative_to(root)
            if path.suffix not in suffixes or not path.is_file():
                continue
            if any(part.startswith((".", "build")) or part in ("node_modules", "__pycache__") for part in relative.parts):
                continue
            yield relative, path.read_text(encoding="utf-8", errors="replace")


def includes(text):
    for number, line in enumerate(text.splitlines(), 1):
        match = INCLUDE.match(line)
        if match:
            yield number, match.group(1), match.group(2)


def floors(root):
    for path, text in files(root, {".h", ".cpp"}):
        floor = path.parts[0]
        seen = set()
        for number, quote, target in includes(text):
            first = target.split("/", 1)[0]
            if target.endswith("_generated.h"):
                continue  # rule `generated`
            if quote == '"' and (target.startswith(("./", "../")) or "/" not in target):
                if floor != "examples":  # those are programs of their own, to be copied elsewhere
                    yield path, number, f"`{target}` is not relative to the root of the tree"
                continue
            if first not in FLOOR_NAMES or quote == "<" and first != "dta":
                continue
            floor_of_target = "client" if first == "dta" else first
            seen.add(floor_of_target)
            allowed = FLOORS.get(floor)
            if allowed is not None and floor_of_target not in allowed:
                yield path, number, f"{floor}/ may not include from {floor_of_target}/"
        if floor == "server" and {"engine", "storage"} <= seen and not path.name.startswith("partition"):
            yield path, 1, "only server/partition* may see both engine/ and storage/"


def generated(root):
    for path, text in files(root, {".h", ".cpp"}):
        for number, _, target in includes(text):
            foreign = target.endswith("_generated.h") or target.startswith("flatbuffers/")
            if foreign and not (path.parts[0] == "schema" and path.suffix == ".cpp" or path.parts[:2] == ("tests", "fuzz")):
                yield path, number, f"`{target}`: FlatBuffers are seen by schema/*.cpp only"


def names(root):
    for folder in SOURCE_FOLDERS + ("docs", "scripts", "packaging", "cmake", "web", "clients"):
        for path in sorted((root / folder).rglob("*")):
            relative = path.relative_to(root)
            if any(part.startswith((".", "build")) or part in ("node_modules", "__pycache__") for part in relative.parts):
                continue
            for word in re.split(r"[^a-z]+", path.stem.lower()):
                if word in BANNED_FILE_WORDS:
                    yield relative, 1, f"no file or folder is named `{word}`: name what is in it"


def words(root):
    for path, text in files(root, {".h", ".cpp", ".fbs"}):
        for number, line in enumerate(text.splitlines(), 1):
            banned = BANNED_TEXT
            if path.parts[0] in ("schema", "engine", "storage", "projections", "server"):
                banned += (BANNED_ON_THE_FLOORS,)
            for pattern, sentence in banned:
                if pattern.search(line):
                    yield path, number, sentence


def loose_ends(root):
    for path, text in files(root, {".h", ".cpp", ".fbs", ".py", ".mjs", ".js", ".txt", ".lua"}):
        if path.parts[:2] == ("tests", "tidy"):
            continue  # these files must be able to name what they look for
        for number, line in enumerate(text.splitlines(), 1):
            if LOOSE_ENDS.search(line):
                yield path, number, "a loose end: do it, or write down why not without the marker"


def first_comment(root):
    for path, text in files(root, {".h", ".cpp", ".fbs"}):
        if not text.startswith(("// ", "/*")):
            yield path, 1, "the file does not begin with a comment that says what it is"
        if path.suffix == ".h" and "#pragma once" not in text:
            yield path, 1, "the header has no `#pragma once`"
    for path, text in files(root, {".py"}):
        body = text.split("\n", 1)[1] if text.startswith("#!") else text
        if not body.startswith(('"""', "# ")):
            yield path, 1, "the file does not begin with a sentence that says what it is"


def sizes(root):
    for path, text in files(root, {".h", ".cpp", ".fbs", ".py", ".mjs", ".js"}):
        count = text.count("\n")
        if count > LINES_AT_MOST:
            yield path, count, f"{count} lines; above {LINES_AT_MOST} a file must be split"
        elif count > LINES_WITHOUT_REASON and not SIZE_REASON.search(text):
            yield path, count, f"{count} lines; above {LINES_WITHOUT_REASON} a comment `// Size: why` must give the reason"


def test_names(root):
    """Names of all tests as ctest shows them, without the prefix and suffix of parametrised ones."""
    found = set()
    macro = re.compile(r"^\s*(?:TYPED_)?TEST(?:_F|_P)?\(\s*(\w+)\s*,\s*(\w+)\s*\)", re.MULTILINE)
    for _, text in files(root, {".cpp"}, ("tests", "examples", "bench", "client")):
        found.update(f"{suite}.{name}" for suite, name in macro.findall(text))
    added = re.compile(r"add_test\(\s*NAME\s+([\w.:-]+)")
    for cmake in sorted(root.rglob("CMakeLists.txt")):
        if not any(part.startswith((".", "build")) for part in cmake.relative_to(root).parts):
            found.update(added.findall(cmake.read_text(encoding="utf-8")))
    # Scenario files become tests by their name (tests/scenarios).
    found.update(f"Scenario.{path.stem}" for path in (root / "tests" / "scenarios").rglob("*.txt")
                 if path.name != "CMakeLists.txt")
    return found


def conformance(root):
    path = pathlib.Path("docs/conformance.md")
    if not (root / path).is_file():
        yield path, 1, "is missing"
        return
    existing = test_names(root)
    seen = {}
    row = re.compile(r"^\|\s*([A-K]\d+)\s*\|([^|]*)\|(.*)\|\s*$")
    for number, line in enumerate((root / path).read_text(encoding="utf-8").splitlines(), 1):
        match = row.match(line)
        if not match:
            if re.match(r"^\|\s*[A-Z]\d", line):
                yield path, number, "a row has three columns: id, behaviour, proof"
            continue
        id_, behaviour, proof = match.group(1), match.group(2).strip(), match.group(3).strip()
        if id_ in seen:
            yield path, number, f"{id_} stands here and in line {seen[id_]}"
        seen[id_] = number
        if id_ not in conformance_ids.IDS:
            yield path, number, f"{id_} is no id of the list"
        if not behaviour:
            yield path, number, f"{id_} does not say which behaviour it is"
        tests = re.findall(r"`([^`]+)`", proof)
        for test in tests:
            if test not in existing:
                yield path, number, f"{id_} names the test `{test}`, which does not exist"
        if not tests and not re.match(r"(later|not in DTA): \S.{10,}", proof):
            yield path, number, f"{id_} needs a test in backticks, or `later: why`, or `not in DTA: why`"
    for id_ in conformance_ids.IDS:
        if id_ not in seen:
            yield path, 1, f"{id_} is missing"


def error_help(root):
    path = pathlib.Path("docs/errors.md")
    table = root / "schema" / "error.cpp"
    codes = re.findall(r'^\s*\{\w+, "(\w+)", (refusal|fault|bug), (\d+), (\d+),', table.read_text(encoding="utf-8"), re.MULTILINE)
    if not codes:
        yield pathlib.Path("schema/error.cpp"), 1, "the table of error codes was not found"
    text = (root / path).read_text(encoding="utf-8") if (root / path).is_file() else ""
    sections = dict(re.findall(r"^### (\w+)\n\n(.*?)(?=^#|\Z)", text, re.MULTILINE | re.DOTALL))
    for code, family, status, exit_code in codes:
        section = sections.pop(code, "")
        if not section:
            yield path, 1, f"has no section `### {code}`"
        elif f"{family}, HTTP {status}, exit code {exit_code}." not in section:
            yield path, 1, f"section {code} must say `{family}, HTTP {status}, exit code {exit_code}.`"
        elif len(section.split()) < 15:
            yield path, 1, f"section {code} does not help: say when it comes and what to do"
    for code in sections:
        yield path, 1, f"section {code} describes a code that does not exist"


RULES = {
    "floors": floors,
    "generated": generated,
    "names": names,
    "words": words,
    "loose_ends": loose_ends,
    "first_comment": first_comment,
    "sizes": sizes,
    "conformance": conformance,
    "error_help": error_help,
}


def main():
    parser = argparse.ArgumentParser(description="Checks the rules of the house.")
    parser.add_argument("rule", choices=[*RULES, "all"])
    parser.add_argument("--root", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parents[2])
    options = parser.parse_args()
    findings = 0
    for name, rule in RULES.items():
        if options.rule in (name, "all"):
            for path, line, sentence in rule(options.root):
                print(f"{path}:{line}: {sentence}")
                findings += 1
    print(f"tidy {options.rule}: {findings} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
