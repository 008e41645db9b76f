# SPDX-License-Identifier: Apache-2.0
mg_test(pace LABEL unit SOURCES pace.c ${CMAKE_SOURCE_DIR}/shim/pace.c)
