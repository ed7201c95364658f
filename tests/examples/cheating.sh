#!/bin/bash
# Runs the order demo with a payment service that swallows refunds. Passes only if the demo ends non-zero because its
# audit found the missing money; a demo that fails for another reason, or does not fail, fails this test.
#   cheating.sh FOLDER COMMAND...      the demo's command; what it writes goes into a new folder under FOLDER
set -u
data=$(mktemp -d "$1/cheating-XXXXXX")
trap 'rm -rf "$data"' EXIT
shift
output=$("$@" --cheat --data "$data" 2>&1)
code=$?
printf '%s\n' "$output"
if [ $code -ne 1 ]; then
  echo "cheating.sh: the demo ended with $code, expected 1"
  exit 1
fi
grep -q '^  DIFFERENCE  account-[0-9]* paid' <<<"$output" ||
  { echo "cheating.sh: the audit did not miss the money"; exit 1; }
