#include "services/kube/controllers/garbage_collector.hpp"

#include <algorithm>

namespace services::kube::controllers {

namespace {

// Events own nothing and are owned by nothing, and come in floods.
bool is_followed(const Served& served) { return served.resource.plural != "events"; }

void keep_metadata(json::object& object) {
    for (auto member = object.begin(); member != object.end();) {
        const std::string_view key = member->key();
        member = key == "apiVersion" || key == "kind" || key == "metadata" ? member + 1 : object.erase(member);
    }
    auto& metadata = make_object(object, "metadata");
    metadata.erase("annotations");
    metadata.erase("labels");
    object = json::object(object);  // give back what the whole object took
}

std::string_view group_of(std::string_view api_version) {
    const auto slash = api_version.find('/');
    return slash == std::string_view::npos ? std::string_view() : api_version.substr(0, slash);
}

}  // namespace

GarbageCollector::GarbageCollector(Environment& environment, std::vector<Served> served)
    : Controller(environment, "garbage-collector-controller", 4), served_(std::move(served)) {
    std::erase_if(served_, [](const Served& kind) { return !is_followed(kind); });
    for (std::size_t i = 0; i < served_.size(); ++i) follow(i);
}

void GarbageCollector::follow(std::size_t served) {
    const auto& resource = served_[served].resource;
    Informer* informer = nullptr;
    if (environment_.informers.contains(resource)) {
        informer = &environment_.informers.of(resource);
    } else {
        Informer::Options options;
        options.transform = keep_metadata;
        informers_.push_back(std::make_unique<Informer>(environment_.executor, environment_.client, resource, std::move(options)));
        informer = informers_.back().get();
    }
    informer->add_handlers({.added = [this, served](const ObjectPtr& object) { object_changed(served, *object); },
                            .updated = [this, served](const ObjectPtr&, const ObjectPtr& object) { object_changed(served, *object); },
                            .deleted = [this](const ObjectPtr& object) { object_gone(*object); }});
}

void GarbageCollector::start(hal::async::TaskGroup& group) {
    for (auto& informer : informers_) group.spawn("informer " + informer->resource().plural, informer->run());
    // An owner of a kind that is not listed yet would look absent; sync() asks the API about those, so no order is needed.
    Controller::start(group);
}

void GarbageCollector::object_changed(std::size_t served, const json::object& object) {
    const auto before = graph_.put(served, object);
    const auto& node = *graph_.find(std::string(uid_of(object)));
    if (node.orphans_dependents || node.deletes_dependents) queue_.add(node.uid);
    if (node.deletes_dependents)
        for (auto& dependent : graph_.dependents(node.uid)) queue_.add(std::move(dependent));
    if (node.owners == before) return;
    for (const auto& owner : node.owners) {
        const auto* known = graph_.find(owner.uid);
        if (known == nullptr || known->deletes_dependents) queue_.add(node.uid);
    }
    // One that blocks no more may let its owner go.
    for (const auto& owner : before)
        if (const auto* known = graph_.find(owner.uid); known != nullptr && known->deletes_dependents) queue_.add(owner.uid);
}

void GarbageCollector::object_gone(const json::object& object) {
    const std::string uid(uid_of(object));
    const auto* node = graph_.find(uid);
    if (node == nullptr) return;
    for (const auto& owner : node->owners)
        if (const auto* known = graph_.find(owner.uid); known != nullptr && known->deletes_dependents) queue_.add(owner.uid);
    graph_.erase(uid);
    for (auto& dependent : graph_.dependents(uid)) queue_.add(std::move(dependent));
}

const Served* GarbageCollector::served_kind(const Owner& owner) const {
    const auto group = group_of(owner.api_version);
    const auto found = std::ranges::find_if(
        served_, [&](const Served& served) { return served.kind == owner.kind && served.resource.group == group; });
    return found == served_.end() ? nullptr : &*found;
}

Task<> GarbageCollector::sync(std::string uid) {
    const auto* known = graph_.find(uid);
    if (known == nullptr) co_return;
    const auto node = *known;
    if (node.orphans_dependents) co_return co_await orphan_dependents(node);
    if (node.deletes_dependents) co_return co_await delete_dependents(node);
    if (node.is_deleting || node.owners.empty()) co_return;
    // What the graph knows to live needs no asking.
    const bool is_owned = std::ranges::all_of(node.owners, [this](const Owner& owner) {
        const auto* found = graph_.find(owner.uid);
        return found != nullptr && !found->deletes_dependents;
    });
    if (is_owned) co_return;
    auto latest = co_await environment_.client.find(served_[node.served].resource, node.name_space, node.name);
    if (!latest || uid_of(*latest) != node.uid) co_return;
    co_await collect(node, std::move(*latest));
}

Task<> GarbageCollector::collect(Node node, json::object latest) {
    GarbageGraph fresh;
    fresh.put(node.served, latest);
    const auto owners = fresh.find(node.uid)->owners;
    std::vector<Owner> solid, absent, waiting;
    for (const auto& owner : owners) {
        switch (co_await state_of(owner, node.name_space)) {
            case OwnerState::solid: solid.push_back(owner); break;
            case OwnerState::absent: absent.push_back(owner); break;
            case OwnerState::waiting: waiting.push_back(owner); break;
        }
    }
    if (!solid.empty()) {
        // Someone still wants it: the others let go of it.
        absent.insert(absent.end(), waiting.begin(), waiting.end());
        if (!absent.empty()) co_await drop_owners(node, std::move(absent));
        co_return;
    }
    if (owners.empty()) co_return;
    const auto dependents = graph_.dependents(node.uid);
    if (!waiting.empty() && !dependents.empty()) {
        // Dependents that are themselves deleted in the foreground: a circle, unless this one stops blocking.
        const bool is_circle = std::ranges::any_of(dependents, [this](const std::string& dependent) {
            return graph_.find(dependent)->deletes_dependents;
        });
        if (is_circle) co_await unblock_owners(node, latest);
        co_return co_await remove(node, "Foreground");
    }
    const bool orphans = has_finalizer(latest, "orphan"), foreground = has_finalizer(latest, "foregroundDeletion");
    co_await remove(node, orphans ? "Orphan" : foreground ? "Foreground" : "Background");
}

Task<GarbageCollector::OwnerState> GarbageCollector::state_of(Owner owner, std::string name_space) {
    const auto* served = served_kind(owner);
    // A kind no one serves cannot be looked up: never take that for an owner that is gone.
    if (served == nullptr) co_return OwnerState::solid;
    const auto found =
        co_await environment_.client.find(served->resource, served->resource.is_namespaced ? name_space : "", owner.name);
    if (!found || uid_of(*found) != owner.uid) co_return OwnerState::absent;
    co_return is_deleting(*found) && has_finalizer(*found, "foregroundDeletion") ? OwnerState::waiting : OwnerState::solid;
}

Task<> GarbageCollector::orphan_dependents(Node node) {
    for (const auto& uid : graph_.dependents(node.uid)) {
        const auto* known = graph_.find(uid);
        if (known == nullptr) continue;
        const auto dependent = *known;
        co_await drop_owners(dependent, {{.uid = node.uid, .api_version = "", .kind = "", .name = ""}});
    }
    co_await drop_finalizer(node, "orphan");
}

Task<> GarbageCollector::delete_dependents(Node node) {
    if (!graph_.has_blocking_dependents(node.uid)) co_return co_await drop_finalizer(node, "foregroundDeletion");
    for (auto& dependent : graph_.dependents(node.uid))
        if (!graph_.find(dependent)->is_deleting) queue_.add(std::move(dependent));
}

Task<> GarbageCollector::drop_owners(Node node, std::vector<Owner> owners) {
    json::array references;
    for (const auto& owner : owners) references.emplace_back(json::object{{"$patch", "delete"}, {"uid", owner.uid}});
    json::object patch{{"metadata", {{"uid", node.uid}, {"ownerReferences", std::move(references)}}}};
    try {
        co_await environment_.client.patch(served_[node.served].resource, node.name_space, node.name, "strategic-merge-patch",
                                           std::move(patch));
    } catch (const ApiError& e) {
        if (e.status() != 404 && e.status() != 422) throw;  // gone, or another by that name
    }
}

Task<> GarbageCollector::unblock_owners(Node node, json::object latest) {
    json::array references = array_at(latest, "metadata.ownerReferences");
    for (auto& reference : references)
        if (reference.is_object()) reference.get_object()["blockOwnerDeletion"] = false;
    json::object patch{{"metadata", {{"uid", node.uid}, {"ownerReferences", std::move(references)}}}};
    co_await environment_.client.patch(served_[node.served].resource, node.name_space, node.name, "strategic-merge-patch",
                                       std::move(patch));
}

Task<> GarbageCollector::drop_finalizer(Node node, std::string finalizer) {
    const auto& resource = served_[node.served].resource;
    auto latest = co_await environment_.client.find(resource, node.name_space, node.name);
    if (!latest || uid_of(*latest) != node.uid || !has_finalizer(*latest, finalizer)) co_return;
    json::array left;
    for (const auto& entry : array_at(*latest, "metadata.finalizers"))
        if (as_text(entry) != finalizer) left.push_back(entry);
    json::object patch{{"metadata", {{"resourceVersion", text(*latest, "metadata.resourceVersion")}, {"finalizers", std::move(left)}}}};
    try {
        co_await environment_.client.patch(resource, node.name_space, node.name, "merge-patch", std::move(patch));
    } catch (const ApiError& e) {
        if (e.status() != 404) throw;
    }
}

Task<> GarbageCollector::remove(Node node, std::string propagation) {
    try {
        co_await environment_.client.remove(served_[node.served].resource, node.name_space, node.name,
                                            {.grace_seconds = std::nullopt, .propagation = std::move(propagation), .uid = node.uid});
    } catch (const ApiError& e) {
        if (e.status() != 404 && e.status() != 409) throw;
    }
}

}  // namespace services::kube::controllers
