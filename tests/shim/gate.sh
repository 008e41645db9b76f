#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What the built library may ask of a process's loader: gate.sh LIBRARY ALLOWED. One sentence a rule; exit 1 when one is broken.
set -u
lib=$1
allowed=$2
nm=${NM:-nm}
readelf=${READELF:-readelf}
failed=0

rule() { # rule SENTENCE OFFENDERS
	if [ -n "$2" ]; then
		printf 'not ok - %s:\n%s\n' "$1" "$2"
		failed=1
	else
		printf 'ok - %s\n' "$1"
	fi
}

dynamic=$($readelf -dW "$lib") && undefined=$($nm -Du "$lib") && segments=$($readelf -lW "$lib") &&
	versions=$($readelf -VW "$lib") && exported=$($nm -D --defined-only "$lib") || exit 1

rule "it names no other library" "$(echo "$dynamic" | grep NEEDED)"
rule "every undefined symbol is weak" "$(echo "$undefined" | awk '$1 != "w"')"
rule "every undefined symbol is on the list" "$(echo "$undefined" | awk '{ print $2 }' | grep -vxFf "$allowed")"
rule "every symbol on the list is still needed" "$(grep -v '^#' "$allowed" | while read -r s; do
	echo "$undefined" | grep -qw "$s" || echo "$s"; done)"
rule "no symbol wants a version, so none wants one newer than the floor" "$(echo "$versions" | grep -i 'version needs')"
rule "no compressed relocations, which old loaders ignore" "$(echo "$dynamic" | grep -w RELR)"
rule "no thread-local storage, of which a program has little to spare" "$(echo "$segments" | grep -w TLS)"
rule "no text relocations and no executable stack" "$(echo "$dynamic" | grep TEXTREL; echo "$segments" | grep 'GNU_STACK.*RWE')"
rule "it cannot be unloaded under its threads" "$(echo "$dynamic" | grep -q NODELETE || echo "NODELETE is missing")"
rule "it exports its interface and the functions it stands in for, nothing else" \
	"$(echo "$exported" | awk '{ print $3 }' | grep -vxE 'memgov_(abi|active|version)|set(e|re|res)?[ug]id|setgroups|setns|setsid|unshare')"
exit $failed
