// ObjectMeta's rules where the recordings do not reach, the table itself, and the kinds' smaller rules.
#include <catch2/catch_test_macros.hpp>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <set>
#include <string>
#include <tuple>

#include "services/kube/kinds/kind.hpp"
#include "services/kubeclient/object.hpp"

using namespace services::kube;
namespace json = boost::json;

namespace {

const kinds::Kind& kind(const char* name, const char* group = "") {
    const auto* found = kinds::find_kind({group, "v1", name});
    REQUIRE(found != nullptr);
    return *found;
}

json::object with_metadata(const std::string& metadata) { return json::parse(R"({"metadata":)" + metadata + "}").as_object(); }

std::string written(const kinds::Causes& causes) {
    std::string out;
    for (const auto& cause : causes) out += (out.empty() ? "" : "\n") + cause.field + ": " + cause.message;
    return out;
}

std::string created(const std::string& metadata, const char* name = "ConfigMap") {
    return written(kinds::validate_metadata(kind(name), with_metadata(metadata)));
}

std::string updated(const std::string& metadata, const std::string& before) {
    return written(kinds::validate_metadata_update(kind("ConfigMap"), with_metadata(metadata), with_metadata(before)));
}

}  // namespace

TEST_CASE("every kind has a type, a list kind, verbs and one cell per column") {
    std::set<std::string> seen;
    for (const auto& entry : kinds::all()) {
        INFO(entry.gvk.group << '/' << entry.gvk.kind);
        CHECK(schema::type_of(entry.gvk) != nullptr);
        CHECK(schema::type_of({entry.gvk.group, entry.gvk.version, std::string(entry.list_kind)}) != nullptr);
        CHECK(seen.insert(entry.gvk.group + "/" + std::string(entry.plural)).second);
        CHECK(kinds::find(entry.gvk.group, entry.gvk.version, entry.plural) == &entry);
        CHECK(entry.cells(with_metadata(R"({"name":"x"})"), hal::WallTime{}).size() == entry.columns.size());
    }
    CHECK(kinds::find("", "v1", "nothing") == nullptr);
}

TEST_CASE("a name is needed, in the namespace it belongs to") {
    CHECK(created(R"({"name":"a","namespace":"b"})").empty());
    CHECK(created(R"({"namespace":"b"})") == "metadata.name: Required value: name or generateName is required");
    CHECK(created(R"({"name":"a"})") == "metadata.namespace: Required value");
    CHECK(created(R"({"name":"a","namespace":"b"})", "Node") == "metadata.namespace: Forbidden: not allowed on this type");
    CHECK(created(R"({"name":"a.b"})", "Namespace") == R"(metadata.name: Invalid value: "a.b": must not contain dots)");
}

TEST_CASE("an Event of v1 may have any name that fits into a path, which is looked at when nothing else is wrong") {
    const auto refused = [](const std::string& name, const std::string& involved) {
        const auto event = R"({"metadata":{"name":")" + name + R"(","namespace":"b"},"involvedObject":{"namespace":")" + involved + "\"}}";
        return written(kinds::validate_metadata(kind("Event"), json::parse(event).as_object()));
    };
    CHECK(refused("Pod.17f", "b").empty());
    CHECK(refused("A/b", "b") == R"(metadata.name: Invalid value: "A/b": may not contain '/')");
    CHECK(refused("A/b", "c").empty());
}

TEST_CASE("what a name is generated from may end in a dash") {
    CHECK(created(R"({"generateName":"web-","name":"web-bcdfg","namespace":"b"})").empty());
    CHECK(created(R"({"generateName":"Web-","name":"web-bcdfg","namespace":"b"})")
              .starts_with(R"(metadata.generateName: Invalid value: "Web-": a lowercase RFC 1123 subdomain)"));
}

TEST_CASE("an owner states itself fully, is no Event, and controls alone") {
    const auto owner = [](const std::string& more) { return R"({"apiVersion":"v1","kind":"Pod","name":"p","uid":"u")" + more + "}"; };
    const auto owned = [](const std::string& owners) { return created(R"({"name":"a","namespace":"b","ownerReferences":[)" + owners + "]}"); };
    CHECK(owned(owner(R"(,"controller":true)")).empty());
    CHECK(owned(owner(R"(,"controller":true)") + "," + owner(""))  .empty());
    CHECK(owned(owner(R"(,"controller":true)") + "," + owner(R"(,"controller":true)"))
              .ends_with(R"(Only one reference can have Controller set to true. Found "true" in references for Pod/p and Pod/p)"));
    CHECK(owned("{}") == "metadata.ownerReferences[0].apiVersion: Required value: must not be empty\n"
                         "metadata.ownerReferences[0].kind: Required value: must not be empty\n"
                         "metadata.ownerReferences[0].name: Required value: must not be empty\n"
                         "metadata.ownerReferences[0].uid: Required value: must not be empty");
    CHECK(owned(R"({"apiVersion":"v1","kind":"Event","name":"e","uid":"u"})") ==
          R"(metadata.ownerReferences[0]: Invalid value: {"apiVersion":"v1","kind":"Event","name":"e","uid":"u"}: /v1, Kind=Event is disallowed from being an owner)");
}

TEST_CASE("finalizers are qualified, and orphaning and foreground deletion exclude each other") {
    const auto finalized = [](const std::string& list) { return created(R"({"name":"a","namespace":"b","finalizers":[)" + list + "]}"); };
    CHECK(finalized(R"("example.com/x","orphan")").empty());
    CHECK(finalized(R"("x")") ==
          R"(metadata.finalizers[0]: Invalid value: "x": name is neither a standard finalizer name nor is it fully qualified)");
    CHECK(finalized(R"("orphan","foregroundDeletion")") ==
          R"(metadata.finalizers: Invalid value: ["orphan","foregroundDeletion"]: finalizer orphan and foregroundDeletion cannot be both set)");
}

TEST_CASE("annotations together hold 256 KiB") {
    const auto annotated = [](std::size_t bytes) {
        return created(R"({"name":"a","namespace":"b","annotations":{"k":")" + std::string(bytes - 1, 'x') + "\"}}");
    };
    CHECK(annotated(262'144).empty());
    CHECK(annotated(262'145) == "metadata.annotations: Too long: may not be more than 262144 bytes");
}

TEST_CASE("an update states the version it replaces and leaves what is fixed") {
    const std::string before = R"({"name":"a","namespace":"b","uid":"u","creationTimestamp":"2026-01-01T00:00:00Z","generation":2)";
    CHECK(updated(before + R"(,"resourceVersion":"5"})", before + "}").empty());
    CHECK(updated(before + "}", before + "}") == R"(metadata.resourceVersion: Invalid value: "": must be specified for an update)");
    CHECK(updated(R"({"name":"a","namespace":"b","uid":"v","creationTimestamp":"2026-01-01T00:00:01Z","generation":1,"resourceVersion":"5"})",
                  before + "}") == "metadata.generation: Invalid value: 1: must not be decremented\n"
                                   "metadata.uid: Invalid value: \"v\": field is immutable\n"
                                   "metadata.creationTimestamp: Invalid value: \"2026-01-01T00:00:01Z\": field is immutable");
}

TEST_CASE("an object that is going gets no new finalizer") {
    const std::string before = R"({"name":"a","namespace":"b","deletionTimestamp":"2026-01-01T00:00:00Z","finalizers":["x.io/a"])";
    const std::string more = R"({"name":"a","namespace":"b","resourceVersion":"5","deletionTimestamp":"2026-01-01T00:00:00Z","finalizers":)";
    CHECK(updated(more + R"(["x.io/a"]})", before + "}").empty());
    CHECK(updated(more + R"(["x.io/a","x.io/c","x.io/b"]})", before + "}") ==
          "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers "
          "[]string{\"x.io/b\", \"x.io/c\"}");
}

TEST_CASE("a docker configuration is an object in JSON") {
    const auto refused = [](const std::string& base64) {
        return written(kind("Secret").validate(
            json::parse(R"({"type":"kubernetes.io/dockerconfigjson","data":{".dockerconfigjson":")" + base64 + "\"}}").as_object()));
    };
    CHECK(refused("e30=").empty());
    CHECK(refused("W10=") == "data[.dockerconfigjson]: Invalid value: \"<secret contents redacted>\": json: cannot unmarshal array into Go value "
                             "of type map[string]interface {}");
    CHECK(refused("") == "data[.dockerconfigjson]: Invalid value: \"<secret contents redacted>\": unexpected end of JSON input");
}

TEST_CASE("an EndpointSlice's generation moves with its content and its labels, not with other metadata") {
    const auto& slice = kind("EndpointSlice", "discovery.k8s.io");
    const auto generation = [&](const std::string& now, const std::string& before) {
        auto object = json::parse(now).as_object();
        slice.prepare_update(object, json::parse(before).as_object());
        return services::kubeclient::number(object, "metadata.generation");
    };
    const std::string before = R"({"metadata":{"generation":3},"addressType":"IPv4","endpoints":[]})";
    CHECK(generation(before, before) == 3);
    CHECK(generation(R"({"metadata":{"annotations":{"a":"b"}},"addressType":"IPv4","endpoints":[]})", before) == 3);
    CHECK(generation(R"({"metadata":{"labels":{"a":"b"}},"addressType":"IPv4","endpoints":[]})", before) == 4);
    CHECK(generation(R"({"metadata":{},"addressType":"IPv4","endpoints":[{"addresses":["192.0.2.1"]}]})", before) == 4);
}

TEST_CASE("an update warns of what it brings, not of what was there") {
    const auto& account = kind("ServiceAccount");
    const auto enforcing = with_metadata(R"({"annotations":{"kubernetes.io/enforce-mountable-secrets":"true"}})");
    CHECK(account.warnings(enforcing).size() == 1);
    CHECK(account.update_warnings(enforcing, with_metadata("{}")).size() == 1);
    CHECK(account.update_warnings(enforcing, enforcing).empty());
    const auto& slice = kind("EndpointSlice", "discovery.k8s.io");
    const auto names = json::parse(R"({"addressType":"FQDN","endpoints":[{"addresses":["a.example"]}]})").as_object();
    CHECK(slice.warnings(names).size() == 1);
    CHECK(slice.update_warnings(names, names).empty());
}

TEST_CASE("a taint is unique by key and effect, and is reported under metadata") {
    const auto causes = kind("Node").validate(
        json::parse(R"({"spec":{"taints":[{"key":"a","effect":"NoSchedule"},{"key":"a","effect":"NoExecute"},{"key":"a","value":"v","effect":"NoSchedule"}]}})")
            .as_object());
    CHECK(written(causes) == R"(metadata.taints[2]: Duplicate value: {"Key":"a","Value":"v","Effect":"NoSchedule","TimeAdded":null}: taints must be unique by key and effect pair)");
}

TEST_CASE("a namespace's status follows its deletion") {
    const auto status = [](const std::string& object) {
        return written(kind("Namespace").validate_status(json::parse(object).as_object(), {}));
    };
    CHECK(status(R"({"status":{"phase":"Active"}})").empty());
    CHECK(status(R"({"status":{"phase":"Terminating"}})") ==
          "status.Phase: Invalid value: \"Terminating\": may only be 'Active' if `deletionTimestamp` is empty");
    CHECK(status(R"({"metadata":{"deletionTimestamp":"2026-01-01T00:00:00Z"},"status":{"phase":"Terminating"}})").empty());
}
