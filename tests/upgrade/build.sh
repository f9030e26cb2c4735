#!/usr/bin/env bash
# Builds the version of Credwright that the upgrade test begins with. Prints the
# absolute path of its binary as the last line on stdout; progress goes to stderr.
#
# It is built once, with its own Cargo.lock, into target/upgrade/COMMIT, and kept.
# The binary is renamed into place once complete: what is there is finished.
set -euo pipefail

commit=0d496cd06bd817be578b4366e6bb123bf4b762d4

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
dir=$root/target/upgrade/${commit:0:12}
binary=$dir/credwright

fail() {
    echo "upgrade: $*" >&2
    exit 1
}

# A clone that has only the newest commits cannot build an earlier one.
require_commit() {
    command -v git >/dev/null || fail "git is needed to build the earlier version; 'git' was not found in PATH"
    git -C "$root" rev-parse --git-dir >/dev/null 2>&1 ||
        fail "$root is no clone of the repository, so commit $commit cannot be built; clone it with: git clone"
    git -C "$root" cat-file -e "$commit^{commit}" 2>/dev/null ||
        fail "commit $commit is not in this clone, which is shallow; get it with: git fetch --unshallow"
}

build() {
    local began=$SECONDS log=$dir/build.log source=$dir/source
    echo "credwright of commit ${commit:0:7} (about ten minutes the first time; kept in target/upgrade)" >&2
    rm -rf "$source"
    mkdir "$source"
    git -C "$root" archive "$commit" | tar -x -C "$source"
    if ! (cd "$source" && CARGO_TARGET_DIR=$dir/build CARGO_INCREMENTAL=0 CARGO_PROFILE_DEV_DEBUG=none \
        cargo build --locked --bin credwright) >"$log" 2>&1; then
        tail -n 30 "$log" >&2
        fail "commit $commit could not be built; the whole output is in $log"
    fi
    mv "$dir/build/debug/credwright" "$binary"
    rm -rf "$source" "$dir/build" "$log"
    echo "credwright of commit ${commit:0:7} built in $((SECONDS - began)) s" >&2
}

if [[ ! -x $binary ]]; then
    require_commit
    command -v cargo >/dev/null || fail "Rust is needed to build the earlier version; 'cargo' was not found in PATH"
    command -v flock >/dev/null || fail "flock is needed (Debian package util-linux)"
    mkdir -p "$dir"
    # Held until this script ends: of two started at once the second waits and
    # then finds the work done.
    exec 9>"$dir/.lock"
    flock -n 9 || {
        echo "waiting for another build of the earlier version to end" >&2
        flock 9
    }
    [[ -x $binary ]] || build
fi
echo "$binary"
