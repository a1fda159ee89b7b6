#!/usr/bin/env bash
# iproute2 (6.1.0 of Debian 12): `ip -json route` says `dst` twice of a route with an encapsulation.
#
# The first is the route's destination, the second where `encap ip` or `encap ip6` sends its packets inside others; `ip -json
# nexthop` says `id` twice in the same way, the nexthop's own and the tunnel's. RFC 8259 leaves to the reader what an object with a
# name twice means; most parsers (Python's json, jq, Go's encoding/json) keep the last. So whoever looks for a route to
# 10.99.0.0/16 in the JSON does not find it, although it is in `ip route`'s text, and finds one to 10.0.0.1 that nobody has made;
# with `encap ip6` an IPv4 route seems to have an IPv6 destination. Next hops of a route with several, and `encap seg6`, have no
# name twice.
#
# What helps: a parser that is told of each pair (object_pairs_hook in Python), and keeps the first.
#
# Prints what is seen; fails if it changes. Runs Debian's package from a temporary folder, in a network namespace of its own; the
# libraries that it needs are those of the installed package of the same name.
set -euo pipefail
readonly package=iproute2 version=6.1.0-3
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
chmod 755 "$place"
cd "$place"
apt-get download -qq "$package=$version" 2>"$place/apt" || { cat "$place/apt" >&2; exit 69; }
dpkg-deb -x "$place/$package"_*.deb "$place/root"
export ip=$place/root/bin/ip
"$ip" -V

unshare --net -- bash -euo pipefail <<'TEXT'
"$ip" link set dev lo up
"$ip" address add 192.0.2.1/24 dev lo
"$ip" route add 10.96.0.0/16 dev lo
"$ip" route add 10.97.0.0/16 nexthop encap ip id 1 dst 192.0.2.7 dev lo nexthop via 192.0.2.8 dev lo
"$ip" route add 10.98.0.0/16 encap ip6 id 1 dst 2001:db8::7 dev lo
"$ip" route add 10.99.0.0/16 encap ip id 1 dst 192.0.2.7 dev lo
"$ip" nexthop add id 8 encap ip id 3 dst 192.0.2.9 dev lo
for each in route nexthop; do
  "$ip" "$each"
  "$ip" -json "$each" >"$each"
done
TEXT

cat >read.py <<'TEXT'
import json

def pairs(found):
    names = [name for name, _ in found]
    for name in sorted({name for name in names if names.count(name) > 1}):
        print(f"{name} twice:", " and ".join(str(value) for each, value in found if each == name))
    return dict(found)

for file, name in (("route", "dst"), ("nexthop", "id")):
    with open(file) as text:
        told = json.load(text, object_pairs_hook=pairs)
    print(f"{file}, as Python reads it:", " ".join(str(each[name]) for each in told))
TEXT
/usr/bin/python3 read.py | tee seen
diff - seen <<'TEXT' || { echo "$package $version: another thing is seen than was" >&2; exit 1; }
dst twice: 10.98.0.0/16 and 2001:db8::7
dst twice: 10.99.0.0/16 and 192.0.2.7
route, as Python reads it: 10.96.0.0/16 10.97.0.0/16 2001:db8::7 192.0.2.7
id twice: 8 and 3
nexthop, as Python reads it: 3
TEXT
