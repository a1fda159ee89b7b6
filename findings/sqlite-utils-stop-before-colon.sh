#!/usr/bin/env bash
# sqlite-utils 4.2.1: `migrate --stop-before NAME` is accepted and then ignored where NAME, or its migration set's, has a colon.
#
# A migration's name may be any text, such as a time of day. The command first checks that every value of --stop-before is the
# name of a migration, and finds this one. Then it reads the same value as SET:NAME, split at its first colon: no set has that
# name, so nothing is stopped before. The migration that was to be held back is applied, with status 0 and without a word.
# What was expected: nothing of "2026-07-04 10:30" and later is applied, as it is with a name that has no colon.
#
# Prints what is seen; fails if it changes. Needs python3 with venv, and the Python index.
set -euo pipefail
readonly version=4.2.1
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check "sqlite-utils==$version"

# applied SET FIRST SECOND STOP: the tables that are there after `migrate --stop-before STOP`
applied() {
  rm -rf "$place/try"
  mkdir "$place/try"
  cat >"$place/try/migrations.py" <<PYTHON
from sqlite_utils import Migrations

steps = Migrations("$1")


@steps(name="$2")
def first(db):
    db["first"].create({"id": int}, pk="id")


@steps(name="$3")
def second(db):
    db["second"].create({"id": int}, pk="id")
PYTHON
  (cd "$place/try" && "$place/venv/bin/sqlite-utils" migrate data.db --stop-before "$4") || echo "status $?"
  "$place/venv/bin/sqlite-utils" tables "$place/try/data.db" --csv --no-headers | tr -d '\r' | grep -v '^_sqlite_migrations$' | paste -sd ' '
}

expect() {
  printf '%-62s %s\n' "$1:" "$3"
  [ "$2" = "$3" ] || { echo "sqlite-utils $version: seen \"$3\" where it was \"$2\"" >&2; exit 1; }
}

"$place/venv/bin/sqlite-utils" --version
expect "stopped before 'later', a name without a colon" "first" "$(applied app sooner later later)"
expect "stopped before 'app:later', the same with its set" "first" "$(applied app sooner later app:later)"
expect "stopped before '2026-07-04 10:30', a name with one" "first second" "$(applied app sooner '2026-07-04 10:30' '2026-07-04 10:30')"
expect "stopped before 'app:core:later', of the set 'app:core'" "first second" "$(applied app:core sooner later app:core:later)"
expect "a name with a colon after its set 'app'" "first" "$(applied app sooner '2026-07-04 10:30' 'app:2026-07-04 10:30')"
