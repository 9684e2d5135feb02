#include "services/kube/service.hpp"

#include <boost/asio/this_coro.hpp>

#include <filesystem>

#include "hal/base/bytes.hpp"
#include "hal/base/error.hpp"
#include "hal/base/log.hpp"
#include "hal/net/tls.hpp"
#include "services/http/server.hpp"
#include "services/kube/api/addresses.hpp"
#include "services/kube/api/objects.hpp"
#include "services/kube/api/server.hpp"
#include "services/kube/auth/authentication.hpp"
#include "services/kube/auth/authorization.hpp"
#include "services/kube/auth/token.hpp"
#include "services/kube/bootstrap.hpp"
#include "services/kube/controllers/controllers.hpp"
#include "services/kube/scheduler/scheduler.hpp"
#include "services/kube/schema/values.hpp"
#include "services/kube/store/reopen.hpp"
#include "services/kube/store/store.hpp"
#include "services/kubeclient/object.hpp"

namespace services::kube {
namespace {

using hal::async::Task;

constexpr auto area = "kube";
constexpr std::chrono::seconds drain_time_max{1};
constexpr std::size_t services_page = 200;
constexpr std::string_view version = "v1.37.2";

std::size_t random_below(std::size_t bound) {
    std::uint64_t number = 0;
    for (const unsigned char byte : hal::random_bytes(8)) number = number << 8 | byte;
    return bound == 0 ? 0 : static_cast<std::size_t>(number % bound);
}

// The uid of the object a token is bound to, as the store has it now.
auth::Authenticator::FindUid uid_finder(store::Store& store) {
    return [&store](std::string resource, std::string name_space, std::string name) -> Task<std::optional<std::string>> {
        return [](store::Store& from, store::Key key) -> Task<std::optional<std::string>> {
            const auto record = co_await from.get(std::move(key));
            if (!record) co_return std::nullopt;
            co_return std::string(kubeclient::uid_of(api::read_stored(*record->value)));
        }(store, {std::move(resource), std::move(name_space), std::move(name)});
    };
}

// What stored Services hold, before the first one may be made.
Task<> adopt_addresses(store::Store& store, api::Addresses& addresses) {
    std::string after_namespace, after_name;
    for (bool has_more = true; has_more;) {
        auto page = co_await store.list({"services", "", ""}, services_page, 0, after_namespace, after_name);
        for (const auto& record : page.records) {
            addresses.adopt(api::read_stored(*record.value));
            after_namespace = record.key.name_space;
            after_name = record.key.name;
        }
        has_more = page.has_more;
    }
}

// One run of the process: members are destroyed in the reverse order of their use of one another.
struct Cluster {
    config::Service& service;
    std::unique_ptr<store::Store> store;
    auth::Tokens tokens;
    auth::Authenticator authenticator;
    auth::BuiltInAuthorizer authorizer;
    api::Addresses addresses;
    api::Api context;
    api::Server server;

    explicit Cluster(config::Service& s)
        : service(s),
          store(open_store(s)),
          tokens(s.credential("service-account.key")),
          authenticator(tokens, *s.clock, uid_finder(*store)),
          addresses(random_below),
          context{s.executor, *store, *s.clock, *s.pool, authenticator, authorizer, tokens, addresses, s.credentials, s.site},
          server(context) {}

    static std::unique_ptr<store::Store> open_store(config::Service& s) {
        std::filesystem::create_directories(s.data_folder());
        store::Options options;
        options.file = s.data_folder() / "state.db";
        options.disk_bytes_max = s.disk_bytes_max;
        return store::open_or_begin_anew(s.executor, std::move(options), *s.clock, [&s](std::string problem) { keep_telling(s, std::move(problem)); });
    }

    // Beside whatever else this process tells of, for as long as it lives.
    static void keep_telling(config::Service& s, std::string problem) {
        if (!s.report_problems) return;
        s.report_problems({problem});
        s.report_problems = [tell = std::move(s.report_problems), problem = std::move(problem)](std::vector<std::string> problems) {
            problems.insert(problems.begin(), problem);
            tell(problems);
        };
    }

    [[nodiscard]] http::Handler as(std::string user, std::string agent, std::vector<std::string> groups = {"system:authenticated"}) {
        return as_user(server.handler(), std::move(user), std::move(groups), std::move(agent) + "/" + std::string(version));
    }
};

std::shared_ptr<const hal::net::TlsServerContext> tls_of(const config::Service& service) {
    hal::net::TlsServerOptions options;
    options.certificate_pem = service.credential("serving.crt");
    options.key_pem = service.credential("serving.key");
    options.client_ca_pem = service.credential("client-ca.crt");
    options.alpn = {"h2", "http/1.1"};  // client-go keeps its watches on one connection; exec and its like ask for HTTP/1.1
    return hal::net::TlsServerContext::make(options);
}

std::chrono::seconds grace_period_of(const config::Service& service) {
    const auto* text = service.settings.if_contains("node_monitor_grace_period");
    if (!text || !text->is_string()) return controllers::Context{}.node_monitor_grace_period;
    // "50s" or "24h", checked with the configuration.
    return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::nanoseconds(schema::nanoseconds_of(kubeclient::as_text(*text))));
}

// The usual ports of a box, as far as the configuration has not moved them.
std::vector<controllers::PortHolder> held_ports(const config::Service& service) {
    auto holders = controllers::usual_box_ports();
    for (const auto& port : service.box_ports)
        for (auto& holder : holders)
            if (holder.port == port.usual && holder.protocol == port.protocol) {
                holder.port = port.bound;
                break;
            }
    return holders;
}

controllers::BoxServices box_services_of(const config::Service& service) {
    controllers::BoxServices services;
    for (const auto& port : service.box_ports)
        if (!port.known_as.empty()) services.ports[port.known_as].push_back({port.name, port.protocol, port.usual, port.bound});
    if (const auto* names = service.settings.if_contains("service_names_in"); names && names->is_array())
        for (const auto& name : names->get_array()) services.namespaces.emplace_back(kubeclient::as_text(name));
    services.report = service.report_problems;
    return services;
}

void start_controllers(Cluster& cluster, hal::async::TaskGroup& group) {
    const auto& service = cluster.service;
    controllers::Context control;
    control.executor = service.executor;
    control.api = cluster.as("system:kube-controller-manager", "kube-controller-manager");
    control.clock = service.clock;
    control.root_certificates = service.credential("ca.crt");
    control.site = service.site;
    control.node_monitor_grace_period = grace_period_of(service);
    control.box_ports = held_ports(service);
    control.box_services = box_services_of(service);
    group.spawn("controllers", controllers::run(std::move(control)));
    group.spawn("scheduler", scheduler::run({service.executor, cluster.as("system:kube-scheduler", "kube-scheduler"), service.clock, service.site}));
}

// Until `stopping`.
Task<> serve(Cluster& cluster) {
    auto& service = cluster.service;
    co_await adopt_addresses(*cluster.store, cluster.addresses);
    co_await make_cluster_objects(cluster.as("system:apiserver", "kube-apiserver", {"system:masters", "system:authenticated"}));

    http::Limits limits;
    limits.body_bytes_max = api::body_bytes_max;
    http::Server listener(service.executor, cluster.server.handler(), limits);
    for (auto& one : service.listeners["api"]) listener.listen(std::move(one), tls_of(service));
    http::Server control(service.executor, [&cluster](http::Request request) { return cluster.server.handle_control(std::move(request)); });
    for (auto& one : service.listeners["control"]) control.listen(std::move(one));

    hal::async::TaskGroup group(service.executor, area);
    start_controllers(cluster, group);
    cluster.server.mark_ready();
    if (service.notify_ready) service.notify_ready();
    hal::log::info(area, "the API is served, revision {}", cluster.store->revision());

    const auto ended = co_await config::until_stopped(service);
    cluster.server.begin_drain();
    group.cancel();
    co_await group.join();
    co_await listener.drain(drain_time_max);
    co_await control.drain(drain_time_max);
    if (ended) std::rethrow_exception(ended);
}

}  // namespace

Task<> run(config::Service& service) {
    Cluster cluster(service);
    std::exception_ptr failure;
    try {
        co_await serve(cluster);
    } catch (...) {
        failure = std::current_exception();
    }
    // Also when the start failed: the store's own tasks end here.
    co_await hal::async::asio::this_coro::reset_cancellation_state();
    co_await cluster.store->close();
    if (failure) std::rethrow_exception(failure);
}

}  // namespace services::kube
