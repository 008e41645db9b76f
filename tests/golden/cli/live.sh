#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# live.sh [EMULATOR] MEMGOV: the operator's verbs against a running governor without targets: exit statuses, what they
# print, and that nothing is left behind.
dir=$(mktemp -d) || exit 1
socket=$dir/control.sock
unset MEMGOV_SOCKET MEMGOV_LIB MEMGOV_LABELS
failed=0
pid=

finish() {
	[ -z "$pid" ] || kill "$pid" 2>/dev/null
	rm -rf "$dir"
}
trap finish EXIT

# expect STATUS PATTERN ARGUMENT...: the verb ends so and prints a line like that.
expect() {
	want=$1 pattern=$2
	shift 2
	"$@" >"$dir/out" 2>&1
	got=$?
	[ "$got" -eq "$want" ] || { echo "$*: exit status $got, expected $want: $(cat "$dir/out")" >&2; failed=1; }
	grep -q -e "$pattern" "$dir/out" || { echo "$*: no line like '$pattern' in: $(cat "$dir/out")" >&2; failed=1; }
}

cat >"$dir/memgov.yaml" <<END
version: 1
interval: 100ms
control: { socket: $socket }
serve: { listen: "" }
targets:
  all:
    rules: [ { name: watch, policy: hold } ]
END

expect 4 'no governor answers' "$@" status --socket "$socket"
"$@" run --config "$dir/memgov.yaml" 2>"$dir/log" &
pid=$!
i=0
until [ -S "$socket.admin" ] || [ $i -ge 100 ]; do
	sleep 0.1
	i=$((i + 1))
done
expect 0 'mode dry-run' "$@" status --socket "$socket"
expect 0 '"config_hash":"[0-9a-f]\{16\}"' "$@" status --socket "$socket" --output json
expect 0 'mode dry-run' "$@" status --config "$dir/memgov.yaml"
expect 4 'no connected process' "$@" status nobody --socket "$socket"
expect 4 'no connected process' "$@" explain 'a b&c' --socket "$socket"
expect 0 '^0 changes' "$@" plan --socket "$socket"
expect 0 'everything paused' "$@" pause --socket "$socket"
expect 0 'PAUSED' "$@" status --socket "$socket"
expect 0 '"paused":false' "$@" resume --socket "$socket" --output json
expect 4 'another governor' "$@" run --config "$dir/memgov.yaml"
[ "$(stat -c %a "$socket.admin")" = 600 ] || { echo "the admin socket has mode $(stat -c %a "$socket.admin")" >&2; failed=1; }
kill "$pid"
wait "$pid"
status=$?
pid=
[ $status -eq 0 ] || { echo "the governor ends with $status: $(cat "$dir/log")" >&2; failed=1; }
[ ! -e "$socket.admin" ] || { echo "the admin socket is left behind" >&2; failed=1; }
exit $failed
