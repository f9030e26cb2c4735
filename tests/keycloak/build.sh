#!/usr/bin/env bash
# Fetches Keycloak, a registration server that the driver oauthRegistration is
# tested with, at the version pom.xml names, and prepares it. Prints the absolute
# path of the folder that holds it as its last line on stdout; progress goes to
# stderr.
set -euo pipefail

what=Keycloak
usual_time="180 MB, two or three minutes"
# shellcheck source=tests/maven.sh
source "$(dirname "${BASH_SOURCE[0]}")/../maven.sh"

# Each start would otherwise begin with this: a minute of work for the database
# and the features that are chosen.
finish() {
    mv "$1"/keycloak-*/* "$1/"
    rm -rf "$1/markers" "$1"/keycloak-*
    "$1/bin/kc.sh" build --db=dev-mem
}

build
