# Sourced by the build scripts beside a pom.xml. Lets Maven fetch or build what
# the pom.xml names, once, into target/NAME/KEY.
#
# The folder is keyed by everything that decides its content. It is renamed into
# place once complete: what is there is finished.
#
# The script that sources this sets `what`, the thing that is built, and
# `usual_time`, and defines `finish FOLDER`, which turns what Maven left in FOLDER
# into what is kept. Its last call is `build`.

here=$(cd "$(dirname "${BASH_SOURCE[1]}")" && pwd -P)
name=$(basename "$here")
key=$(cd "$here" && find . -type f | sort | xargs cat ../maven.sh | sha256sum | cut -c1-12)
dir=$(cd "$here/../.." && pwd -P)/target/$name/$key

fail() {
    echo "$name: $*" >&2
    exit 1
}

require_java() {
    local tool version needed="Java 17 or later with Maven is needed for $what"
    for tool in java javac mvn flock; do
        command -v $tool >/dev/null || fail "$needed; '$tool' was not found in PATH"
    done
    version=$(javac -version 2>&1)
    [[ $version =~ ^javac\ ([0-9]+) ]] || fail "$needed; '$version' was not understood"
    ((BASH_REMATCH[1] >= 17)) || fail "$needed; found $version"
}

build() {
    local began=$SECONDS partial=$dir.partial log=$dir.log
    if [[ ! -d $dir ]]; then
        require_java
        mkdir -p "${dir%/*}"
        # Held until this script ends: of two started at once the second waits and
        # then finds the work done.
        exec 9>"${dir%/*}/.lock"
        flock 9
    fi
    if [[ ! -d $dir ]]; then
        echo "$what ($usual_time the first time; kept afterwards)" >&2
        rm -rf "$partial"
        if ! (mvn --batch-mode --file "$here/pom.xml" package -Dkept="$partial" && finish "$partial") \
            </dev/null >"$log" 2>&1; then
            tail -n 30 "$log" >&2
            fail "$what could not be built; the whole output is in $log"
        fi
        mv "$partial" "$dir"
        rm -f "$log"
        echo "$what built in $((SECONDS - began)) s" >&2
    fi
    echo "$dir"
}
