// What admission adds to a pod, and which pods it turns away.
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <catch2/catch_test_macros.hpp>

#include "services/kube/kinds/pod_admission.hpp"
#include "services/kubeclient/object.hpp"

using namespace services::kube::kinds;
using services::kubeclient::array_at;
using services::kubeclient::as_object;
using services::kubeclient::field;
using services::kubeclient::number;
using services::kubeclient::object_at;
using services::kubeclient::text;

namespace {

json::object parsed(std::string_view written) { return json::parse(written).as_object(); }

json::object admitted(std::string_view pod, std::string_view service_account = {}) {
    auto out = parsed(pod);
    const auto account = service_account.empty() ? json::object() : parsed(service_account);
    admit_pod(out, "abcde", service_account.empty() ? nullptr : &account);
    return out;
}

constexpr std::string_view one_container = R"({"spec":{"containers":[{"name":"c","image":"x"}]}})";

std::string mounts_of(const json::object& pod, std::size_t container = 0) {
    return json::serialize(array_at(as_object(array_at(pod, "spec.containers").at(container)), "volumeMounts"));
}

}  // namespace

TEST_CASE("a pod runs as the default ServiceAccount unless it names another") {
    CHECK(text(admitted(one_container), "spec.serviceAccountName") == "default");
    const auto named = admitted(R"({"spec":{"serviceAccountName":"build","containers":[{"name":"c"}]}})");
    CHECK(text(named, "spec.serviceAccountName") == "build");
    CHECK(text(named, "spec.serviceAccount") == "build");
}

TEST_CASE("every container sees a token, init containers too") {
    const auto pod = admitted(R"({"spec":{"initContainers":[{"name":"i"}],"containers":[{"name":"c"},{"name":"d"}]}})");
    constexpr std::string_view mount =
        R"([{"name":"kube-api-access-abcde","readOnly":true,"mountPath":"/var/run/secrets/kubernetes.io/serviceaccount"}])";
    CHECK(mounts_of(pod, 0) == mount);
    CHECK(mounts_of(pod, 1) == mount);
    CHECK(json::serialize(array_at(as_object(array_at(pod, "spec.initContainers")[0]), "volumeMounts")) == mount);
    REQUIRE(array_at(pod, "spec.volumes").size() == 1);
    CHECK(number(as_object(array_at(pod, "spec.volumes")[0]), "projected.defaultMode") == 0644);
}

TEST_CASE("a container that mounts something of its own where tokens lie gets none") {
    const auto pod = admitted(R"({"spec":{"containers":[{"name":"c","volumeMounts":[
        {"name":"own","mountPath":"/var/run/secrets/kubernetes.io/serviceaccount"}]}]}})");
    CHECK(array_at(pod, "spec.volumes").empty());
    CHECK(!mounts_of(pod).contains("kube-api-access"));
}

TEST_CASE("a pod without a token is one that asks for none, or whose ServiceAccount gives none") {
    CHECK(array_at(admitted(R"({"spec":{"automountServiceAccountToken":false,"containers":[{"name":"c"}]}})"), "spec.volumes").empty());
    CHECK(array_at(admitted(one_container, R"({"automountServiceAccountToken":false})"), "spec.volumes").empty());
    const auto insisting = admitted(R"({"spec":{"automountServiceAccountToken":true,"containers":[{"name":"c"}]}})",
                                    R"({"automountServiceAccountToken":false})");
    CHECK(array_at(insisting, "spec.volumes").size() == 1);
}

TEST_CASE("a token volume that a pod brings along is mounted, not doubled") {
    const auto pod = admitted(R"({"spec":{"volumes":[{"name":"kube-api-access-zzzzz","emptyDir":{}}],"containers":[{"name":"c"}]}})");
    CHECK(array_at(pod, "spec.volumes").size() == 1);
    CHECK(mounts_of(pod).contains("kube-api-access-zzzzz"));
}

TEST_CASE("pull secrets come from the ServiceAccount unless the pod has its own") {
    constexpr std::string_view account = R"({"imagePullSecrets":[{"name":"of-account"}]})";
    CHECK(json::serialize(array_at(admitted(one_container, account), "spec.imagePullSecrets")) == R"([{"name":"of-account"}])");
    const auto own = admitted(R"({"spec":{"imagePullSecrets":[{"name":"own"}],"containers":[]}})", account);
    CHECK(json::serialize(array_at(own, "spec.imagePullSecrets")) == R"([{"name":"own"}])");
}

TEST_CASE("a mirror pod gets neither account nor token") {
    const auto pod = admitted(R"({"metadata":{"annotations":{"kubernetes.io/config.mirror":"x"}},"spec":{"containers":[{"name":"c"}]}})");
    CHECK(field(pod, "spec.serviceAccountName") == nullptr);
    CHECK(array_at(pod, "spec.volumes").empty());
}

TEST_CASE("a pod stays five minutes on a node that fails") {
    const auto pod = admitted(one_container);
    const auto& tolerations = array_at(pod, "spec.tolerations");
    REQUIRE(tolerations.size() == 2);
    CHECK(json::serialize(tolerations[0]) ==
          R"({"key":"node.kubernetes.io/not-ready","operator":"Exists","effect":"NoExecute","tolerationSeconds":300})");
    CHECK(text(as_object(tolerations[1]), "key") == "node.kubernetes.io/unreachable");
}

TEST_CASE("a pod's own word on failing nodes stands") {
    CHECK(array_at(admitted(R"({"spec":{"tolerations":[{"operator":"Exists"}]}})"), "spec.tolerations").size() == 1);
    CHECK(array_at(admitted(R"({"spec":{"tolerations":[{"key":"node.kubernetes.io/not-ready","operator":"Exists"}]}})"),
                   "spec.tolerations").size() == 2);
    CHECK(array_at(admitted(R"({"spec":{"tolerations":[{"key":"node.kubernetes.io/not-ready","effect":"NoSchedule"}]}})"),
                   "spec.tolerations").size() == 3);
}

TEST_CASE("priorities come from the two classes that every cluster has") {
    CHECK(number(admitted(one_container), "spec.priority", -1) == 0);
    CHECK(text(admitted(one_container), "spec.preemptionPolicy") == "PreemptLowerPriority");
    CHECK(number(admitted(R"({"spec":{"priorityClassName":"system-node-critical"}})"), "spec.priority") == 2'000'001'000);
    CHECK(number(admitted(R"({"spec":{"priorityClassName":"system-cluster-critical"}})"), "spec.priority") == 2'000'000'000);
}

TEST_CASE("a pod with an unknown class, or with a priority or policy of its own, is turned away") {
    const auto refusal = [](std::string_view pod) { return pod_refusal(parsed(pod)); };
    CHECK(refusal(one_container).empty());
    CHECK(refusal(R"({"spec":{"priority":0}})").empty());
    CHECK(refusal(R"({"spec":{"priorityClassName":"gold"}})") == "no PriorityClass with name gold was found");
    CHECK(refusal(R"({"spec":{"priority":7}})") ==
          "the integer value of priority (7) must not be provided in pod spec; priority admission controller computed 0 from the given "
          "PriorityClass name");
    CHECK(refusal(R"({"spec":{"preemptionPolicy":"Never"}})").starts_with("the string value of PreemptionPolicy (Never) must not"));
}

TEST_CASE("an update that leaves out what admission set keeps it") {
    const auto before = admitted(one_container);
    auto pod = parsed(one_container);
    admit_pod_update(pod, before);
    CHECK(number(pod, "spec.priority", -1) == 0);
    CHECK(text(pod, "spec.preemptionPolicy") == "PreemptLowerPriority");
    CHECK(array_at(pod, "spec.tolerations").size() == 2);
}
