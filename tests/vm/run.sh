#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs a command on a machine of its own with a real cgroup v2 (limits, memory.events, PSI): Debian's cloud kernel under
# qemu, this repository and the named programs in its memory, nothing of the host's writable. Gives the command's output
# and exit status.
#   tests/vm/run.sh [-m MIB] [-t SECONDS] [-f FILE-OR-FOLDER]... COMMAND
# Each FILE is taken with the libraries it needs. 77: this machine cannot run it. 124: too late. 125: the machine died.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source_dir=$(cd "$here/../.." && pwd)
cache=$source_dir/build/vm
memory=1536
seconds=120
files=()

skip()
{
	echo "skipped: $*" >&2
	exit 77
}

# The kernel's concrete package behind Debian's moving name: unpacked, never installed.
fetch_kernel()
{
	[ ! -s "$cache/vmlinuz" ] || return 0
	local package scratch
	package=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null | awk '/Depends: linux-image-/ { print $2; exit }')
	[ -n "$package" ] || skip "apt knows no linux-image-cloud-amd64 (apt-get update?)"
	scratch=$(mktemp -d)
	chmod 755 "$scratch"
	if ! (cd "$scratch" && apt-get download -qq -o APT::Sandbox::User=root "$package" >&2); then
		rm -rf "$scratch"
		skip "the kernel package $package cannot be fetched"
	fi
	dpkg-deb -x "$scratch"/*.deb "$scratch/unpacked"
	mkdir -p "$cache"
	cp "$scratch"/unpacked/boot/vmlinuz-* "$cache/vmlinuz.new"
	mv "$cache/vmlinuz.new" "$cache/vmlinuz"
	rm -rf "$scratch"
}

# The libraries of a program, at the same paths as here.
take_libraries()
{
	local root=$1 file=$2 library
	for library in $({ ldd "$file" 2>/dev/null || true; } | grep -o '/[^ ]*' | sort -u); do
		[ ! -e "$root$library" ] || continue
		mkdir -p "$root$(dirname "$library")"
		cp -L "$library" "$root$library"
	done
}

take()
{
	local root=$1 path=$2 file
	mkdir -p "$root$(dirname "$path")"
	cp -a -L "$path" "$root$path"
	find "$root$path" -name '*.a' -delete
	find -L "$path" -type f \( -name '*.so' -o -name '*.so.*' -o -executable \) | while read -r file; do
		take_libraries "$root" "$file"
	done
}

make_initramfs()
{
	local root=$1 file
	mkdir -p "$root"/usr/{bin,sbin,lib,lib64} "$root"/{proc,sys,dev,tmp,run,root,etc,var/log}
	for file in bin sbin lib lib64; do
		ln -s "usr/$file" "$root/$file"
	done
	cp "$(command -v busybox)" "$root/bin/busybox"
	for file in $("$root/bin/busybox" --list); do
		ln -s busybox "$root/bin/$file" 2>/dev/null || true
	done
	cp "$here/init" "$root/init"
	grep -E '^(root|daemon|nobody|redis):' /etc/passwd >"$root/etc/passwd"
	grep -E '^(root|daemon|nogroup|redis):' /etc/group >"$root/etc/group"
	echo '127.0.0.1 localhost' >"$root/etc/hosts"
	for file in "${files[@]}"; do
		take "$root" "$file"
	done
	(cd "$root" && find . | cpio --quiet -o -H newc -R 0:0)
}

while getopts m:t:f: option; do
	case $option in
	m) memory=$OPTARG ;;
	t) seconds=$OPTARG ;;
	f) files+=("$OPTARG") ;;
	*) exit 2 ;;
	esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || { sed -n '3,8s/^# //p' "$0" >&2; exit 2; }

for program in qemu-system-x86_64 busybox cpio; do
	command -v "$program" >/dev/null || skip "$program is not installed (packaging/deps.sh full)"
done
[ "$(uname -m)" = x86_64 ] || skip "the emulated machine is x86-64"
fetch_kernel

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/root"
printf 'cd %q\n%s\n' "$source_dir" "$*" >"$work/root/command"
mkdir -p "$work/root$source_dir"
make_initramfs "$work/root" >"$work/initramfs"

# Emulation everywhere by default: nested virtualization hangs on some clouds, and the tests need seconds, not speed.
accelerator=${MEMGOV_VM_ACCEL:-tcg,thread=multi}
status=0
timeout -k 5 "$seconds" qemu-system-x86_64 -accel "$accelerator" -cpu max -smp 2 -m "$memory" -nodefaults \
	-display none -no-reboot -kernel "$cache/vmlinuz" -initrd "$work/initramfs" \
	-append "console=ttyS0 quiet panic=-1 oops=panic psi=1 cgroup_no_v1=all" \
	-serial "file:$work/console" -serial stdio </dev/null |
	awk -v status=125 '/^memgov-vm: exit / { status = $3; next } { print; fflush() } END { exit status }' || status=$?
if [ "$status" = 125 ]; then
	echo "the machine died or was too late ($seconds s); its console ends:" >&2
	tail -n 20 "$work/console" >&2
fi
exit "$status"
