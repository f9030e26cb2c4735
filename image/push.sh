#!/usr/bin/env bash
# push.sh REPOSITORY ARCHIVE…
#
# Pushes images that build.sh has made, one for each architecture, and an index
# of them, as REPOSITORY:VERSION. Prints REPOSITORY@DIGEST, the index, as its
# last line on stdout; progress goes to stderr. Digests stay what they were:
# what was signed or listed before is what is pushed. `crane auth login` says
# who pushes.
set -euo pipefail

fail() {
    echo "image: $*" >&2
    exit 1
}

[[ -n ${1:-} ]] || fail "where to push is missing; 'make push REPOSITORY=ghcr.io/…/credwright'"
(($# >= 2)) || fail "usage: push.sh REPOSITORY ARCHIVE…; 'make image' makes an archive"
repository=$1
shift
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
crane=$("$root/tests/crane/build.sh")/crane
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

images=() versions=()
for archive in "$@"; do
    [[ $archive =~ /credwright-([^/]+)-(amd64|arm64)\.tar$ ]] || fail "$archive is no archive of 'make image', or was renamed"
    versions+=("${BASH_REMATCH[1]}")
    image=$repository:${BASH_REMATCH[1]}-${BASH_REMATCH[2]}
    mkdir "$work/layout"
    tar --extract --file "$archive" --directory "$work/layout"
    "$crane" push "$work/layout" "$image" >&2
    chmod -R u+w "$work/layout"
    rm -r "$work/layout"
    images+=(--manifest "$image")
done
[[ $(printf '%s\n' "${versions[@]}" | sort -u | wc -l) == 1 ]] || fail "these are of different versions: ${versions[*]}"
"$crane" index append "${images[@]}" --tag "$repository:${versions[0]}" >&2
echo "$repository@$("$crane" digest "$repository:${versions[0]}")"
