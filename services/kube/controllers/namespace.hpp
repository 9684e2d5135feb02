// The end of a namespace: all that is in it is deleted, pods first and the rest once they are gone; then the finalizer
// `kubernetes` is taken away, and the API forgets the namespace. What holds it up stands in its conditions.
#pragma once

#include "services/kube/controllers/controller.hpp"

namespace services::kube::controllers {

class NamespaceController : public Controller {
public:
    // `served`: every namespaced resource that can be deleted.
    NamespaceController(Environment& environment, std::vector<Served> served);
    Task<> sync(std::string name) override;

private:
    // What is left of one resource after it was deleted.
    struct Remains {
        std::map<std::string, std::size_t> objects;     // "pods." or "deployments.apps": how many
        std::map<std::string, std::size_t> finalizers;  // how many objects wait for each
        std::vector<std::string> failures;
        std::int64_t wait_seconds = 0;  // how long it may take, at a guess
    };
    Task<> delete_all(Resource resource, std::string name, Remains& remains);
    Task<> update_conditions(json::object space, const Remains& remains, bool is_over);
    Task<> finalize(json::object space);
    void wake(const json::object& object);

    Informer& namespaces_;
    Informer& pods_;
    std::vector<Served> served_;
};

}  // namespace services::kube::controllers
