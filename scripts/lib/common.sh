# What the scripts share: how they speak, how they fail, and how nothing half made is left. To be sourced, from the checkout's top.
#
# A script that makes things holds a lock, registers what undoes each half-made thing, and forgets it once the thing is whole.
# Ctrl-C, TERM and a failure (a full disk) run what is registered. Against kill -9 and power cuts: a half-made thing has a name
# or lacks a stamp by which the next run, under the same lock, knows and removes it.

readonly CACHE=/var/cache/minicloud
readonly STAMP=.minicloud  # in a virtual environment that is whole

say() { printf '%s: %s\n' "${0##*/}" "$*"; }
fail() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }
stage() { say "$1"; stage_began=$SECONDS; }
done_stage() { say "  done in $((SECONDS - stage_began)) s"; }

# The comment at the beginning of a script is its usage.
usage_of() {
  sed -n '1d; /^#/!q; s/^# \{0,1\}//p' "$1" >&2
  exit 252
}

undo=()
undo_all() {
  local status=$? each
  trap '' INT TERM HUP
  for each in "${undo[@]}"; do $each || true; done
  return $status
}
on_exit() { undo+=("$*"); }
forget() {
  local kept=() each
  for each in "${undo[@]}"; do [ "$each" = "$*" ] || kept+=("$each"); done
  undo=("${kept[@]}")
}
trap undo_all EXIT

# Only one setup at a time on a machine. The lock ends with this process; what it starts may outlive it and gets no copy (9>&-).
lock_machine() {
  # Signals are heard when the command in the foreground has ended: what is undone must not be written to meanwhile.
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
  umask 022  # whatever the caller's: others may read what is installed here, and not write it
  exec 9>/run/minicloud-setup.lock
  flock --nonblock 9 || { say "waiting for another setup on this machine"; flock 9; }
  install -d -m 0755 $CACHE
  find $CACHE -mindepth 1 -maxdepth 2 -name '*.partial' -exec rm -rf --one-file-system -- {} +
  scratch=$CACHE/setup.partial
  install -d -m 0700 $scratch
  on_exit rm -rf $scratch
}

# Remove from a cache what no setup has used for a month.
drop_unused() { find "$1" -mindepth 1 -maxdepth 1 -mtime +30 -exec rm -rf --one-file-system -- {} +; }

digest() { sha256sum | cut -c1-16; }

# Is the .venv of this checkout whole?
checkout_ready() { [ -f .venv/$STAMP ] || fail "run scripts/setup --tests first"; }
