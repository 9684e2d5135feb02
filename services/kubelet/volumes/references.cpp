#include "services/kubelet/volumes/references.hpp"

#include <utility>

#include "hal/base/error.hpp"
#include "hal/base/log.hpp"
#include "services/kubeclient/object.hpp"

namespace services::kubelet::volumes {

using hal::async::TaskGroup;
using kubeclient::Informer;

namespace {

struct Named {
    kubeclient::Resource resource;
    std::string name;
};

Named named(const Reference& reference) {
    const auto slash = reference.key.find('/');
    const bool is_secret = reference.key.starts_with("secret/");
    return {is_secret ? kubeclient::resources::secrets : kubeclient::resources::config_maps, reference.key.substr(slash + 1)};
}

struct Watched {
    std::set<std::string> pods;
    std::unique_ptr<Informer> informer;  // null: over watched_max
    std::unique_ptr<TaskGroup> group;
};

// Owns what is told to end until it has.
Task<> see_out(std::unique_ptr<Watched> watched) {
    watched->group->cancel();
    co_await watched->group->join();
}

}  // namespace

struct References::State {
    hal::async::Executor executor;
    kubeclient::Client client;
    std::map<Reference, std::unique_ptr<Watched>> watched;
    std::map<Reference, ObjectPtr> restored;
    std::map<Reference, ObjectPtr> outliving;  // the same, of a database that is no more
    std::size_t watches = 0;
    std::function<void(const std::string&, const Reference&)> changed;
    TaskGroup ending;

    State(hal::async::Executor on, kubeclient::Client with)
        : executor(on), client(std::move(with)), ending(std::move(on), "references", 4 * watched_max) {}

    void watch(const Reference& reference, Watched& watched_one) {
        auto [resource, name] = named(reference);
        Informer::Options options;
        options.name_space = reference.name_space;
        options.field_selector = "metadata.name=" + name;
        watched_one.informer = std::make_unique<Informer>(executor, client, resource, std::move(options));
        watched_one.informer->on_change([this, reference](const ObjectPtr&) { tell(reference); });
        watched_one.group = std::make_unique<TaskGroup>(executor, reference.key);
        watched_one.group->spawn("watch " + reference.name_space + "/" + reference.key, watched_one.informer->run());
        ++watches;
    }

    void tell(const Reference& reference) {
        const auto at = watched.find(reference);
        if (!changed || at == watched.end()) return;
        const auto pods = at->second->pods;  // what is called may change it
        for (const auto& uid : pods) changed(uid, reference);
    }

    [[nodiscard]] ObjectPtr or_outliving(ObjectPtr found, const Reference& reference) const {
        const auto at = outliving.find(reference);
        return found || at == outliving.end() ? found : at->second;
    }

    void drop(std::map<Reference, std::unique_ptr<Watched>>::iterator at) {
        restored.erase(at->first);
        outliving.erase(at->first);
        if (at->second->informer) {
            --watches;
            ending.spawn("end of a watch", see_out(std::move(at->second)));
        }
        watched.erase(at);
    }
};

References::References(hal::async::Executor executor, kubeclient::Client client)
    : state_(std::make_unique<State>(std::move(executor), std::move(client))) {}

References::~References() = default;

void References::keep(const std::string& uid, const std::string& name_space, const std::vector<std::string>& keys) {
    std::set<Reference> wanted;
    for (const auto& key : keys) wanted.insert({name_space, key});
    for (const auto& reference : wanted) {
        auto& entry = state_->watched[reference];
        if (!entry) {
            entry = std::make_unique<Watched>();
            if (state_->watches < watched_max)
                state_->watch(reference, *entry);
            else
                hal::log::warn("volumes", "{}/{}: {} objects are watched already, this one's changes are not followed", name_space,
                               reference.key, watched_max);
        }
        entry->pods.insert(uid);
    }
    for (auto at = state_->watched.begin(); at != state_->watched.end();) {
        const auto here = at++;
        if (wanted.contains(here->first) || here->second->pods.erase(uid) == 0) continue;
        if (here->second->pods.empty()) state_->drop(here);
    }
}

void References::release(const std::string& uid) { keep(uid, "", {}); }

void References::restore(const std::string& name_space, const Objects& objects, bool outlives) {
    for (const auto& [key, object] : objects)
        if (key.starts_with("configmap/") || key.starts_with("secret/"))
            (outlives ? state_->outliving : state_->restored).try_emplace({name_space, key}, std::make_shared<const json::object>(object));
}

Task<ObjectPtr> References::find(Reference reference) {
    const auto [resource, name] = named(reference);
    if (const auto at = state_->watched.find(reference); at != state_->watched.end() && at->second->informer && at->second->informer->synced())
        co_return state_->or_outliving(at->second->informer->find(reference.name_space, name), reference);
    std::exception_ptr failure;
    try {
        auto found = co_await state_->client.find(resource, reference.name_space, name);
        if (!found) co_return state_->or_outliving(nullptr, reference);
        // An object that is not watched has only this copy for a checkpoint.
        co_return state_->restored[reference] = std::make_shared<const json::object>(std::move(*found));
    } catch (const hal::Error& error) {
        if (error.code() == hal::Code::cancelled) throw;
        failure = std::current_exception();
    }
    if (const auto at = state_->restored.find(reference); at != state_->restored.end()) co_return at->second;
    std::rethrow_exception(failure);
}

ObjectPtr References::seen(const Reference& reference) const {
    if (const auto at = state_->watched.find(reference); at != state_->watched.end() && at->second->informer && at->second->informer->synced())
        return state_->or_outliving(at->second->informer->find(reference.name_space, named(reference).name), reference);
    const auto at = state_->restored.find(reference);
    return state_->or_outliving(at == state_->restored.end() ? nullptr : at->second, reference);
}

void References::on_change(std::function<void(const std::string&, const Reference&)> changed) { state_->changed = std::move(changed); }

Task<> References::stop() {
    while (!state_->watched.empty()) state_->drop(state_->watched.begin());
    co_await state_->ending.join();
}

}  // namespace services::kubelet::volumes
