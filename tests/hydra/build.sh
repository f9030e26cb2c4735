#!/usr/bin/env bash
# Builds Ory Hydra, a registration server that the driver oauthRegistration is
# tested with, at the version go.mod pins. Prints the absolute path of the folder
# that holds it as its last line on stdout; progress goes to stderr.
set -euo pipefail

what="Ory Hydra"
# It keeps its clients in SQLite, which is written in C.
# shellcheck disable=SC2034
tags=sqlite cgo=1
# shellcheck source=tests/go-binaries.sh
source "$(dirname "${BASH_SOURCE[0]}")/../go-binaries.sh"

package() { echo github.com/ory/hydra/v2; }

usual_time() { echo "two or three minutes"; }

linker_flags() { :; }

# Go itself prefers gcc.
[[ -x $dir/hydra ]] || command -v "${CC:-gcc}" >/dev/null ||
    fail "a C compiler is needed to build $what; '${CC:-gcc}' was not found in PATH"
build_missing hydra
echo "$dir"
