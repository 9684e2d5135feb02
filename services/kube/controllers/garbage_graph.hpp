// Who owns whom, over all kinds: what garbage collection decides by. A node per object, known by uid.
//
// Pure bookkeeping: no API, no queue. Bounded by the informers that feed it.
#pragma once

#include <boost/json/object.hpp>

#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace services::kube::controllers {

class GarbageGraph {
public:
    struct Owner {
        std::string uid, api_version, kind, name;
        bool is_blocking = false;  // blockOwnerDeletion: its foreground deletion waits for this dependent
        bool operator==(const Owner&) const = default;
    };
    struct Node {
        std::size_t served = 0;  // which resource: an index of the caller's
        std::string name_space, name, uid;
        std::vector<Owner> owners;
        bool is_deleting = false;
        bool deletes_dependents = false;  // deleting, with the finalizer foregroundDeletion
        bool orphans_dependents = false;  // deleting, with the finalizer orphan
    };

    // Puts the object as it is now; what it was before, if it was known.
    std::vector<Owner> put(std::size_t served, const boost::json::object& object);
    void erase(const std::string& uid);
    [[nodiscard]] const Node* find(const std::string& uid) const;  // valid until the next put or erase
    [[nodiscard]] std::vector<std::string> dependents(const std::string& uid) const;
    [[nodiscard]] bool has_blocking_dependents(const std::string& uid) const;

private:
    void unlink(const Node& node);
    std::unordered_map<std::string, Node> nodes_;
    std::unordered_map<std::string, std::set<std::string>> dependents_;  // owner uid -> uids
};

}  // namespace services::kube::controllers
