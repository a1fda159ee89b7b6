# The distribution's packages that minicloud needs, and their installation. Sourced by scripts/setup; the lists also by scripts/suite.

readonly POLICY=/usr/sbin/policy-rc.d

# Arguments: what names the release's packages (a command that succeeds for a package that there is), and "yes" for those of the tests.
package_list() {
  local exists=$1 tests=$2 each
  cat <<-'LIST'
	qemu-system-x86 qemu-utils ovmf seabios ipxe-qemu
	libvirt-daemon-system libvirt-clients libvirt-dev
	dnsmasq-base iptables ipset conntrack iproute2 kmod util-linux haproxy procps
	mmdebstrap debian-archive-keyring fdisk dosfstools mtools e2fsprogs lz4 zstd xz-utils
	busybox-static dropbear-bin openssh-client ca-certificates
	python3 python3-venv python3-dev gcc pkg-config
	LIST
  # From Debian 13 on, libvirt's QEMU driver and its log daemon are packages of their own.
  for each in libvirt-daemon-driver-qemu libvirt-daemon-log; do
    $exists "$each" && echo "$each"
  done
  [ "$tests" != yes ] || echo "putty-tools openssl virtinst tmux gdisk cpio bzip2 wrk curl"
}

# Clients that tests/clients runs. Debian 12 is the last with Packer; there it is wanted also while apt has no lists yet.
client_packages() {
  echo prometheus
  [ "$(. /etc/os-release && echo "$ID ${VERSION_ID:-}")" != "debian 12" ] && ! known_to_apt packer || echo packer
}

known_to_apt() { apt-cache show "$1" >/dev/null 2>&1; }

missing_packages() {
  local each
  for each in $(package_list known_to_apt "$1") $([ "$1" != yes ] || client_packages); do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$each" 2>/dev/null)" = installed ] || echo "$each"
  done
}

# Without systemd, packages must not start their daemons: libvirt's would open networks of its own. The file says whose it is, so
# that one which a killed setup left is known: nobody else's is touched.
refuse_services() {
  allow_services
  [ ! -d /run/systemd/system ] && [ ! -e $POLICY ] || return 0
  on_exit allow_services
  printf '#!/bin/sh\n# minicloud: scripts/setup is installing packages\nexit 101\n' >$POLICY.minicloud
  chmod 0755 $POLICY.minicloud
  mv -T $POLICY.minicloud $POLICY
}
allow_services() {
  rm -f $POLICY.minicloud
  [ ! -f $POLICY ] || ! grep -q '^# minicloud: ' $POLICY || rm -f $POLICY
}

# apt and dpkg finish what they have begun before a signal to this script is heard: half a package is worse than a wait.
install_packages() {
  local tests=$1 wanted log=$scratch/packages.log
  allow_services  # what a setup that was killed has left
  wanted=$(missing_packages "$tests")
  [ -n "$wanted" ] || { say "packages: all there"; return 0; }
  stage "packages: installing $(echo $wanted)"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -q >"$log" 2>&1 9>&- || package_failure "apt-get update failed"
  refuse_services
  # What an interrupted installation left half configured comes first; and by the update another name may have become known.
  dpkg --configure -a >"$log" 2>&1 9>&- || package_failure "dpkg could not finish what an earlier installation had begun"
  # shellcheck disable=SC2046
  apt-get install -y -q -o DPkg::Lock::Timeout=600 --no-install-recommends $(missing_packages "$tests") >"$log" 2>&1 9>&- ||
    package_failure "apt-get could not install the packages"
  allow_services
  stop_services_of "$wanted"
  done_stage
}

# minicloud and its tests run HAProxy and Prometheus with files of their own; the services that come with the packages have nothing
# to do, unless they were there before.
stop_services_of() { # PACKAGES that were installed just now
  local each
  [ -d /run/systemd/system ] || return 0
  for each in haproxy prometheus; do
    ! grep -qx "$each" <<<"$1" || systemctl disable -q --now "$each.service"
  done
}

package_failure() {
  tail -n 30 "$log" >&2
  fail "$1; its last lines are above"
}
