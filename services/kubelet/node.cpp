#include "services/kubelet/node.hpp"

#include <algorithm>

#include "hal/base/error.hpp"
#include "hal/base/log.hpp"
#include "services/kubeclient/object.hpp"

namespace services::kubelet {

namespace kc = kubeclient;
namespace log = hal::log;

namespace {

constexpr auto area = "kubelet";
constexpr std::chrono::seconds retry_min{1}, retry_max{10};
const std::string lease_namespace = "kube-node-lease";

}  // namespace

Node::Node(hal::async::Executor executor, kc::Client client, const hal::Clock& clock, std::function<NodeView()> look)
    : client_(std::move(client)), clock_(clock), look_(std::move(look)), changed_(executor) {}

Task<> Node::register_until_done() {
    for (auto retry = retry_min; !is_registered(); retry = std::min(retry * 2, retry_max)) {
        std::string failure;
        try {
            co_await register_once();
        } catch (const hal::Error& error) {
            if (error.code() == hal::Code::cancelled) throw;
            failure = error.what();
        }
        if (failure.empty()) break;
        if (retry == retry_min) log::info(area, "the Node is not registered yet: {}", failure);
        co_await hal::async::sleep_for(retry);
    }
    log::info(area, "registered as node {}", look_().name);
}

Task<> Node::run(hal::async::TaskGroup& group) {
    co_await register_until_done();
    group.spawn("lease", keep_lease());
    changed_.set();
    co_await keep_status();
}

Task<> Node::register_once() {
    const auto view = look_();
    auto wanted = node_object(view);
    auto have = co_await client_.find(kc::resources::nodes, "", view.name);
    if (!have) {
        have = co_await client_.create(kc::resources::nodes, "", std::move(wanted));
    } else {
        // Labels and annotations of others stay.
        json::object patch{{"metadata", {{"labels", kc::object_at(wanted, "metadata.labels")}, {"annotations", kc::object_at(wanted, "metadata.annotations")}}}};
        have = co_await client_.patch(kc::resources::nodes, "", view.name, "merge-patch", std::move(patch));
    }
    status_ = kc::object_at(*have, "status");
    uid_ = kc::uid_of(*have);
}

Task<> Node::keep_status() {
    auto retry = retry_min;
    for (;;) {
        if (!co_await changed_.wait_for(status_interval)) log::debug(area, "the status is written again");
        changed_.clear();
        const auto view = look_();
        bool is_written = false;
        try {
            json::object patch{{"status", node_status(view, status_, clock_.wall())}};
            const auto now = co_await client_.patch(kc::resources::nodes, "", view.name, "merge-patch", std::move(patch), "status");
            status_ = kc::object_at(now, "status");
            is_written = true;
        } catch (const hal::Error& error) {
            if (error.code() == hal::Code::cancelled) throw;
            if (retry == retry_min) log::warn(area, "the Node's status was not written: {}", error.what());
            if (error.code() == hal::Code::not_found) uid_.clear();  // deleted, or the database is a new one
        }
        co_await register_until_done();
        retry = is_written ? retry_min : std::min(retry * 2, retry_max);
        if (is_written) continue;
        co_await hal::async::sleep_for(retry);
        changed_.set();
    }
}

Task<> Node::keep_lease() {
    bool is_failing = false;
    for (;;) {
        std::string failure;
        try {
            co_await write_lease();
        } catch (const hal::Error& error) {
            if (error.code() == hal::Code::cancelled) throw;
            failure = error.what();
        }
        if (!failure.empty() && !is_failing) log::warn(area, "the Lease was not renewed: {}", failure);
        // Back again: others may have declared this node lost meanwhile.
        if (failure.empty() && is_failing) changed_.set();
        is_failing = !failure.empty();
        co_await hal::async::sleep_for(lease_interval);
    }
}

Task<> Node::write_lease() {
    const auto name = look_().name;
    auto lease = co_await client_.find(kc::resources::leases, lease_namespace, name);
    if (!lease) {
        json::object owner{{"apiVersion", "v1"}, {"kind", "Node"}, {"name", name}, {"uid", uid_}};
        co_await client_.create(kc::resources::leases, lease_namespace,
                                {{"apiVersion", "coordination.k8s.io/v1"},
                                 {"kind", "Lease"},
                                 {"metadata", {{"name", name}, {"namespace", lease_namespace}, {"ownerReferences", json::array{std::move(owner)}}}},
                                 {"spec", {{"holderIdentity", name}, {"leaseDurationSeconds", lease_seconds}, {"renewTime", hal::rfc3339_micro(clock_.wall())}}}});
        changed_.set();  // who has no Lease of ours may have no Node either
        co_return;
    }
    kc::make_object(*lease, "spec")["renewTime"] = hal::rfc3339_micro(clock_.wall());
    co_await client_.update(kc::resources::leases, lease_namespace, std::move(*lease));
}

}  // namespace services::kubelet
