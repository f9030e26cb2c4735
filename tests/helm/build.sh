#!/usr/bin/env bash
# Builds what the chart is tested with: helm and kubeconform, at the versions
# go.mod pins. Prints the absolute path of the folder that holds them as its
# last line on stdout; progress goes to stderr.
set -euo pipefail

what=Helm
# shellcheck source=tests/go-binaries.sh
source "$(dirname "${BASH_SOURCE[0]}")/../go-binaries.sh"

package() {
    case $1 in
    helm) echo helm.sh/helm/v4/cmd/helm ;;
    *) echo "github.com/yannh/kubeconform/cmd/$1" ;;
    esac
}

usual_time() {
    case $1 in
    helm) echo "about 3 minutes" ;;
    *) echo "half a minute" ;;
    esac
}

linker_flags() { :; }

build_missing helm kubeconform
echo "$dir"
