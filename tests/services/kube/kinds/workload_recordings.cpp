// Pods, Services, Deployments and ReplicaSets that a real Kubernetes 1.37.2 was asked to create, and its answers: defaults,
// refusals and warnings must be the same. What the API's allocator and metadata rules add is left to their own tests.
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <catch2/catch_test_macros.hpp>

#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <string>

#include "services/kube/kinds/pod_admission.hpp"
#include "services/kube/kinds/rules.hpp"
#include "services/kubeclient/object.hpp"

using namespace services::kube;
namespace json = boost::json;
using services::kubeclient::array_at;
using services::kubeclient::as_object;
using services::kubeclient::number;
using services::kubeclient::object_at;
using services::kubeclient::text;

namespace {

constexpr auto suffix = "rrrrr";

struct Row {
    schema::GroupVersionKind gvk;
    const kinds::Rules& (*rules)();
};

const std::map<std::string, Row, std::less<>> rows{
    {"Pod", {{"", "v1", "Pod"}, kinds::pod_rules}},
    {"Service", {{"", "v1", "Service"}, kinds::service_rules}},
    {"Deployment", {{"apps", "v1", "Deployment"}, kinds::deployment_rules}},
    {"ReplicaSet", {{"apps", "v1", "ReplicaSet"}, kinds::replica_set_rules}},
};

struct Answer {
    int status = 201;
    json::object object;
    json::array causes;
    std::string warnings, message;
};

Answer create(const Row& row, const json::object& body) {
    Answer answer;
    const auto& rules = row.rules();
    const auto& type = *schema::type_of(row.gvk);
    auto decoded = schema::decode_json(type, json::serialize(body));
    if (!decoded) return {400, {}, {}, {}, decoded.error().message};
    answer.object = std::move(decoded->object);
    for (const auto& field : decoded->strict_errors) answer.warnings += "299 - " + json::serialize(json::value(field)) + " | ";
    schema::apply_schema_defaults(type, answer.object);
    rules.apply_defaults(answer.object);
    if (row.gvk.kind == "Pod") {
        if (answer.message = kinds::pod_refusal(answer.object); !answer.message.empty()) {
            answer.status = 403;
            return answer;
        }
        kinds::admit_pod(answer.object, suffix);
    }
    rules.prepare_create(answer.object);
    for (const auto& cause : rules.validate(answer.object))
        answer.causes.push_back(json::object{{"reason", cause.reason}, {"message", cause.message}, {"field", cause.field}});
    if (!answer.causes.empty()) answer.status = 422;
    for (const auto& warning : rules.warnings(answer.object)) answer.warnings += "299 - " + json::serialize(json::value(warning)) + " | ";
    if (!answer.warnings.empty()) answer.warnings.resize(answer.warnings.size() - 3);
    REQUIRE(schema::normalise(type, answer.object).empty());
    return answer;
}

// Causes of metadata and of the allocator are not these rules'.
json::array own_causes(const json::object& status) {
    json::array out;
    for (const auto& cause : array_at(status, "details.causes")) {
        const auto field = text(as_object(cause), "field"), message = text(as_object(cause), "message");
        if (field.starts_with("metadata.") || message.contains("failed to allocate") || message.contains("provided port")) continue;
        if (message.contains("not configured for dual-stack")) continue;
        out.push_back(cause);
    }
    return out;
}

json::object without_allocated(json::object spec) {
    for (const auto* name : {"clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "healthCheckNodePort"}) spec.erase(name);
    if (auto* ports = spec.if_contains("ports"))
        for (auto& port : ports->as_array()) port.as_object().erase("nodePort");
    return spec;
}

void check_same(const json::object& seen, const json::object& wanted) {
    INFO("seen   " << json::serialize(seen));
    INFO("wanted " << json::serialize(wanted));
    CHECK((seen == wanted));
}

// Recordings call random suffixes `<rand>` and `<rand:N>`.
std::string with_suffix(std::string line) {
    for (auto at = line.find("<rand"); at != line.npos; at = line.find("<rand", at)) line.replace(at, line.find('>', at) + 1 - at, suffix);
    return line;
}

void compare(const std::string& id, const Row& row, const json::object& request, const json::object& expect) {
    INFO(id);
    const auto answer = create(row, object_at(request, "body"));
    const auto& body = object_at(expect, "body");
    const auto status = number(expect, "status");
    if (status == 400) {
        CHECK(answer.status == 400);
        return;
    }
    if (status == 403 && answer.status == 403) {
        CHECK(text(body, "message").ends_with(answer.message));
        return;
    }
    CHECK(json::serialize(answer.causes) == json::serialize(own_causes(body)));
    if (status == 201) {
        const bool is_service = row.gvk.kind == "Service";
        const auto spec = object_at(answer.object, "spec"), wanted = object_at(body, "spec");
        check_same(is_service ? without_allocated(spec) : spec, is_service ? without_allocated(wanted) : wanted);
        check_same(object_at(answer.object, "status"), object_at(body, "status"));
        CHECK(number(answer.object, "metadata.generation") == number(body, "metadata.generation"));
        CHECK(answer.warnings == text(expect, "headers.warning"));
    }
}

}  // namespace

TEST_CASE("workloads are defaulted, refused and warned about as the recorded server does it") {
    std::size_t compared = 0;
    for (const auto* theme : {"defaulting", "validation"}) {
        std::ifstream in(std::string(RECORDINGS "/") + theme + ".jsonl");
        REQUIRE(in);
        for (std::string line; std::getline(in, line);) {
            const auto step = json::parse(with_suffix(line)).as_object();
            const auto& request = object_at(step, "input.request");
            const auto kind = text(request, "body.kind");
            const auto row = rows.find(kind);
            // Answers without a body differed between two runs of the real server.
            if (text(request, "method") != "POST" || row == rows.end() || !object_at(step, "expect").contains("body")) continue;
            compare(std::string(text(step, "id")), row->second, request, object_at(step, "expect"));
            ++compared;
        }
    }
    CHECK(compared > 130);
    std::cout << "recorded creations of workloads compared: " << compared << '\n';
}
