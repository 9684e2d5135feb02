// What the strategies of Kubernetes 1.37.2 answer to Pods, Services, Deployments and ReplicaSets that the recordings do not
// hold: every field set wrongly, one by one and several at once. answers/README.md says how the files came to be.
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <catch2/catch_test_macros.hpp>

#include <charconv>
#include <fstream>
#include <stdexcept>
#include <string>

#include "services/kube/kinds/kind.hpp"
#include "services/kube/schema/schema.hpp"
#include "services/kubeclient/object.hpp"

using namespace services::kube;
namespace json = boost::json;
using services::kubeclient::array_at;
using services::kubeclient::as_text;
using services::kubeclient::field;
using services::kubeclient::object_at;
using services::kubeclient::text;

namespace {

// The value at one step of a path: a member, made where missing, or an element.
json::value& step_into(json::value& at, std::string_view name) {
    std::size_t index = 0;
    if (std::from_chars(name.data(), name.data() + name.size(), index).ec == std::errc()) return at.as_array().at(index);
    if (!at.is_object()) at.emplace_object();
    return at.as_object()[name];
}

// `path` is spec.containers.0.name; null takes the member away.
void put(json::value& root, std::string_view path, const json::value& value) {
    auto* at = &root;
    for (auto dot = path.find('.'); dot != path.npos; dot = path.find('.')) {
        at = &step_into(*at, path.substr(0, dot));
        path.remove_prefix(dot + 1);
    }
    if (value.is_null()) at->as_object().erase(path);
    else step_into(*at, path) = value;
}

json::object with(json::value object, const json::array& changes) {
    for (const auto& change : changes) put(object, as_text(change.as_array()[0]), change.as_array()[1]);
    return std::move(object.as_object());
}

struct Answer {
    json::object object;
    kinds::Causes causes;
};

json::object decoded(const kinds::Kind& kind, const json::object& object) {
    auto out = schema::decode_json(*schema::type_of(kind.gvk), json::serialize(object));
    REQUIRE(out.has_value());
    return std::move(out->object);
}

json::object defaulted(const kinds::Kind& kind, const json::object& object) {
    auto out = decoded(kind, object);
    schema::apply_schema_defaults(*schema::type_of(kind.gvk), out);
    kind.apply_defaults(out);
    return out;
}

const kinds::Subresource& subresource_of(const kinds::Kind& kind, std::string_view name) {
    for (const auto& subresource : kind.subresources)
        if (subresource.name == name) return subresource;
    throw std::out_of_range("no such subresource");
}

Answer answer_to(const kinds::Kind& kind, std::string_view operation, json::object object, const json::object& before) {
    kinds::Causes causes;
    if (operation == "create") {
        kind.prepare_create(object);
        causes = kind.validate(object);
    } else if (operation == "update") {
        kind.prepare_update(object, before);
        causes = kind.validate_update(object, before);
    } else if (operation == "status") {
        object["spec"] = object_at(before, "spec");
        if (kind.prepare_status != nullptr) kind.prepare_status(object, before);
        causes = kind.validate_status(object, before);
    } else {
        const auto& part = subresource_of(kind, operation == "ephemeral" ? "ephemeralcontainers" : operation);
        part.prepare(object, before);
        causes = part.validate(object, before);
    }
    return {std::move(object), std::move(causes)};
}

// The number of the node port's health check is the allocator's to require.
json::array written(const kinds::Causes& causes) {
    json::array out;
    for (const auto& cause : causes)
        if (cause.field != "spec.healthCheckNodePort" || cause.message != "Required value")
            out.push_back(json::array{cause.reason, cause.field, cause.message});
    return out;
}

json::array written(const std::vector<std::string>& lines) {
    json::array out;
    for (const auto& line : lines) out.emplace_back(line);
    return out;
}

void check_answer(const kinds::Kind& kind, const json::value& base, const json::object& base_spec, const json::object& line) {
    const auto operation = text(line, "op");
    const auto before = with(base, array_at(line, "before"));
    auto answer = answer_to(kind, operation, defaulted(kind, with(before, array_at(line, "set"))), defaulted(kind, before));
    CHECK(json::serialize(written(answer.causes)) == json::serialize(array_at(line, "causes")));
    if (!answer.causes.empty()) return;
    if (operation == "create") CHECK(json::serialize(written(kind.warnings(answer.object))) == json::serialize(array_at(line, "warnings")));
    if (operation == "status") return;
    schema::normalise(*schema::type_of(kind.gvk), answer.object);
    const auto wanted = decoded(kind, {{"spec", with(base_spec, array_at(line, "gives"))}});
    const auto& spec = object_at(answer.object, "spec");
    INFO("seen   " << json::serialize(spec));
    INFO("wanted " << json::serialize(object_at(wanted, "spec")));
    CHECK((spec == object_at(wanted, "spec")));
}

std::size_t check_answers(std::string_view name) {
    std::ifstream in(std::string(ANSWERS "/") + std::string(name) + ".jsonl");
    REQUIRE(in);
    const kinds::Kind* kind = nullptr;
    json::value base;
    json::object base_spec;
    std::size_t lines = 0;
    for (std::string line; std::getline(in, line);) {
        const auto read = json::parse(line).as_object();
        if (read.contains("base")) {
            const auto called = std::string(text(read, "kind"));
            const bool is_core = called == "Pod" || called == "Service";
            kind = kinds::find_kind({is_core ? "" : "apps", "v1", called});
            base = read.at("base");
            base_spec = object_at(read, "gives");
            continue;
        }
        INFO(name << ": " << line.substr(0, 600));
        check_answer(*kind, base, base_spec, read);
        ++lines;
    }
    return lines;
}

}  // namespace

TEST_CASE("Pods are created, defaulted, warned of and refused as the real strategy does it") { CHECK(check_answers("pods") > 400); }

TEST_CASE("Pods are changed, in spec, status, ephemeral containers and resources, as the real strategies do it") {
    CHECK(check_answers("pod_changes") > 300);
}

TEST_CASE("Services are created, defaulted, warned of and refused as the real strategy does it") {
    CHECK(check_answers("services") > 200);
}

TEST_CASE("Services are changed as the real strategies do it") { CHECK(check_answers("service_changes") > 150); }

TEST_CASE("Deployments are created and changed as the real strategies do it") { CHECK(check_answers("deployments") > 100); }

TEST_CASE("ReplicaSets are created and changed as the real strategies do it") { CHECK(check_answers("replica_sets") > 100); }
