#!/usr/bin/env bash
# build.sh BINARY FOLDER
#
# Makes the container image of a built binary, without a container engine: the
# binary, the shared libraries it is linked with, the CA roots, and a few lines
# in /etc. There is no shell in it and nothing that can be written to.
#
# Writes FOLDER/credwright-VERSION-ARCH.tar and the bill of materials beside it,
# FOLDER/credwright-VERSION-ARCH.cdx.json. Prints the archive's path as its last
# line on stdout; progress goes to stderr. The same binary on the same machine
# gives the same bytes: SOURCE_DATE_EPOCH, or else the time of the commit, is
# when everything was made.
#
# IMAGE_SOURCE, if it is set, is the URL of the sources, for a label.
set -euo pipefail
umask 022

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
root=$(dirname "$here")
entrypoint=/usr/local/bin/credwright
roots=/etc/ssl/certs/ca-certificates.crt
nonroot=65532

fail() {
    echo "image: $*" >&2
    exit 1
}

require() {
    local pair
    for pair in ldd:libc-bin strip:binutils dpkg-query:dpkg setpriv:util-linux node:nodejs tar:tar; do
        command -v "${pair%:*}" >/dev/null ||
            fail "'${pair%:*}' was not found in PATH (Debian package ${pair#*:}); an image is built on Debian or Ubuntu"
    done
    compgen -G '/usr/share/ca-certificates/mozilla/*.crt' >/dev/null ||
        fail "there are no CA roots in /usr/share/ca-certificates; install the Debian package ca-certificates"
    # Older ones look names up through libraries that ldd does not name.
    local libc
    libc=$(getconf GNU_LIBC_VERSION | cut -d' ' -f2)
    [[ $(printf '%s\n' 2.34 "$libc" | sort -V | head -n1) == 2.34 ]] || fail "glibc 2.34 or later is needed; found $libc"
}

# The shared libraries of a binary, and the loader.
libraries() {
    local found
    found=$(ldd "$1") || fail "$1 is not a program of this machine that is linked with shared libraries: $found"
    ! grep 'not found' <<<"$found" >&2 || fail "libraries of $1 are missing on this machine"
    grep -o '/[^ ]*' <<<"$found"
}

# The Debian package that a file is of. Where /lib is a link to /usr/lib, dpkg knows a file by
# either name.
package_of() {
    local name
    for name in "$1" "/usr$1" "${1#/usr}"; do
        dpkg-query --search "$name" 2>/dev/null | head -n1 | cut -d: -f1 | grep . && return
    done
    fail "$1 is of no Debian package, so the bill of materials cannot name it"
}

# Everything that is in the image, as files in a folder.
fill() {
    local tree=$1 library package
    install -D "$binary" "$tree$entrypoint"
    strip --strip-all "$tree$entrypoint"
    for library in $libraries; do
        install -D "$library" "$tree$library"
    done
    # Those of the package, and not what this machine trusts besides.
    mkdir -p "$tree${roots%/*}"
    (
        LC_ALL=C
        cat /usr/share/ca-certificates/mozilla/*.crt
    ) >"$tree$roots"
    echo "nonroot:x:$nonroot:$nonroot:nonroot:/:/sbin/nologin" >"$tree/etc/passwd"
    echo "nonroot:x:$nonroot:" >"$tree/etc/group"
    echo "hosts: files dns" >"$tree/etc/nsswitch.conf"
    # Their licences want to go with them.
    install -D --mode 644 "$root/LICENSE" "$tree/usr/share/doc/credwright/copyright"
    for package in $packages; do
        install -D --mode 644 "/usr/share/doc/$package/copyright" "$tree/usr/share/doc/$package/copyright"
    done
}

# crane changes images in registries only, so there is one for as long as this takes, on loopback.
start_registry() {
    local line
    exec 3< <(exec setpriv --pdeathsig KILL "$crane" registry serve --address 127.0.0.1:0 --disk "$work/registry" 2>&1)
    registry=$!
    while read -r -t 20 line <&3; do
        [[ $line =~ serving\ on\ port\ ([0-9]+) ]] && break
    done
    [[ -n ${BASH_REMATCH[1]:-} ]] || fail "crane's registry did not start${line:+: $line}"
    repository=127.0.0.1:${BASH_REMATCH[1]}/credwright
}

clean() {
    [[ -z $registry ]] || kill "$registry" 2>/dev/null || true
    rm -rf "$work"
}

assemble() {
    local label labels=(
        "title=credwright"
        "description=$(sed -n 's/^description = "\(.*\)"/\1/p' "$root/Cargo.toml")"
        "version=$version"
        "revision=$(git -C "$root" describe --always --dirty --abbrev=40 --exclude='*' 2>/dev/null || echo unknown)"
        "created=$(date --utc --date="@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)"
        "licenses=Apache-2.0"
        ${IMAGE_SOURCE:+"source=$IMAGE_SOURCE"}
    )
    local flags=(--entrypoint "$entrypoint" --user "$nonroot:$nonroot" --workdir / --env "SSL_CERT_FILE=$roots")
    for label in "${labels[@]}"; do
        flags+=(--label "org.opencontainers.image.$label")
    done
    "$crane" append --oci-empty-base --new_layer "$work/layer.tar" --new_tag "$repository:layer" &&
        "$crane" mutate "$repository:layer" "${flags[@]}" --set-platform "linux/$arch" --tag "$repository:image" &&
        "$crane" pull --format oci "$repository:image" "$work/layout"
}

# A tar that depends on nothing but what is in the folder, in which nobody may write.
pack() {
    tar --create --file "$2" --directory "$1" --format ustar --sort name --mtime "@$SOURCE_DATE_EPOCH" \
        --owner 0 --group 0 --numeric-owner --mode a+rX,a-w .
}

(($# == 2)) || fail "usage: build.sh BINARY FOLDER"
binary=$1 folder=$2 registry='' began=$SECONDS
require
[[ -x $binary ]] || fail "there is no binary $binary; 'make image' builds it"
case $(uname -m) in
x86_64) arch=amd64 ;;
aarch64) arch=arm64 ;;
*) fail "there are images for x86_64 and aarch64 only, and this is $(uname -m)" ;;
esac
version=$("$binary" --version)
[[ $version =~ ^credwright\ ([^ ]+)$ ]] || fail "$binary is not credwright: it says '$version'"
version=${BASH_REMATCH[1]}
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$root" log -1 --format=%ct 2>/dev/null || echo 0)}
crane=$("$root/tests/crane/build.sh")/crane
libraries=$(libraries "$binary")
packages=$(for library in $libraries; do package_of "$library"; done && echo ca-certificates)
packages=$(sort -u <<<"$packages")
work=$(mktemp -d)
trap clean EXIT
mkdir "$work/registry"

echo "image: credwright $version for linux/$arch" >&2
fill "$work/tree"
pack "$work/tree" "$work/layer.tar"
start_registry
assemble >"$work/log" 2>&1 || fail "$(cat "$work/log")"
name=$(node -p "require('$root/charts/credwright/values.schema.json').properties.image.properties.repository.default")
digest=$(node "$here/layout.mjs" "$work/layout" "$name:$version")
mkdir -p "$folder"
archive=$folder/credwright-$version-$arch.tar
# shellcheck disable=SC2086 # the names of packages hold no blanks
node "$here/sbom.mjs" "$name" "$version" "$arch" "$digest" $packages >"$work/sbom"
mv "$work/sbom" "${archive%.tar}.cdx.json"
pack "$work/layout" "$work/archive.tar"
mv "$work/archive.tar" "$archive"
echo "image: $digest, built in $((SECONDS - began)) s, $(du -h "$archive" | cut -f1)" >&2
echo "$archive"
