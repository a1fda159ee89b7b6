# Python environments made of what requirements/*.lock name, by hash. Sourced by scripts/setup and scripts/suite.
#
# pip is given files and hashes, never a name to look for: --no-deps, --require-hashes, and for our own package a directory and
# --no-index. Code of a source distribution runs only for the packages in SOURCES, in an environment of hashed build tools.

readonly SOURCES=libvirt-python  # has no wheels: it is compiled against the host's libvirt

# The Python to use: PYTHON, the distribution's, or any other that is new enough; the file itself, not what leads to it.
find_python() {
  local each
  for each in ${PYTHON:-} /usr/bin/python3 python3 python3.13 python3.12 python3.11; do
    "$each" -c 'import os, sys; sys.version_info >= (3, 11) or sys.exit(1); print(os.path.realpath(sys.executable))' 2>/dev/null && return 0
  done
  fail "minicloud needs Python 3.11 or newer; set PYTHON to one"
}

# pip of an environment, without two things that it says of each package: that a configured directory is not there, and (before
# 23.1) that wheels of SOURCES built earlier are not used, which is what is wanted.
pip_in() {
  local environment=$1
  shift
  PYTHONDONTWRITEBYTECODE='' "$environment/bin/python" -m pip --disable-pip-version-check "$@" \
    2> >(grep -vE '^WARNING: Location|^DEPRECATION: --no-binary' >&2 || true)
}

install_locked() { # ENVIRONMENT LOCK [pip's options ...]: its packages, exactly
  local environment=$1 lock=$2
  shift 2
  pip_in "$environment" install --quiet --no-deps --require-hashes --no-build-isolation \
    --only-binary :all: --no-binary $SOURCES "$@" -r "requirements/$lock.lock"
}

# What decides how wheels turn out, besides the locks: the Python, and the libvirt that libvirt-python is compiled against.
python_facts() {
  "$1" -c 'import sys, sysconfig; print(sys.version, sysconfig.get_config_var("EXT_SUFFIX"))'
  pkg-config --modversion libvirt
}

# The wheels of the runtime lock and an environment of the build tools (tools/), in a directory of the cache that only root
# writes; made once for a Python and its locks. From it a new version of minicloud is built and installed with no network.
wheels_for() { # PYTHON; sets $wheels
  local python=$1 identity partial
  identity=$({ python_facts "$python"; cat requirements/runtime.lock requirements/build.lock; } | digest)
  wheels=$CACHE/wheels/$identity
  partial=$wheels.partial
  if [ ! -d "$wheels" ]; then
    stage "python: packages of requirements/runtime.lock"
    install -d -m 0755 $CACHE/wheels
    on_exit rm -rf "$partial"
    "$python" -m venv "$partial/tools"
    install_locked "$partial/tools" build || fail "pip could not install requirements/build.lock"
    pip_in "$partial/tools" wheel --quiet --no-deps --require-hashes --no-build-isolation \
      --only-binary :all: --no-binary $SOURCES -w "$partial" -r requirements/runtime.lock || fail "pip could not make requirements/runtime.lock"
    sync -f "$partial"
    mv -T "$partial" "$wheels"
    forget rm -rf "$partial"
    done_stage
  fi
  touch "$wheels"
  drop_unused $CACHE/wheels
}

# The checkout's own .venv, for tests: all of tests.lock, and the checkout itself as it is edited.
checkout_environment() { # PYTHON
  local python=$1 packages project
  packages="$("$python" --version) $top $(cat requirements/tests.lock requirements/build.lock | digest)"
  project=$(digest <pyproject.toml)
  [ "$(cat .venv/$STAMP 2>/dev/null)" != "$packages"$'\n'"$project" ] || { say "tests: .venv is up to date"; return 0; }
  stage "tests: .venv of requirements/tests.lock with $("$python" --version)"
  if [ "$(head -n 1 .venv/$STAMP 2>/dev/null)" != "$packages" ]; then
    on_exit rm -rf .venv
    rm -rf .venv
    "$python" -m venv .venv
    install_locked .venv build || fail "pip could not install requirements/build.lock"
    install_locked .venv tests || fail "pip could not install requirements/tests.lock"
  fi
  editable .venv "$top"
  printf '%s\n%s\n' "$packages" "$project" >.venv/$STAMP.partial
  mv .venv/$STAMP.partial .venv/$STAMP
  forget rm -rf .venv
  done_stage
}

editable() { # ENVIRONMENT CHECKOUT: the checkout itself, with no network
  pip_in "$1" install --quiet --no-index --no-deps --no-build-isolation -e "$2" || fail "pip could not install minicloud into $1"
}
