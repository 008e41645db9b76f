#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The end-to-end test on a real cgroup v2: packs the release build and Python into the emulated machine and runs v2.py and crash.py there.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source_dir=$(cd "$here/../.." && pwd)
build=${MEMGOV_BUILD:-$source_dir/build/release}
python=$(readlink -f /usr/bin/python3)
export MEMGOV_BUILD=$build

exec "$here/run.sh" -t 150 -f "$python" -f /usr/bin/python3 -f "/usr/lib/$(basename "$python")" \
	-f "$build/bin/memgov" -f "$build/bin/glibc_service" -f "$build/lib/libmemgov.so" \
	-f "$source_dir/tests/e2e" -f "$source_dir/tests/vm" -f "$source_dir/tests/programs" \
	"MEMGOV_BUILD=$build python3 tests/vm/v2.py && MEMGOV_BUILD=$build python3 tests/e2e/crash.py"
