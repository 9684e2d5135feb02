#include "services/kube/controllers/service_account.hpp"

namespace services::kube::controllers {

namespace {
constexpr std::string_view account = "default";
}

ServiceAccountController::ServiceAccountController(Environment& environment)
    : Controller(environment, "serviceaccount-controller"), namespaces_(environment.informers.of(resources::namespaces)),
      accounts_(environment.informers.of(resources::service_accounts)) {
    namespaces_.on_change([this](const ObjectPtr& object) { queue_.add(std::string(name_of(*object))); });
    accounts_.add_handlers({.added = {}, .updated = {}, .deleted = [this](const ObjectPtr& object) {
        if (name_of(*object) == account) queue_.add(std::string(namespace_of(*object)));
    }});
}

Task<> ServiceAccountController::sync(std::string name_space) {
    const auto space = namespaces_.find("", name_space);
    if (!space || text(*space, "status.phase") != "Active" || accounts_.find(name_space, account)) co_return;
    try {
        co_await environment_.client.create(resources::service_accounts, name_space,
                                            {{"apiVersion", "v1"}, {"kind", "ServiceAccount"},
                                             {"metadata", {{"name", account}, {"namespace", name_space}}}});
    } catch (const ApiError& e) {
        // Someone was faster, or the namespace ends.
        if (e.code() != hal::Code::exists && !is_namespace_ending(e)) throw;
    }
}

}  // namespace services::kube::controllers
