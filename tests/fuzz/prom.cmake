# SPDX-License-Identifier: Apache-2.0
mg_fuzz(NAME prom LIBS mg_collectors)
