#include <boost/json/parse.hpp>
#include <catch2/catch_test_macros.hpp>

#include "hal/base/error.hpp"
#include "services/kubelet/pods/environment.hpp"

using namespace services::kubelet::pods;

namespace {

json::object object(const char* text) { return json::parse(text).as_object(); }

const auto pod = object(R"({"metadata":{"name":"p","namespace":"ns","uid":"u","labels":{"a.b/c":"d"}},
    "spec":{"nodeName":"n","containers":[{"name":"other","resources":{"limits":{"memory":"100Mi"}}}]},
    "status":{"podIP":"10.42.0.5","podIPs":[{"ip":"10.42.0.5"},{"ip":"fd00::5"}]}})");

Variables of(const json::object& container, ReferencedObjects objects = {}, std::vector<services::kubeclient::ObjectPtr> services = {}) {
    return environment_of({pod, container, objects, services, 4000, 1 << 30});
}

std::string value(const Variables& variables, std::string_view name) {
    for (const auto& [key, text] : variables)
        if (key == name) return text;
    return "(none)";
}

std::string refusal(const json::object& container, ReferencedObjects objects = {}) {
    try {
        of(container, std::move(objects));
    } catch (const hal::Error& error) {
        return error.what();
    }
    return "";
}

}  // namespace

TEST_CASE("a reference to a variable is replaced, one to nothing stays, two dollars are one") {
    const auto variables = of(object(R"({"env":[{"name":"A","value":"x"},{"name":"B","value":"$(A)-$(NONE)-$$(A)-$A-$("}]})"));
    CHECK(value(variables, "B") == "x-$(NONE)-$(A)-$A-$(");
}

TEST_CASE("a variable sees only those before it") {
    const auto variables = of(object(R"j({"env":[{"name":"B","value":"$(A)"},{"name":"A","value":"x"}]})j"));
    CHECK(value(variables, "B") == "$(A)");
}

TEST_CASE("fields of the pod become variables") {
    const auto variables = of(object(R"({"env":[
        {"name":"IP","valueFrom":{"fieldRef":{"fieldPath":"status.podIP"}}},
        {"name":"IPS","valueFrom":{"fieldRef":{"fieldPath":"status.podIPs"}}},
        {"name":"LABEL","valueFrom":{"fieldRef":{"fieldPath":"metadata.labels['a.b/c']"}}},
        {"name":"ACCOUNT","valueFrom":{"fieldRef":{"fieldPath":"spec.serviceAccountName"}}}]})"));
    CHECK(value(variables, "IP") == "10.42.0.5");
    CHECK(value(variables, "IPS") == "10.42.0.5,fd00::5");
    CHECK(value(variables, "LABEL") == "d");
    CHECK(value(variables, "ACCOUNT") == "default");
}

TEST_CASE("resources are rounded up to their divisor, and a limit that is not set is the node's") {
    const auto variables = of(object(R"({"name":"c","resources":{"limits":{"cpu":"1500m"}},"env":[
        {"name":"CPU","valueFrom":{"resourceFieldRef":{"resource":"limits.cpu"}}},
        {"name":"MILLI","valueFrom":{"resourceFieldRef":{"resource":"limits.cpu","divisor":"1m"}}},
        {"name":"MEMORY","valueFrom":{"resourceFieldRef":{"resource":"limits.memory"}}},
        {"name":"OTHER","valueFrom":{"resourceFieldRef":{"containerName":"other","resource":"limits.memory","divisor":"1Mi"}}}]})"));
    CHECK(value(variables, "CPU") == "2");
    CHECK(value(variables, "MILLI") == "1500");
    CHECK(value(variables, "MEMORY") == "1073741824");
    CHECK(value(variables, "OTHER") == "100");
}

TEST_CASE("keys of ConfigMaps and Secrets come by name or all at once, the container's own variables win") {
    const ReferencedObjects objects{{"configmap/cm", object(R"({"data":{"K":"v","L":"w"}})")}, {"secret/s", object(R"({"data":{"P":"aGk="}})")}};
    const auto variables = of(object(R"({"envFrom":[{"prefix":"X_","configMapRef":{"name":"cm"}},{"secretRef":{"name":"s"}}],"env":[
        {"name":"X_L","value":"own"},
        {"name":"ONE","valueFrom":{"configMapKeyRef":{"name":"cm","key":"K"}}},
        {"name":"SECRET","valueFrom":{"secretKeyRef":{"name":"s","key":"P"}}},
        {"name":"ABSENT","valueFrom":{"secretKeyRef":{"name":"s","key":"none","optional":true}}}]})"), objects);
    CHECK(value(variables, "X_K") == "v");
    CHECK(value(variables, "X_L") == "own");
    CHECK(value(variables, "P") == "hi");
    CHECK(value(variables, "ONE") == "v");
    CHECK(value(variables, "SECRET") == "hi");
    CHECK(value(variables, "ABSENT") == "(none)");
}

TEST_CASE("what is referenced and not there is named as the kubelet names it") {
    CHECK(refusal(object(R"({"envFrom":[{"configMapRef":{"name":"cm"}}]})")) == "configmap \"cm\" not found");
    CHECK(refusal(object(R"({"env":[{"name":"A","valueFrom":{"secretKeyRef":{"name":"s","key":"k"}}}]})")) == "secret \"s\" not found");
    CHECK(refusal(object(R"({"env":[{"name":"A","valueFrom":{"secretKeyRef":{"name":"s","key":"k"}}}]})"),
                  {{"secret/s", object(R"({"data":{}})")}}) == "couldn't find key k in Secret ns/s");
}

TEST_CASE("a Service becomes the variables that Docker links had") {
    const auto service = std::make_shared<const json::object>(object(
        R"({"metadata":{"name":"my-db","namespace":"ns"},"spec":{"clusterIP":"10.43.0.7","ports":[{"name":"sql","port":5432,"protocol":"TCP"}]}})"));
    const auto variables = of(object("{}"), {}, {service});
    CHECK(value(variables, "MY_DB_SERVICE_HOST") == "10.43.0.7");
    CHECK(value(variables, "MY_DB_SERVICE_PORT") == "5432");
    CHECK(value(variables, "MY_DB_SERVICE_PORT_SQL") == "5432");
    CHECK(value(variables, "MY_DB_PORT") == "tcp://10.43.0.7:5432");
    CHECK(value(variables, "MY_DB_PORT_5432_TCP_ADDR") == "10.43.0.7");
}

TEST_CASE("a Service of another namespace, or without an address, is no variable") {
    const auto elsewhere = std::make_shared<const json::object>(object(
        R"({"metadata":{"name":"a","namespace":"x"},"spec":{"clusterIP":"10.43.0.7","ports":[{"port":1}]}})"));
    const auto headless = std::make_shared<const json::object>(object(
        R"({"metadata":{"name":"b","namespace":"ns"},"spec":{"clusterIP":"None","ports":[{"port":1}]}})"));
    CHECK(of(object("{}"), {}, {elsewhere, headless}).empty());
}
