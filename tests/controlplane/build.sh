#!/usr/bin/env bash
# Builds a real Kubernetes control plane for the tests and the demo: etcd,
# kube-apiserver, kube-controller-manager and kubectl, at the versions go.mod
# pins. Prints the absolute path of the folder that holds them as its last line
# on stdout; progress goes to stderr.
#
# The folder is keyed by everything that decides its content, so a change of
# version never meets old binaries. Each binary is renamed into place once
# complete: what is there is finished.
#
# If KUBEBUILDER_ASSETS names a folder with etcd, kube-apiserver and kubectl,
# those are used and only a missing kube-controller-manager is built.
set -euo pipefail

fail() {
    echo "controlplane: $*" >&2
    exit 1
}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
cache=$(cd "$here/../.." && pwd -P)/target/controlplane
key=$(cd "$here" && cat go.mod go.sum build.sh | sha256sum | cut -c1-12)
dir=$cache/$key

package() {
    case $1 in
    etcd) echo go.etcd.io/etcd/server/v3 ;;
    *) echo "k8s.io/kubernetes/cmd/$1" ;;
    esac
}

usual_time() {
    case $1 in
    kube-apiserver) echo "about 5 minutes" ;;
    *) echo "one or two minutes" ;;
    esac
}

# The check runs inside the module, where a Go that may fetch a newer toolchain
# for itself has done so.
require_go() {
    local version
    command -v go >/dev/null ||
        fail "Go 1.26 or later is needed to build the control plane; 'go' was not found in PATH"
    version=$(cd "$here" && go env GOVERSION 2>/dev/null) || version=$(go version)
    [[ $version =~ go([0-9]+)\.([0-9]+) ]] ||
        fail "Go 1.26 or later is needed to build the control plane; '$version' was not understood"
    ((BASH_REMATCH[1] > 1 || BASH_REMATCH[2] >= 26)) ||
        fail "Go 1.26 or later is needed to build the control plane; found $version"
}

# A server built without these calls itself v0.0.0, which clients refuse.
version_flags() {
    local version minor variables=k8s.io/component-base/version
    version=$(sed -n 's/^.*k8s\.io\/kubernetes \(v1\.[0-9.]*\).*$/\1/p' "$here/go.mod")
    [[ -n $version ]] || fail "go.mod names no version of k8s.io/kubernetes"
    minor=${version#v1.}
    echo "-X $variables.gitVersion=$version -X $variables.gitMajor=1 -X $variables.gitMinor=${minor%%.*}"
}

build() {
    local name=$1 step=$2 began=$SECONDS log=$dir/$1.log partial=$dir/.$1.partial flags
    flags="-s -w $(version_flags)"
    echo "[$step] $name ($(usual_time "$name") the first time; cached afterwards)" >&2
    rm -f "$partial"
    if ! (cd "$here" && CGO_ENABLED=0 GOWORK=off go build -trimpath -buildvcs=false \
        -ldflags "$flags" -o "$partial" "$(package "$name")") >"$log" 2>&1; then
        tail -n 30 "$log" >&2
        fail "$name could not be built; the whole output is in $log"
    fi
    mv "$partial" "$dir/$name"
    rm -f "$log"
    echo "[$step] $name built in $((SECONDS - began)) s" >&2
}

build_missing() {
    local name number=0 missing=()
    for name in "$@"; do
        [[ -x $dir/$name ]] || missing+=("$name")
    done
    ((${#missing[@]})) || return 0
    require_go
    command -v flock >/dev/null || fail "flock is needed (Debian package util-linux)"
    mkdir -p "$dir"
    # Held until this script ends: of two started at once the second waits and
    # then finds the work done.
    exec 9>"$dir/.lock"
    flock -n 9 || {
        echo "waiting for another build of the control plane to end" >&2
        flock 9
    }
    for name in "${missing[@]}"; do
        number=$((number + 1))
        [[ -x $dir/$name ]] || build "$name" "$number/${#missing[@]}"
    done
}

holds() {
    local folder=$1 name
    shift
    for name in "$@"; do
        [[ -x $folder/$name ]] || return 1
    done
}

assets=${KUBEBUILDER_ASSETS:-}
if [[ -n $assets ]] && ! holds "$assets" etcd kube-apiserver kubectl; then
    echo "KUBEBUILDER_ASSETS=$assets lacks etcd, kube-apiserver or kubectl, so it is not used" >&2
elif [[ -n $assets ]]; then
    assets=$(cd "$assets" && pwd -P)
    if [[ -x $assets/kube-controller-manager ]]; then
        echo "$assets"
        exit
    fi
    build_missing kube-controller-manager
    combined=$dir/with-$(printf %s "$assets" | sha256sum | cut -c1-12)
    mkdir -p "$combined"
    ln -sf "$assets/etcd" "$assets/kube-apiserver" "$assets/kubectl" \
        "$dir/kube-controller-manager" "$combined/"
    echo "$combined"
    exit
fi

build_missing etcd kube-apiserver kube-controller-manager kubectl
echo "$dir"
