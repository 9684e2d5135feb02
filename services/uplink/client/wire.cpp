#include "services/uplink/client/wire.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>

namespace services::uplink::client {
namespace {

namespace json = boost::json;

constexpr std::array<const Refusal*, 10> refusals{&refused_destination, &refused_request, &no_link,       &backing_off, &over_cap,
                                                  &unreachable,         &not_trusted,     &proxy_refused, &no_answer,   &no_library};
constexpr std::size_t destinations_max = 64;
constexpr std::size_t name_bytes_max = 64;

std::optional<json::object> object_of(std::string_view text) {
    if (text.size() > event_bytes_max) return std::nullopt;
    boost::system::error_code failure;
    auto value = json::parse(text, failure);
    if (failure || !value.is_object()) return std::nullopt;
    return std::move(value.get_object());
}

std::optional<std::string> text_at(const json::object& object, std::string_view key) {
    const auto* found = object.if_contains(key);
    if (!found || !found->is_string()) return std::nullopt;
    return std::string(found->get_string());
}

std::optional<std::uint64_t> number_at(const json::object& object, std::string_view key) {
    const auto* found = object.if_contains(key);
    boost::system::error_code failure;
    const auto value = found ? found->to_number<std::uint64_t>(failure) : 0;
    if (!found || failure) return std::nullopt;
    return value;
}

}  // namespace

std::optional<Class> class_of(std::string_view name) {
    const auto it = std::ranges::find(class_names, name);
    if (it == class_names.end()) return std::nullopt;
    return static_cast<Class>(it - class_names.begin());
}

const Refusal* refusal_of(std::string_view name) {
    const auto it = std::ranges::find(refusals, name, [](const Refusal* one) { return one->name; });
    return it == refusals.end() ? nullptr : *it;
}

std::string to_line(const std::vector<DestinationState>& states) {
    json::array list;
    for (const auto& one : states)
        list.push_back({{"name", one.name}, {"reachable", one.is_reachable}, {"retry_ms", one.retry.count()}, {"reason", one.reason}});
    return json::serialize(json::object{{"destinations", std::move(list)}}) + "\n";
}

std::optional<std::vector<DestinationState>> states_of(std::string_view line) {
    const auto object = object_of(line);
    const auto* list = object ? object->if_contains("destinations") : nullptr;
    if (!list || !list->is_array() || list->get_array().size() > destinations_max) return std::nullopt;
    std::vector<DestinationState> states;
    for (const auto& one : list->get_array()) {
        if (!one.is_object()) return std::nullopt;
        const auto& entry = one.get_object();
        auto name = text_at(entry, "name");
        const auto retry = number_at(entry, "retry_ms");
        const auto* reachable = entry.if_contains("reachable");
        if (!name || !retry || *retry > 1ULL << 40 || !reachable || !reachable->is_bool()) return std::nullopt;
        states.push_back({std::move(*name), reachable->get_bool(), std::chrono::milliseconds(*retry), text_at(entry, "reason").value_or("")});
    }
    return states;
}

std::string to_json(const Backlog& backlog) {
    return json::serialize(json::object{{"upstream", backlog.upstream},
                                        {"class", name_of(backlog.urgency)},
                                        {"count", backlog.count},
                                        {"bytes", backlog.bytes},
                                        {"oldest", hal::rfc3339(backlog.oldest)}});
}

std::optional<Backlog> backlog_of(std::string_view text) {
    const auto object = object_of(text);
    if (!object) return std::nullopt;
    const auto upstream = text_at(*object, "upstream"), urgency = text_at(*object, "class"), oldest = text_at(*object, "oldest");
    const auto count = number_at(*object, "count"), bytes = number_at(*object, "bytes");
    const auto which = urgency ? class_of(*urgency) : std::nullopt;
    if (!upstream || upstream->empty() || upstream->size() > name_bytes_max || !which || !count || !bytes || !oldest) return std::nullopt;
    Backlog backlog{*upstream, *which, *count, *bytes, {}};
    try {
        backlog.oldest = hal::parse_rfc3339(*oldest);
    } catch (const hal::Error&) {
        return std::nullopt;
    }
    return backlog;
}

}  // namespace services::uplink::client
