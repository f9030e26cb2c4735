#!/usr/bin/env bash
# Builds crane, which assembles and pushes images, at the version go.mod pins.
# Prints the absolute path of the folder that holds it as its last line on
# stdout; progress goes to stderr.
set -euo pipefail

what=crane
# shellcheck source=tests/go-binaries.sh
source "$(dirname "${BASH_SOURCE[0]}")/../go-binaries.sh"

package() { echo github.com/google/go-containerregistry/cmd/crane; }

usual_time() { echo "half a minute"; }

linker_flags() { :; }

build_missing crane
echo "$dir"
