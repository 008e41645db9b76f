# SPDX-License-Identifier: Apache-2.0
mg_fuzz(NAME promql LIBS mg_collectors)
