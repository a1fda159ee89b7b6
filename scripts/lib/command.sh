# The installed command: versions side by side below /opt/minicloud, each a virtual environment with the locked packages and a
# wheel of this checkout; `current` is the one in use. Nothing in it leads back to the checkout, which a user may write.
#
#   /opt/minicloud/versions/ID    ID is the digest of the checkout's files, the locks and the Python; .minicloud is in it once it is whole
#   /opt/minicloud/current        a symbolic link to one of them, replaced in one step
#   /usr/local/bin/minicloud      a symbolic link to current/bin/minicloud
# Sourced by scripts/setup, scripts/quickstart and scripts/uninstall.

readonly HOME_OF_COMMAND=/opt/minicloud
readonly COMMAND=$HOME_OF_COMMAND/current/bin/minicloud LINK=/usr/local/bin/minicloud UNIT=/etc/systemd/system/minicloud.service

# What is installed is made of a copy that root owns, and named by that copy's content: who edits the checkout meanwhile changes neither.
copy_checkout() { # sets $source_digest
  mkdir -p "$scratch/source"
  tar -c --exclude=__pycache__ pyproject.toml README.md LICENSE minicloud images requirements scripts/minicloud.service |
    tar -x --no-same-owner --no-same-permissions -C "$scratch/source"
  [ -z "$(find "$scratch/source" ! -type f ! -type d)" ] || fail "the checkout has files that are neither files nor directories"
  source_digest=$(cd "$scratch/source" && find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | digest)
}

# A Python that others can write runs what they wish.
trusted_python() { # PYTHON
  local path=$1
  while :; do
    [ -z "$(find "$path" -maxdepth 0 \( ! -user root -o -perm /0022 \))" ] ||
      fail "$1 is no Python to run as root: $path can be written by others than root; set PYTHON to another"
    [ "$path" != / ] || return 0
    path=$(dirname "$path")
  done
}

install_command() { # PYTHON; sets $version
  local python=$1
  trusted_python "$python"
  copy_checkout
  version=$HOME_OF_COMMAND/versions/$({ echo "$source_digest"; python_facts "$python"; } | digest)
  if [ -f "$version/$STAMP" ] && [ "$(readlink -f $HOME_OF_COMMAND/current)" = "$version" ]; then
    say "command: $HOME_OF_COMMAND is up to date"
  else
    [ -f "$version/$STAMP" ] || make_version "$python"
    point $HOME_OF_COMMAND/current "versions/${version##*/}"
  fi
  link_command
}

make_version() { # PYTHON
  local python=$1
  wheels_for "$python"
  stage "command: installing this checkout in $version"
  on_exit rm -rf "$version"
  rm -rf "$version"
  install -d -m 0755 $HOME_OF_COMMAND $HOME_OF_COMMAND/versions
  pip_in "$wheels/tools" wheel --quiet --no-index --no-deps --no-build-isolation -w "$scratch/wheel" "$scratch/source" ||
    fail "pip could not make a wheel of minicloud"
  "$python" -m venv --without-pip "$version"
  pip_in "$wheels/tools" --python "$version/bin/python" install --quiet --no-index --no-deps "$wheels"/*.whl "$scratch"/wheel/*.whl ||
    fail "pip could not install minicloud into $version"
  "$version/bin/minicloud" --version >/dev/null && "$version/bin/python" -c 'import libvirt, libvirt_qemu' ||
    fail "what was installed in $version does not start"
  sync -f "$version"
  echo "$source_digest" >"$version/$STAMP"
  forget rm -rf "$version"
  done_stage
}

# A symbolic link, made or replaced in one step.
point() { # LINK TARGET
  ln -sfn "$2" "$1.partial"
  mv -T "$1.partial" "$1"
}

link_command() {
  local target
  target=$(readlink $LINK 2>/dev/null || true)
  case $target in
    "$COMMAND") return 0 ;;
    "") [ ! -e $LINK ] || { say "command: $LINK is somebody else's; use $COMMAND"; return 0; } ;;
    */.venv/bin/minicloud) ;;  # setup's, of a time when it linked to checkouts
    *) say "command: $LINK leads to $target, which is somebody else's; use $COMMAND"; return 0 ;;
  esac
  install -d -m 0755 "${LINK%/*}"
  point $LINK $COMMAND
  say "command: $LINK"
}

# A version that still runs (a daemon, a shell in a guest) imports modules when it needs them: it stays until the next setup.
drop_old_versions() {
  local each
  for each in $HOME_OF_COMMAND/versions/*; do
    [ -d "$each" ] && [ "$each" != "$version" ] || continue
    if in_use "$each"; then say "command: $each still runs and stays until the next setup"; else rm -rf "$each"; fi
  done
}
in_use() { # arguments of a process are in cmdline, its extension modules in maps; processes that end meanwhile are no error
  grep -qsF "$1/" /proc/[0-9]*/cmdline /proc/[0-9]*/maps
}

install_service() {
  [ -d /run/systemd/system ] || { say "service: no systemd here; commands work without it, or run: minicloud serve"; return 0; }
  local text
  text=$(sed "s|@MINICLOUD@|$COMMAND|" scripts/minicloud.service)
  if [ "$(cat $UNIT 2>/dev/null)" = "$text" ] && service_runs_version; then
    say "service: minicloud.service runs"
    return 0
  fi
  printf '%s\n' "$text" >$UNIT.partial
  mv -T $UNIT.partial $UNIT
  systemctl daemon-reload
  systemctl enable -q --now libvirtd.service virtlogd.socket 2>/dev/null || systemctl enable -q --now virtqemud.socket virtlogd.socket
  systemctl enable -q minicloud.service
  systemctl restart minicloud.service
  say "service: minicloud.service runs"
}
service_runs_version() {
  systemctl is-active -q minicloud &&
    grep -qsF "$version/" "/proc/$(systemctl show -p MainPID --value minicloud)/cmdline"
}
