// The ConfigMaps and Secrets that pods of this node name: one watch per object (field selector metadata.name), which is all
// a node may see of them, shared by every pod that names it. What a checkpoint held answers while the API server cannot.
//
// Owns its watches; no file. Bounded: `watched_max` objects are watched; further ones are read when asked for and not
// followed, which the log says. An object's watch ends with the last pod that names it. Called on the loop's thread.
#pragma once

#include <boost/json/object.hpp>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "hal/async/task.hpp"
#include "services/kubeclient/client.hpp"
#include "services/kubeclient/informer.hpp"

namespace services::kubelet::volumes {

namespace json = boost::json;
using hal::async::Task;
using kubeclient::ObjectPtr;

// By "configmap/NAME" and "secret/NAME", of one namespace.
using Objects = std::map<std::string, json::object, std::less<>>;

struct Reference {
    std::string name_space;
    std::string key;  // "configmap/NAME" or "secret/NAME"
    auto operator<=>(const Reference&) const = default;
};

class References {
public:
    static constexpr std::size_t watched_max = 128;

    References(hal::async::Executor executor, kubeclient::Client client);
    ~References();

    // The pod `uid` names `keys` in `name_space` from now on, and nothing else.
    void keep(const std::string& uid, const std::string& name_space, const std::vector<std::string>& keys);
    void release(const std::string& uid);
    // What a checkpoint held, for as long as the API server has not answered about it; `outlives`: also when it says that there
    // is none, because its database is a later one.
    void restore(const std::string& name_space, const Objects& objects, bool outlives = false);

    // As it is now; null when there is none. Throws ApiError or hal::Error when the API server does not say and nothing
    // was restored.
    Task<ObjectPtr> find(Reference reference);
    // As last seen, without asking; null when absent or not known.
    [[nodiscard]] ObjectPtr seen(const Reference& reference) const;

    // Called with each pod that names an object which was made, changed or deleted.
    void on_change(std::function<void(const std::string& uid, const Reference& reference)> changed);
    // Ends all watches.
    Task<> stop();

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace services::kubelet::volumes
