# SPDX-License-Identifier: Apache-2.0
# Flags of every target. MG_SANITIZE is a list for -fsanitize= (presets dev, tsan, fuzz); the shim never takes it.
set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

set(MG_SANITIZE "" CACHE STRING "sanitizers for the governor and the tests, as -fsanitize= takes them")
option(MG_WERROR "warnings are errors" OFF)
option(MG_FUZZ "build the fuzz targets with libFuzzer (clang)" OFF)

set(MG_WARNINGS -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wvla -Wswitch-enum -Wformat=2 -Wundef
	-Wmissing-prototypes -Wno-sign-conversion)
if(MG_WERROR)
	list(APPEND MG_WARNINGS -Werror)
endif()

add_library(mg_flags INTERFACE) # what the governor and the tests compile with
target_compile_definitions(mg_flags INTERFACE _GNU_SOURCE)
target_compile_options(mg_flags INTERFACE ${MG_WARNINGS})
target_include_directories(mg_flags INTERFACE ${CMAKE_SOURCE_DIR})
if(MG_SANITIZE)
	target_compile_options(mg_flags INTERFACE -fsanitize=${MG_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
	target_link_options(mg_flags INTERFACE -fsanitize=${MG_SANITIZE})
else()
	target_compile_options(mg_flags INTERFACE -fstack-protector-strong -fstack-clash-protection)
	target_compile_definitions(mg_flags INTERFACE $<$<CONFIG:Release>:_FORTIFY_SOURCE=2>)
	target_link_options(mg_flags INTERFACE -Wl,-z,relro,-z,now)
endif()
if(MG_FUZZ) # without it libFuzzer sees only the few lines of the target itself
	target_compile_options(mg_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
