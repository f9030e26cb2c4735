#!/usr/bin/env bash
# Builds a small Spring Authorization Server, a registration server that the
# driver oauthRegistration is tested with, at the version pom.xml names. Prints
# the absolute path of the folder that holds server.jar as its last line on
# stdout; progress goes to stderr.
set -euo pipefail

what="Spring Authorization Server"
usual_time="half a minute"
# shellcheck source=tests/maven.sh
source "$(dirname "${BASH_SOURCE[0]}")/../maven.sh"

finish() {
    find "$1" -mindepth 1 -maxdepth 1 ! -name server.jar -exec rm -rf {} +
}

build
