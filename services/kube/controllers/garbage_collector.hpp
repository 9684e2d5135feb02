// Garbage collection by owner references: an object whose owners are all gone is deleted; a foreground deletion takes the
// dependents first; an orphaning one cuts them loose. Over every kind the API serves.
//
// Kinds that other loops cache already are followed through their informers; of the others only metadata is kept.
#pragma once

#include <memory>
#include <set>

#include "services/kube/controllers/controller.hpp"
#include "services/kube/controllers/garbage_graph.hpp"

namespace services::kube::controllers {

class GarbageCollector : public Controller {
public:
    // Made after all other controllers: what they have not asked for is watched here.
    GarbageCollector(Environment& environment, std::vector<Served> served);
    // `key`: a uid, looked at for deletion.
    Task<> sync(std::string uid) override;
    void start(hal::async::TaskGroup& group) override;

private:
    using Owner = GarbageGraph::Owner;
    using Node = GarbageGraph::Node;
    enum class OwnerState { solid, absent, waiting };

    void follow(std::size_t served);
    void object_changed(std::size_t served, const json::object& object);
    void object_gone(const json::object& object);

    Task<> collect(Node node, json::object latest);
    Task<OwnerState> state_of(Owner owner, std::string name_space);
    Task<> orphan_dependents(Node node);
    Task<> delete_dependents(Node node);
    Task<> drop_owners(Node node, std::vector<Owner> owners);
    Task<> unblock_owners(Node node, json::object latest);
    Task<> drop_finalizer(Node node, std::string finalizer);
    Task<> remove(Node node, std::string propagation);
    [[nodiscard]] const Served* served_kind(const Owner& owner) const;

    std::vector<Served> served_;
    std::vector<std::unique_ptr<Informer>> informers_;  // of kinds no other loop caches
    GarbageGraph graph_;
};

}  // namespace services::kube::controllers
