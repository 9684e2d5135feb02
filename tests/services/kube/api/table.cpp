#include <catch2/catch_test_macros.hpp>

#include <boost/json/parse.hpp>

#include "services/kube/api/status.hpp"
#include "services/kube/api/table.hpp"

using namespace services::kube::api;
namespace kinds = services::kube::kinds;

namespace {

constexpr hal::WallTime noon{std::chrono::sys_days{std::chrono::year{2026} / 11 / 24} + std::chrono::hours{12}};

json::object config_map() {
    return json::parse(R"({"metadata":{"name":"c","namespace":"shop","resourceVersion":"7","creationTimestamp":"2026-11-24T11:55:00Z"},"data":{"a":"1","b":"2"}})")
        .as_object();
}

json::object shown(TableForm form, bool with_columns = true) {
    const auto* kind = kinds::find("", "v1", "configmaps");
    REQUIRE(kind != nullptr);
    return json::parse(table_of(table_shape(*kind), form, kind->gvk, config_map(), noon, with_columns)).as_object();
}

}  // namespace

TEST_CASE("a Table has columns, cells and the object's metadata") {
    const auto table = shown({});
    CHECK(table.at("kind") == "Table");
    CHECK(table.at("apiVersion") == "meta.k8s.io/v1");
    CHECK(table.at("metadata").at("resourceVersion") == "7");
    CHECK(table.at("columnDefinitions").at(0).at("name") == "Name");
    CHECK(table.at("rows").at(0).at("cells") == json::array{"c", 2, "5m"});
    const auto& object = table.at("rows").at(0).at("object");
    CHECK(object.at("kind") == "PartialObjectMetadata");
    CHECK(object.at("metadata").at("name") == "c");
    CHECK_FALSE(object.as_object().contains("data"));
}

TEST_CASE("includeObject says what of the object a row carries") {
    CHECK(shown({"v1", included("None")}).at("rows").at(0).at("object").is_null());
    const auto whole = shown({"v1beta1", included("Object")});
    CHECK(whole.at("apiVersion") == "meta.k8s.io/v1beta1");
    CHECK(whole.at("rows").at(0).at("object").at("kind") == "ConfigMap");
    CHECK(whole.at("rows").at(0).at("object").at("data").at("a") == "1");
    CHECK_THROWS_AS(included("Some"), StatusError);
}

TEST_CASE("a watch's later events leave the columns out") { CHECK(shown({}, false).at("columnDefinitions").is_null()); }

TEST_CASE("a pod that has ended is marked in its row") {
    const auto* kind = kinds::find("", "v1", "pods");
    REQUIRE(kind != nullptr);
    json::object pod = json::parse(R"({"metadata":{"name":"p"},"status":{"phase":"Succeeded"}})").as_object();
    auto row = json::parse(table_row(table_shape(*kind), {}, kind->gvk, pod, noon));
    CHECK(row.at("conditions").at(0).at("reason") == "Succeeded");
    pod["status"].as_object()["phase"] = "Running";
    row = json::parse(table_row(table_shape(*kind), {}, kind->gvk, pod, noon));
    CHECK_FALSE(row.as_object().contains("conditions"));
}
