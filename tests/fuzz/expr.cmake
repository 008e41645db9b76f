# SPDX-License-Identifier: Apache-2.0
mg_fuzz(NAME expr LIBS mg_decide)
