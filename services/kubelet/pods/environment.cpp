#include "services/kubelet/pods/environment.hpp"

#include <algorithm>
#include <cctype>
#include <format>
#include <set>

#include "hal/base/bytes.hpp"
#include "hal/base/error.hpp"
#include "services/codec/quantity.hpp"
#include "services/kubelet/pods/resources.hpp"

namespace services::kubelet::pods {

namespace kc = kubeclient;
using hal::Code;
using hal::Error;

namespace {

void put(Variables& variables, std::string name, std::string value) {
    const auto it = std::ranges::find(variables, name, &Variables::value_type::first);
    if (it == variables.end())
        variables.emplace_back(std::move(name), std::move(value));
    else
        it->second = std::move(value);
}

const std::string* find(const Variables& variables, std::string_view name) {
    const auto it = std::ranges::find(variables, name, &Variables::value_type::first);
    return it == variables.end() ? nullptr : &it->second;
}

std::string variable_name(std::string_view name) {
    std::string made(name);
    for (char& c : made) c = c == '-' || c == '.' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    return made;
}

// What Docker links made of a container: kept by Kubernetes for each Service with an address.
void put_service(Variables& variables, const json::object& service) {
    const auto address = kc::text(service, "spec.clusterIP");
    const auto& ports = kc::array_at(service, "spec.ports");
    if (address.empty() || address == "None" || ports.empty()) return;
    const auto prefix = variable_name(kc::name_of(service));
    put(variables, prefix + "_SERVICE_HOST", std::string(address));
    put(variables, prefix + "_SERVICE_PORT", std::to_string(kc::number(ports.front().as_object(), "port")));
    for (const auto& one : ports)
        if (const auto name = kc::text(one.as_object(), "name"); !name.empty())
            put(variables, prefix + "_SERVICE_PORT_" + variable_name(name), std::to_string(kc::number(one.as_object(), "port")));
    for (bool is_first = true; const auto& one : ports) {
        const auto& port = one.as_object();
        auto protocol = std::string(kc::text(port, "protocol", "TCP"));
        const auto number = kc::number(port, "port");
        const auto upper = protocol;
        for (char& c : protocol) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
        const auto shown = address.contains(':') ? std::format("[{}]", address) : std::string(address);
        const auto url = std::format("{}://{}:{}", protocol, shown, number);
        if (is_first) put(variables, prefix + "_PORT", url);
        is_first = false;
        const auto each = std::format("{}_PORT_{}_{}", prefix, number, upper);
        put(variables, each, url);
        put(variables, each + "_PROTO", protocol);
        put(variables, each + "_PORT", std::to_string(number));
        put(variables, each + "_ADDR", std::string(address));
    }
}

Variables service_variables(const EnvironmentSources& sources) {
    Variables variables;
    const bool links = kc::flag(sources.pod, "spec.enableServiceLinks", true);
    for (const auto& service : sources.services) {
        const bool is_master = kc::namespace_of(*service) == "default" && kc::name_of(*service) == "kubernetes";
        if (is_master || (links && kc::namespace_of(*service) == kc::namespace_of(sources.pod))) put_service(variables, *service);
    }
    return variables;
}

struct ReferenceKind {
    std::string_view prefix, title;
};
constexpr ReferenceKind config_map{"configmap", "ConfigMap"}, secret{"secret", "Secret"};

const json::object* referenced(const EnvironmentSources& sources, const ReferenceKind& kind, const json::object& reference) {
    const auto name = kc::text(reference, "name");
    const auto it = sources.objects.find(std::format("{}/{}", kind.prefix, name));
    if (it != sources.objects.end()) return &it->second;
    if (kc::flag(reference, "optional")) return nullptr;
    throw Error(Code::invalid, std::format("{} \"{}\" not found", kind.prefix, name));
}

std::string decoded(const ReferenceKind& kind, std::string_view value) {
    return kind.prefix == secret.prefix ? hal::base64_decoded(value).value_or("") : std::string(value);
}

std::string key_of_reference(const EnvironmentSources& sources, const ReferenceKind& kind, const json::object& reference, bool& is_there) {
    const auto key = kc::text(reference, "key");
    if (const auto* object = referenced(sources, kind, reference)) {
        if (const auto* value = kc::object_at(*object, "data").if_contains(key)) return decoded(kind, kc::as_text(*value));
        if (!kc::flag(reference, "optional"))
            throw Error(Code::invalid, std::format("couldn't find key {} in {} {}/{}", key, kind.title, kc::namespace_of(sources.pod),
                                                   kc::text(reference, "name")));
    }
    is_there = false;
    return "";
}

std::string subscript(std::string_view path) {
    const auto open = path.find("['"), close = path.rfind("']");
    return open == path.npos || close == path.npos ? "" : std::string(path.substr(open + 2, close - open - 2));
}

std::string field_value(const json::object& pod, std::string_view path) {
    if (path.starts_with("metadata.labels[")) return std::string(kc::label(pod, subscript(path)));
    if (path.starts_with("metadata.annotations[")) return std::string(kc::annotation(pod, subscript(path)));
    if (path == "status.podIPs" || path == "status.hostIPs") {
        std::string all;
        for (const auto& one : kc::array_at(pod, path)) all += (all.empty() ? "" : ",") + std::string(kc::text(one.as_object(), "ip"));
        return all;
    }
    if (path == "spec.serviceAccountName") return std::string(kc::text(pod, path, "default"));
    return std::string(kc::text(pod, path));
}

std::string resource_value(const EnvironmentSources& sources, const json::object& reference) {
    const auto resource = kc::text(reference, "resource");
    const json::object* container = &sources.container;
    if (const auto name = kc::text(reference, "containerName"); !name.empty())
        for (const auto* list : {"spec.containers", "spec.initContainers"})
            for (const auto& one : kc::array_at(sources.pod, list))
                if (kc::text(one.as_object(), "name") == name) container = &one.as_object();
    const auto dot = resource.find('.');
    const auto what = resource.substr(dot + 1);
    const bool is_cpu = what == "cpu", is_limit = resource.starts_with("limits");
    auto amount = resource_of(*container, is_limit ? "limits" : "requests", what);
    if (!amount && is_limit && is_cpu) amount = codec::Quantity::milli(sources.node_milli_cpu);
    if (!amount && is_limit && what == "memory") amount = codec::Quantity(sources.node_memory_bytes);
    const auto value = amount.value_or(codec::Quantity());
    auto divisor = codec::Quantity::parse(kc::text(reference, "divisor", "1")).value_or(codec::Quantity(1));
    if (divisor.is_zero()) divisor = codec::Quantity(1);
    const auto up = [](std::int64_t n, std::int64_t d) { return std::to_string((n + d - 1) / d); };
    return is_cpu ? up(value.milli_value(), divisor.milli_value()) : up(value.value(), divisor.value());
}

void put_all_of(Variables& variables, const EnvironmentSources& sources, const json::object& from) {
    const auto prefix = std::string(kc::text(from, "prefix"));
    for (const auto& [field, kind] : {std::pair{"configMapRef", config_map}, {"secretRef", secret}}) {
        const auto* reference = from.if_contains(field);
        if (!reference || !reference->is_object()) continue;
        const auto* object = referenced(sources, kind, reference->as_object());
        if (!object) continue;
        std::map<std::string, std::string> sorted;
        for (const auto& [key, value] : kc::object_at(*object, "data")) sorted[key] = decoded(kind, kc::as_text(value));
        for (auto& [key, value] : sorted) put(variables, prefix + key, std::move(value));
    }
}

}  // namespace

std::string expanded(std::string_view text, const std::function<const std::string*(std::string_view)>& find_variable) {
    std::string made;
    for (std::size_t at = 0; at < text.size(); ++at) {
        if (text[at] != '$' || at + 1 == text.size()) {
            made += text[at];
        } else if (text[at + 1] == '$') {
            made += '$';
            ++at;
        } else if (text[at + 1] == '(' && text.find(')', at) != text.npos) {
            const auto end = text.find(')', at);
            const auto* value = find_variable(text.substr(at + 2, end - at - 2));
            made += value ? std::string_view(*value) : text.substr(at, end - at + 1);
            at = end;
        } else {
            made += '$';
        }
    }
    return made;
}

std::string expanded(std::string_view text, const Variables& variables) {
    return expanded(text, [&](std::string_view name) { return find(variables, name); });
}

std::vector<std::string> expanded(const json::array& words, const Variables& variables) {
    std::vector<std::string> made;
    for (const auto& word : words) made.push_back(expanded(kc::as_text(word), variables));
    return made;
}

Variables environment_of(const EnvironmentSources& sources) {
    const auto from_services = service_variables(sources);
    Variables variables;
    for (const auto& from : kc::array_at(sources.container, "envFrom")) put_all_of(variables, sources, from.as_object());
    const auto known = [&](std::string_view name) {
        const auto* own = find(variables, name);
        return own ? own : find(from_services, name);
    };
    for (const auto& item : kc::array_at(sources.container, "env")) {
        const auto& one = item.as_object();
        bool is_there = true;
        std::string value;
        const auto& from = kc::object_at(one, "valueFrom");
        if (from.contains("fieldRef"))
            value = field_value(sources.pod, kc::text(from, "fieldRef.fieldPath"));
        else if (from.contains("resourceFieldRef"))
            value = resource_value(sources, kc::object_at(from, "resourceFieldRef"));
        else if (from.contains("configMapKeyRef"))
            value = key_of_reference(sources, config_map, kc::object_at(from, "configMapKeyRef"), is_there);
        else if (from.contains("secretKeyRef"))
            value = key_of_reference(sources, secret, kc::object_at(from, "secretKeyRef"), is_there);
        else
            value = expanded(kc::text(one, "value"), known);
        if (is_there) put(variables, std::string(kc::text(one, "name")), std::move(value));
    }
    for (const auto& [name, value] : from_services)
        if (!find(variables, name)) variables.emplace_back(name, value);
    return variables;
}

std::vector<std::string> referenced_by_environment(const json::object& pod) {
    std::set<std::string> found;
    const auto note = [&](const json::object& from, const char* field, std::string_view prefix) {
        if (const auto name = kc::text(kc::object_at(from, field), "name"); !name.empty()) found.insert(std::format("{}/{}", prefix, name));
    };
    for (const auto* list : {"spec.initContainers", "spec.containers"})
        for (const auto& container : kc::array_at(pod, list)) {
            for (const auto& from : kc::array_at(container.as_object(), "envFrom")) {
                note(from.as_object(), "configMapRef", "configmap");
                note(from.as_object(), "secretRef", "secret");
            }
            for (const auto& one : kc::array_at(container.as_object(), "env")) {
                note(kc::object_at(one.as_object(), "valueFrom"), "configMapKeyRef", "configmap");
                note(kc::object_at(one.as_object(), "valueFrom"), "secretKeyRef", "secret");
            }
        }
    return {found.begin(), found.end()};
}

}  // namespace services::kubelet::pods
