#!/usr/bin/env bash
# Builds a real Kubernetes control plane for the tests and the demo: etcd,
# kube-apiserver, kube-controller-manager and kubectl, at the versions go.mod
# pins. Prints the absolute path of the folder that holds them as its last line
# on stdout; progress goes to stderr.
#
# If KUBEBUILDER_ASSETS names a folder with etcd, kube-apiserver and kubectl,
# those are used and only a missing kube-controller-manager is built.
set -euo pipefail

what="the control plane"
# shellcheck source=tests/go-binaries.sh
source "$(dirname "${BASH_SOURCE[0]}")/../go-binaries.sh"

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

# A server built without these calls itself v0.0.0, which clients refuse.
linker_flags() {
    local version minor variables=k8s.io/component-base/version
    version=$(sed -n 's/^.*k8s\.io\/kubernetes \(v1\.[0-9.]*\).*$/\1/p' "$here/go.mod")
    [[ -n $version ]] || fail "go.mod names no version of k8s.io/kubernetes"
    minor=${version#v1.}
    echo "-X $variables.gitVersion=$version -X $variables.gitMajor=1 -X $variables.gitMinor=${minor%%.*}"
}

holds() {
    local folder=$1 binary
    shift
    for binary in "$@"; do
        [[ -x $folder/$binary ]] || return 1
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
