# SPDX-License-Identifier: Apache-2.0
# mg_test(NAME LABEL label SOURCES a.c LIBS lib...): one cmocka program, one ctest entry. Exit 77 is a skip.
function(mg_test name)
	cmake_parse_arguments(T "" "LABEL;TIMEOUT" "SOURCES;LIBS" ${ARGN})
	if(NOT T_TIMEOUT)
		set(T_TIMEOUT 60)
	endif()
	add_executable(${name} ${T_SOURCES})
	target_link_libraries(${name} PRIVATE mg_flags ${T_LIBS} PkgConfig::CMOCKA)
	add_test(NAME ${T_LABEL}.${name} COMMAND ${name})
	set_tests_properties(${T_LABEL}.${name} PROPERTIES LABELS ${T_LABEL} TIMEOUT ${T_TIMEOUT} SKIP_RETURN_CODE 77)
endfunction()
