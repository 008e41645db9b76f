#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs on Debian 12 what memgov is built, shown and tested with. Asks nothing, starts no service, and does nothing
# where everything is there already.
#   packaging/deps.sh base   to build and for the demo
#   packaging/deps.sh full   the tests too: the other allocators, sanitizers, fuzzing, aarch64, an emulated machine
#   packaging/deps.sh list base|full   prints the packages
set -eu

base='ca-certificates gcc git libc6-dev make cmake ninja-build pkg-config python3
	libcurl4-openssl-dev libcjson-dev libcgroup-dev libyaml-dev libmicrohttpd-dev libcmocka-dev
	redis-server'
allocators='libjemalloc2 libjemalloc-dev libtcmalloc-minimal4 libgoogle-perftools-dev libmimalloc2.0 libmimalloc-dev
	musl-tools'
checks='clang clang-tidy clang-format libclang-rt-14-dev llvm prometheus cgroup-tools fuse3 libfuse3-dev libseccomp-dev
	man-db'
machine='qemu-system-x86 busybox-static cpio xz-utils zstd kmod'
cross='crossbuild-essential-arm64 qemu-user-static libcurl4-openssl-dev:arm64 libcjson-dev:arm64 libcgroup-dev:arm64
	libyaml-dev:arm64 libmicrohttpd-dev:arm64 libcmocka-dev:arm64 libjemalloc2:arm64 libtcmalloc-minimal4:arm64 libmimalloc2.0:arm64'
services='redis-server prometheus'

packages()
{
	case $1 in
	base) echo $base ;;
	full) echo $base $allocators $checks $machine $cross ;;
	*) echo "usage: $0 [list] base|full" >&2; exit 2 ;;
	esac
}

missing()
{
	for package in $1; do
		case $(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null) in
		ii*) ;;
		*) printf '%s ' "$package" ;;
		esac
	done
}

# Debian starts a service when it is installed. The tests start their own, so nothing is started and nothing enabled.
install_quietly()
{
	policy=/usr/sbin/policy-rc.d
	if [ ! -e $policy ]; then
		trap 'rm -f /usr/sbin/policy-rc.d' EXIT INT TERM
		printf '#!/bin/sh\nexit 101\n' >$policy
		chmod 755 $policy
	fi
	apt-get install -y -qq --no-install-recommends "$@"
	for service in $services; do
		case " $* " in
		*" $service "*) [ ! -d /run/systemd/system ] || systemctl disable --quiet "$service" ;;
		esac
	done
}

if [ "${1:-}" = list ]; then
	packages "${2:-full}"
	exit
fi
set_name=${1:-full}
wanted=$(packages "$set_name")
needed=$(missing "$wanted")
if [ -z "$needed" ]; then
	exit 0
fi
if [ "$(id -u)" != 0 ]; then
	command -v sudo >/dev/null || { echo "deps: root or sudo is needed to install: $needed" >&2; exit 1; }
	exec sudo "$0" "$set_name"
fi

echo "deps: installing $needed"
export DEBIAN_FRONTEND=noninteractive
case $needed in
*:arm64*) dpkg --add-architecture arm64 ;;
esac
apt-get update -qq
# Two versions of one library cannot be installed for two architectures: bring the present ones up to date with the rest.
install_quietly $needed
