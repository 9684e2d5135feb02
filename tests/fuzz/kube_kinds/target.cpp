// Any JSON as an object of any kind served: its defaults, create and update rules and cells run through without harm, and
// an object that was accepted once is accepted again unchanged.
#include <algorithm>
#include <string>
#include <string_view>

#include "hal/base/error.hpp"
#include "services/kube/kinds/kind.hpp"

using namespace services::kube;

namespace {

bool is_accepted(const kinds::Kind& kind, const boost::json::object& object) {
    return kinds::validate_metadata(kind, object).empty() && (kind.validate == nullptr || kind.validate(object).empty());
}

void apply_defaults(const kinds::Kind& kind, const schema::Type& type, boost::json::object& object) {
    schema::apply_schema_defaults(type, object);
    if (kind.apply_defaults != nullptr) kind.apply_defaults(object);
}

}  // namespace

// The first byte picks the kind.
extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    if (size == 0) return 0;
    const auto& kind = kinds::all()[data[0] % kinds::all().size()];
    const auto& type = *schema::type_of(kind.gvk);
    auto decoded = schema::decode_json(type, std::string_view(reinterpret_cast<const char*>(data) + 1, size - 1));
    if (!decoded) return 0;
    auto object = std::move(decoded->object);
    apply_defaults(kind, type, object);
    if (kind.prepare_create != nullptr) kind.prepare_create(object);
    const bool is_good = is_accepted(kind, object);
    HAL_REQUIRE(kind.cells(object, hal::WallTime{}).size() == kind.columns.size());
    if (kind.selectable_fields != nullptr) kind.selectable_fields(object);
    if (kind.warnings != nullptr && is_good) kind.warnings(object);
    schema::normalise(type, object);

    auto again = object;
    apply_defaults(kind, type, again);
    if (kind.prepare_update != nullptr) kind.prepare_update(again, object);
    HAL_REQUIRE(!is_good || is_accepted(kind, again));
    kinds::validate_metadata_update(kind, again, object);
    if (kind.validate_update != nullptr) kind.validate_update(again, object);
    if (kind.validate_status != nullptr) kind.validate_status(again, object);
    return 0;
}
