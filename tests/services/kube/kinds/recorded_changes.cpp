// Changes of the kinds without a workload, and Tables of all kinds, as a real Kubernetes 1.37.2 answered them. Both start from
// the object that the recording last answered with.
#include <algorithm>
#include <iostream>
#include <iterator>
#include <map>
#include <string>

#include "recording.hpp"
#include "services/kube/schema/patch.hpp"

using namespace recording;

namespace {

// Objects by the path of their requests, without the query.
using Known = std::map<std::string, json::object, std::less<>>;

std::string_view without_query(std::string_view path) { return path.substr(0, path.find('?')); }

// The path an answered object is read under: a POST names its collection.
std::string own_path(const json::object& request, const json::object& object) {
    const auto path = std::string(without_query(text(request, "path")));
    return text(request, "method") == "POST" ? path + "/" + std::string(text(object, "metadata.name")) : path;
}

void remember(Known& known, const json::object& step) {
    const auto& request = object_at(step, "input.request");
    const auto& body = object_at(step, "expect.body");
    const auto* kind = kind_of(body);
    const auto status = number(step, "expect.status");
    if (kind == nullptr || (status != 200 && status != 201) || text(request, "path").contains("dryRun")) return;
    known.insert_or_assign(own_path(request, body), body);
}

// The new object of an update; empty when the step is no update that the rules alone answer.
json::object changed(const kinds::Kind& kind, const json::object& before, const json::object& request) {
    const auto method = text(request, "method");
    if (method == "PUT" && request.at("body").is_object()) return decoded(kind, request.at("body").get_object());
    if (method != "PATCH" || text(object_at(request, "headers"), "Content-Type") != "application/merge-patch+json") return {};
    const auto patched = schema::json_merge_patch(before, text(request, "body"));
    return patched ? decoded(kind, *patched) : json::object();
}

// What a PUT need not repeat, the API carries over.
void carry_over(json::object& object, const json::object& before) {
    auto& metadata = services::kubeclient::make_object(object, "metadata");
    for (const auto* name : {"uid", "creationTimestamp", "namespace", "resourceVersion", "generation"})
        if (const auto* value = object_at(before, "metadata").if_contains(name)) metadata[name] = *value;
}

bool compare_change(const kinds::Kind& kind, const json::object& before, const json::object& step) {
    const auto& type = *schema::type_of(kind.gvk);
    const auto old = decoded(kind, before);
    auto object = changed(kind, before, object_at(step, "input.request"));
    const auto status = number(step, "expect.status");
    if (object.empty() || (status != 200 && status != 422)) return false;
    schema::apply_schema_defaults(type, object);
    if (kind.apply_defaults != nullptr) kind.apply_defaults(object);
    carry_over(object, old);
    if (kind.prepare_update != nullptr) kind.prepare_update(object, old);
    auto causes = kinds::validate_metadata_update(kind, object, old);
    if (kind.validate_update != nullptr) std::ranges::move(kind.validate_update(object, old), std::back_inserter(causes));
    const auto& body = object_at(step, "expect.body");
    CHECK(json::serialize(written(kinds::without_repeats(std::move(causes)))) == json::serialize(array_at(body, "details.causes")));
    if (status != 200) return true;
    REQUIRE(schema::normalise(type, object).empty());
    check_same(comparable(object), comparable(body));
    return true;
}

// Ages differ from run to run.
json::array without_ages(const json::array& wanted, json::array seen) {
    for (std::size_t i = 0; i < seen.size() && i < wanted.size(); ++i)
        if (wanted[i] == "<age>") seen[i] = "<age>";
    return seen;
}

void compare_table(const kinds::Kind& kind, const json::object& object, const json::object& table) {
    json::array columns;
    for (const auto& column : kind.columns)
        columns.push_back(json::object{{"name", column.name}, {"type", column.type}, {"format", column.format}, {"priority", column.priority}});
    json::array wanted;
    for (const auto& column : array_at(table, "columnDefinitions")) {
        auto copy = as_object(column);
        copy.erase("description");
        wanted.push_back(std::move(copy));
    }
    CHECK(json::serialize(columns) == json::serialize(wanted));
    REQUIRE(array_at(table, "rows").size() == 1);
    const auto& cells = array_at(as_object(array_at(table, "rows").front()), "cells");
    const auto now = hal::parse_rfc3339("2026-01-02T03:04:05Z");
    CHECK(json::serialize(without_ages(cells, kind.cells(decoded(kind, object), now))) == json::serialize(cells));
}

}  // namespace

TEST_CASE("objects are changed and refused as the recorded server does it") {
    std::map<std::string, int> compared;
    for (const auto* theme : {"updates", "crud"}) {
        Known known;
        for_each_step(theme, [&](const json::object& step) {
            const auto found = known.find(without_query(text(step, "input.request.path")));
            const auto* kind = found == known.end() ? nullptr : kind_of(found->second);
            INFO(text(step, "id"));
            if (kind != nullptr && !is_workload(*kind) && compare_change(*kind, found->second, step)) ++compared[kind->gvk.kind];
            remember(known, step);
        });
    }
    for (const auto& [kind, count] : compared) std::cout << "recorded changes of " << kind << ": " << count << '\n';
    CHECK(compared.size() == 9);
}

TEST_CASE("Tables show what the recorded server shows") {
    std::map<std::string, int> compared;
    Known known;
    for_each_step("crud", [&](const json::object& step) {
        const auto& body = object_at(step, "expect.body");
        const auto found = known.find(without_query(text(step, "input.request.path")));
        const auto* kind = found == known.end() ? nullptr : kind_of(found->second);
        if (text(body, "kind") == "Table" && kind != nullptr) {
            INFO(text(step, "id"));
            compare_table(*kind, found->second, body);
            ++compared[kind->gvk.kind];
        }
        remember(known, step);
    });
    std::cout << "recorded Tables compared: " << compared.size() << " kinds\n";
    CHECK(compared.size() > 8);
}
