// Warnings about Pods and pod templates: what is let through, but hardly meant.
#include <algorithm>
#include <array>
#include <format>
#include <map>
#include <set>
#include <string>

#include "services/kube/kinds/names.hpp"
#include "services/kube/kinds/pod_spec_checks.hpp"
#include "services/kube/kinds/pod_spec_paths.hpp"
#include "services/kube/kinds/pod_spec_resources.hpp"
#include "services/kube/kinds/service_addresses.hpp"
#include "services/kubeclient/object.hpp"

namespace services::kube::kinds {

namespace {

using kubeclient::array_at;
using kubeclient::as_object;
using kubeclient::as_text;
using kubeclient::field;
using kubeclient::number;
using kubeclient::object_at;
using kubeclient::text;

struct Entry {
    std::string_view name, message;
};

constexpr auto deprecated_labels = std::to_array<Entry>({
    {"app.kubernetes.io/created-by", "deprecated since v1.9"},
    {"beta.kubernetes.io/arch", R"(deprecated since v1.14; use "kubernetes.io/arch" instead)"},
    {"beta.kubernetes.io/instance-type", R"(deprecated since v1.17; use "node.kubernetes.io/instance-type" instead)"},
    {"beta.kubernetes.io/os", R"(deprecated since v1.14; use "kubernetes.io/os" instead)"},
    {"failure-domain.beta.kubernetes.io/region", R"(deprecated since v1.17; use "topology.kubernetes.io/region" instead)"},
    {"failure-domain.beta.kubernetes.io/zone", R"(deprecated since v1.17; use "topology.kubernetes.io/zone" instead)"},
    {"node-role.kubernetes.io/master", R"(use "node-role.kubernetes.io/control-plane" instead)"},
    {"scheduler.alpha.kubernetes.io/preferAvoidPods", "deprecated since v1.22; use Taints and Tolerations instead"},
});
constexpr auto deprecated_annotations = std::to_array<Entry>({
    {"scheduler.alpha.kubernetes.io/critical-pod", R"(non-functional in v1.16+; use the "priorityClassName" field instead)"},
    {"security.alpha.kubernetes.io/sysctls", R"(non-functional in v1.11+; use the "sysctls" field instead)"},
    {"security.alpha.kubernetes.io/unsafe-sysctls", R"(non-functional in v1.11+; use the "sysctls" field instead)"},
});
// In the order asked; the name is the volume's field.
constexpr auto deprecated_volumes = std::to_array<Entry>({
    {"photonPersistentDisk", "deprecated in v1.11, non-functional in v1.16+"},
    {"gitRepo", "deprecated in v1.11, and disabled by default in v1.33+"},
    {"scaleIO", "deprecated in v1.16, non-functional in v1.22+"},
    {"flocker", "deprecated in v1.22, non-functional in v1.25+"},
    {"storageos", "deprecated in v1.22, non-functional in v1.25+"},
    {"quobyte", "deprecated in v1.22, non-functional in v1.25+"},
    {"glusterfs", "deprecated in v1.25, non-functional in v1.26+"},
    {"cephfs", "deprecated in v1.28, non-functional in v1.31+"},
    {"rbd", "deprecated in v1.28, non-functional in v1.31+"},
});
constexpr std::string_view seccomp_message = R"(non-functional in v1.27+; use the "seccompProfile" field instead)";
constexpr std::string_view required = "requiredDuringSchedulingIgnoredDuringExecution";
constexpr std::string_view preferred = "preferredDuringSchedulingIgnoredDuringExecution";

const Entry* deprecated_label(std::string_view name) {
    const auto found = std::ranges::find(deprecated_labels, name, &Entry::name);
    return found == deprecated_labels.end() ? nullptr : &*found;
}

class Warnings {
public:
    Warnings(const Path& path, const json::object& owner)
        : path_(path), spec_path_(path.child("spec")), spec_(object_at(owner, "spec")),
          annotations_(object_at(owner, "metadata.annotations")) {}

    std::vector<std::string> take() {
        node_labels();
        spread();
        for (const auto& [name, message] : deprecated_annotations)
            if (annotations_.contains(name)) warn(path_.child("metadata").child("annotations").key(name), message);
        volumes();
        lists();
        seccomp(seccomp_pod_key, object_at(spec_, "securityContext"));
        visit_containers(spec_, spec_path_, [&](const json::object& container, const Path& path) { each_container(container, path); });
        ports();
        port_names();
        if (number(spec_, "terminationGracePeriodSeconds") < 0)
            warn(spec_path_.child("terminationGracePeriodSeconds"),
                 "must be >= 0; negative values are invalid and will be treated as 1");
        pod_affinity();
        addresses();
        return std::move(out_);
    }

private:
    static constexpr std::string_view seccomp_pod_key = "seccomp.security.alpha.kubernetes.io/pod";
    static constexpr std::string_view seccomp_container_prefix = "container.seccomp.security.alpha.kubernetes.io/";
    static constexpr std::string_view apparmor_prefix = "container.apparmor.security.beta.kubernetes.io/";

    void warn(const Path& path, std::string_view message) { out_.push_back(std::format("{}: {}", path.text(), message)); }

    void node_term(const Path& path, const json::object& term, bool checks_values) {
        std::size_t at = 0;
        for (const auto& element : array_at(term, "matchExpressions")) {
            const auto expression_path = path.child("matchExpressions").index(at++);
            const auto key = text(as_object(element), "key");
            if (const auto* label = deprecated_label(key))
                warn(expression_path.child("key"), std::format("{} is {}", key, label->message));
            if (!checks_values) continue;
            std::size_t value_at = 0;
            for (const auto& value : array_at(as_object(element), "values")) {
                const auto value_path = expression_path.child("values").index(value_at++);
                for (const auto& fault : check_label_value(as_text(value)))
                    warn(value_path, std::format("{} is invalid, {}", as_text(value), fault));
            }
        }
    }

    void node_labels() {
        for (const auto& entry : object_at(spec_, "nodeSelector"))
            if (const auto* label = deprecated_label(entry.key())) warn(spec_path_.child("nodeSelector").key(entry.key()), label->message);
        const auto& affinity = object_at(spec_, "affinity.nodeAffinity");
        const auto path = spec_path_.child("affinity").child("nodeAffinity");
        std::size_t at = 0;
        for (const auto& term : array_at(object_at(affinity, required), "nodeSelectorTerms"))
            node_term(path.child(required).child("nodeSelectorTerms").index(at++), as_object(term), false);
        at = 0;
        for (const auto& term : array_at(affinity, preferred))
            node_term(path.child(preferred).index(at++).child("preference"), object_at(as_object(term), "preference"), true);
    }

    void spread() {
        std::size_t at = 0;
        for (const auto& element : array_at(spec_, "topologySpreadConstraints")) {
            const auto path = spec_path_.child("topologySpreadConstraints").index(at++);
            const auto key = text(as_object(element), "topologyKey");
            if (const auto* label = deprecated_label(key)) warn(path.child("topologyKey"), std::format("{} is {}", key, label->message));
            null_selector(path, as_object(element));
        }
    }

    void null_selector(const Path& path, const json::object& term) {
        if (field(term, "labelSelector") == nullptr) warn(path.child("labelSelector"), "a null labelSelector results in matching no pod");
    }

    void volumes() {
        std::size_t at = 0;
        for (const auto& volume : array_at(spec_, "volumes")) {
            const auto path = spec_path_.child("volumes").index(at++);
            for (const auto& [name, message] : deprecated_volumes)
                if (field(as_object(volume), name) != nullptr) warn(path.child(name == "storageos" ? "storageOS" : name), message);
        }
        std::ranges::move(overlapping_path_warnings(array_at(spec_, "volumes")), std::back_inserter(out_));
    }

    // Entries that are named twice hide one another.
    void duplicates(std::string_view list, std::string_view name) {
        std::set<std::string_view> seen;
        std::size_t at = 0;
        for (const auto& element : array_at(spec_, list)) {
            const auto value = text(as_object(element), name);
            if (!seen.insert(value).second)
                warn(spec_path_.child(list).index(at).child(name), std::format("duplicate {} {}", name, go_quoted(value)));
            ++at;
        }
    }

    void lists() {
        duplicates("hostAliases", "ip");
        duplicates("imagePullSecrets", "name");
        std::size_t at = 0;
        for (const auto& secret : array_at(spec_, "imagePullSecrets")) {
            const auto path = spec_path_.child("imagePullSecrets").index(at++).child("name");
            if (text(as_object(secret), "name").empty()) warn(path, R"(invalid empty name "")");
        }
        fractions(spec_path_.child("overhead"), object_at(spec_, "overhead"), {"memory", "ephemeral-storage"});
    }

    // Bytes come whole.
    void fractions(const Path& path, const json::object& amounts, std::initializer_list<std::string_view> names) {
        for (const auto name : names)
            if (const auto* amount = amounts.if_contains(name); amount != nullptr && quantity_of(*amount).milli_value() % 1000 != 0)
                warn(path.key(name), std::format("fractional byte value {} is invalid, must be an integer", go_quoted(as_text(*amount))));
    }

    void seccomp(std::string_view key, const json::object& context) {
        if (field(context, "seccompProfile") == nullptr && annotations_.contains(key))
            warn(path_.child("metadata").child("annotations").key(key), seccomp_message);
    }

    // A Pod's own AppArmor annotation is taken over into the field before this is asked.
    void apparmor(const json::object& container) {
        const auto key = std::format("{}{}", apparmor_prefix, text(container, "name"));
        const auto* annotation = annotations_.if_contains(key);
        if (path_.text().empty() || annotation == nullptr || field(container, "securityContext.appArmorProfile") != nullptr) return;
        const auto profile = apparmor_profile_of(as_text(*annotation));
        const auto* of_pod = field(spec_, "securityContext.appArmorProfile");
        if (of_pod == nullptr || !profile || *of_pod != json::value(*profile))
            warn(path_.child("metadata").child("annotations").key(key), R"(deprecated since v1.30; use the "appArmorProfile" field instead)");
    }

    void each_container(const json::object& container, const Path& path) {
        seccomp(std::format("{}{}", seccomp_container_prefix, text(container, "name")), object_at(container, "securityContext"));
        apparmor(container);
        for (const auto name : {std::string_view("memory"), std::string_view("ephemeral-storage")})
            for (const auto* part : {"limits", "requests"})
                fractions(path.child("resources").child(part), object_at(object_at(container, "resources"), part), {name});
        std::set<std::string_view> names;
        std::size_t at = 0;
        for (const auto& element : array_at(container, "env")) {
            const auto& variable = as_object(element);
            const auto variable_path = path.child("env").index(at++);
            const auto name = text(variable, "name"), value = text(variable, "value");
            if (names.insert(name).second) continue;
            const auto reference = std::format("$({})", name);
            if (field(variable, "valueFrom") != nullptr || value == reference || !value.contains(reference))
                warn(variable_path, std::format("hides previous definition of {}, which may be dropped when using apply", go_quoted(name)));
        }
    }

    struct Port {
        Path path;
        std::string_view host_ip;
        std::int64_t host_port;
    };

    void port(const Path& path, const json::object& port, std::vector<Port>& others) {
        const Port own{path, text(port, "hostIP"), number(port, "hostPort")};
        for (const auto& other : others) {
            const auto say = [&](std::string_view what) {
                warn(path, std::format("{} port definition with {}", what, other.path.text()));
            };
            if (own.host_ip == other.host_ip && own.host_port == other.host_port) say("duplicate");
            else if (own.host_port == 0 || other.host_port == 0) say("overlapping");
            else if (own.host_port == other.host_port && own.host_ip.empty() != other.host_ip.empty()) say("dangerously ambiguous");
        }
        others.push_back(own);
    }

    void ports() {
        std::map<std::string, std::vector<Port>> by_number;
        visit_containers(spec_, spec_path_, [&](const json::object& container, const Path& path) {
            std::size_t at = 0;
            for (const auto& element : array_at(container, "ports")) {
                const auto& one = as_object(element);
                const auto port_path = path.child("ports").index(at++);
                if (!text(one, "hostIP").empty() && number(one, "hostPort") == 0)
                    warn(port_path, std::format("hostIP set without hostPort: {{Name:{} HostPort:{} ContainerPort:{} Protocol:{} HostIP:{}}}",
                                                text(one, "name"), 0, number(one, "containerPort"), text(one, "protocol"),
                                                text(one, "hostIP")));
                port(port_path, one, by_number[std::format("{}/{}", number(one, "containerPort"), text(one, "protocol"))]);
            }
        });
    }

    void port_names() {
        std::map<std::string_view, Path> first;
        visit_containers(spec_, spec_path_, [&](const json::object& container, const Path& path) {
            std::size_t at = 0;
            for (const auto& element : array_at(container, "ports")) {
                const auto port_path = path.child("ports").index(at++);
                const auto name = text(as_object(element), "name");
                if (name.empty()) continue;
                const auto [other, is_new] = first.emplace(name, port_path);
                if (!is_new)
                    warn(port_path, std::format("duplicate port name {} with {}, services and probes that select ports by name will use {}",
                                                go_quoted(name), other->second.text(), other->second.text()));
            }
        });
    }

    void pod_affinity() {
        for (const auto* name : {"podAffinity", "podAntiAffinity"}) {
            const auto& affinity = object_at(object_at(spec_, "affinity"), name);
            const auto path = spec_path_.child("affinity").child(name);
            std::size_t at = 0;
            for (const auto& term : array_at(affinity, required)) null_selector(path.child(required).index(at++), as_object(term));
            at = 0;
            for (const auto& term : array_at(affinity, preferred))
                null_selector(path.child(preferred).index(at++).child("podAffinityTerm"), object_at(as_object(term), "podAffinityTerm"));
        }
    }

    void addresses() {
        std::size_t at = 0;
        for (const auto& server : array_at(spec_, "dnsConfig.nameservers"))
            std::ranges::move(address_warnings(spec_path_.child("dnsConfig").child("nameservers").index(at++), as_text(server)),
                              std::back_inserter(out_));
        at = 0;
        for (const auto& alias : array_at(spec_, "hostAliases"))
            std::ranges::move(address_warnings(spec_path_.child("hostAliases").index(at++).child("ip"), text(as_object(alias), "ip")),
                              std::back_inserter(out_));
    }

    Path path_, spec_path_;
    const json::object& spec_;
    const json::object& annotations_;
    std::vector<std::string> out_;
};

}  // namespace

std::vector<std::string> host_name_warnings(std::string_view name, std::string_view used_for) {
    std::string faults;
    for (const auto& fault : check_dns1123_label(name)) faults += (faults.empty() ? "" : " ") + fault;
    if (faults.empty()) return {};
    return {std::format("metadata.name: this is used in {}, which can result in surprising behavior; a DNS label is recommended: [{}]",
                        used_for, faults)};
}

std::vector<std::string> pod_warnings(const Path& path, const json::object& owner) { return Warnings(path, owner).take(); }

}  // namespace services::kube::kinds
