# Options, dependencies and the helpers that every folder uses.

option(SEG_WERROR "Warnings are errors" OFF)
option(SEG_TESTS "Build the tests" ON)
option(SEG_FUZZ "Build the libFuzzer targets (needs clang)" OFF)
option(SEG_COVERAGE "Instrument for gcov" OFF)
option(SEG_FAULTS "Crash points and seeded bugs by environment variables (base/fault.h); never for production" OFF)
option(SEG_FAULT_TWIN "Build a second program, segmentd_fault, with SEG_FAULTS" OFF)
set(SEG_SANITIZE "" CACHE STRING "Sanitizers, e.g. address,undefined")

find_package(PkgConfig REQUIRED)
pkg_check_modules(RDKAFKA REQUIRED IMPORTED_TARGET rdkafka>=2.0.2)
pkg_check_modules(AVRO REQUIRED IMPORTED_TARGET avro-c>=1.11.1)
pkg_check_modules(ROCKSDB REQUIRED IMPORTED_TARGET rocksdb>=7.8.3)
pkg_check_modules(MICROHTTPD REQUIRED IMPORTED_TARGET libmicrohttpd>=0.9.75)
pkg_check_modules(YAML REQUIRED IMPORTED_TARGET yaml-0.1>=0.2.5)
pkg_check_modules(CURL REQUIRED IMPORTED_TARGET libcurl>=7.88)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson>=2.14)
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash>=0.8.1)
pkg_check_modules(NLOPT REQUIRED IMPORTED_TARGET nlopt>=2.7)
pkg_check_modules(LAPACKE REQUIRED IMPORTED_TARGET lapacke)
pkg_check_modules(SODIUM REQUIRED IMPORTED_TARGET libsodium>=1.0.18)
find_package(Threads REQUIRED)

# What the tests fetch once lives in one folder (tests/support/cache-dir.sh says which).
if(DEFINED ENV{SEG_CACHE} AND NOT "$ENV{SEG_CACHE}" STREQUAL "")
	set(SEG_CACHE "$ENV{SEG_CACHE}")
elseif(DEFINED ENV{XDG_CACHE_HOME} AND NOT "$ENV{XDG_CACHE_HOME}" STREQUAL "")
	set(SEG_CACHE "$ENV{XDG_CACHE_HOME}/segmentd")
else()
	set(SEG_CACHE "$ENV{HOME}/.cache/segmentd")
endif()

# The Python of the tests: the virtual environment of tests/support/test-deps.sh, else any python3.
if(EXISTS "${SEG_CACHE}/venv/bin/python3")
	set(SEG_PYTHON "${SEG_CACHE}/venv/bin/python3")
else()
	set(SEG_PYTHON python3)
endif()

# Objects compiled before are taken from the cache, if ccache is there.
find_program(SEG_CCACHE ccache)
if(SEG_CCACHE AND NOT CMAKE_C_COMPILER_LAUNCHER)
	set(CMAKE_C_COMPILER_LAUNCHER "${CMAKE_COMMAND}" -E env "CCACHE_DIR=${SEG_CACHE}/ccache" "CCACHE_MAXSIZE=1G"
		"CCACHE_BASEDIR=${CMAKE_SOURCE_DIR}" "CCACHE_NOHASHDIR=1" "${SEG_CCACHE}")
endif()

# Everything that all targets share: include root, warnings, sanitizers.
add_library(seg_options INTERFACE)
target_include_directories(seg_options INTERFACE "${CMAKE_SOURCE_DIR}" "${CMAKE_BINARY_DIR}/generated")
target_compile_definitions(seg_options INTERFACE _GNU_SOURCE SEG_VERSION="${PROJECT_VERSION}")
target_compile_options(seg_options INTERFACE
	-Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wwrite-strings -Wvla
	-Wswitch-enum -Wformat=2 -Wundef $<$<C_COMPILER_ID:GNU>:-Wno-format-truncation> -fno-common -fno-math-errno -ffp-contract=off -fvisibility=hidden)
target_link_libraries(seg_options INTERFACE m)
if(SEG_FAULTS)
	target_compile_definitions(seg_options INTERFACE SEG_FAULTS SEG_MUTATIONS)
endif()
if(SEG_WERROR)
	target_compile_options(seg_options INTERFACE -Werror)
endif()
if(SEG_SANITIZE)
	target_compile_options(seg_options INTERFACE -fsanitize=${SEG_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
	target_link_options(seg_options INTERFACE -fsanitize=${SEG_SANITIZE})
endif()
if(SEG_FUZZ)
	target_compile_options(seg_options INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(SEG_COVERAGE)
	target_compile_options(seg_options INTERFACE --coverage)
	target_link_options(seg_options INTERFACE --coverage)
endif()

# seg_link(NAME targets...): also NAME_fault with the fault twins of those that are libraries of ours.
function(seg_link name)
	target_link_libraries(${name} PUBLIC ${ARGN})
	if(SEG_FAULT_TWIN)
		list(TRANSFORM ARGN APPEND "_fault" REGEX "^seg_(base|config|consumers|http|producers|segmenter|state)$")
		target_link_libraries(${name}_fault PUBLIC ${ARGN})
	endif()
endfunction()

# seg_library(NAME SOURCES a.c b.c [LINK targets...]): one static library per folder. With SEG_FAULT_TWIN a second one,
# NAME_fault, from the same sources with SEG_FAULTS, built only for those who link it.
function(seg_library name)
	cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
	add_library(${name} STATIC ${ARG_SOURCES})
	if(SEG_FAULT_TWIN)
		add_library(${name}_fault STATIC EXCLUDE_FROM_ALL ${ARG_SOURCES})
		target_compile_definitions(${name}_fault PUBLIC SEG_FAULTS SEG_MUTATIONS)
		if(NOT name STREQUAL seg_base) # one look at each source is enough for lint
			set_target_properties(${name}_fault PROPERTIES EXPORT_COMPILE_COMMANDS OFF)
		endif()
	endif()
	seg_link(${name} seg_options ${ARG_LINK})
endfunction()

# Labels of a test: those given, and the folder below tests/ that it is in (unit, property, fuzz, integration, fault).
function(seg_label_test name)
	file(RELATIVE_PATH where "${CMAKE_SOURCE_DIR}/tests" "${CMAKE_CURRENT_SOURCE_DIR}")
	string(REGEX REPLACE "/.*" "" area "${where}")
	set(labels ${ARGN} ${area})
	list(REMOVE_DUPLICATES labels)
	set_tests_properties(${name} PROPERTIES LABELS "${labels}")
endfunction()

# seg_script_test(NAME COMMAND program args... [LABELS ...] [TIMEOUT s] [LOCK resource]): a test that is a script.
# LOCK: not beside another test with the same lock, e.g. those that start a Kafka broker.
function(seg_script_test name)
	cmake_parse_arguments(ARG "" "TIMEOUT;LOCK" "COMMAND;LABELS" ${ARGN})
	add_test(NAME ${name} COMMAND ${ARG_COMMAND})
	if(NOT ARG_TIMEOUT)
		set(ARG_TIMEOUT 120)
	endif()
	set_tests_properties(${name} PROPERTIES TIMEOUT ${ARG_TIMEOUT}
		ENVIRONMENT "SEG_CACHE=${SEG_CACHE};SEG_BUILD_DIR=${CMAKE_BINARY_DIR};SEG_SOURCE_DIR=${CMAKE_SOURCE_DIR}")
	if(ARG_LOCK)
		set_tests_properties(${name} PROPERTIES RESOURCE_LOCK "${ARG_LOCK}")
	endif()
	seg_label_test(${name} ${ARG_LABELS})
endfunction()

# seg_test(NAME SOURCES a.c [LINK targets...] [ARGS ...] [LABELS ...] [TIMEOUT s]): one cmocka program and ctest case.
function(seg_test name)
	cmake_parse_arguments(ARG "" "TIMEOUT" "SOURCES;LINK;ARGS;LABELS" ${ARGN})
	pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka)
	add_executable(${name} ${ARG_SOURCES})
	target_link_libraries(${name} PRIVATE ${ARG_LINK} seg_options PkgConfig::CMOCKA)
	target_compile_definitions(${name} PRIVATE SEG_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
	add_test(NAME ${name} COMMAND ${name} ${ARG_ARGS})
	if(NOT ARG_TIMEOUT)
		set(ARG_TIMEOUT 120)
	endif()
	set_tests_properties(${name} PROPERTIES TIMEOUT ${ARG_TIMEOUT})
	seg_label_test(${name} ${ARG_LABELS})
endfunction()

# seg_fuzz(NAME SOURCES a.c [LINK ...]): a libFuzzer program under clang with SEG_FUZZ, and always a plain program that
# replays the corpus folder tests/fuzz/corpus/NAME as a ctest case.
function(seg_fuzz name)
	cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
	if(SEG_FUZZ)
		add_executable(${name} ${ARG_SOURCES})
		target_link_options(${name} PRIVATE -fsanitize=fuzzer)
		target_link_libraries(${name} PRIVATE ${ARG_LINK} seg_options)
	endif()
	add_executable(${name}_replay ${ARG_SOURCES} "${CMAKE_SOURCE_DIR}/tests/fuzz/replay_main.c")
	target_link_libraries(${name}_replay PRIVATE ${ARG_LINK} seg_options)
	add_test(NAME ${name}_replay COMMAND ${name}_replay "${CMAKE_SOURCE_DIR}/tests/fuzz/corpus/${name}")
	seg_label_test(${name}_replay)
endfunction()

# What the property tests and the torture compile once more, with seeded bugs, assertions or calls that fail: a partition
# without its store, and a shard over it.
set(SEG_PART_SOURCES aggregate attributes codec codec_read codec_write cut merge window table part part_apply part_bulk
	part_commit part_cycle part_mend part_recover part_scan part_take spare)
set(SEG_SHARD_SOURCES evaluate event_id flaps pace rule_segments sample shard shard_cycle shard_leave shard_rules shard_scan shard_sums stream_time)
list(TRANSFORM SEG_PART_SOURCES REPLACE "(.+)" "${CMAKE_SOURCE_DIR}/state/\\1.c")
list(TRANSFORM SEG_SHARD_SOURCES REPLACE "(.+)" "${CMAKE_SOURCE_DIR}/daemon/\\1.c")
