// A local copy of one resource, kept by list and watch, with handlers called for each change. What kubelet, network,
// discovery, controllers and scheduler read instead of asking the API server again and again.
//
// Owns the cached objects (shared, never changed) and its watch; no thread: all on the executor's. An ended stream is
// opened again, 410 lists again, a failure waits with back-off and jitter (0.8 s to 30 s). metadata.managedFields are
// dropped from what is cached. The cache is as large as the scope: narrow it by namespace or selectors where that
// matters (`objects_max` bounds it; beyond, the informer fails with Error{exhausted} instead of hiding objects).
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "hal/async/task.hpp"
#include "services/kubeclient/client.hpp"
#include "services/kubeclient/object.hpp"

namespace services::kubeclient {

class Informer {
public:
    struct Options {
        std::string name_space;                      // "": all
        std::string label_selector, field_selector;
        std::size_t objects_max = 100'000;
        // Cuts an object to what will be read, before it is cached. Must keep metadata's name, namespace, uid and
        // resourceVersion.
        std::function<void(json::object&)> transform = nullptr;
    };
    // Called on the loop, one change at a time, after the cache has it. Must not block.
    struct Handlers {
        std::function<void(const ObjectPtr& object)> added;
        std::function<void(const ObjectPtr& before, const ObjectPtr& object)> updated;
        std::function<void(const ObjectPtr& last)> deleted;
    };
    using IndexOf = std::function<std::vector<std::string>(const json::object&)>;

    Informer(hal::async::Executor executor, Client client, Resource resource, Options options);
    Informer(hal::async::Executor executor, Client client, Resource resource);
    ~Informer();
    Informer(const Informer&) = delete;
    Informer& operator=(const Informer&) = delete;

    // Before or after start: objects already cached are told as added.
    void add_handlers(Handlers handlers);
    // One function for all three: the object as it is now, or was last.
    void on_change(std::function<void(const ObjectPtr& object)> changed);
    // Objects found again by value through by_index(). Before run(). "owner" (uids of all owner references) and, for
    // pods, "node" (spec.nodeName) are ready-made: see index_owner_uid, index_node_name.
    void add_index(std::string name, IndexOf index_of);

    // Lists and watches until cancelled.
    Task<> run();
    [[nodiscard]] bool synced() const;  // the first list is in the cache
    Task<> wait_synced();               // Error{cancelled}

    [[nodiscard]] ObjectPtr find(std::string_view name_space, std::string_view name) const;  // null when absent
    [[nodiscard]] ObjectPtr find_key(std::string_view key) const;                            // "ns/name" or "name"
    [[nodiscard]] std::vector<ObjectPtr> list(std::string_view name_space = "") const;       // ordered by namespace, name
    [[nodiscard]] std::vector<ObjectPtr> by_index(std::string_view index, std::string_view value) const;
    [[nodiscard]] std::size_t size() const { return objects_.size(); }
    // Visits without copying pointers; the visitor must not change the informer.
    void each(const std::function<void(const ObjectPtr&)>& visit) const;
    [[nodiscard]] const Resource& resource() const { return resource_; }

private:
    using ObjectKey = std::pair<std::string, std::string>;
    struct Index {
        IndexOf index_of;
        std::unordered_map<std::string, std::map<ObjectKey, ObjectPtr>> entries;
    };
    Task<> list_once();
    Task<> watch_once();
    void put(json::object object);
    void drop(const ObjectKey& key, ObjectPtr last);
    void index(const ObjectKey& key, const ObjectPtr& before, const ObjectPtr& object);

    hal::async::Executor executor_;
    Client client_;
    Resource resource_;
    Options options_;
    std::map<ObjectKey, ObjectPtr> objects_;
    std::map<std::string, Index, std::less<>> indices_;
    std::vector<Handlers> handlers_;
    std::string resource_version_;  // "": list first
    hal::async::Event synced_;
};

std::vector<std::string> index_owner_uid(const json::object& object);
std::vector<std::string> index_node_name(const json::object& object);

// One informer per resource, made on first use, for code that shares a process: the caches are held once. start() runs
// every informer made so far in `group`; each is started once.
class InformerSet {
public:
    InformerSet(hal::async::Executor executor, Client client);
    Informer& of(const Resource& resource);
    void start(hal::async::TaskGroup& group);
    Task<> wait_synced();
    [[nodiscard]] bool contains(const Resource& resource) const;  // made already

private:
    struct Entry {
        std::unique_ptr<Informer> informer;
        bool is_started = false;
    };
    hal::async::Executor executor_;
    Client client_;
    std::map<std::string, Entry, std::less<>> entries_;  // by group/plural
};

}  // namespace services::kubeclient
