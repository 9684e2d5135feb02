// The ConfigMap `kube-root-ca.crt` of each namespace: the certificate authorities by which pods verify the API server.
// Put back when it is changed or deleted.
#pragma once

#include "services/kube/controllers/controller.hpp"

namespace services::kube::controllers {

class RootCertificatesController : public Controller {
public:
    // `certificates`: PEM.
    RootCertificatesController(Environment& environment, std::string certificates);
    Task<> sync(std::string name_space) override;
    void start(hal::async::TaskGroup& group) override;

private:
    Informer& namespaces_;
    Informer maps_;  // only those of this name: ConfigMaps are large, and no other loop reads them
    std::string certificates_;
};

}  // namespace services::kube::controllers
