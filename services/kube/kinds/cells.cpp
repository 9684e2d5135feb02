#include "services/kube/kinds/cells.hpp"

#include <algorithm>
#include <cctype>
#include <chrono>
#include <format>
#include <set>

#include "hal/base/error.hpp"
#include "services/kube/kinds/event_forms.hpp"
#include "services/kube/kinds/kind.hpp"
#include "services/kubeclient/object.hpp"

namespace services::kube::kinds {
namespace {

using kubeclient::array_at;
using kubeclient::as_object;
using kubeclient::as_text;
using kubeclient::name_of;
using kubeclient::number;
using kubeclient::object_at;
using kubeclient::text;

constexpr std::size_t listed_max = 3;

// What "a,b,c + 2 more..." shows of a longer list.
struct Listing {
    std::string shown;
    std::size_t count = 0;
    void add(std::string_view entry) {
        if (count++ < listed_max) (shown += shown.empty() ? "" : ",") += entry;
    }
    [[nodiscard]] std::string written(std::string_view when_empty) const {
        if (count > listed_max) return std::format("{} + {} more...", shown, count - listed_max);
        return shown.empty() ? std::string(when_empty) : shown;
    }
};

std::string host_and_port(std::string_view host, std::int64_t port) {
    return host.contains(':') ? std::format("[{}]:{}", host, port) : std::format("{}:{}", host, port);
}

std::string lowered(std::string_view word) {
    std::string out(word);
    std::ranges::transform(out, out.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return out;
}

std::string_view trimmed(std::string_view words) {
    constexpr std::string_view blanks = " \t\n\v\f\r";
    const auto first = words.find_first_not_of(blanks);
    return first == std::string_view::npos ? std::string_view() : words.substr(first, words.find_last_not_of(blanks) - first + 1);
}

std::string_view or_else(std::string_view first, std::string_view second) { return first.empty() ? second : first; }

std::string node_status(const json::object& node) {
    const auto ready = kubeclient::condition_status(node, "Ready");
    std::string out = ready.empty() ? "Unknown" : ready == "True" ? "Ready" : "NotReady";
    if (kubeclient::flag(node, "spec.unschedulable")) out += ",SchedulingDisabled";
    return out;
}

std::string node_roles(const json::object& node) {
    constexpr std::string_view prefix = "node-role.kubernetes.io/";
    std::set<std::string_view> roles;
    for (const auto& [key, value] : object_at(node, "metadata.labels")) {
        const std::string_view label = key;
        if (label.starts_with(prefix) && label.size() > prefix.size()) roles.insert(label.substr(prefix.size()));
        if (label == "kubernetes.io/role" && !as_text(value).empty()) roles.insert(as_text(value));
    }
    std::string out;
    for (const auto role : roles) (out += out.empty() ? "" : ",") += role;
    return out.empty() ? "<none>" : out;
}

std::string_view node_address(const json::object& node, std::string_view type) {
    for (const auto& address : array_at(node, "status.addresses"))
        if (text(as_object(address), "type") == type) return text(as_object(address), "address");
    return "<none>";
}

std::string endpoints_listing(const json::object& endpoints) {
    Listing listing;
    const auto& subsets = array_at(endpoints, "subsets");
    for (const auto& subset : subsets) {
        const auto& addresses = array_at(as_object(subset), "addresses");
        const auto& ports = array_at(as_object(subset), "ports");
        if (ports.empty())
            for (const auto& address : addresses) listing.add(text(as_object(address), "ip"));
        for (const auto& port : ports)
            for (const auto& address : addresses)
                listing.add(host_and_port(text(as_object(address), "ip"), number(as_object(port), "port")));
    }
    return listing.written(subsets.empty() ? "<none>" : "");
}

}  // namespace

std::string human_duration(std::chrono::seconds age) {
    const auto seconds = age.count();
    if (seconds < -1) return "<invalid>";
    if (seconds < 0) return "0s";
    if (seconds < 120) return std::format("{}s", seconds);
    const auto minutes = seconds / 60;
    const auto pair = [](auto large, std::string_view unit, auto small, std::string_view small_unit) {
        return small == 0 ? std::format("{}{}", large, unit) : std::format("{}{}{}{}", large, unit, small, small_unit);
    };
    if (minutes < 10) return pair(minutes, "m", seconds % 60, "s");
    if (minutes < 180) return std::format("{}m", minutes);
    const auto hours = minutes / 60;
    if (hours < 8) return pair(hours, "h", minutes % 60, "m");
    if (hours < 48) return std::format("{}h", hours);
    const auto days = hours / 24;
    if (days < 8) return pair(days, "d", hours % 24, "h");
    if (days < 365 * 2) return std::format("{}d", days);
    if (days < 365 * 8) return pair(days / 365, "y", days % 365, "d");
    return std::format("{}y", days / 365);
}

std::string age_since(std::string_view time, hal::WallTime now) {
    if (time.empty()) return "<unknown>";
    try {
        return human_duration(std::chrono::duration_cast<std::chrono::seconds>(now - hal::parse_rfc3339(std::string(time))));
    } catch (const hal::Error&) {
        return "<unknown>";
    }
}

std::string age_of(const json::object& object, hal::WallTime now) { return age_since(text(object, "metadata.creationTimestamp"), now); }

json::array namespace_cells(const json::object& object, hal::WallTime now) {
    return {name_of(object), text(object, "status.phase"), age_of(object, now)};
}

json::array config_map_cells(const json::object& object, hal::WallTime now) {
    const auto count = object_at(object, "data").size() + object_at(object, "binaryData").size();
    return {name_of(object), static_cast<std::int64_t>(count), age_of(object, now)};
}

json::array secret_cells(const json::object& object, hal::WallTime now) {
    return {name_of(object), text(object, "type"), static_cast<std::int64_t>(object_at(object, "data").size()), age_of(object, now)};
}

json::array service_account_cells(const json::object& object, hal::WallTime now) { return {name_of(object), age_of(object, now)}; }

json::array lease_cells(const json::object& object, hal::WallTime now) {
    return {name_of(object), text(object, "spec.holderIdentity"), age_of(object, now)};
}

json::array node_cells(const json::object& object, hal::WallTime now) {
    const auto& system = object_at(object, "status.nodeInfo");
    std::string kernel(text(system, "kernelVersion", "<unknown>"));
    if (kernel.empty()) kernel = "<unknown>";
    if (const auto architecture = text(system, "architecture"); !architecture.empty()) kernel += std::format(" ({})", architecture);
    return {name_of(object),
            node_status(object),
            node_roles(object),
            age_of(object, now),
            text(system, "kubeletVersion"),
            node_address(object, "InternalIP"),
            node_address(object, "ExternalIP"),
            or_else(text(system, "osImage"), "<unknown>"),
            kernel,
            or_else(text(system, "containerRuntimeVersion"), "<unknown>")};
}

json::array event_cells(const json::object& object, hal::WallTime now) {
    auto first = age_since(or_else(text(object, "firstTimestamp"), text(object, "eventTime")), now);
    auto last = text(object, "lastTimestamp").empty() ? first : age_since(text(object, "lastTimestamp"), now);
    auto count = number(object, "count");
    if (kubeclient::field(object, "series") != nullptr) {
        last = age_since(text(object, "series.lastObservedTime"), now);
        count = number(object, "series.count");
    } else if (count == 0) {
        count = 1;  // an event of the new form states none
    }
    auto target = lowered(text(object, "involvedObject.kind"));
    if (const auto name = text(object, "involvedObject.name"); !name.empty()) (target += '/') += name;
    std::string source(or_else(text(object, "source.component"), text(object, "reportingComponent")));
    const auto instance = or_else(text(object, "source.host"), text(object, "reportingInstance"));
    if (!instance.empty()) (source += ", ") += instance;
    return {last,   text(object, "type"),             text(object, "reason"), target, text(object, "involvedObject.fieldPath"),
            source, trimmed(text(object, "message")), first,                  count,  name_of(object)};
}

json::array new_event_cells(const json::object& object, hal::WallTime now) { return event_cells(to_core_event(object), now); }

json::array endpoints_cells(const json::object& object, hal::WallTime now) {
    return {name_of(object), endpoints_listing(object), age_of(object, now)};
}

json::array endpoint_slice_cells(const json::object& object, hal::WallTime now) {
    Listing ports, addresses;
    for (const auto& element : array_at(object, "ports")) {
        const auto& port = as_object(element);
        if (kubeclient::field(port, "port") != nullptr) ports.add(std::to_string(number(port, "port")));
        else ports.add(kubeclient::field(port, "name") != nullptr ? text(port, "name") : "*");
    }
    for (const auto& endpoint : array_at(object, "endpoints"))
        for (const auto& address : array_at(as_object(endpoint), "addresses")) addresses.add(as_text(address));
    return {name_of(object), text(object, "addressType"), ports.written("<unset>"), addresses.written("<unset>"), age_of(object, now)};
}

}  // namespace services::kube::kinds
