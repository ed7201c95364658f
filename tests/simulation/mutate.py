"""Breaks the engine on purpose, one way at a time, and says after how many seeds the simulator notices.

    scripts/mutate [NAME ...] [--build DIR] [--seeds N]
    scripts/mutate --fit                                    only says whether each still fits the code

Each tests/simulation/mutations/NAME.mutation names files, and what to replace in them by what; white space and line breaks
do not count, so that formatting a file does not make its mutation stale. The tree is not touched: changed files are compiled
beside it and linked before the libraries of the build DIR. The last line reads `mutations N, caught M`; the exit code is 1
when one was not caught, or no longer fits the code.
"""

import argparse
import json
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = pathlib.Path(__file__).resolve().parent / "mutations"
TARGET = "tests/simulation/dta_simulation"


def parse(path):
    """(log, {file: [(find, replace)]}) of a .mutation file."""
    log, changes, file = "memory", {}, None
    lines = iter(path.read_text(encoding="utf-8").splitlines())
    for line in lines:
        if line.startswith("log "):
            log = line[4:]
        elif line.startswith("file "):
            file = line[5:]
        elif line == "<<<<":
            parts = [[]]
            for inner in lines:
                if inner == ">>>>":
                    break
                if inner == "====":
                    parts.append([])
                else:
                    parts[-1].append(inner)
            changes.setdefault(file, []).append(("\n".join(parts[0]), "\n".join(parts[1])))
    return log, changes


def pattern_of(text):
    tokens = re.findall(r"\w+|[^\w\s]", text)
    pieces = [re.escape(tokens[0])]
    for before, token in zip(tokens, tokens[1:]):
        words = re.match(r"\w", before) and re.match(r"\w", token)
        pieces.append((r"\s+" if words else r"\s*") + re.escape(token))
    return re.compile("".join(pieces))


def changed(file, replacements):
    text = (ROOT / file).read_text(encoding="utf-8")
    for find, replace in replacements:
        found = list(pattern_of(find).finditer(text))
        # What stands twice is changed where it stands last: tasks come after undos.
        if not found:
            raise ValueError(f"{file} has no longer: {find.strip()}")
        last = found[-1]
        text = text[: last.start()] + replace + text[last.end():]
    return text


def build(name, changes, build_dir, scratch):
    commands = {pathlib.Path(c["file"]): c["command"] for c in json.loads((build_dir / "compile_commands.json").read_text())}
    link = subprocess.run(["ninja", "-C", str(build_dir), "-t", "commands", TARGET], capture_output=True, text=True, check=True)
    link = link.stdout.splitlines()[-1]
    objects = []
    for file, replacements in changes.items():
        source = scratch / (name + "_" + file.replace("/", "_"))
        source.write_text(changed(file, replacements), encoding="utf-8")
        target = source.with_suffix(".o")
        command = shlex.split(commands[ROOT / file])
        command[command.index("-o") + 1] = str(target)
        command[command.index(str(ROOT / file))] = str(source)
        command += ["-I", str((ROOT / file).parent), "-w"]
        subprocess.run(command, cwd=build_dir, check=True)
        objects.append(str(target))
    binary = scratch / name
    # An object that is named comes before the same one inside a library.
    link = link.replace(f" -o {TARGET} ", f" -o {shlex.quote(str(binary))} {' '.join(objects)} ", 1)
    subprocess.run(link, shell=True, cwd=build_dir, check=True)
    return binary


def fit(paths):
    stale = 0
    for path in paths:
        try:
            for file, replacements in parse(path)[1].items():
                changed(file, replacements)
        except ValueError as error:
            stale += 1
            print(f"{path.stem}: {error}")
    print(f"mutations {len(paths)}, stale {stale}")
    return 0 if paths and stale == 0 else 1


def main():
    parser = argparse.ArgumentParser(description="Breaks the engine on purpose and waits for the simulator to notice.")
    parser.add_argument("names", nargs="*")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "release")
    parser.add_argument("--seeds", type=int, default=20_000)
    parser.add_argument("--fit", action="store_true", help="build and run nothing")
    parser.add_argument("--as-built", action="store_true", help="take the build as it is")
    options = parser.parse_args()
    options.build = options.build.resolve()
    paths = [HERE / f"{name}.mutation" for name in options.names] or sorted(HERE.glob("*.mutation"))
    if options.fit:
        return fit(paths)
    if not options.as_built:
        subprocess.run(["ninja", "-C", str(options.build), TARGET], check=True, stdout=subprocess.DEVNULL)
    caught = 0
    with tempfile.TemporaryDirectory(prefix="dta-mutate-") as scratch:
        for path in paths:
            log, changes = parse(path)
            try:
                binary = build(path.stem, changes, options.build, pathlib.Path(scratch))
            except (ValueError, subprocess.CalledProcessError) as error:
                print(f"{path.stem}: cannot be built: {error}", flush=True)
                continue
            run = subprocess.run([str(binary), "--seeds", str(options.seeds), "--log", log, "--first-failure", "--no-shrink",
                                  "--jobs", "1"],
                                 capture_output=True, text=True, check=False)
            found = re.search(r"^failing (\d+): (.*)$", run.stdout, re.MULTILINE)
            if found is None:
                print(f"{path.stem}: not caught by {options.seeds} seeds", flush=True)
                continue
            caught += 1
            print(f"{path.stem}: caught after {found[1]} seeds ({log}): {found[2]}", flush=True)
    print(f"mutations {len(paths)}, caught {caught}")
    return 0 if caught == len(paths) else 1


if __name__ == "__main__":
    sys.exit(main())
