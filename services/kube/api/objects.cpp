#include "services/kube/api/objects.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <charconv>

#include "services/kube/api/status.hpp"
#include "services/kubeclient/object.hpp"

namespace services::kube::api {
namespace {

const kinds::Kind& stored_kind(const kinds::Kind& kind) {
    if (!kind.stored_as) return kind;
    const auto* found = kinds::find_kind(*kind.stored_as);
    HAL_REQUIRE(found != nullptr);
    return *found;
}

void drop_type(json::object& object) {
    object.erase("kind");
    object.erase("apiVersion");
}

// Above what a body may hold (schema: 1,000), so that nothing is stored that could not be read again.
constexpr std::size_t stored_depth_max = 1200;

constexpr std::string_view modified = "the object has been modified; please apply your changes to the latest version and try again";

}  // namespace

store::Key key_of(const kinds::Kind& kind, std::string_view name_space, std::string_view name) {
    return {resource_of(stored_kind(kind)), std::string(name_space), std::string(name)};
}

json::object read_stored(const std::string& text) {
    json::parse_options options;
    options.max_depth = stored_depth_max;
    return json::parse(text, {}, options).as_object();
}

json::object read_value(const kinds::Kind& kind, const std::string& text) {
    auto object = read_stored(text);
    if (kind.from_stored) {
        object = kind.from_stored(object);
        drop_type(object);
    }
    return object;
}

Task<std::optional<Stored>> find_object(Api& api, const kinds::Kind& kind, std::string_view name_space, std::string_view name) {
    auto record = co_await api.store.get(key_of(kind, name_space, name));
    if (!record) co_return std::nullopt;
    co_return Stored{read_value(kind, *record->value), record->revision};
}

Task<Stored> load_object(Api& api, const kinds::Kind& kind, std::string_view name_space, std::string_view name) {
    const std::string wanted(name);
    auto found = co_await find_object(api, kind, name_space, name);
    if (!found) throw StatusError(not_found(kind, wanted));
    co_return *std::move(found);
}

Task<json::object> store_object(Api& api, const ResourceRequest& request, const kinds::Kind& kind, json::object object,
                                store::Revision expected, bool is_chatter) {
    const std::string name_space(kubeclient::namespace_of(object)), name(kubeclient::name_of(object));
    drop_type(object);
    // Holds the revision's place among the members, which are put in the order of the real server's.
    if (!request.is_dry_run) object["metadata"].as_object().emplace("resourceVersion", "0");
    if (const auto* type = schema::type_of(kind.gvk)) schema::normalise(*type, object);
    if (request.is_dry_run) {
        if (expected == 0 && co_await api.store.get(key_of(kind, name_space, name))) throw StatusError(already_exists(kind, name));
        co_return object;
    }
    const auto text_at = [&](store::Revision revision) {
        object["metadata"].as_object()["resourceVersion"] = std::to_string(revision);
        if (!kind.to_stored) return json::serialize(object);
        auto stored = kind.to_stored(object);
        drop_type(stored);
        return json::serialize(stored);
    };
    const auto durability = kind.is_relaxed || is_chatter ? store::Durability::relaxed : store::Durability::durable;
    std::optional<Status> failure;
    try {
        co_await api.store.put(key_of(kind, name_space, name), text_at, expected, durability);
    } catch (const hal::Error& error) {
        if (error.code() == hal::Code::exists) failure = already_exists(kind, name);
        else if (error.code() == hal::Code::conflict) failure = conflict(kind, name, modified);
        else if (error.code() == hal::Code::not_found) failure = not_found(kind, name);
        else throw;
    }
    if (failure) throw StatusError(*std::move(failure));
    co_return object;
}

}  // namespace services::kube::api
