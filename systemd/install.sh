#!/bin/sh
# Installs the beacon as a systemd service, or removes it: `make install`, `make uninstall`.
#
#   ROOT=DIR    put everything below DIR and leave systemd alone (packaging, tests)
#   PYTHON=…    the interpreter to build the environment with (default /usr/bin/python3)
#   PURGE=1     uninstall: remove configuration, state and user too
#
# A version lives in its own directory; `current` is switched only after its own `beacon check`
# has accepted the configuration, and `previous` is kept for going back.
set -eu
umask 022

ROOT=${ROOT:-}
PYTHON=${PYTHON:-/usr/bin/python3}
house=$(cd "$(dirname "$0")/.." && pwd)
opt=$ROOT/opt/mfa-beacon
etc=$ROOT/etc/mfa-beacon
state=$ROOT/var/lib/mfa-beacon
local=$ROOT/usr/local
rule=$local/lib/udev/rules.d/60-mfa-beacon-gpio.rules

say() { printf '%s\n' "$*"; }
fail() { status=$1; shift; printf 'mfa-beacon: %s\n' "$*" >&2; exit "$status"; }

# systemd is there and this is the real machine.
live() { [ -z "$ROOT" ] && [ -d /run/systemd/system ]; }

on_a_pi() { tr -d '\0' 2>/dev/null <"$ROOT/proc/device-tree/model" | grep -q 'Raspberry Pi'; }

need_python() {
    "$PYTHON" -I -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
        fail 1 "$PYTHON is missing or older than Python 3.11"
    "$PYTHON" -I -c 'import venv, ensurepip' 2>/dev/null ||
        fail 1 "Python's venv is missing: sudo apt install python3-venv"
    on_a_pi || return 0
    "$PYTHON" -I - <<'PY' || fail 1 "lgpio 0.2.2 or newer is missing: sudo apt install python3-lgpio"
import importlib.metadata, re, sys
try:
    found = importlib.metadata.version("lgpio")
except importlib.metadata.PackageNotFoundError:
    sys.exit(1)
sys.exit([int(n) for n in re.findall(r"\d+", found)][:3] < [0, 2, 2])
PY
}

# --- install ------------------------------------------------------------------------

# A directory of its own for every install, so that a running version is never changed.
free_name() {
    name=$version
    count=1
    while [ -e "$opt/$name" ]; do
        count=$((count + 1))
        name=$version-$count
    done
    say "$name"
}

build_environment() {
    # On a Pi only lgpio comes from the system; --ignore-installed keeps the rest of it out.
    if on_a_pi; then set -- --system-site-packages; else set --; fi
    "$PYTHON" -I -m venv "$@" "$target"
    pip="$target/bin/python -I -m pip --disable-pip-version-check --no-input"
    $pip install --quiet --ignore-installed --require-hashes --no-deps -r "$house/lock/beacon.txt"
    # From a copy: the build writes into its source directory.
    mkdir "$target/source"
    cp -R "$house/pyproject.toml" "$house/README.md" "$house/LICENSE" "$house/beacon" "$target/source"
    $pip install --quiet --no-deps --no-build-isolation --no-index "$target/source"
    rm -rf "$target/source"
}

install_system_files() {
    install -D -m 755 "$house/systemd/mfa-beacon-lamps" "$local/libexec/mfa-beacon-lamps"
    for unit in mfa-beacon.service mfa-beacon-lamps.service; do
        install -D -m 644 "$house/systemd/$unit" "$local/lib/systemd/system/$unit"
        if on_a_pi; then
            install -D -m 644 "$house/systemd/wait-for-gpio.conf" \
                "$local/lib/systemd/system/$unit.d/wait-for-gpio.conf"
        fi
    done
    mkdir -p "$local/bin"
    ln -sfn /opt/mfa-beacon/current/bin/beacon "$local/bin/beacon"
}

make_user() {
    install -D -m 644 "$house/systemd/mfa-beacon.sysusers" "$local/lib/sysusers.d/mfa-beacon.conf"
    if [ -z "$ROOT" ]; then systemd-sysusers "$local/lib/sysusers.d/mfa-beacon.conf"; fi
}

give_gpio_to_its_group() {
    install -D -m 644 "$house/systemd/60-mfa-beacon-gpio.rules" "$rule"
    # Containers have no udev.
    if live && [ -S /run/udev/control ]; then
        udevadm control --reload
        udevadm trigger --subsystem-match=gpio
    fi
}

first_configuration() {
    [ -e "$etc/beacon.yaml" ] && return 0
    install -d -m 750 "$etc"
    install -m 640 "$house/config/public.yaml" "$etc/beacon.yaml"
    if [ -z "$ROOT" ]; then chgrp -R mfa-beacon "$etc"; fi
    say "New configuration: $etc/beacon.yaml"
}

# As the service will see it: its user, and its credentials where it runs now.
check_configuration() {
    set -- "$target/bin/beacon" check -c "$etc/beacon.yaml"
    if [ -z "$ROOT" ]; then set -- runuser -u mfa-beacon -- "$@"; fi
    given=/run/credentials/mfa-beacon.service
    if live && [ -d "$given" ]; then set -- env CREDENTIALS_DIRECTORY="$given" "$@"; fi
    "$@"
}

switch() {
    was=$(readlink "$opt/current" || true)
    ln -sfn "$name" "$opt/.current" && mv -T "$opt/.current" "$opt/current"
    if [ -n "$was" ]; then ln -sfn "$was" "$opt/previous"; fi
    for old in "$opt"/*; do
        case ${old##*/} in
        current | previous | "$name" | "$was") ;;
        *) rm -rf "$old" ;;
        esac
    done
}

start_or_say_how() {
    live || return 0
    systemctl daemon-reload
    systemctl try-restart mfa-beacon.service
    systemctl is-enabled --quiet mfa-beacon.service ||
        say "Next: edit /etc/mfa-beacon/beacon.yaml, then: sudo systemctl enable --now mfa-beacon"
}

install_all() {
    need_python
    version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' "$house/beacon/__init__.py")
    [ -n "$version" ] || fail 1 "beacon/__init__.py names no version"
    name=$(free_name)
    target=$opt/$name
    mkdir -p "$opt"
    trap 'rm -rf "$target"' EXIT
    say "Building $target"
    build_environment
    make_user
    first_configuration
    check_configuration ||
        fail 78 "the configuration does not suit version $version: nothing was switched"
    trap - EXIT
    install_system_files
    give_gpio_to_its_group
    switch
    start_or_say_how
    say "Installed version $version in /opt/mfa-beacon/$name"
}

# --- uninstall ----------------------------------------------------------------------

uninstall_all() {
    if live; then
        systemctl disable --now mfa-beacon.service 2>/dev/null || true
        systemctl stop mfa-beacon-lamps.service 2>/dev/null || true
    fi
    rm -rf "$opt"
    rm -f "$local/bin/beacon" "$local/libexec/mfa-beacon-lamps" "$rule" \
        "$local/lib/systemd/system/mfa-beacon.service" \
        "$local/lib/systemd/system/mfa-beacon-lamps.service" \
        "$local/lib/sysusers.d/mfa-beacon.conf"
    rm -rf "$local/lib/systemd/system/mfa-beacon.service.d" \
        "$local/lib/systemd/system/mfa-beacon-lamps.service.d"
    if live; then systemctl daemon-reload; fi
    if [ "${PURGE:-}" = 1 ]; then
        rm -rf "$etc" "$state"
        if [ -z "$ROOT" ] && id mfa-beacon >/dev/null 2>&1; then userdel mfa-beacon; fi
        say "Removed, with configuration, state and user"
    else
        say "Removed. Kept: $etc, $state and the user mfa-beacon (PURGE=1 removes them too)"
    fi
}

# ------------------------------------------------------------------------------------

[ -n "$ROOT" ] || [ "$(id -u)" = 0 ] || fail 77 "this writes to /opt, /etc and /usr/local: use sudo"
case ${1:-} in
install) install_all ;;
uninstall) uninstall_all ;;
*) fail 64 "usage: systemd/install.sh install|uninstall" ;;
esac
