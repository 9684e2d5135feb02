#include "services/kube/controllers/namespace.hpp"

#include <algorithm>
#include <array>

namespace services::kube::controllers {

namespace {

constexpr std::string_view finalizer = "kubernetes";
constexpr std::int64_t finalizer_wait_seconds = 15;  // a guess at how long other finalizers take

struct Condition {
    std::string_view type, good_reason, good_message;
};
constexpr std::array<Condition, 5> conditions{{
    {"NamespaceDeletionDiscoveryFailure", "ResourcesDiscovered", "All resources successfully discovered"},
    {"NamespaceDeletionGroupVersionParsingFailure", "ParsedGroupVersions", "All legacy kube types successfully parsed"},
    {"NamespaceDeletionContentFailure", "ContentDeleted", "All content successfully deleted, may be waiting on finalization"},
    {"NamespaceContentRemaining", "ContentRemoved", "All content successfully removed"},
    {"NamespaceFinalizersRemaining", "ContentHasNoFinalizers", "All content-preserving finalizers finished"},
}};

// "pods. has 2 resource instances, secrets. has 1 resource instances"
std::string joined(const std::map<std::string, std::size_t>& counts, std::string_view verb) {
    std::string found;
    for (const auto& [name, count] : counts)
        found.append(found.empty() ? "" : ", ").append(name).append(verb).append(std::to_string(count)).append(" resource instances");
    return found;
}

bool is_finalized(const json::object& space) { return array_at(space, "spec.finalizers").empty(); }

}  // namespace

NamespaceController::NamespaceController(Environment& environment, std::vector<Served> served)
    : Controller(environment, "namespace-controller", 4), namespaces_(environment.informers.of(resources::namespaces)),
      pods_(environment.informers.of(resources::pods)), served_(std::move(served)) {
    // Pods first: what they use must not vanish under them.
    std::ranges::stable_partition(served_, [](const Served& served) { return served.resource.plural == "pods"; });
    namespaces_.on_change([this](const ObjectPtr& space) {
        if (is_deleting(*space)) queue_.add(std::string(name_of(*space)));
    });
    pods_.add_handlers({.added = {}, .updated = {}, .deleted = [this](const ObjectPtr& pod) { wake(*pod); }});
}

void NamespaceController::wake(const json::object& object) {
    const auto space = namespaces_.find("", namespace_of(object));
    if (space && is_deleting(*space)) queue_.add(std::string(name_of(*space)));
}

Task<> NamespaceController::sync(std::string name) {
    if (const auto cached = namespaces_.find("", name); !cached || !is_deleting(*cached)) co_return;
    auto space = co_await environment_.client.find(resources::namespaces, "", name);
    if (!space || !is_deleting(*space) || is_finalized(*space)) co_return;

    Remains remains;
    bool is_over = true;
    for (const auto& served : served_) {
        try {
            co_await delete_all(served.resource, name, remains);
        } catch (const ApiError& e) {
            remains.failures.emplace_back(e.what());
        }
        if (served.resource.plural == "pods" && !remains.objects.empty()) {
            is_over = false;
            break;
        }
    }
    co_await update_conditions(*space, remains, is_over);
    if (!remains.failures.empty()) throw hal::Error(hal::Code::unavailable, remains.failures.front());
    if (!remains.objects.empty()) {
        queue_.add_after(name, std::chrono::seconds(remains.wait_seconds / 2 + 1));
        co_return;
    }
    // The conditions were written: finalize what is there now.
    if (auto now = co_await environment_.client.find(resources::namespaces, "", name); now && !is_finalized(*now))
        co_await finalize(std::move(*now));
}

Task<> NamespaceController::delete_all(Resource resource, std::string name, Remains& remains) {
    std::int64_t wait_seconds = 0;
    if (resource.plural == "pods" && resource.group.empty())
        for (const auto& pod : pods_.list(name))
            if (!is_pod_finished(*pod)) wait_seconds = std::max(wait_seconds, number(*pod, "spec.terminationGracePeriodSeconds"));
    co_await delete_collection(environment_.client, resource, name);
    const auto left = co_await environment_.client.list(resource, name);
    if (left.items.empty()) co_return;
    bool has_finalizers = false;
    for (const auto& object : left.items) {
        for (const auto& entry : array_at(object, "metadata.finalizers")) {
            ++remains.finalizers[std::string(as_text(entry))];
            has_finalizers = true;
        }
    }
    remains.objects[resource.plural + "." + resource.group] += left.items.size();
    if (has_finalizers) wait_seconds = std::max(wait_seconds, finalizer_wait_seconds);
    remains.wait_seconds = std::max(remains.wait_seconds, wait_seconds);
}

Task<> NamespaceController::update_conditions(json::object space, const Remains& remains, bool is_over) {
    auto list = array_at(space, "status.conditions");
    bool is_changed = false;
    for (const auto& [type, good_reason, good_message] : conditions) {
        json::object condition{{"type", type}, {"status", "False"}, {"reason", good_reason}, {"message", good_message}};
        const auto fail = [&condition](std::string_view reason, std::string message) {
            condition["status"] = "True";
            condition["reason"] = reason;
            condition["message"] = std::move(message);
        };
        // While pods are waited for, the rest was not looked at: nothing is said about it.
        if (type == "NamespaceDeletionContentFailure" && !remains.failures.empty()) {
            auto failures = remains.failures;
            std::ranges::sort(failures);
            std::string text;
            for (const auto& failure : failures) text.append(text.empty() ? "" : ", ").append(failure);
            fail("ContentDeletionFailed",
                 "Failed to delete all resource types, " + std::to_string(failures.size()) + " remaining: " + text);
        } else if (is_over && type == "NamespaceContentRemaining" && !remains.objects.empty()) {
            fail("SomeResourcesRemain", "Some resources are remaining: " + joined(remains.objects, " has "));
        } else if (is_over && type == "NamespaceFinalizersRemaining" && !remains.finalizers.empty()) {
            fail("SomeFinalizersRemain",
                 "Some content in the namespace has finalizers remaining: " + joined(remains.finalizers, " in "));
        }
        is_changed |= set_condition(list, std::move(condition), environment_.clock.wall());
    }
    if (!is_changed) co_return;
    make_object(space, "status")["conditions"] = std::move(list);
    try {
        co_await environment_.client.update_status(resources::namespaces, "", std::move(space));
    } catch (const ApiError& e) {
        if (e.status() != 404) throw;
    }
}

Task<> NamespaceController::finalize(json::object space) {
    json::array finalizers;
    for (const auto& entry : array_at(space, "spec.finalizers"))
        if (as_text(entry) != finalizer) finalizers.push_back(entry);
    make_object(space, "spec")["finalizers"] = std::move(finalizers);
    space.erase("status");
    try {
        co_await put_subresource(environment_.client, resources::namespaces, std::move(space), "finalize");
    } catch (const ApiError& e) {
        if (e.status() != 404) throw;
    }
}

}  // namespace services::kube::controllers
