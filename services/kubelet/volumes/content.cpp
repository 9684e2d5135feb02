#include "services/kubelet/volumes/content.hpp"

#include <boost/json/array.hpp>

#include <format>
#include <vector>

#include "hal/base/bytes.hpp"
#include "hal/base/error.hpp"
#include "services/codec/quantity.hpp"
#include "services/kubeclient/object.hpp"

namespace services::kubelet::volumes {

namespace kc = kubeclient;
using hal::Code;
using hal::Error;

namespace {

constexpr std::int64_t mode_default = 0644;

unsigned mode_of(const json::object& item, std::int64_t fallback) { return static_cast<unsigned>(kc::number(item, "mode", fallback)); }

// A value of `data`, which is text in a ConfigMap and base64 elsewhere.
std::string decoded(const json::value& value) {
    auto bytes = hal::base64_decoded(kc::as_text(value));
    if (!bytes) throw Error(Code::invalid, "illegal base64 data");
    return std::move(*bytes);
}

// A ConfigMap's or Secret's entries, all of them or those that `items` choose.
void add_object(Content& content, const ContentSources& sources, const json::object& source, std::string_view kind, std::string_view name,
                std::int64_t default_mode) {
    const bool is_optional = kc::flag(source, "optional");
    const bool is_secret = kind == "secret";
    const auto* object = sources.find(std::format("{}/{}", kind, name));
    if (!object && !is_optional) throw Error(Code::not_found, std::format("{} \"{}\" not found", kind, name));
    static const json::object nothing;
    const auto& data = object ? kc::object_at(*object, "data") : nothing;
    const auto& binary = object && !is_secret ? kc::object_at(*object, "binaryData") : nothing;
    const auto& items = kc::array_at(source, "items");
    if (items.empty()) {
        for (const auto& [key, value] : data)
            content[std::string(key)] = {is_secret ? decoded(value) : std::string(kc::as_text(value)), static_cast<unsigned>(default_mode)};
        for (const auto& [key, value] : binary) content[std::string(key)] = {decoded(value), static_cast<unsigned>(default_mode)};
        return;
    }
    for (const auto& one : items) {
        const auto& item = kc::as_object(one);
        const auto key = kc::text(item, "key");
        const std::string path(kc::text(item, "path"));
        if (const auto* text = data.if_contains(key))
            content[path] = {is_secret ? decoded(*text) : std::string(kc::as_text(*text)), mode_of(item, default_mode)};
        else if (const auto* bytes = binary.if_contains(key))
            content[path] = {decoded(*bytes), mode_of(item, default_mode)};
        else if (!is_optional)
            throw Error(Code::invalid, is_secret ? std::format("references non-existent secret key: {}", key)
                                                 : std::format("configmap references non-existent config key: {}", key));
    }
}

std::string field_text(const json::object& pod, std::string_view path) {
    if (path.ends_with("']")) {
        const auto start = path.find("['");
        const auto base = path.substr(0, start);
        const auto key = start == std::string_view::npos ? std::string_view{} : path.substr(start + 2, path.size() - start - 4);
        if (base == "metadata.labels") return std::string(kc::label(pod, key));
        if (base == "metadata.annotations") return std::string(kc::annotation(pod, key));
        throw Error(Code::invalid, std::format("fieldPath \"{}\" does not support subscript", path));
    }
    if (path == "metadata.labels" || path == "metadata.annotations") return formatted_map(kc::object_at(pod, path));
    if (path == "metadata.name" || path == "metadata.namespace" || path == "metadata.uid") return std::string(kc::text(pod, path));
    throw Error(Code::invalid, std::format("unsupported fieldPath: {}", path));
}

const json::object& container_named(const json::object& pod, std::string_view name) {
    for (const auto* list : {"spec.containers", "spec.initContainers"})
        for (const auto& one : kc::array_at(pod, list))
            if (kc::text(kc::as_object(one), "name") == name) return kc::as_object(one);
    throw Error(Code::invalid, std::format("container {} not found", name));
}

// Rounded up to whole divisors; without a limit the container may use what the node has.
std::string resource_text(const ContentSources& sources, const json::object& reference) {
    const auto& container = container_named(sources.pod, kc::text(reference, "containerName"));
    const auto resource = kc::text(reference, "resource");
    const auto dot = resource.find('.');
    const auto list = resource.substr(0, dot);
    const auto name = dot == std::string_view::npos ? std::string_view{} : resource.substr(dot + 1);
    const bool is_known = name == "cpu" || name == "memory" || name == "ephemeral-storage" || name.starts_with("hugepages-");
    if ((list != "limits" && list != "requests") || !is_known)
        throw Error(Code::invalid, std::format("unsupported container resource : {}", resource));
    auto written = kc::object_at(kc::object_at(container, "resources"), list).if_contains(name);
    codec::Quantity amount;
    if (written)
        amount = codec::Quantity::parse(kc::as_text(*written)).value_or(codec::Quantity());
    else if (list == "limits" && name == "cpu")
        amount = codec::Quantity::milli(sources.node_milli_cpu);
    else if (list == "limits" && name == "memory")
        amount = codec::Quantity(sources.node_memory_bytes);
    auto divisor = codec::Quantity::parse(kc::text(reference, "divisor", "1")).value_or(codec::Quantity(1));
    if (divisor.is_zero()) divisor = codec::Quantity(1);
    const auto whole = name == "cpu" ? amount.milli_value() : amount.value();
    const auto part = std::max<std::int64_t>(name == "cpu" ? divisor.milli_value() : divisor.value(), 1);
    return std::to_string(whole / part + (whole % part > 0 ? 1 : 0));
}

void add_fields(Content& content, const ContentSources& sources, const json::array& items, std::int64_t default_mode) {
    for (const auto& one : items) {
        const auto& item = kc::as_object(one);
        auto text = item.contains("fieldRef") ? field_text(sources.pod, kc::text(item, "fieldRef.fieldPath"))
                                              : resource_text(sources, kc::object_at(item, "resourceFieldRef"));
        content[std::string(kc::text(item, "path"))] = {std::move(text), mode_of(item, default_mode)};
    }
}

void add_projection(Content& content, const ContentSources& sources, const json::object& source, std::int64_t default_mode) {
    if (source.contains("configMap")) {
        const auto& from = kc::object_at(source, "configMap");
        add_object(content, sources, from, "configmap", kc::text(from, "name"), default_mode);
    } else if (source.contains("secret")) {
        const auto& from = kc::object_at(source, "secret");
        add_object(content, sources, from, "secret", kc::text(from, "name"), default_mode);
    } else if (source.contains("downwardAPI")) {
        add_fields(content, sources, kc::array_at(source, "downwardAPI.items"), default_mode);
    } else if (source.contains("serviceAccountToken")) {
        // With fsGroup the volume's owner rules make 0640 of it, and nobody else has to read it.
        const bool has_group = kc::field(sources.pod, "spec.securityContext.fsGroup") != nullptr;
        const auto& from = kc::object_at(source, "serviceAccountToken");
        content[std::string(kc::text(from, "path"))] = {sources.token(from), has_group ? 0600U : static_cast<unsigned>(default_mode)};
    } else {
        throw Error(Code::unsupported, std::format("projected volume source \"{}\" is not supported on this box",
                                                   source.empty() ? std::string_view("") : std::string_view(source.begin()->key())));
    }
}

Content projected(const json::object& from, const ContentSources& sources) {
    Content content;
    std::vector<std::string> failures;
    for (const auto& one : kc::array_at(from, "sources")) {
        try {
            add_projection(content, sources, kc::as_object(one), kc::number(from, "defaultMode", mode_default));
        } catch (const Error& failure) {
            failures.emplace_back(failure.what());
        }
    }
    if (failures.empty()) return content;
    auto text = failures.front();
    for (std::size_t n = 1; n < failures.size(); ++n) text += ", " + failures[n];
    throw Error(Code::invalid, failures.size() == 1 ? text : "[" + text + "]");
}

void append_quoted(std::string& out, std::string_view text) {
    out += '"';
    for (const char c : text) {
        switch (c) {
            case '"': out += "\\\""; break;
            case '\\': out += "\\\\"; break;
            case '\a': out += "\\a"; break;
            case '\b': out += "\\b"; break;
            case '\f': out += "\\f"; break;
            case '\n': out += "\\n"; break;
            case '\r': out += "\\r"; break;
            case '\t': out += "\\t"; break;
            case '\v': out += "\\v"; break;
            default:
                if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
                    out += std::format("\\x{:02x}", static_cast<unsigned>(static_cast<unsigned char>(c)));
                else
                    out += c;
        }
    }
    out += '"';
}

}  // namespace

bool has_content(const json::object& volume) {
    return volume.contains("configMap") || volume.contains("secret") || volume.contains("downwardAPI") || volume.contains("projected");
}

bool is_kept_in_memory(const json::object& volume) { return has_content(volume) && !volume.contains("configMap"); }

Content content_of(const json::object& volume, const ContentSources& sources) {
    if (volume.contains("projected")) return projected(kc::object_at(volume, "projected"), sources);
    Content content;
    if (volume.contains("configMap")) {
        const auto& from = kc::object_at(volume, "configMap");
        add_object(content, sources, from, "configmap", kc::text(from, "name"), kc::number(from, "defaultMode", mode_default));
    } else if (volume.contains("secret")) {
        const auto& from = kc::object_at(volume, "secret");
        add_object(content, sources, from, "secret", kc::text(from, "secretName"), kc::number(from, "defaultMode", mode_default));
    } else {
        const auto& from = kc::object_at(volume, "downwardAPI");
        add_fields(content, sources, kc::array_at(from, "items"), kc::number(from, "defaultMode", mode_default));
    }
    return content;
}

std::string formatted_map(const json::object& map) {
    std::map<std::string_view, std::string_view> sorted;
    for (const auto& [key, value] : map) sorted.emplace(key, kc::as_text(value));
    std::string out;
    for (const auto& [key, value] : sorted) {
        if (!out.empty()) out += '\n';
        out += key;
        out += '=';
        append_quoted(out, value);
    }
    return out;
}

}  // namespace services::kubelet::volumes
