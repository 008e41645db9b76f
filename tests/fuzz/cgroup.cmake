# SPDX-License-Identifier: Apache-2.0
mg_fuzz(NAME cgroup LIBS mg_collectors)
