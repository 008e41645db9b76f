# SPDX-License-Identifier: Apache-2.0
mg_fuzz(NAME psi LIBS mg_collectors)
