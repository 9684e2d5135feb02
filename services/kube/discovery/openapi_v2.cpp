#include "services/kube/discovery/openapi_v2.hpp"

#include <cstddef>

asm(R"(
    .pushsection .rodata.branchbox_openapi_v2, "a"
    .balign 8
    .hidden branchbox_openapi_v2
    .globl branchbox_openapi_v2
branchbox_openapi_v2:
    .incbin ")" BRANCHBOX_OPENAPI_V2 R"("
    .hidden branchbox_openapi_v2_end
    .globl branchbox_openapi_v2_end
branchbox_openapi_v2_end:
    .balign 8
    .popsection
)");
extern "C" {
extern const char branchbox_openapi_v2[];
extern const char branchbox_openapi_v2_end[];
}

namespace services::kube::discovery {

constexpr std::size_t hash_characters = 64;

std::string_view openapi_v2_hash() { return {branchbox_openapi_v2, hash_characters}; }

std::string_view openapi_v2_gzip() {
    return {branchbox_openapi_v2 + hash_characters, static_cast<std::size_t>(branchbox_openapi_v2_end - branchbox_openapi_v2) - hash_characters};
}

}  // namespace services::kube::discovery
