#include "services/kubeclient/informer.hpp"

#include <algorithm>
#include <random>

#include "hal/base/log.hpp"

namespace services::kubeclient {

namespace {

constexpr std::chrono::milliseconds back_off_min{800};
constexpr std::chrono::milliseconds back_off_max{30'000};
// A watch that lived this long starts the back-off anew.
constexpr std::chrono::seconds back_off_reset{120};

std::chrono::milliseconds with_jitter(std::chrono::milliseconds delay) {
    thread_local std::minstd_rand random{std::random_device{}()};
    return delay + std::chrono::milliseconds(std::uniform_int_distribution<std::int64_t>(0, delay.count())(random));
}

}  // namespace

Informer::Informer(hal::async::Executor executor, Client client, Resource resource, Options options)
    : executor_(executor), client_(std::move(client)), resource_(std::move(resource)), options_(std::move(options)),
      synced_(executor) {}
Informer::Informer(hal::async::Executor executor, Client client, Resource resource)
    : Informer(std::move(executor), std::move(client), std::move(resource), Options()) {}
Informer::~Informer() = default;

void Informer::add_handlers(Handlers handlers) {
    if (handlers.added)
        for (const auto& [key, object] : objects_) handlers.added(object);
    handlers_.push_back(std::move(handlers));
}

void Informer::on_change(std::function<void(const ObjectPtr&)> changed) {
    add_handlers({.added = changed,
                  .updated = [changed](const ObjectPtr&, const ObjectPtr& object) { changed(object); },
                  .deleted = changed});
}

void Informer::add_index(std::string name, IndexOf index_of) {
    auto& index = indices_[std::move(name)];
    index.index_of = std::move(index_of);
    index.entries.clear();
    for (const auto& [key, object] : objects_)
        for (auto& value : index.index_of(*object)) index.entries[std::move(value)].emplace(key, object);
}

bool Informer::synced() const { return synced_.is_set(); }

Task<> Informer::wait_synced() { co_await synced_.wait(); }

Task<> Informer::run() {
    auto delay = back_off_min;
    // An outage is told once, not at each attempt.
    bool is_told = false;
    while (true) {
        const auto begun = std::chrono::steady_clock::now();
        std::string failure;
        bool is_compacted = false;
        try {
            if (resource_version_.empty()) co_await list_once();
            co_await watch_once();
        } catch (const hal::Error& e) {
            if (e.code() == hal::Code::cancelled) throw;
            failure = e.what();
            if (e.code() == hal::Code::gone) {
                // A compacted revision is no outage: the next list starts over.
                resource_version_.clear();
                is_compacted = true;
            }
        } catch (const boost::system::system_error& e) {
            failure = e.code().message();
        }
        if (const auto state = co_await boost::asio::this_coro::cancellation_state;
            state.cancelled() != boost::asio::cancellation_type::none)
            throw hal::Error(hal::Code::cancelled, "the informer was stopped");
        if (std::chrono::steady_clock::now() - begun > back_off_reset) {
            delay = back_off_min;
            is_told = false;
        }
        // A stream that the server ended in good order after a while is opened again at once.
        if (failure.empty() && std::chrono::steady_clock::now() - begun > back_off_min) continue;
        if (!failure.empty() && !is_compacted && !is_told) {
            if (resource_version_.empty())
                hal::log::warn("informer", "{} cannot be listed yet, tried on with back-off: {}", resource_.plural, failure);
            else
                hal::log::warn("informer", "the watch of {} ended, tried on with back-off: {}", resource_.plural, failure);
        }
        if (!failure.empty() && !is_compacted) is_told = true;
        co_await hal::async::sleep_for(with_jitter(delay));
        delay = std::min(delay * 2, back_off_max);
    }
}

Task<> Informer::list_once() {
    ListOptions options;
    options.label_selector = options_.label_selector;
    options.field_selector = options_.field_selector;
    auto list = co_await client_.list(resource_, options_.name_space, options);
    std::map<ObjectKey, bool> listed;
    for (auto& object : list.items) {
        ObjectKey key{namespace_of(object), name_of(object)};
        // Told as deleted and added when it is another object of the same name.
        if (const auto known = objects_.find(key); known != objects_.end() && uid_of(*known->second) != uid_of(object))
            drop(key, known->second);
        listed.emplace(std::move(key), true);
        put(std::move(object));
    }
    std::vector<std::pair<ObjectKey, ObjectPtr>> vanished;
    for (const auto& entry : objects_)
        if (!listed.contains(entry.first)) vanished.emplace_back(entry);
    for (auto& [key, last] : vanished) drop(key, last);
    resource_version_ = list.resource_version;
    synced_.set();
}

Task<> Informer::watch_once() {
    ListOptions options;
    options.label_selector = options_.label_selector;
    options.field_selector = options_.field_selector;
    options.resource_version = resource_version_;
    auto stream = co_await client_.watch(resource_, options_.name_space, options);
    while (auto event = co_await stream->next()) {
        if (const auto version = text(event->object, "metadata.resourceVersion"); !version.empty())
            resource_version_ = version;
        if (event->type == "ADDED" || event->type == "MODIFIED") {
            put(std::move(event->object));
        } else if (event->type == "DELETED") {
            drop({std::string(namespace_of(event->object)), std::string(name_of(event->object))},
                 std::make_shared<const json::object>(std::move(event->object)));
        }
    }
}

void Informer::put(json::object object) {
    if (auto* metadata = object.if_contains("metadata"); metadata != nullptr && metadata->is_object())
        metadata->get_object().erase("managedFields");
    if (options_.transform) options_.transform(object);
    ObjectKey key{namespace_of(object), name_of(object)};
    auto now = std::make_shared<const json::object>(std::move(object));
    const auto known = objects_.find(key);
    if (known == objects_.end()) {
        if (objects_.size() >= options_.objects_max)
            throw hal::Error(hal::Code::exhausted, resource_.plural + ": the cache is limited to " +
                                                       std::to_string(options_.objects_max) + " objects");
        objects_.emplace(key, now);
        index(key, nullptr, now);
        for (const auto& handlers : handlers_)
            if (handlers.added) handlers.added(now);
        return;
    }
    if (text(*known->second, "metadata.resourceVersion") == text(*now, "metadata.resourceVersion")) return;
    const auto before = std::exchange(known->second, now);
    index(key, before, now);
    for (const auto& handlers : handlers_)
        if (handlers.updated) handlers.updated(before, now);
}

void Informer::drop(const ObjectKey& key, ObjectPtr last) {
    const auto known = objects_.find(key);
    if (known == objects_.end()) return;
    const auto before = known->second;
    const ObjectKey owned = known->first;  // `key` may live in the entry
    objects_.erase(known);
    index(owned, before, nullptr);
    for (const auto& handlers : handlers_)
        if (handlers.deleted) handlers.deleted(last);
}

void Informer::index(const ObjectKey& key, const ObjectPtr& before, const ObjectPtr& object) {
    for (auto& [name, index] : indices_) {
        if (before) {
            for (const auto& value : index.index_of(*before)) {
                const auto entry = index.entries.find(value);
                if (entry == index.entries.end()) continue;
                entry->second.erase(key);
                if (entry->second.empty()) index.entries.erase(entry);
            }
        }
        if (object)
            for (auto& value : index.index_of(*object)) index.entries[std::move(value)].insert_or_assign(key, object);
    }
}

ObjectPtr Informer::find(std::string_view name_space, std::string_view name) const {
    const auto found = objects_.find({std::string(name_space), std::string(name)});
    return found == objects_.end() ? nullptr : found->second;
}

ObjectPtr Informer::find_key(std::string_view key) const {
    const auto [name_space, name] = split_key(key);
    return find(name_space, name);
}

std::vector<ObjectPtr> Informer::list(std::string_view name_space) const {
    std::vector<ObjectPtr> found;
    auto it = name_space.empty() ? objects_.begin() : objects_.lower_bound({std::string(name_space), ""});
    for (; it != objects_.end() && (name_space.empty() || it->first.first == name_space); ++it) found.push_back(it->second);
    return found;
}

std::vector<ObjectPtr> Informer::by_index(std::string_view index, std::string_view value) const {
    std::vector<ObjectPtr> found;
    const auto known = indices_.find(index);
    HAL_REQUIRE(known != indices_.end());
    const auto entry = known->second.entries.find(std::string(value));
    if (entry == known->second.entries.end()) return found;
    for (const auto& [key, object] : entry->second) found.push_back(object);
    return found;
}

void Informer::each(const std::function<void(const ObjectPtr&)>& visit) const {
    for (const auto& [key, object] : objects_) visit(object);
}

std::vector<std::string> index_owner_uid(const json::object& object) {
    std::vector<std::string> found;
    for (const auto& entry : array_at(object, "metadata.ownerReferences")) found.emplace_back(text(as_object(entry), "uid"));
    return found;
}

std::vector<std::string> index_node_name(const json::object& object) {
    const auto node = text(object, "spec.nodeName");
    if (node.empty()) return {};
    return {std::string(node)};
}

InformerSet::InformerSet(hal::async::Executor executor, Client client)
    : executor_(std::move(executor)), client_(std::move(client)) {}

Informer& InformerSet::of(const Resource& resource) {
    auto& entry = entries_[resource.group + "/" + resource.plural];
    if (!entry.informer) {
        entry.informer = std::make_unique<Informer>(executor_, client_, resource);
        entry.informer->add_index("owner", index_owner_uid);
        if (resource.plural == "pods") entry.informer->add_index("node", index_node_name);
    }
    return *entry.informer;
}

bool InformerSet::contains(const Resource& resource) const { return entries_.contains(resource.group + "/" + resource.plural); }

void InformerSet::start(hal::async::TaskGroup& group) {
    for (auto& [name, entry] : entries_) {
        if (std::exchange(entry.is_started, true)) continue;
        group.spawn("informer " + name, entry.informer->run());
    }
}

Task<> InformerSet::wait_synced() {
    for (auto& [name, entry] : entries_) co_await entry.informer->wait_synced();
}

}  // namespace services::kubeclient
