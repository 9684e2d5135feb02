// A foreign patch applied to a Pod in each of the four ways; what comes of it is normalised and its managers are tracked.
// The first byte picks the way.
#include <boost/json/parse.hpp>

#include <cstdint>
#include <string_view>

#include "hal/base/error.hpp"
#include "services/kube/schema/managed_fields.hpp"
#include "services/kube/schema/patch.hpp"
#include "services/kube/schema/strategic_merge.hpp"

namespace {

using namespace services::kube::schema;

const Type& pod_type() {
    static const Type* type = type_of({"", "v1", "Pod"});
    HAL_REQUIRE(type != nullptr);
    return *type;
}

Tracking by(const char* manager) { return {manager, "Update", "", "2026-01-01T12:00:00Z", "v1", true}; }

const json::object& pod() {
    static const json::object stored = [] {
        json::object object = json::parse(R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","uid":"u","labels":{"a":"b"},
            "annotations":{"kubectl.kubernetes.io/last-applied-configuration":"{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"p\"}}"},
            "finalizers":["x","y"],"ownerReferences":[{"apiVersion":"v1","kind":"Node","name":"n","uid":"7"}]},
            "spec":{"containers":[{"name":"a","image":"i","args":["1"],"ports":[{"containerPort":80},{"containerPort":80,"protocol":"UDP"}],
            "env":[{"name":"E","value":"1"},{"name":"E","value":"2"}],"resources":{"limits":{"cpu":"1"}}},{"name":"b"}],
            "volumes":[{"name":"v","emptyDir":{}}],"tolerations":[{"key":"k"}],"nodeSelector":{"a":"b"}}})").as_object();
        HAL_REQUIRE(normalise(pod_type(), object).empty());
        track_update(pod_type(), object, nullptr, by("first"));
        return object;
    }();
    return stored;
}

void keep(std::expected<json::object, PatchError> patched) {
    if (!patched || !normalise(pod_type(), *patched).empty()) return;
    track_update(pod_type(), *patched, &pod(), by("second"));
    // What was tracked once can be read again.
    json::object again = *patched;
    track_update(pod_type(), again, &*patched, by("third"));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    if (size == 0) return 0;
    const std::string_view patch(reinterpret_cast<const char*>(bytes) + 1, size - 1);
    switch (bytes[0] % 4) {
        case 0: keep(json_patch(pod(), patch)); return 0;
        case 1: keep(json_merge_patch(pod(), patch)); return 0;
        default: break;
    }
    const auto parsed = parse_json(patch);
    if (!parsed || !parsed->is_object()) return 0;
    if (bytes[0] % 4 == 2) {
        keep(strategic_merge(pod_type(), pod(), parsed->get_object()));
        return 0;
    }
    auto applied = apply(pod_type(), &pod(), parsed->get_object(), by("kubectl"), bytes[0] > 127);
    if (applied) apply(pod_type(), &*applied, parsed->get_object(), by("other"), false);
    return 0;
}
