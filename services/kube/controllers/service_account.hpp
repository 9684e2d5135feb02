// The ServiceAccount `default` of each namespace, made again when it is deleted.
#pragma once

#include "services/kube/controllers/controller.hpp"

namespace services::kube::controllers {

class ServiceAccountController : public Controller {
public:
    explicit ServiceAccountController(Environment& environment);
    Task<> sync(std::string name_space) override;

private:
    Informer& namespaces_;
    Informer& accounts_;
};

}  // namespace services::kube::controllers
