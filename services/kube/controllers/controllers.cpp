#include "services/kube/controllers/controllers.hpp"

#include "services/kube/controllers/deployment.hpp"
#include "services/kube/controllers/endpoint_mirror.hpp"
#include "services/kube/controllers/endpoint_slice.hpp"
#include "services/kube/controllers/endpoints.hpp"
#include "services/kube/controllers/event_ttl.hpp"
#include "services/kube/controllers/garbage_collector.hpp"
#include "services/kube/controllers/load_balancer.hpp"
#include "services/kube/controllers/namespace.hpp"
#include "services/kube/controllers/node_lifecycle.hpp"
#include "services/kube/controllers/pod_gc.hpp"
#include "services/kube/controllers/replica_set.hpp"
#include "services/kube/controllers/root_certificates.hpp"
#include "services/kube/controllers/served.hpp"
#include "services/kube/controllers/service_account.hpp"
#include "services/kube/controllers/taint_eviction.hpp"

namespace services::kube::controllers {

namespace {

class Controllers {
public:
    explicit Controllers(Context context)
        : client_(context.api, {.bearer_token = "",
                                .user = "system:kube-controller-manager",
                                .groups = {"system:authenticated"},
                                .user_agent = "kube-controller-manager/v1.37.2"}),
          informers_(context.executor, client_), environment_{context.executor, client_, *context.clock, informers_} {
        const auto served = served_kinds();
        add<ServiceAccountController>();
        add<RootCertificatesController>(context.root_certificates);
        add<ReplicaSetController>();
        add<DeploymentController>();
        add<EndpointSliceController>();
        add<EndpointsController>();
        add<EndpointMirrorController>();
        add<NodeLifecycleController>(context.node_monitor_grace_period);
        add<TaintEvictionController>();
        add<LoadBalancerController>(context.box_ports);
        add<BoxServicesController>(std::move(context.box_services));
        add<PodGcController>();
        add<EventTtlController>();
        add<NamespaceController>(namespaced(served));
        add<GarbageCollector>(served);  // last: it watches what no one before it does
    }

    Task<> start(hal::async::TaskGroup& group) {
        informers_.start(group);
        // A loop that works before the caches are full makes what is there already.
        co_await informers_.wait_synced();
        for (auto& controller : controllers_) controller->start(group);
    }

private:
    template <class Loop, class... Args>
    void add(Args... args) {
        controllers_.push_back(std::make_unique<Loop>(environment_, std::move(args)...));
    }

    Client client_;
    InformerSet informers_;
    Environment environment_;
    std::vector<std::unique_ptr<Controller>> controllers_;
};

}  // namespace

std::vector<PortHolder> usual_box_ports() {
    return {{6443, "TCP", "the Kubernetes API"}, {10250, "TCP", "the kubelet"},      {9000, "TCP", "the object store"},
            {9001, "TCP", "the object store's console"}, {5672, "TCP", "the queue"}, {5671, "TCP", "the queue"},
            {15672, "TCP", "the queue's management"}, {15692, "TCP", "the queue's metrics"}, {9090, "TCP", "the metrics service"},
            {3100, "TCP", "the log service"}, {5044, "TCP", "the log service"}, {8500, "TCP", "Consul"}, {8600, "TCP", "Consul"},
            {8600, "UDP", "Consul"}, {5000, "TCP", "the registry"}};
}

Task<> run(Context context) {
    hal::async::TaskGroup group(context.executor, "controllers");
    Controllers controllers(context);
    hal::async::Event never(context.executor);
    std::exception_ptr end;
    group.spawn("controllers", controllers.start(group));
    try {
        co_await never.wait();
    } catch (const std::exception&) {
        end = std::current_exception();
    }
    co_await boost::asio::this_coro::reset_cancellation_state(boost::asio::disable_cancellation());
    group.cancel();
    co_await group.join();
    std::rethrow_exception(end);
}

}  // namespace services::kube::controllers
