// What every control loop is built from: what it is given, and the queue of keys it reconciles.
//
// A Controller registers its informer handlers when it is made (they only put keys into its queue) and starts to work
// when start() is called, once the caches are full. sync() brings one key to what its spec asks for; thrown errors bring
// the key back with back-off, conflicts silently.
#pragma once

#include <functional>
#include <string>

#include "hal/async/task.hpp"
#include "hal/base/clock.hpp"
#include "services/kubeclient/client.hpp"
#include "services/kubeclient/events.hpp"
#include "services/kubeclient/informer.hpp"
#include "services/kubeclient/object.hpp"
#include "services/kubeclient/selectors.hpp"
#include "services/kubeclient/work_queue.hpp"

namespace services::kube::controllers {

// Objects, selectors, informers and queues are this folder's vocabulary.
using namespace kubeclient;  // NOLINT(google-build-using-namespace)

struct Environment {
    hal::async::Executor executor;
    Client client;
    const hal::Clock& clock;
    InformerSet& informers;
};

class Controller {
public:
    Controller(Environment& environment, std::string name, std::size_t workers = 1);
    virtual ~Controller() = default;
    Controller(const Controller&) = delete;
    Controller& operator=(const Controller&) = delete;

    virtual Task<> sync(std::string key) = 0;
    // Runs the workers, and what else the loop needs, in `group`.
    virtual void start(hal::async::TaskGroup& group);
    [[nodiscard]] const std::string& name() const { return name_; }

protected:
    Environment& environment_;
    WorkQueue queue_;

private:
    std::string name_;
    std::size_t workers_;
};

// A resource that the API serves, with the kind its objects have: what garbage collection and the end of a namespace go
// over.
struct Served {
    Resource resource;
    std::string kind;
};

// A create was refused because the namespace is gone or on its way out: nothing to do, and nothing to report.
bool is_namespace_ending(const ApiError& error);
// Runs all at once and waits for all; what each threw, null for success. Cancelled, it cancels them and throws.
Task<std::vector<std::exception_ptr>> run_all(std::vector<Task<>> tasks);
std::string message_of(const std::exception_ptr& failure);
// Puts a count where the real system has `omitempty`: nothing is written for zero.
void put_count(json::object& status, std::string_view name, std::int64_t count);
void remove_condition(json::array& conditions, std::string_view type);
// DELETE of all objects of a resource in a namespace; PUT to a subresource.
Task<> delete_collection(Client client, Resource resource, std::string name_space);
Task<> put_subresource(Client client, Resource resource, json::object object, std::string subresource);

}  // namespace services::kube::controllers
