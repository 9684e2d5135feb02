// Who owns what: finding the objects that a controller object may manage, adopting those without an owner that match its
// selector, and letting go of those that no longer match (ControllerRefManager). For pods of ReplicaSets and ReplicaSets
// of Deployments alike.
#pragma once

#include "services/kube/controllers/controller.hpp"

namespace services::kube::controllers {

// `owner` is the object's controller, by uid.
bool is_owned_by(const json::object& object, const json::object& owner);

class Ownership {
public:
    Ownership(Client client, Resource owner_resource, Resource owned_resource);
    // Those of `candidates` that `owner` manages after adoption and release. Adoption first asks the API (not the cache)
    // whether the owner still lives.
    Task<std::vector<ObjectPtr>> claim(ObjectPtr owner, LabelSelector selector, std::vector<ObjectPtr> candidates);

private:
    Task<> adopt(ObjectPtr owner, ObjectPtr object);
    Task<> release(ObjectPtr owner, ObjectPtr object);

    Client client_;
    Resource owner_resource_, owned_resource_;
};

}  // namespace services::kube::controllers
