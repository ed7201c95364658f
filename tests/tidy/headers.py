"""Every header of the floors compiles by itself: whoever includes it needs to include nothing before it.

    python3 tests/tidy/headers.py --compiler g++ --scratch DIR [--launcher ccache] [--root DIR]

A header that stands first in the source file of its name is proved by the build. Each other one becomes a translation
unit that only includes it; several compilers run at once, and through ccache an unchanged header costs next to nothing.
"""

import argparse
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys

FOLDERS = ("schema", "engine", "storage", "projections", "client", "server", "cli")


def headers_of(root):
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*.h")):
            if not any(part.startswith((".", "build")) for part in path.relative_to(root).parts):
                yield path.relative_to(root)


def proved_by_build(root, header):
    """Whether NAME.cpp includes NAME.h before anything else."""
    source = (root / header).with_suffix(".cpp")
    if not source.is_file():
        return False
    first = re.search(r"^\s*#\s*include\s*(\S+)", source.read_text(encoding="utf-8"), re.MULTILINE)
    return first is not None and first.group(1) == f'"{header}"'


def compile_one(root, options, header):
    unit = options.scratch / (str(header).replace("/", "__") + ".cpp")
    unit.write_text(f'#include "{header}"\n', encoding="utf-8")
    command = [options.compiler, "-std=c++20", "-O0", "-Wall", "-Wextra", "-Werror", f"-I{root}", f"-I{root}/client/include",
               "-c", str(unit), "-o", str(unit) + ".o"]
    if options.launcher:
        command.insert(0, options.launcher)
    done = subprocess.run(command, capture_output=True, text=True)
    return header, done.returncode, done.stderr


def main():
    parser = argparse.ArgumentParser(description="Compiles every header by itself.")
    parser.add_argument("--compiler", required=True)
    parser.add_argument("--scratch", type=pathlib.Path, required=True, help="stays the same, so that ccache knows the units")
    parser.add_argument("--launcher", default="")
    parser.add_argument("--root", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parents[2])
    options = parser.parse_args()
    root = options.root.resolve()
    every = list(headers_of(root))
    headers = [header for header in every if not proved_by_build(root, header)]
    failed = 0
    options.scratch.mkdir(parents=True, exist_ok=True)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 2) as pool:
        for header, code, errors in pool.map(lambda header: compile_one(root, options, header), headers):
            if code != 0:
                failed += 1
                print(f"{header}:1: does not compile by itself\n{errors}")
    print(f"tidy headers: {len(every)} headers, {len(headers)} of them compiled here, {failed} findings")
    return 1 if failed or not every else 0


if __name__ == "__main__":
    sys.exit(main())
