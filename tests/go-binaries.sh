# Sourced by the build scripts beside a go.mod. Builds binaries at the versions
# that it pins, once, into target/NAME/KEY, and keeps them.
#
# The folder is keyed by everything that decides its content, so a change of
# version never meets old binaries. Each binary is renamed into place once
# complete: what is there is finished.
#
# The script that sources this sets `what`, the thing that is built, and defines
# `package BINARY`, `usual_time BINARY` and `linker_flags`. It may set `tags`, and
# `cgo=1` where a part is written in C.

here=$(cd "$(dirname "${BASH_SOURCE[1]}")" && pwd -P)
name=$(basename "$here")
key=$(cd "$here" && cat go.mod go.sum build.sh ../go-binaries.sh | sha256sum | cut -c1-12)
dir=$(cd "$here/../.." && pwd -P)/target/$name/$key

fail() {
    echo "$name: $*" >&2
    exit 1
}

# The check runs inside the module, where a Go that may fetch a newer toolchain
# for itself has done so.
require_go() {
    local version needed="Go 1.26 or later is needed to build $what"
    command -v go >/dev/null || fail "$needed; 'go' was not found in PATH"
    version=$(cd "$here" && go env GOVERSION 2>/dev/null) || version=$(go version)
    [[ $version =~ go([0-9]+)\.([0-9]+) ]] || fail "$needed; '$version' was not understood"
    ((BASH_REMATCH[1] > 1 || BASH_REMATCH[2] >= 26)) || fail "$needed; found $version"
}

build() {
    local binary=$1 step=$2 began=$SECONDS log=$dir/$1.log partial=$dir/.$1.partial flags
    flags="-s -w $(linker_flags)"
    echo "[$step] $binary ($(usual_time "$binary") the first time; cached afterwards)" >&2
    rm -f "$partial"
    if ! (cd "$here" && CGO_ENABLED=${cgo:-0} GOWORK=off go build -trimpath -buildvcs=false -tags "${tags:-}" \
        -ldflags "$flags" -o "$partial" "$(package "$binary")") >"$log" 2>&1; then
        tail -n 30 "$log" >&2
        fail "$binary could not be built; the whole output is in $log"
    fi
    mv "$partial" "$dir/$binary"
    rm -f "$log"
    echo "[$step] $binary built in $((SECONDS - began)) s" >&2
}

build_missing() {
    local binary number=0 missing=()
    for binary in "$@"; do
        [[ -x $dir/$binary ]] || missing+=("$binary")
    done
    ((${#missing[@]})) || return 0
    require_go
    command -v flock >/dev/null || fail "flock is needed (Debian package util-linux)"
    mkdir -p "$dir"
    # Held until this script ends: of two started at once the second waits and
    # then finds the work done.
    exec 9>"$dir/.lock"
    flock -n 9 || {
        echo "waiting for another build of $what to end" >&2
        flock 9
    }
    for binary in "${missing[@]}"; do
        number=$((number + 1))
        [[ -x $dir/$binary ]] || build "$binary" "$number/${#missing[@]}"
    done
}
