#!/usr/bin/env bash
# HAProxy (2.6.12 of Debian 12): `log fd@N` clears O_APPEND of the descriptor that it was given.
#
# A log that is opened for appending (`>>log`, or O_APPEND and `log fd@N`; `log stdout` and `log stderr` take the same way) is
# expected to stay so: whatever empties the file meanwhile (logrotate's copytruncate), the next line stands at its beginning, and
# two processes add to one file without harm. But with the first line that HAProxy writes it sets the descriptor's flags to
# O_NONBLOCK alone. From then on each line is written where the process's open file stands: after a truncation the file has a
# hole of zeros up to there, and a second process that opened the log itself (the next generation after a reload by `-sf`, if it
# is given a new descriptor) writes from the beginning over what the first one wrote. That the flag is lost is seen in
# /proc/PID/fdinfo/N.
#
# What helps: give all generations the same open file, and set O_APPEND again (pidfd_getfd, fcntl) before the file is emptied.
#
# Prints what is seen; fails if it changes. Runs Debian's package from a temporary folder, on a port of loopback; the libraries
# that it needs are those of the installed package of the same name.
set -euo pipefail
readonly package=haproxy version=2.6.12-1+deb12u4
place=$(mktemp -d)
proxy=
trap '[ -z "$proxy" ] || kill "$proxy"; rm -rf "$place"' EXIT
chmod 755 "$place"
cd "$place"
apt-get download -qq "$package=$version" 2>"$place/apt" || { cat "$place/apt" >&2; exit 69; }
dpkg-deb -x "$place/$package"_*.deb "$place/root"
readonly haproxy=$place/root/usr/sbin/haproxy
"$haproxy" -v | sed -n 1p

cat >configuration <<'TEXT'
global
  log fd@7 format raw local0 info
defaults
  mode http
  timeout connect 1s
  timeout client 5s
  timeout server 5s
frontend here
  bind 127.0.0.1:18099
  log global
  log-format "a line for %HU"
  http-request return status 200
TEXT
"$haproxy" -db -f configuration 7>>log >said 2>&1 &
proxy=$!

ask() { # PATH: and wait until its line is there
  curl --silent --fail --output answer --retry 20 --retry-connrefused --retry-delay 1 "http://127.0.0.1:18099$1"
  for _ in $(seq 100); do
    ! grep --text --quiet "a line for $1" log || return 0
    sleep 0.1
  done
  echo "no line for $1" >&2
  exit 1
}
append() { # is O_APPEND (02000) set?
  local flags
  flags=$(sed -n 's/^flags:\s*//p' "/proc/$proxy/fdinfo/7")
  (((8#$flags & 8#2000) != 0)) && echo set || echo clear
}
expect() {
  printf '%-34s %s\n' "$1:" "$3"
  [ "$2" = "$3" ] || { echo "$package $version: seen \"$3\" where it was \"$2\"" >&2; exit 1; }
}

for _ in $(seq 100); do
  [ ! -e "/proc/$proxy/fdinfo/7" ] || break
  sleep 0.1
done
expect "O_APPEND before the first line" set "$(append)"
ask /one
expect "O_APPEND after it" clear "$(append)"
expect "bytes after the first line" 16 "$(stat -c %s log)"
truncate -s 0 log
ask /two
expect "bytes after truncation and a line" 32 "$(stat -c %s log)"
expect "zeros before that line" 16 "$(tr -cd '\0' <log | wc -c)"
