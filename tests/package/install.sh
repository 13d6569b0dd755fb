#!/usr/bin/env bash
# Installs the Debian package in a fresh Debian 12, starts what it brings as its user, upgrades, removes and purges it. Needs root,
# debootstrap and a mirror; some minutes. A chroot has no systemd running: whether the service is enabled is looked at, not started.
#
#   tests/package/install.sh PACKAGE.deb
set -euo pipefail
package=$(realpath "$1")
[ "$(id -u)" -eq 0 ] || { echo "install: a chroot needs root" >&2; exit 1; }

root=$(mktemp -d /var/tmp/gw-install-XXXXXX)
chmod 755 "$root"   # the user inside has to enter it
served=
end() {
  [ -z "$served" ] || kill -KILL "$served" 2>/dev/null || true
  mountpoint -q "$root/proc" && umount "$root/proc"
  rm -rf --one-file-system "$root"
}
trap end EXIT

inside() { chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"; }
step() { printf '   %s\n' "$*"; }
expect() { # WHAT WANTED GOT
  [ "$2" = "$3" ] || { printf 'install: %s: expected "%s", got "%s"\n' "$1" "$2" "$3" >&2; exit 1; }
}
owner_and_mode() { inside stat -c '%U:%G %a' "$1"; }
enabled=/etc/systemd/system/multi-user.target.wants/ongoingai.service

step "a fresh Debian 12"
debootstrap --variant=minbase bookworm "$root" >"$root.log" 2>&1 || { tail -20 "$root.log" >&2; exit 1; }
rm -f "$root.log"
cp -L /etc/resolv.conf "$root/etc/resolv.conf"
mount -t proc proc "$root/proc"
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
cp "$package" "$root/tmp/ongoingai.deb"

step "installed with what it depends on"
inside apt-get -q update >/dev/null
inside apt-get -q -y --no-install-recommends install /tmp/ongoingai.deb >"$root/tmp/log" 2>&1 || { tail -20 "$root/tmp/log" >&2; exit 1; }
expect "the home of the user" /var/lib/ongoingai "$(inside getent passwd ongoingai | cut -d: -f6)"
expect "its folder" "ongoingai:ongoingai 750" "$(owner_and_mode /var/lib/ongoingai)"
expect "the configuration" "root:ongoingai 640" "$(owner_and_mode /etc/ongoingai/ongoingai.yaml)"
expect "the variables" "root:root 600" "$(owner_and_mode /etc/default/ongoingai)"
[ -L "$root$enabled" ] || { echo "install: the service is not enabled" >&2; exit 1; }

step "serves as its user, with its configuration"
as_user() { inside runuser -u ongoingai -- "$@"; }
as_user ongoingai config validate --config /etc/ongoingai/ongoingai.yaml >/dev/null
as_user ongoingai keys create --config /etc/ongoingai/ongoingai.yaml --role owner >/dev/null
port=$(perl -MIO::Socket::INET -e 'print IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1")->sockport')
chroot --userspec=ongoingai:ongoingai "$root" env -i ONGOINGAI_PORT=$port \
  /usr/bin/ongoingai serve --config /etc/ongoingai/ongoingai.yaml >"$root/tmp/served" 2>&1 &
served=$!
for _ in $(seq 100); do
  if ready=$(curl -fs "http://127.0.0.1:$port/api/ready"); then break; fi
  kill -0 "$served" || { cat "$root/tmp/served" >&2; exit 1; }
  sleep 0.1
done
expect "readiness" '{"status":"ready"}' "${ready:-}"
kill "$served"
wait "$served" || { echo "install: it did not end well" >&2; exit 1; }
served=
expect "the database" "ongoingai:ongoingai 600" "$(owner_and_mode /var/lib/ongoingai/ongoingai.db)"

step "an upgrade keeps what the administrator changed"
echo "# mine" >>"$root/etc/ongoingai/ongoingai.yaml"
inside chmod 600 /etc/ongoingai/ongoingai.yaml
inside dpkg -i /tmp/ongoingai.deb >/dev/null 2>&1
expect "the changed file" "# mine" "$(tail -1 "$root/etc/ongoingai/ongoingai.yaml")"
expect "its mode" "root:ongoingai 600" "$(owner_and_mode /etc/ongoingai/ongoingai.yaml)"

step "removed: configuration and data stay"
inside dpkg -r ongoingai >/dev/null 2>&1
[ ! -e "$root/usr/bin/ongoingai" ] && [ -e "$root/var/lib/ongoingai/ongoingai.db" ] && [ -e "$root/etc/ongoingai/ongoingai.yaml" ] ||
  { echo "install: removing took too much or too little" >&2; exit 1; }

step "purged: nothing stays"
inside dpkg -P ongoingai >/dev/null 2>&1
expect "what is left" "" "$(find "$root/etc" "$root/usr" "$root/var/lib" -name '*ongoingai*' -not -path '*/apt/*' | head -5)"
