"""Proves that every rule of tidy.py finds what it is for, and leaves a tree that keeps the rules alone."""

import pathlib
import tempfile
import unittest

import conformance_ids
import tidy

CLEAN = {
    "schema/word.h": "// A word.\n#pragma once\n#include <string>\n",
    "schema/word.cpp": '// A word.\n#include "schema/word.h"\n#include "events_generated.h"\n#include <flatbuffers/flatbuffers.h>\n',
    "engine/decide.h": '// Decides.\n#pragma once\n#include "schema/word.h"\n',
    "storage/log.h": '// The log.\n#pragma once\n#include "schema/word.h"\n',
    "server/partition.cpp": '// Both.\n#include "engine/decide.h"\n#include "storage/log.h"\n',
    "tests/word_test.cpp": "// Tests.\nTEST(Word, Reads) {}\nTEST_P(LogContract, Keeps) {}\n",
    "tests/CMakeLists.txt": "add_test(NAME Example.Runs COMMAND x)\n",
    "tests/scenarios/order.txt": "start\n",
    "schema/error.cpp": '// Errors.\n    {gone, "gone", refusal, 410, 4, "Gone", "Choose."},\n',
    "docs/errors.md": "# Errors\n\n### gone\n\nrefusal, HTTP 410, exit code 4. It comes when the thing that was asked for is gone; "
                      "choose another one and ask again.\n",
}


def conformance_page(**changed):
    rows = {id_: "later: it waits for its turn" for id_ in conformance_ids.IDS}
    rows["A1"] = "`Word.Reads`, `Scenario.order`, `Example.Runs`, `LogContract.Keeps`"
    rows.update(changed)
    return "".join(f"| {id_} | something | {proof} |\n" for id_, proof in rows.items() if proof is not None)


class TidyTest(unittest.TestCase):
    def findings(self, rule, extra):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            tree = {**CLEAN, "docs/conformance.md": conformance_page(), **extra}
            for name, text in tree.items():
                path = root / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
            return [f"{path}: {sentence}" for path, _, sentence in tidy.RULES[rule](root)]

    def finds(self, rule, extra, part):
        self.assertEqual(self.findings(rule, {}), [], "the clean tree is clean")
        found = self.findings(rule, extra)
        self.assertTrue(any(part in line for line in found), f"{part!r} not among {found}")

    def test_floors(self):
        self.finds("floors", {"engine/x.cpp": '// x\n#include "storage/log.h"\n'}, "engine/ may not include from storage/")
        self.finds("floors", {"storage/x.cpp": '// x\n#include "engine/decide.h"\n'}, "storage/ may not include from engine/")
        self.finds("floors", {"schema/x.h": '// x\n#include "engine/decide.h"\n'}, "schema/ may not include from engine/")
        self.finds("floors", {"projections/x.h": '// x\n#include "storage/log.h"\n'}, "projections/ may not")
        self.finds("floors", {"client/x.cpp": '// x\n#include "server/http.h"\n'}, "client/ may not include from server/")
        self.finds("floors", {"server/x.cpp": '// x\n#include "cli/main.h"\n'}, "server/ may not include from cli/")
        self.finds("floors", {"examples/x.cpp": '// x\n#include "schema/word.h"\n'}, "examples/ may not include from schema/")
        self.finds("floors", {"schema/x.cpp": '// x\n#include "word.h"\n'}, "not relative to the root")
        self.finds("floors", {"server/x.cpp": '// x\n#include "engine/decide.h"\n#include "storage/log.h"\n'}, "only server/partition*")

        self.assertEqual(self.findings("floors", {"examples/order/x.cpp": '// x\n#include "sql.h"\n'}), [])

    def test_generated(self):
        self.finds("generated", {"schema/x.h": '// x\n#include "events_generated.h"\n'}, "schema/*.cpp only")
        self.finds("generated", {"engine/x.cpp": "// x\n#include <flatbuffers/flatbuffers.h>\n"}, "schema/*.cpp only")

    def test_names(self):
        self.finds("names", {"server/http_util.h": "// x\n"}, "`util`")
        self.finds("names", {"engine/common/x.h": "// x\n"}, "`common`")

    def test_words(self):
        self.finds("words", {"engine/x.cpp": "// x\nusing namespace std;\n"}, "using namespace std")
        self.finds("words", {"engine/x.h": "// x\nclass Engine {};\n"}, "no type is called Engine")
        self.finds("words", {"engine/x.h": "// begins the Rollback\n"}, "not a word of DTA")
        self.assertEqual(self.findings("words", {"client/x.cpp": '// x\nsql("ROLLBACK");\n'}), [])

    def test_loose_ends(self):
        self.finds("loose_ends", {"engine/x.cpp": "// x\n// TODO later\n"}, "loose end")
        self.finds("loose_ends", {"tests/x.py": "# FIXME\n"}, "loose end")

    def test_first_comment(self):
        self.finds("first_comment", {"engine/x.cpp": "#include <string>\n"}, "begin with a comment")
        self.finds("first_comment", {"engine/x.h": "// x\n"}, "pragma once")
        self.finds("first_comment", {"examples/x.py": "#!/usr/bin/env python3\nimport sys\n"}, "what it is")

    def test_sizes(self):
        self.finds("sizes", {"engine/x.cpp": "// x\n" * 401}, "must give the reason")
        self.finds("sizes", {"engine/x.cpp": "// Size: one table\n" + "// x\n" * 600}, "must be split")
        self.assertEqual(self.findings("sizes", {"engine/x.cpp": "// Size: one table\n" + "// x\n" * 500}), [])

    def test_conformance(self):
        def page(**changed):
            return {"docs/conformance.md": conformance_page(**changed)}
        self.finds("conformance", page(B3=None), "B3 is missing")
        self.finds("conformance", page(B3="`No.SuchTest`"), "does not exist")
        self.finds("conformance", page(B3="later:"), "needs a test in backticks")
        self.finds("conformance", page(B3="surely works"), "needs a test in backticks")
        self.finds("conformance", page(Z9="`Word.Reads`"), "three columns")
        self.finds("conformance", page(B99="`Word.Reads`"), "B99 is no id")
        self.finds("conformance", {"docs/conformance.md": conformance_page() * 2}, "stands here and in line")

    def test_error_help(self):
        def page(text):
            return {"docs/errors.md": text}
        body = "It comes when the thing that was asked for is gone; choose another one and ask again."
        self.finds("error_help", page("# Errors\n"), "has no section")
        self.finds("error_help", page(f"### gone\n\nrefusal, HTTP 404, exit code 4. {body}\n"), "must say")
        self.finds("error_help", page("### gone\n\nrefusal, HTTP 410, exit code 4. Gone.\n"), "does not help")
        self.finds("error_help", page(CLEAN["docs/errors.md"] + f"\n### odd\n\n{body}\n"), "does not exist")

    def test_build_folders_are_not_looked_at(self):
        self.assertEqual(self.findings("words", {"engine/build-x/x.cpp": "using namespace std;\n"}), [])


if __name__ == "__main__":
    unittest.main()
