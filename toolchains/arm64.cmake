# The box's other architecture: the same clang, linked against the unpacked sysroot that `toolchains/sysroot arm64` makes; unit
# tests run under qemu-user.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)

set(BRANCHBOX_SYSROOT /var/cache/branchbox/sysroots/arm64)
if(NOT EXISTS "${BRANCHBOX_SYSROOT}/usr/include")
  message(FATAL_ERROR "no arm64 sysroot yet: run toolchains/sysroot arm64")
endif()
# The name behind the link: a new sysroot must not go unnoticed in a configured tree.
file(REAL_PATH "${BRANCHBOX_SYSROOT}" CMAKE_SYSROOT)

set(CMAKE_C_COMPILER_TARGET aarch64-linux-gnu)
set(CMAKE_CXX_COMPILER_TARGET aarch64-linux-gnu)
set(CMAKE_C_COMPILER clang-19)
set(CMAKE_CXX_COMPILER clang++-19)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)

# Already for CMake's own first try; the flags that every target has come later.
set(CMAKE_EXE_LINKER_FLAGS_INIT -fuse-ld=lld)

set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)

set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64;-L;${CMAKE_SYSROOT})
