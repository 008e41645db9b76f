# SPDX-License-Identifier: Apache-2.0
mg_fuzz(NAME wire LIBS mg_protocol)
