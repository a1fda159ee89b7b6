#!/usr/bin/env bash
# cheroot 11.1.2: a server that was stopped is never freed, with its application and whatever that holds open.
#
# Each HTTPServer enters itself when it is made in `logging.statistics`, a dictionary that cheroot adds to the standard library's
# module, under a key with its id(). The values are functions that hold the server, and neither stop() nor anything else takes
# them out; that statistics are switched off (`stats["Enabled"]` is False from the beginning) makes no difference. What was
# expected: a server that was stopped and that nobody refers to is collected. It is not, and neither are its WSGI application
# and that one's database connections. A process that makes many servers, as a test suite does, runs out of descriptors.
#
# What helps: after stop(), `logging.statistics.pop(f"Cheroot HTTPServer {id(server)}", None)`.
#
# Prints what is seen; fails if it changes. Needs python3 with venv, and the Python index. Serves on a port of loopback.
set -euo pipefail
readonly version=11.1.2
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check "cheroot==$version"
cat >"$place/servers.py" <<'PYTHON'
import gc
import logging
import sys
import threading
import weakref
from importlib.metadata import version

from cheroot import wsgi


class Application:
    """Stands for one that has a database open."""

    def __call__(self, environ, start_response):
        start_response("200 OK", [])
        return [b""]


def one_life(forget):
    """A reference to the application of a server that was made, served and was stopped."""
    application = Application()
    server = wsgi.Server(("127.0.0.1", 0), application)
    server.prepare()
    thread = threading.Thread(target=server.serve)
    thread.start()
    server.stop()
    thread.join()
    if forget:
        del logging.statistics[f"Cheroot HTTPServer {id(server)}"]
    return weakref.ref(application)


def alive(forget):
    lives = [one_life(forget) for _ in range(5)]
    gc.collect()
    return sum(life() is not None for life in lives)


seen = {
    "alive of 5 that were stopped": alive(forget=False),
    "entries in logging.statistics": sum(name.startswith("Cheroot") for name in logging.statistics),
    "alive of 5 whose entry was removed": alive(forget=True),
}
print("cheroot", version("cheroot"))
for name, count in seen.items():
    print(f"{name}: {count}")
sys.exit(list(seen.values()) != [5, 5, 0])
PYTHON
"$place/venv/bin/python" "$place/servers.py" || { echo "cheroot $version: seen something else than 5, 5 and 0" >&2; exit 1; }
