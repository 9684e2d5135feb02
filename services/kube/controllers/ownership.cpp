#include "services/kube/controllers/ownership.hpp"

namespace services::kube::controllers {

bool is_owned_by(const json::object& object, const json::object& owner) {
    const auto* reference = controller_of(object);
    return reference != nullptr && text(*reference, "uid") == uid_of(owner);
}

Ownership::Ownership(Client client, Resource owner_resource, Resource owned_resource)
    : client_(std::move(client)), owner_resource_(std::move(owner_resource)), owned_resource_(std::move(owned_resource)) {}

Task<std::vector<ObjectPtr>> Ownership::claim(ObjectPtr owner, LabelSelector selector, std::vector<ObjectPtr> candidates) {
    std::vector<ObjectPtr> claimed;
    bool is_rechecked = false;
    const bool is_owner_deleting = is_deleting(*owner);
    for (const auto& object : candidates) {
        const bool is_match = selector.matches(object_at(*object, "metadata.labels"));
        if (controller_of(*object) != nullptr) {
            if (!is_owned_by(*object, *owner)) continue;
            if (is_match)
                claimed.push_back(object);
            else if (!is_owner_deleting)
                co_await release(owner, object);
            continue;
        }
        if (is_owner_deleting || !is_match || is_deleting(*object)) continue;
        if (!std::exchange(is_rechecked, true)) {
            const auto fresh = co_await client_.get(owner_resource_, std::string(namespace_of(*owner)), std::string(name_of(*owner)));
            if (uid_of(fresh) != uid_of(*owner))
                throw hal::Error(hal::Code::conflict, "another " + std::string(text(fresh, "kind")) + " of the same name took its place");
            if (is_deleting(fresh))
                throw hal::Error(hal::Code::conflict, key_of(fresh) + " has just been deleted");
        }
        try {
            co_await adopt(owner, object);
            claimed.push_back(object);
        } catch (const ApiError& e) {
            if (e.status() != 404) throw;  // gone meanwhile: nothing to own
        }
    }
    co_return claimed;
}

Task<> Ownership::adopt(ObjectPtr owner, ObjectPtr object) {
    json::array references;
    references.emplace_back(controller_reference(*owner, text(*owner, "apiVersion"), text(*owner, "kind")));
    json::object patch{{"metadata", {{"uid", uid_of(*object)}, {"ownerReferences", std::move(references)}}}};
    co_await client_.patch(owned_resource_, std::string(namespace_of(*object)), std::string(name_of(*object)),
                           "strategic-merge-patch", std::move(patch));
}

Task<> Ownership::release(ObjectPtr owner, ObjectPtr object) {
    json::array references;
    references.emplace_back(json::object{{"$patch", "delete"}, {"uid", uid_of(*owner)}});
    json::object patch{{"metadata", {{"uid", uid_of(*object)}, {"ownerReferences", std::move(references)}}}};
    try {
        co_await client_.patch(owned_resource_, std::string(namespace_of(*object)), std::string(name_of(*object)),
                               "strategic-merge-patch", std::move(patch));
    } catch (const ApiError& e) {
        // Gone, or another object by that name (its uid differs): not ours any more either way.
        if (e.status() != 404 && e.status() != 422) throw;
    }
}

}  // namespace services::kube::controllers
