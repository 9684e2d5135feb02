// Foreign yaml read as a Pod, which has every form of field the table knows. Whatever decodes is normalised and written again.
#include <cstdint>
#include <string_view>

#include "hal/base/error.hpp"
#include "services/kube/schema/schema.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    using namespace services::kube::schema;
    static const Type* pod = type_of({"", "v1", "Pod"});
    HAL_REQUIRE(pod != nullptr);
    const std::string_view input(reinterpret_cast<const char*>(bytes), size);
    auto decoded = decode_yaml(*pod, input);
    if (!decoded) return 0;
    normalise(*pod, decoded->object);
    apply_schema_defaults(*pod, decoded->object);
    encode_protobuf({"", "v1", "Pod"}, *pod, decoded->object);
    return 0;
}
