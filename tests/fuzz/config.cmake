# SPDX-License-Identifier: Apache-2.0
mg_fuzz(NAME config LIBS mg_config)
