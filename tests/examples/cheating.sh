#!/bin/bash
# Runs the order demo with services that cheat. Passes only if the demo ends non-zero because its audit found what each
# of them did; a demo that fails for another reason, or does not fail, fails this test.
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

missed=0
notices() {
  grep -Eq "$2" "$data/differences.txt" || { echo "cheating.sh: the audit did not miss $1"; missed=1; }
}
notices "the money of swallowed refunds" '^account-[0-9]+ paid '
notices "the articles of swallowed releases" '^[0-9]+ of [a-z]+ left the stock, '
notices "the labels that were not made void" ' is compensated and has [1-9][0-9]* parcels$'
notices "the parcels that no courier took" ' is completed; the courier took 0 parcels of it$'
exit $missed
