// The box's own services as Kubernetes Services: each in namespace `branchbox`, and under its short name in the namespaces
// that the configuration lists. No selector; the one endpoint is 10.42.0.1, the address that every pod has as its gateway.
//
// A Service made here carries the label `app.kubernetes.io/managed-by: branchbox`; it is put back when it is changed, and
// goes when the configuration lists its namespace no more. One of the same name without that label is its user's own: it is
// left alone, and told to `report`. Knows of a service of the box what it is given, its names and ports.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "services/kube/controllers/controller.hpp"

namespace services::kube::controllers {

struct BoxServicePort {
    std::string name;
    std::string protocol;    // "TCP"
    std::int64_t port;       // of the Service
    std::int64_t target;     // where the box listens
};

struct BoxServices {
    std::map<std::string, std::vector<BoxServicePort>, std::less<>> ports;  // by the Service's name
    std::vector<std::string> namespaces;                                    // beside `branchbox`
    // What is wrong now, as sentences; replaces what was told before. Null: nobody asks.
    std::function<void(const std::vector<std::string>&)> report;
};

class BoxServicesController : public Controller {
public:
    BoxServicesController(Environment& environment, BoxServices services);
    // "NAMESPACE/NAME" of a Service, or "NAMESPACE/" for all that are wanted there.
    Task<> sync(std::string key) override;
    void start(hal::async::TaskGroup& group) override;

private:
    [[nodiscard]] bool is_wanted(std::string_view name_space, std::string_view name) const;
    Task<> sync_namespace(std::string name_space);
    Task<> put_service(std::string name_space, std::string name);
    Task<> put_slice(std::string name_space, std::string name, std::string service_uid);
    Task<> remove(Resource resource, std::string name_space, std::string name);
    // Notes whether a user's own Service stands in the way, and tells it when that is new.
    void note_taken(const std::string& key, bool is_taken);

    Informer& namespaces_;
    Informer& services_;
    Informer& slices_;
    BoxServices box_;
    std::set<std::string, std::less<>> taken_;
};

}  // namespace services::kube::controllers
