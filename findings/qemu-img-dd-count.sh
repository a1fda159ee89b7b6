#!/usr/bin/env bash
# qemu-img dd (QEMU 7.2.22 of Debian 12): `count` is counted from the start of the input, not from where `skip` ends.
#
# dd copies `count` blocks after those that it skips. `qemu-img dd` has operands of the same names, and its help says of
# count=N "copy only N input blocks"; but it ends at block `count` of the input. So it copies count - skip blocks. With count =
# skip it writes an empty file without a word; with count < skip it says "cannot skip to specified offset", though the input
# has that offset, and writes an empty file. The status is 0 each time. To have N blocks after S, ask for skip=S count=S+N.
#
# Prints what is seen; fails if it changes. Runs Debian's package from a temporary folder; the libraries that it needs are those
# of the installed package of the same name.
set -euo pipefail
readonly package=qemu-utils version=1:7.2+dfsg-7+deb12u18+b3
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
chmod 755 "$place"
cd "$place"
apt-get download -qq "$package=$version" 2>"$place/apt" || { cat "$place/apt" >&2; exit 69; }
dpkg-deb -x "$place/$package"_*.deb "$place/root"
readonly qemu_img=$place/root/usr/bin/qemu-img

"$qemu_img" --version | head -n 1
for each in 0 1 2 3 4 5 6 7 8 9 a b c d e f; do head -c 4096 /dev/zero | tr '\0' "$each"; done >input

# seen SKIP COUNT: blocks of 4 KiB that each tool writes
seen() {
  local ours=theirs.$1.$2
  dd if=input of="dd.$1.$2" bs=4096 skip="$1" count="$2" status=none
  "$qemu_img" dd -f raw -O raw if=input of="$ours" bs=4096 skip="$1" count="$2" 2>said
  echo "dd $(($(stat -c %s "dd.$1.$2") / 4096)), qemu-img dd $(($(stat -c %s "$ours") / 4096))$(sed 's/^.*input: /, /' said)"
}

expect() {
  printf '%-22s %s\n' "$1:" "$3"
  [ "$2" = "$3" ] || { echo "$package $version: seen \"$3\" where it was \"$2\"" >&2; exit 1; }
}

expect "skip=0 count=4" "dd 4, qemu-img dd 4" "$(seen 0 4)"
expect "skip=1 count=4" "dd 4, qemu-img dd 3" "$(seen 1 4)"
expect "skip=4 count=4" "dd 4, qemu-img dd 0" "$(seen 4 4)"
expect "skip=8 count=4" "dd 4, qemu-img dd 0, cannot skip to specified offset" "$(seen 8 4)"
expect "skip=4 count=4+4" "dd 8, qemu-img dd 4" "$(seen 4 8)"
cmp dd.4.4 theirs.4.8
echo "what qemu-img dd skip=4 count=8 writes is what dd skip=4 count=4 does"
