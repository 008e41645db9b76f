#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# text.sh [EMULATOR] MEMGOV: runs every line of `cases` (name | exit status | arguments) and compares what it prints with
# NAME.txt, byte for byte. UPDATE=1 writes these files anew: read the difference before committing it.
dir=$(dirname "$(readlink -f "$0")")
out=$(mktemp) || exit 1
trap 'rm -f "$out"' EXIT
unset MEMGOV_SOCKET MEMGOV_LIB MEMGOV_LABELS
failed=0

fail() {
	echo "$*" >&2
	failed=1
}

while IFS='|' read -r name want args; do
	case $name in \#* | '') continue ;; esac
	name=${name%% *}
	# shellcheck disable=SC2086 # the arguments are words
	"$@" $args >"$out" 2>&1 </dev/null
	got=$?
	[ "$got" -eq "$want" ] || fail "memgov$args: exit status $got, expected $want"
	if [ -n "$UPDATE" ]; then
		cp "$out" "$dir/$name.txt"
	else
		diff -u "$dir/$name.txt" "$out" || fail "memgov$args: prints something else than $name.txt"
	fi
done <"$dir/cases"

# exec's environment: keeps what is there, names the library, the socket and the labels.
lib=$(mktemp)
want="LD_PRELOAD=/other.so:$lib MEMGOV_SOCKET=/x/y MEMGOV_LABELS=old=1,a=b,c=d args=-n --socket"
# shellcheck disable=SC2016 # expanded by the inner shell
got=$(LD_PRELOAD=/other.so MEMGOV_LABELS=old=1 MEMGOV_LIB=$lib "$@" exec --socket /x/y --label a=b --label=c=d sh -c \
	'echo "LD_PRELOAD=$LD_PRELOAD MEMGOV_SOCKET=$MEMGOV_SOCKET MEMGOV_LABELS=$MEMGOV_LABELS args=$*"' sh -n --socket 2>/dev/null)
[ "$got" = "$want" ] || fail "exec gives the environment
$got
expected
$want"
got=$(LD_PRELOAD=$lib MEMGOV_LIB=$lib "$@" exec -- sh -c "echo \$LD_PRELOAD" 2>/dev/null)
[ "$got" = "$lib" ] || fail "exec names a library twice: $got"
got=$(MEMGOV_LIB=$lib "$@" exec -- /nonexistent/program 2>&1)
[ $? -eq 4 ] && [ "$got" = "memgov: cannot start /nonexistent/program: No such file or directory" ] || fail "exec of no program: $got"
rm -f "$lib"
got=$(MEMGOV_LIB=$lib "$@" exec -- true 2>&1)
[ $? -eq 4 ] && [ "$got" = "memgov: MEMGOV_LIB names $lib, which cannot be read" ] || fail "exec without a library: $got"

# What other programs read: the completion and the manual page.
if command -v bash >/dev/null; then
	"$@" completion bash | bash -n || fail "the completion is no bash"
fi
if command -v groff >/dev/null; then
	[ -z "$("$@" help --man | groff -man -ww -z 2>&1)" ] || fail "groff complains about the manual page"
fi
exit $failed
