#include "services/kubelet/network/pod_network.hpp"

#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <chrono>
#include <format>
#include <fstream>
#include <iterator>

#include "hal/base/error.hpp"
#include "hal/base/log.hpp"
#include "hal/net/netlink.hpp"
#include "hal/net/nftables.hpp"
#include "services/kubeclient/informer.hpp"
#include "services/kubelet/network/addresses.hpp"
#include "services/kubelet/network/links.hpp"
#include "services/kubelet/network/service_rules.hpp"

namespace services::kubelet::network {

namespace kc = kubeclient;
namespace log = hal::log;
using hal::Code;
using hal::Error;

namespace {

constexpr auto area = "network";
// Changes that come together (a roll-over, the first list) become one transaction.
constexpr std::chrono::milliseconds coalesce_time{20};
// After rules were refused; what changes meanwhile is tried at once.
constexpr std::chrono::seconds retry_time{5};

// Short, the same for each start with this root (FNV-1a).
std::string tag_of(const std::filesystem::path& root) {
    std::uint32_t hash = 2166136261U;
    for (const char c : std::filesystem::weakly_canonical(root).string())
        hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
    return std::format("{:05x}", hash & 0xFFFFF);
}

struct Flows {
    std::vector<ServicePort> services;
    std::vector<std::string> own;

    // True for a flow to one of the Services that is answered by something which is no endpoint of it any more.
    bool is_stale(const hal::net::TrackedFlow& flow) const {
        for (const auto& port : services) {
            if (port.protocol != "udp") continue;
            const bool to_service = flow.destination_port == port.port &&
                                    (std::ranges::contains(port.addresses, flow.destination) ||
                                     std::ranges::contains(port.external_addresses, flow.destination) ||
                                     (port.is_balanced && std::ranges::contains(own, flow.destination)));
            const bool to_node = port.node_port != 0 && flow.destination_port == port.node_port &&
                                 std::ranges::contains(own, flow.destination);
            if (!to_service && !to_node) continue;
            return std::ranges::none_of(usable(port.endpoints, false), [&](const ServiceEndpoint& one) {
                return one.ip == flow.replier && one.port == flow.replier_port;
            });
        }
        return false;
    }
};

std::vector<std::string> udp_summary(const std::vector<ServicePort>& services) {
    std::vector<std::string> result;
    for (const auto& port : services) {
        if (port.protocol != "udp") continue;
        auto line = std::format("{} {} {}", port.name, port.port, port.node_port);
        for (const auto& one : usable(port.endpoints, false)) line += std::format(" {}:{}", one.ip, one.port);
        result.push_back(std::move(line));
    }
    return result;
}

}  // namespace

struct PodNetwork::State {
    hal::async::Executor executor;
    hal::async::Pool& pool;
    Options options;
    AddressBook book;
    hal::net::Nftables nft;
    std::string link_prefix, table;

    std::uint64_t saved = 0;  // the book's generation that is on the disk
    bool is_saving = false;
    hal::async::Event save_done;

    hal::async::Event dirty;     // the rules are to be computed again
    Ruleset applied;             // what the kernel has; empty: not known, the table is made anew
    bool is_applying = false;
    hal::async::Event apply_done;
    bool table_was_there = false;  // by an earlier run: kept as it is until the Services are known
    bool services_known = false;
    std::vector<ServicePort> services;
    std::vector<std::string> udp_before;

    std::vector<std::string> own, problems, box_problems;
    std::function<void()> changed;

    State(hal::async::Executor e, hal::async::Pool& p, Options o)
        : executor(e), pool(p), options(std::move(o)), book(options.pod_range), nft(options.nft_program), save_done(e),
          dirty(e), apply_done(e) {
        const auto tag = tag_of(options.root);
        link_prefix = "bb" + tag + "p";
        table = options.root == "/" ? "branchbox" : "branchbox_" + tag;
    }

    std::string link_of(std::uint32_t number) const { return link_prefix + std::to_string(number); }
    PodAddress address_of(const AddressBook::Pod& pod) const { return {book.ip(pod.number), book.gateway()}; }
    std::filesystem::path file() const { return options.data_folder / "addresses.json"; }

    Task<> save();
    Task<> apply();
    Task<> apply_once();
    Task<> look_around();
    Task<> follow_links();
    Task<> follow_rules(kc::Informer& services_informer, kc::Informer& slices);
    void compute(const kc::Informer& services_informer, const kc::Informer& slices);
};

// Returns once the book as it is now is on the disk. One writer at a time.
Task<> PodNetwork::State::save() {
    const auto wanted = book.generation();
    while (saved < wanted) {
        if (is_saving) {
            co_await save_done.wait();
            continue;
        }
        is_saving = true;
        const auto generation = book.generation();
        std::exception_ptr failure;
        try {
            co_await hal::async::offload(pool, [path = file(), text = book.text()] { write_durably(path, text); });
            saved = generation;
        } catch (...) {
            failure = std::current_exception();
        }
        is_saving = false;
        save_done.set();
        save_done.clear();
        if (failure) std::rethrow_exception(failure);
    }
}

// Returns once the kernel has the rules as they follow from the state at the call. One transaction at a time.
Task<> PodNetwork::State::apply() {
    while (is_applying) co_await apply_done.wait();
    is_applying = true;
    std::exception_ptr failure;
    try {
        co_await apply_once();
    } catch (...) {
        failure = std::current_exception();
        applied = {};  // whatever the kernel has now: the next transaction makes the table anew
    }
    is_applying = false;
    apply_done.set();
    apply_done.clear();
    if (failure) std::rethrow_exception(failure);
}

Task<> PodNetwork::State::apply_once() {
    // A table of an earlier run serves on until all of its content is known again.
    if (table_was_there && !services_known) co_return;
    RuleInput input{table, book.gateway(), options.cluster_range, options.service_range, services, options.fixed_services, {}};
    for (const auto& [uid, pod] : book.pods())
        for (const auto& port : pod.ports) input.pod_ports.push_back({book.ip(pod.number), port});
    auto next = ruleset(input);
    auto text = transaction(applied, next);
    if (!text.empty())
        co_await hal::async::offload(pool, [tool = nft, ruleset_text = std::move(text)] { tool.apply(ruleset_text); });
    applied = std::move(next);

    auto udp = udp_summary(services);
    if (udp == udp_before) co_return;
    udp_before = std::move(udp);
    const auto forgotten = co_await hal::async::offload(pool, [flows = Flows{services, own}] {
        return hal::net::forget_udp_flows([&](const hal::net::TrackedFlow& flow) { return flows.is_stale(flow); });
    });
    if (forgotten != 0) log::info(area, "{} UDP flows to endpoints that are gone were forgotten", forgotten);
}

// Addresses of the box and what others do to forwarding.
Task<> PodNetwork::State::look_around() {
    struct Seen {
        std::vector<std::string> own, problems;
    };
    auto seen = co_await hal::async::offload(pool, [tool = nft, prefix = link_prefix, gateway = book.gateway(), mine = table] {
        Seen result{own_addresses(prefix, gateway), {}};
        try {
            result.problems = forwarding_refused(tool.json({"list", "chains"}), mine);
        } catch (const Error& failure) {
            result.problems.emplace_back(std::string("the machine's own rules cannot be read: ") + failure.what());
        }
        return result;
    });
    auto all = box_problems;
    std::ranges::move(seen.problems, std::back_inserter(all));
    if (seen.own == own && all == problems) co_return;
    for (const auto& problem : all)
        if (!std::ranges::contains(problems, problem)) log::warn(area, "{}", problem);
    own = std::move(seen.own);
    problems = std::move(all);
    if (changed) changed();
}

Task<> PodNetwork::State::follow_links() {
    hal::net::NetlinkWatch watch(executor);
    for (;;) {
        co_await look_around();
        co_await watch.changed();
        co_await hal::async::sleep_for(coalesce_time);
    }
}

void PodNetwork::State::compute(const kc::Informer& services_informer, const kc::Informer& slices) {
    services.clear();
    services_informer.each([&](const kc::ObjectPtr& service) {
        const auto key = std::string(kc::namespace_of(*service)) + "/" + std::string(kc::name_of(*service));
        for (auto& port : service_ports(*service, slices.by_index("service", key), options.node_name))
            services.push_back(std::move(port));
    });
    services_known = true;
}

Task<> PodNetwork::State::follow_rules(kc::Informer& services_informer, kc::Informer& slices) {
    co_await services_informer.wait_synced();
    co_await slices.wait_synced();
    dirty.set();
    for (;;) {
        co_await dirty.wait();
        co_await hal::async::sleep_for(coalesce_time);
        dirty.clear();
        compute(services_informer, slices);
        bool is_refused = false;
        try {
            co_await apply();
        } catch (const Error& failure) {
            if (failure.code() == Code::cancelled) throw;
            is_refused = true;
            log::error(area, "{}", failure.what());
        }
        if (is_refused && !co_await dirty.wait_for(retry_time)) dirty.set();
    }
}

PodNetwork::PodNetwork(hal::async::Executor executor, hal::async::Pool& pool, Options options)
    : state_(std::make_unique<State>(std::move(executor), pool, std::move(options))) {}
PodNetwork::~PodNetwork() = default;

Task<> PodNetwork::start() {
    auto& s = *state_;
    struct Found {
        std::string addresses;
        std::vector<std::string> problems;
        bool has_table = false;
    };
    auto found = co_await hal::async::offload(
        s.pool, [path = s.file(), gateway = s.book.gateway(), range = s.options.service_range, tool = s.nft, name = s.table] {
            Found result;
            std::ifstream file(path);
            result.addresses.assign(std::istreambuf_iterator<char>(file), {});
            result.problems = prepare_box(gateway, range);
            try {
                result.has_table = !tool.json({"-t", "list", "table", "inet", name}).empty();
            } catch (const Error& failure) {
                if (failure.code() != Code::not_found) throw;
            }
            return result;
        });
    s.box_problems = std::move(found.problems);
    s.table_was_there = found.has_table;
    if (!found.addresses.empty()) try {
            s.book.load(found.addresses);
        } catch (const Error& failure) {
            // Never a reason not to start: the pods get new addresses.
            log::error(area, "{}: {}", s.file().string(), failure.what());
        }
    co_await s.look_around();
    co_await s.apply();
}

Task<PodAddress> PodNetwork::attach(std::string uid, std::filesystem::path netns, std::vector<HostPort> host_ports) {
    auto& s = *state_;
    const auto before = s.book.generation();
    const auto pod = s.book.give(uid, std::move(host_ports));
    const auto address = s.address_of(pod);
    if (before != s.book.generation() || s.saved < before) co_await s.save();
    co_await hal::async::offload(s.pool, [link = PodLink{s.link_of(pod.number), address.ip, address.gateway, std::move(netns)}] {
        connect_pod(link);
    });
    if (!pod.ports.empty()) co_await s.apply();
    co_return address;
}

Task<> PodNetwork::detach(std::string uid) {
    auto& s = *state_;
    const auto* pod = s.book.find(uid);
    if (!pod) co_return;
    const bool had_ports = !pod->ports.empty();
    co_await hal::async::offload(s.pool, [name = s.link_of(pod->number)] { disconnect_pod(name); });
    s.book.release(uid);
    if (had_ports) co_await s.apply();
    co_await s.save();
}

Task<> PodNetwork::keep_only(std::vector<std::string> uids) {
    auto& s = *state_;
    std::vector<std::string> gone;
    for (const auto& [uid, pod] : s.book.pods())
        if (!std::ranges::contains(uids, uid)) gone.push_back(uid);
    for (const auto& uid : gone) co_await detach(uid);
    std::vector<std::string> kept;
    for (const auto& [uid, pod] : s.book.pods()) kept.push_back(s.link_of(pod.number));
    co_await hal::async::offload(s.pool, [prefix = s.link_prefix, kept = std::move(kept)] {
        for (const auto& name : links_named(prefix))
            if (!std::ranges::contains(kept, name)) disconnect_pod(name);
    });
}

std::optional<PodAddress> PodNetwork::address_of(const std::string& uid) const {
    const auto* pod = state_->book.find(uid);
    if (!pod) return std::nullopt;
    return state_->address_of(*pod);
}

Task<> PodNetwork::run(std::shared_ptr<kc::Client> client) {
    auto& s = *state_;
    kc::Informer services_informer(s.executor, *client, kc::resources::services);
    kc::Informer slices(s.executor, *client, kc::resources::endpoint_slices);
    slices.add_index("service", [](const kc::json::object& slice) -> std::vector<std::string> {
        return {std::string(kc::namespace_of(slice)) + "/" + std::string(kc::label(slice, "kubernetes.io/service-name"))};
    });
    services_informer.on_change([&s](const kc::ObjectPtr&) { s.dirty.set(); });
    slices.on_change([&s](const kc::ObjectPtr&) { s.dirty.set(); });
    hal::async::TaskGroup group(s.executor, area);
    group.spawn("services", services_informer.run());
    group.spawn("endpoint slices", slices.run());
    group.spawn("addresses", s.follow_links());
    std::exception_ptr ended;
    try {
        co_await s.follow_rules(services_informer, slices);
    } catch (...) {
        ended = std::current_exception();
    }
    co_await hal::async::asio::this_coro::reset_cancellation_state();
    group.cancel();
    co_await group.join();
    if (ended) std::rethrow_exception(ended);
}

std::vector<std::string> PodNetwork::box_addresses() const { return state_->own; }
void PodNetwork::on_change(std::function<void()> callback) { state_->changed = std::move(callback); }
std::vector<std::string> PodNetwork::problems() const { return state_->problems; }

}  // namespace services::kubelet::network
