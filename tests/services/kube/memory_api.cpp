#include "memory_api.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <array>
#include <deque>

#include "services/kubeclient/object.hpp"
#include "services/kubeclient/selectors.hpp"

namespace tests {

using namespace services::kubeclient;
namespace http = services::http;
using hal::async::Task;

namespace {

// Plural -> kind, of what tests use.
constexpr std::array<std::pair<std::string_view, std::string_view>, 17> kinds{{
    {"pods", "Pod"}, {"services", "Service"}, {"endpoints", "Endpoints"}, {"endpointslices", "EndpointSlice"},
    {"configmaps", "ConfigMap"}, {"secrets", "Secret"}, {"serviceaccounts", "ServiceAccount"}, {"namespaces", "Namespace"},
    {"nodes", "Node"}, {"events", "Event"}, {"deployments", "Deployment"}, {"replicasets", "ReplicaSet"}, {"leases", "Lease"},
    {"persistentvolumeclaims", "PersistentVolumeClaim"}, {"storageclasses", "StorageClass"}, {"jobs", "Job"}, {"roles", "Role"},
}};

std::vector<std::string> split(const std::string& path) {
    std::vector<std::string> parts;
    for (std::size_t at = 1; at <= path.size();) {
        const auto end = std::min(path.find('/', at), path.size());
        parts.push_back(path.substr(at, end - at));
        at = end + 1;
    }
    return parts;
}

void merge(json::object& into, const json::object& patch) {
    for (const auto& [key, value] : patch) {
        if (value.is_null()) {
            into.erase(key);
        } else if (value.is_object()) {
            auto& place = into[key];
            if (!place.is_object()) place = json::object();
            merge(place.get_object(), value.get_object());
        } else {
            into[key] = value;
        }
    }
}

// Lists merged by a key, of which `$patch: delete` takes entries out.
void merge_list(json::array& into, const json::array& patch, std::string_view key) {
    for (const auto& entry : patch) {
        const auto wanted = text(as_object(entry), key);
        auto found = std::ranges::find_if(into, [&](const json::value& known) { return text(as_object(known), key) == wanted; });
        if (text(as_object(entry), "$patch") == "delete") {
            if (found != into.end()) into.erase(found);
        } else if (found != into.end()) {
            merge(found->get_object(), as_object(entry));
        } else {
            into.push_back(entry);
        }
    }
}

void strategic(json::object& into, json::object patch) {
    const std::pair<std::string_view, std::string_view> lists[] = {{"metadata.ownerReferences", "uid"}, {"status.conditions", "type"}};
    for (const auto& [path, key] : lists) {
        if (field(patch, path) == nullptr) continue;
        const auto changes = array_at(patch, path);
        const auto dot = path.find('.');
        auto& parent = make_object(into, path.substr(0, dot));
        auto& place = parent[path.substr(dot + 1)];
        if (!place.is_array()) place = json::array();
        merge_list(place.get_array(), changes, key);
        make_object(patch, path.substr(0, dot)).erase(path.substr(dot + 1));
    }
    merge(into, patch);
}

}  // namespace

class MemoryApi::Watch : public http::BodyReader {
public:
    Watch(hal::async::Executor executor, std::string collection) : collection(std::move(collection)), wake(std::move(executor)) {}
    Task<std::string> read() override {
        while (lines.empty()) {
            wake.clear();
            co_await wake.wait();
        }
        auto line = std::move(lines.front());
        lines.pop_front();
        co_return line;
    }

    std::string collection;
    std::deque<std::string> lines;
    hal::async::Event wake;
};

namespace {

// Shares a watch with the server, which forgets it when the reader lets go.
class SharedReader : public http::BodyReader {
public:
    explicit SharedReader(std::shared_ptr<http::BodyReader> reader) : reader_(std::move(reader)) {}
    Task<std::string> read() override { return reader_->read(); }

private:
    std::shared_ptr<http::BodyReader> reader_;
};

// All namespaces: "/api/v1/pods" covers "/api/v1/namespaces/x/pods".
bool covers(const std::string& wanted, const std::string& collection) {
    if (wanted == collection) return true;
    const auto in = collection.find("/namespaces/");
    if (in == std::string::npos) return false;
    const auto after = collection.find('/', in + 12);
    return after != std::string::npos && collection.substr(0, in) + collection.substr(after) == wanted;
}

}  // namespace

MemoryApi::Target MemoryApi::target_of(const std::string& path) {
    auto parts = split(path);
    Target target;
    std::size_t at = parts[0] == "api" ? 2 : 3;
    target.api_version = parts[0] == "api" ? parts[1] : parts[1] + "/" + parts[2];
    std::string collection;
    for (std::size_t i = 0; i < at; ++i) collection += "/" + parts[i];
    if (parts.at(at) == "namespaces" && parts.size() > at + 2 && parts[at + 2] != "finalize" && parts[at + 2] != "status") {
        collection += "/namespaces/" + parts[at + 1];
        at += 2;
    }
    collection += "/" + parts[at];
    target.collection = collection;
    for (const auto& [plural, kind] : kinds)
        if (plural == parts[at]) target.kind = kind;
    if (parts.size() > at + 1) target.name = parts[at + 1];
    if (parts.size() > at + 2) target.subresource = parts[at + 2];
    return target;
}

http::Response MemoryApi::status(unsigned code, const std::string& reason, const std::string& message) {
    return http::json_response(code, json::serialize(json::object{{"kind", "Status"}, {"status", code < 400 ? "Success" : "Failure"},
                                                                  {"code", code}, {"reason", reason}, {"message", message}}));
}

http::Handler MemoryApi::handler() {
    return [this](http::Request request) { return answer(std::move(request)); };
}

void MemoryApi::store(const std::string& collection, json::object object, const std::string& type) {
    make_object(object, "metadata")["resourceVersion"] = std::to_string(++version_);
    auto line = json::serialize(json::object{{"type", type}, {"object", object}}) + "\n";
    const auto key = collection + "/" + std::string(name_of(object));
    if (type == "DELETED")
        objects_.erase(key);
    else
        objects_[key] = std::move(object);
    std::erase_if(watches_, [](const auto& watch) { return watch.expired(); });
    for (const auto& weak : watches_) {
        const auto watch = weak.lock();
        if (!covers(watch->collection, collection)) continue;
        watch->lines.push_back(line);
        watch->wake.set();
    }
    log_.emplace_back(collection, std::move(line));
}

json::object MemoryApi::put(const std::string& collection, json::object object) {
    const auto target = target_of(collection);
    object["apiVersion"] = target.api_version;
    object["kind"] = target.kind;
    auto& metadata = make_object(object, "metadata");
    const auto in = collection.find("/namespaces/");
    if (in != std::string::npos) metadata["namespace"] = split(collection.substr(in)).at(1);
    if (!metadata.contains("name"))
        metadata["name"] = std::string(text(metadata, "generateName")) + "n" + std::to_string(++names_);
    if (!metadata.contains("uid")) metadata["uid"] = "uid-" + std::to_string(++names_);
    if (!metadata.contains("creationTimestamp")) metadata["creationTimestamp"] = hal::rfc3339(clock_.wall());
    if (!metadata.contains("generation")) metadata["generation"] = 1;
    const std::string name(name_of(object));
    store(collection, std::move(object), "ADDED");
    return *find(collection, name);
}

const json::object* MemoryApi::find(const std::string& collection, const std::string& name) const {
    const auto found = objects_.find(collection + "/" + name);
    return found == objects_.end() ? nullptr : &found->second;
}

std::vector<json::object> MemoryApi::list(const std::string& collection) const {
    std::vector<json::object> found;
    for (const auto& [key, object] : objects_)
        if (covers(collection, key.substr(0, key.rfind('/')))) found.push_back(object);
    return found;
}

void MemoryApi::change(const std::string& collection, const std::string& name, const std::function<void(json::object&)>& edit) {
    auto object = objects_.at(collection + "/" + name);
    edit(object);
    store(collection, std::move(object), "MODIFIED");
}

void MemoryApi::erase(const std::string& collection, const std::string& name) {
    store(collection, objects_.at(collection + "/" + name), "DELETED");
}

http::Response MemoryApi::list_response(const http::Request& request, const Target& target) const {
    json::array items;
    const auto* fields = request.query_value("fieldSelector");
    for (auto& object : list(target.collection)) {
        if (fields != nullptr && fields->starts_with("metadata.name=") && fields->substr(14) != name_of(object)) continue;
        items.emplace_back(std::move(object));
    }
    return http::json_response(200, json::serialize(json::object{{"kind", target.kind + "List"}, {"apiVersion", target.api_version},
                                                                 {"metadata", {{"resourceVersion", std::to_string(version_)}}},
                                                                 {"items", std::move(items)}}));
}

Task<http::Response> MemoryApi::answer(http::Request request) {
    auto target = target_of(request.path);
    if (request.method != "GET") {
        writes.push_back(request.method + " " + request.path);
        if (refuse)
            if (auto refused = refuse(request)) co_return std::move(*refused);
        co_return write(request, target);
    }
    if (request.query_value("watch") != nullptr) {
        auto watch = std::make_shared<Watch>(executor_, target.collection);
        const auto* since = request.query_value("resourceVersion");
        const auto from = since == nullptr ? 0 : std::stoll(*since);
        for (const auto& [collection, line] : log_) {
            const auto event = json::parse(line).as_object();
            if (covers(target.collection, collection) && std::stoll(std::string(text(event, "object.metadata.resourceVersion"))) > from)
                watch->lines.push_back(line);
        }
        watches_.push_back(watch);
        http::Response response;
        response.stream = std::make_unique<SharedReader>(watch);
        co_return response;
    }
    if (target.name.empty()) co_return list_response(request, target);
    const auto* found = find(target.collection, target.name);
    if (found == nullptr) co_return status(404, "NotFound", target.name + " not found");
    co_return http::json_response(200, json::serialize(*found));
}

http::Response MemoryApi::write(const http::Request& request, const Target& target) {
    auto body = request.body.empty() ? json::object() : json::parse(request.body).as_object();
    if (request.method == "DELETE") return remove(request, target);
    if (request.method == "POST") {
        if (target.subresource == "binding") {
            if (find(target.collection, target.name) == nullptr) return status(404, "NotFound", "not found");
            change(target.collection, target.name, [&](json::object& pod) {
                make_object(pod, "spec")["nodeName"] = text(body, "target.name");
            });
            return status(201, "", "");
        }
        const auto name = name_of(body);
        if (!name.empty() && find(target.collection, std::string(name)) != nullptr) return status(409, "AlreadyExists", "exists");
        return http::json_response(201, json::serialize(put(target.collection, std::move(body))));
    }
    const auto* found = find(target.collection, target.name);
    if (found == nullptr) return status(404, "NotFound", target.name + " not found");
    if (request.method == "PUT") return replace(target, std::move(body));
    auto changed = *found;
    if (const auto uid = text(body, "metadata.uid"); !uid.empty() && uid != uid_of(*found))
        return status(422, "Invalid", "uid differs");
    if (request.headers.get("Content-Type") == "application/strategic-merge-patch+json")
        strategic(changed, std::move(body));
    else
        merge(changed, body);
    return replace(target, std::move(changed));
}

http::Response MemoryApi::replace(const Target& target, json::object object) {
    const auto before = objects_.at(target.collection + "/" + target.name);
    const auto version = text(object, "metadata.resourceVersion");
    if (!version.empty() && version != text(before, "metadata.resourceVersion"))
        return status(409, "Conflict", target.name + " has been modified");
    // Main and status writes drop each other's part.
    const bool is_status = target.subresource == "status";
    for (const std::string_view part : {"spec", "status"}) {
        if ((part == "status") == is_status || (part == "spec" && target.subresource == "finalize")) continue;
        if (const auto* kept = before.if_contains(part))
            object[part] = *kept;
        else
            object.erase(part);
    }
    if (object_at(object, "spec") != object_at(before, "spec"))
        make_object(object, "metadata")["generation"] = number(before, "metadata.generation") + 1;
    make_object(object, "metadata")["resourceVersion"] = text(before, "metadata.resourceVersion");
    if (object == before) return http::json_response(200, json::serialize(before));
    const bool is_gone = is_deleting(object) && array_at(object, "metadata.finalizers").empty() &&
                         array_at(object, "spec.finalizers").empty();
    store(target.collection, object, is_gone ? "DELETED" : "MODIFIED");
    return http::json_response(200, json::serialize(is_gone ? object : *find(target.collection, target.name)));
}

http::Response MemoryApi::remove(const http::Request& request, const Target& target) {
    const auto options = request.body.empty() ? json::object() : json::parse(request.body).as_object();
    if (target.name.empty()) {
        for (const auto& object : list(target.collection)) {
            auto one = target;
            one.name = name_of(object);
            remove(request, one);
        }
        return status(200, "", "");
    }
    const auto* found = find(target.collection, target.name);
    if (found == nullptr) return status(404, "NotFound", target.name + " not found");
    if (const auto uid = text(options, "preconditions.uid"); !uid.empty() && uid != uid_of(*found))
        return status(409, "Conflict", "uid differs");
    auto object = *found;
    auto finalizers = array_at(object, "metadata.finalizers");
    const auto propagation = text(options, "propagationPolicy");
    if (propagation == "Foreground") finalizers.emplace_back("foregroundDeletion");
    if (propagation == "Orphan") finalizers.emplace_back("orphan");
    if (finalizers.empty() && array_at(object, "spec.finalizers").empty()) {
        erase(target.collection, target.name);
        return status(200, "", "");
    }
    auto& metadata = make_object(object, "metadata");
    if (!finalizers.empty()) metadata["finalizers"] = std::move(finalizers);
    if (!is_deleting(object)) metadata["deletionTimestamp"] = hal::rfc3339(clock_.wall());
    store(target.collection, std::move(object), "MODIFIED");
    return status(200, "", "");
}

}  // namespace tests
