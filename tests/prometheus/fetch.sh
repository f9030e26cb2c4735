#!/usr/bin/env bash
# Gets prometheus and promtool for the tests of alerts: those of PATH, or else
# Debian's package, unpacked into target/prometheus and not installed. Prints
# the absolute path of the folder that holds them as its last line on stdout;
# progress goes to stderr.
set -euo pipefail

fail() {
    echo "prometheus: $*" >&2
    exit 1
}

holds() {
    [[ -x $1/prometheus && -x $1/promtool ]]
}

found=$(dirname "$(command -v promtool || echo /nowhere/promtool)")
if holds "$found"; then
    echo "$found"
    exit
fi

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
dir=$(cd "$here/../.." && pwd -P)/target/prometheus
if ! holds "$dir/usr/bin"; then
    for tool in apt-get dpkg-deb flock; do
        command -v $tool >/dev/null ||
            fail "promtool and prometheus are needed in PATH, or '$tool' to get Debian's package; neither was found"
    done
    mkdir -p "$dir/lists/partial" "$dir/cache"
    exec 9>"$dir/.lock"
    flock 9
fi
if ! holds "$dir/usr/bin"; then
    echo "Debian's package prometheus (20 MB, once)" >&2
    # Lists of its own: nothing of the machine is changed, and no rights are needed.
    own=(-o "Dir::State::lists=$dir/lists" -o "Dir::Cache=$dir/cache" -o Debug::NoLocking=1 -o APT::Sandbox::User=)
    log=$dir/log
    (
        cd "$dir"
        apt-get "${own[@]}" update
        rm -f ./*.deb
        apt-get "${own[@]}" download prometheus
        rm -rf unpacked
        dpkg-deb -x ./*.deb unpacked
        rm -f ./*.deb
        mv unpacked/usr usr
        rm -rf unpacked lists cache
    ) >"$log" 2>&1 || {
        tail -n 20 "$log" >&2
        fail "Debian's package could not be had; the whole output is in $log"
    }
fi
echo "$dir/usr/bin"
