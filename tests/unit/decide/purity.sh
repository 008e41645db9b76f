#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# purity.sh NM ALLOW ARCHIVE...: every symbol an archive leaves undefined must be its own, of an archive it may link
# (`@archive` in ALLOW), or allowed by name. Prints what is not, and fails.
set -eu
nm=$1 allow=$2
shift 2
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

name_of() { basename "$1" .a | sed 's/^lib//'; }

for archive in "$@"; do
	"$nm" -g --defined-only "$archive" 2>/dev/null | awk 'NF == 3 { print $3 }' | sort -u >"$tmp/$(name_of "$archive").defined"
	[ -s "$tmp/$(name_of "$archive").defined" ] || { echo "$archive defines nothing: is it the right file?"; exit 1; }
done

bad=0
for archive in "$@"; do
	name=$(name_of "$archive")
	cat "$tmp/$name.defined" >"$tmp/known"
	for other in $(awk -v a="$name" '$1 == a && $2 ~ /^@/ { print substr($2, 2) }' "$allow"); do
		cat "$tmp/$other.defined" >>"$tmp/known"
	done
	"$nm" -A -u "$archive" | awk '{ n = split($1, part, ":"); print part[n - 1] == "" ? part[n] : part[n - 1], $NF }' >"$tmp/undefined"
	awk -v name="$name" '
		function glob(p) { gsub(/[.]/, "[.]", p); gsub(/[*]/, ".*", p); return "^" p "$" }
		FILENAME == ARGV[1] { known[$1] = 1; next }
		FILENAME == ARGV[2] {
			if ($0 ~ /^#/ || NF < 2 || $2 ~ /^@/) next
			split($1, where, ":")
			if (name !~ glob(where[1])) next
			n++; object[n] = where[2] == "" ? "^.*$" : glob(where[2]); symbol[n] = glob($2)
			next
		}
		!($2 in known) {
			ok = 0
			for (i = 1; i <= n && !ok; i++) ok = $1 ~ object[i] && $2 ~ symbol[i]
			if (!ok) { print name ": " $1 " calls " $2 ", which is not on the list"; bad = 1 }
		}
		END { exit bad }' "$tmp/known" "$allow" "$tmp/undefined" || bad=1
done
exit $bad
