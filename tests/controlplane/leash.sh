#!/bin/sh
# leash.sh FOLDER COMMAND [ARGUMENT...]
#
# Runs COMMAND so that it cannot outlive whoever holds the other end of stdin.
# The kernel closes that pipe however the holder ends, SIGKILL included, and at
# end of file COMMAND is killed and FOLDER removed. Until then each line on
# stdin is the name of a signal to pass on: "STOP", "CONT", "KILL".
#
# When COMMAND ends by itself, or by a signal passed on, so does the leash, with
# its status, and FOLDER stays.
folder=$1
shift

exec 3<&0
"$@" </dev/null 3<&- &
command=$!

(
    while read -r signal <&3; do
        kill -s "$signal" "$command"
    done
    # From here on this reader must live to report the end of file below.
    trap '' TERM
    kill -s KILL "$command"
    exit 0
) &
reader=$!
exec 3<&-

wait "$command"
status=$?
kill "$reader" 2>/dev/null
if wait "$reader" 2>/dev/null; then
    rm -rf "$folder"
fi
exit "$status"
