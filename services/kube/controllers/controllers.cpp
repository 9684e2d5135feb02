#include "services/kube/controllers/controllers.hpp"

#include "services/kube/controllers/deployment.hpp"
#include "services/kube/controllers/garbage_collector.hpp"
#include "services/kube/controllers/namespace.hpp"
#include "services/kube/controllers/replica_set.hpp"
#include "services/kube/controllers/root_certificates.hpp"
#include "services/kube/controllers/served.hpp"
#include "services/kube/controllers/service_account.hpp"

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
