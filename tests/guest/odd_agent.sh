#!/bin/sh
# User data of a tiny guest: a guest agent that does as /run/mode says. Another mode is another life of it: the port is opened
# anew, as by an agent that was restarted. /run/frozen is there while its file systems are frozen, as far as that is acted here.
#   none     is not there
#   good     does what it is asked
#   error    refuses to freeze
#   mute     answers that it is there, and then nothing
#   late     freezes, and answers 17 s after it was asked
#   deaf     does not read
#   garbage  answers what is no JSON
#   flood    answers, and does not come to an end
name=$(grep -l org.qemu.guest_agent.0 /sys/class/virtio-ports/*/name)
port=/dev/$(basename "${name%/name}")
[ -e /run/mode ] || echo good >/run/mode

say() { printf '%s\n' "$1" >&3; }

flood() { # whoever is to read this may have stopped: the writer is killed then
  cat /dev/zero >&3 &
  while [ "$(cat /run/mode)" = flood ]; do sleep 0.2; done
  kill -9 $!
  wait
}

answer() { # $1: the request
  case $mode:$1 in
    deaf:*) ;;
    garbage:*) say 'this is no JSON' ;;
    flood:*) flood ;;
    *:*guest-sync*) id=${1##*\"id\":}; say "{\"return\": ${id%%\}*}}" ;;
    mute:*) ;;
    error:*fsfreeze-freeze*) say '{"error": {"class": "GenericError", "desc": "this agent does not freeze"}}' ;;
    late:*fsfreeze-freeze*) sleep 17; touch /run/frozen; say '{"return": 1}' ;;
    *:*fsfreeze-freeze*) touch /run/frozen; say '{"return": 1}' ;;
    *:*fsfreeze-thaw*) rm -f /run/frozen; say '{"return": 1}' ;;
    *) say '{"return": {}}' ;;
  esac
}

while :; do
  mode=$(cat /run/mode)
  [ "$mode" = none ] || exec 3<>"$port" || { sleep 0.1; continue; }
  while [ "$(cat /run/mode)" = "$mode" ]; do
    if [ "$mode" = deaf ] || [ "$mode" = none ]; then sleep 0.2; continue; fi
    read -r -t 1 request <&3 || continue
    answer "$request"
  done
  exec 3>&-
done
