// Every creation of a served kind that a real Kubernetes 1.37.2 was asked for, and its answer: the causes of a refusal,
// metadata's among them, and for the kinds without a workload the whole object that was made.
#include <algorithm>
#include <iostream>
#include <iterator>
#include <map>
#include <string>

#include "recording.hpp"
#include "services/kube/kinds/pod_admission.hpp"

using namespace recording;

namespace {

struct Answer {
    json::object object;
    kinds::Causes causes;
    std::vector<std::string> warnings;
};

// /api/v1/namespaces/x/pods?dryRun=All
std::string namespace_of_path(std::string_view path) {
    constexpr std::string_view mark = "/namespaces/";
    const auto at = path.find(mark);
    if (at == path.npos) return {};
    const auto rest = path.substr(at + mark.size());
    const auto end = rest.find_first_of("/?");
    return end == rest.npos || rest[end] == '?' ? std::string() : std::string(rest.substr(0, end));
}

// What the API does before it hands an object to the kinds.
void place(const kinds::Kind& kind, json::object& object, std::string_view path) {
    auto& metadata = services::kubeclient::make_object(object, "metadata");
    if (kind.is_namespaced) metadata["namespace"] = namespace_of_path(path);
    if (text(metadata, "name").empty() && !text(metadata, "generateName").empty())
        metadata["name"] = std::string(text(metadata, "generateName")) + "bcdfg";
}

Answer create(const kinds::Kind& kind, const json::object& body, std::string_view path) {
    const auto& type = *schema::type_of(kind.gvk);
    Answer answer{.object = decoded(kind, body), .causes = {}, .warnings = {}};
    schema::apply_schema_defaults(type, answer.object);
    if (kind.apply_defaults != nullptr) kind.apply_defaults(answer.object);
    place(kind, answer.object, path);
    if (kind.gvk.kind == "Pod") kinds::admit_pod(answer.object, "bcdfg");
    if (kind.prepare_create != nullptr) kind.prepare_create(answer.object);
    answer.causes = kinds::validate_metadata(kind, answer.object);
    if (kind.validate != nullptr) std::ranges::move(kind.validate(answer.object), std::back_inserter(answer.causes));
    answer.causes = kinds::without_repeats(std::move(answer.causes));
    if (!kind.deprecation.empty()) answer.warnings.emplace_back(kind.deprecation);
    if (kind.warnings != nullptr) std::ranges::move(kind.warnings(answer.object), std::back_inserter(answer.warnings));
    REQUIRE(schema::normalise(type, answer.object).empty());
    return answer;
}

// The allocator's causes are not the kinds'.
bool is_of_allocator(std::string_view message) {
    return message.contains("failed to allocate") || message.contains("provided port") || message.contains("not configured for dual-stack");
}

json::array wanted_causes(const json::object& status) {
    json::array out;
    for (const auto& cause : array_at(status, "details.causes"))
        if (!is_of_allocator(text(as_object(cause), "message"))) out.push_back(cause);
    return out;
}

std::string joined(const std::vector<std::string>& warnings) {
    std::string out;
    for (const auto& warning : warnings) out += (out.empty() ? "299 - " : " | 299 - ") + json::serialize(json::value(warning));
    return out;
}

void compare(const kinds::Kind& kind, const json::object& request, const json::object& expect) {
    const auto answer = create(kind, object_at(request, "body"), text(request, "path"));
    const auto& body = object_at(expect, "body");
    CHECK(json::serialize(written(answer.causes)) == json::serialize(wanted_causes(body)));
    if (number(expect, "status") != 201 || is_workload(kind)) return;
    check_same(comparable(answer.object), comparable(body));
    // The decoder's own warnings come first, and are another test's.
    CHECK(std::string(text(expect, "headers.warning")).ends_with(joined(answer.warnings)));
}

}  // namespace

TEST_CASE("objects are created and refused as the recorded server does it") {
    std::map<std::string, int> compared;
    for (const auto* theme : {"defaulting", "validation", "crud", "output", "updates"})
        for_each_step(theme, [&](const json::object& step) {
            const auto& request = object_at(step, "input.request");
            const auto& expect = object_at(step, "expect");
            const auto status = number(expect, "status");
            const auto* body = request.if_contains("body");
            if (text(request, "method") != "POST" || body == nullptr || !body->is_object()) return;
            const auto* kind = kind_of(body->get_object());
            if (kind == nullptr || !expect.contains("body") || (status != 201 && status != 422)) return;
            INFO(text(step, "id"));
            compare(*kind, request, expect);
            ++compared[kind->gvk.kind];
        });
    for (const auto& [kind, count] : compared) std::cout << "recorded creations of " << kind << ": " << count << '\n';
    CHECK(compared.size() == 13);
}
