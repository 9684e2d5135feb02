# Flags of every target: warnings are errors, hardening as Debian's own packages have it, small sections so that the
# linker can drop what nobody calls. Assertions stay on in every build type (style.md: "Errors").
set(BRANCHBOX_SANITIZE "" CACHE STRING "clang -fsanitize= list, empty for none")
option(BRANCHBOX_FUZZ "Build the libFuzzer targets instead of replaying their corpora" OFF)

set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1")
set(CMAKE_C_FLAGS_RELEASE "-O2 -g1")
set(CMAKE_CXX_FLAGS_DEBUG "-O0 -g1")
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

add_compile_options(
    -Wall -Wextra -Wpedantic -Werror -Wshadow -Wnon-virtual-dtor -Wold-style-cast -Woverloaded-virtual -Wimplicit-fallthrough
    -ffunction-sections -fdata-sections -fstack-protector-strong -fno-omit-frame-pointer)
add_link_options(-fuse-ld=lld -Wl,--gc-sections -Wl,-z,relro,-z,now -Wl,-z,pack-relative-relocs -Wl,--icf=safe)

if(BRANCHBOX_SANITIZE)
  add_compile_options(-fsanitize=${BRANCHBOX_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${BRANCHBOX_SANITIZE})
else()
  add_compile_options($<$<CONFIG:Release>:-D_FORTIFY_SOURCE=3>)
endif()
if(BRANCHBOX_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
