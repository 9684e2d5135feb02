#include "firmware/guard/guard.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value_from.hpp>

#include <algorithm>
#include <format>
#include <functional>
#include <map>
#include <ranges>
#include <thread>

#include "firmware/guard/authority.hpp"
#include "firmware/guard/clock_floor.hpp"
#include "firmware/guard/keeper.hpp"
#include "firmware/guard/kubeconfig.hpp"
#include "firmware/guard/notify.hpp"
#include "firmware/guard/status.hpp"
#include "hal/async/clock_watch.hpp"
#include "hal/base/error.hpp"
#include "hal/base/log.hpp"
#include "hal/disk/file.hpp"
#include "hal/net/netlink.hpp"
#include "hal/process/sandbox.hpp"
#include "services/config/configuration.hpp"

namespace firmware::guard {
namespace {

namespace asio = hal::async::asio;
namespace fs = std::filesystem;
namespace json = boost::json;
using hal::async::Task;
using services::config::Configuration;

constexpr auto area = "guard";
constexpr std::string_view pod_gateway = "10.42.0.1";
constexpr std::size_t keepers_max = 16;
constexpr std::chrono::seconds ready_time_max{10};  // of one service, after which systemd need not wait for it
constexpr int own_oom_score = -999;
constexpr std::chrono::seconds leftover_time_max{10};
constexpr std::chrono::milliseconds leftover_pause{10};
constexpr std::chrono::seconds port_patience{2};
// Addresses come and go several at a time (an interface that comes up): certificates follow once they rest.
constexpr std::chrono::seconds address_rest{1};

hal::process::Descriptor open_lock(const fs::path& file) {
    hal::process::Descriptor held(::open(file.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600));
    if (!held) throw hal::system_error("open " + file.string());
    return held;
}

// Two guards of one root would fight for its ports and data.
hal::process::Descriptor lock_root(const fs::path& root) {
    auto held = open_lock(root / "run/branchbox/guard.lock");
    if (::flock(held.get(), LOCK_EX | LOCK_NB) != 0)
        throw hal::Error(hal::Code::exists, "branchbox runs already for root " + root.string() + "; `branchbox status` tells how it is");
    return held;
}

// Services of a guard that was killed end with it, but not at once; until then they hold its ports. Each has this lock's
// descriptor, so it is free when the last has gone.
hal::process::Descriptor await_services(const fs::path& root) {
    auto held = open_lock(root / "run/branchbox/services.lock");
    const auto until = std::chrono::steady_clock::now() + leftover_time_max;
    while (::flock(held.get(), LOCK_EX | LOCK_NB) != 0) {
        if (std::chrono::steady_clock::now() > until)
            throw hal::Error(hal::Code::exists, "services of an earlier start still run for root " + root.string() + " (who holds run/branchbox/services.lock?)");
        std::this_thread::sleep_for(leftover_pause);  // before the loop runs, and only after a guard was killed
    }
    return held;
}

// The kernel takes a moment longer to give up the ports of a process than its files.
void bind_patiently(Keeper& keeper, const std::string& listen, const std::string& own) {
    const auto until = std::chrono::steady_clock::now() + port_patience;
    for (;;) {
        try {
            return keeper.bind(listen, own);
        } catch (const hal::Error& failure) {
            if (failure.code() != hal::Code::exists || std::chrono::steady_clock::now() > until) throw;
        }
        std::this_thread::sleep_for(leftover_pause);
    }
}

// What a certificate can name: every address of the machine but those of a single link, and the pods' gateway, which comes
// with the first pod and is named by every API server's certificate anyway.
std::vector<std::string> own_addresses() {
    std::vector<std::string> addresses;
    for (const auto& one : hal::net::Netlink().addresses())
        if (one.scope == hal::net::LinkAddress::Scope::universe && !one.is_temporary_or_tentative && one.ip != pod_gateway)
            addresses.push_back(one.ip);
    std::ranges::sort(addresses);
    addresses.erase(std::ranges::unique(addresses).begin(), addresses.end());
    return addresses;
}

// The services' users have to reach their data folders.
void check_passable(const fs::path& root) {
    for (fs::path at = root;; at = at.parent_path()) {
        struct stat facts{};
        if (::stat(at.c_str(), &facts) != 0) throw hal::system_error("stat " + at.string());
        if ((facts.st_mode & S_IXOTH) == 0)
            throw hal::Error(hal::Code::invalid, std::format("--root {}: the services' own users cannot pass {}, its mode is {:04o} and 0711 is needed",
                                                             root.string(), at.string(), facts.st_mode & 07777));
        if (at == at.parent_path()) return;
    }
}

// Where a section says that its service listens; "": it does not.
std::string own_listen(const Configuration& configuration, std::string_view section) {
    const auto values = configuration.section(section);
    const auto* own = values.if_contains("listen");
    return own && own->is_string() ? std::string(own->get_string()) : "";
}

class Guard {
public:
    Guard(asio::io_context& loop, const GuardOptions& options);
    void prepare();
    Task<> run_all();
    Task<> stop_all();
    // The service that runs pods is told anew what it must do at its end, then all stop.
    Task<> stop_with_pods();
    void reload();

private:
    Context context_for(const ServiceRow& row);
    [[nodiscard]] std::vector<services::config::BoxPort> box_ports() const;
    Configuration read_configuration();
    // Tells of a key that cannot change while the box runs.
    void note_waiting(const std::string& key, const std::string& started, const std::string& now);
    void write_kubeconfig();
    Task<> follow_addresses();
    Task<> follow_clock();
    // Holds the clock against its floor, and renews the certificates that by it are due. `is_set`: somebody has set it.
    void look_at_clock(bool is_set);
    void note_time();
    void renew_services(const std::function<bool(const Keeper&)>& is_meant);
    Task<> tell_status();
    // Tells systemd that every service has been ready once, or had its time: it would start the box anew otherwise.
    Task<> tell_ready();
    Status status() const;

    const GuardOptions& options_;
    bool stops_pods_;
    fs::path file_;
    hal::SystemClock clock_;
    hal::process::Cgroups cgroups_;
    Place place_;
    hal::process::Descriptor lock_, services_lock_;
    std::optional<Authority> authority_;
    Configuration configuration_, started_with_;
    std::vector<std::string> problems_;  // of the configuration
    std::vector<std::string> addresses_;
    std::string site_;
    std::vector<std::unique_ptr<Keeper>> keepers_;
    std::unique_ptr<hal::net::Listener> status_listener_;
    hal::SteadyTime since_, noted_;
    std::map<std::string, hal::WallTime, std::less<>> renewals_due_;  // by service; "" is the admin kubeconfig
    hal::async::TaskGroup group_;
};

Guard::Guard(asio::io_context& loop, const GuardOptions& options)
    : options_(options),
      stops_pods_(options.stops_pods),
      file_(options.config.empty() ? options.root / "etc/branchbox/config.yaml" : options.config),
      place_{options.root, loop.get_executor(), &clock_, &cgroups_, control_group(options.root), -1},
      since_(clock_.steady()),
      group_(loop.get_executor(), "guard", keepers_max + 4) {}

Configuration Guard::read_configuration() {
    const auto good_file = data_folder(options_.root, area) / "last-good-configuration.json";
    auto read = services::config::read_configuration(file_);
    problems_.clear();
    if (read.problems.empty()) {
        auto text = json::serialize(read.values);
        if (hal::disk::read_file(good_file, services::config::file_bytes_max) != text) hal::disk::replace_file(good_file, text, 0600);
        return read;
    }
    for (const auto& problem : read.problems) {
        problems_.push_back(problem.to_string());
        hal::log::error(area, "{}", problem.to_string());
    }
    Configuration good;
    if (const auto text = hal::disk::read_file(good_file, services::config::file_bytes_max)) {
        boost::system::error_code failure;
        auto values = json::parse(*text, failure);
        if (!failure && values.is_object()) good.values = std::move(values.get_object());
    }
    hal::log::error(area, "the configuration does not hold; {}", good.values.empty() ? "the defaults run" : "the last good one runs");
    return good;
}

void Guard::prepare() {
    for (const auto* folder : {"run/branchbox", "var/lib/branchbox/guard"}) fs::create_directories(options_.root / folder);
    check_passable(options_.root);
    lock_ = lock_root(options_.root);
    services_lock_ = await_services(options_.root);
    place_.services_lock = services_lock_.get();
    if (!hal::process::set_oom_score(own_oom_score)) hal::log::warn(area, "this process may not protect the services from pods when memory runs out");
    clock_.set_floor(read_clock_floor(options_.root));
    look_at_clock(false);
    started_with_ = configuration_ = read_configuration();
    site_ = configuration_.text("site", host_label());
    authority_ = Authority::open(options_.root / "var/lib/branchbox/credentials", clock_);
    addresses_ = own_addresses();
    for (const auto& row : all_services()) {
        keepers_.push_back(std::make_unique<Keeper>(row, place_, [this, &row] { return context_for(row); }));
        bind_patiently(*keepers_.back(), configuration_.text("listen", ""), own_listen(configuration_, row.settings_section()));
    }
    write_kubeconfig();
    const auto socket = status_socket(options_.root);
    status_listener_ = hal::net::Listener::bind(place_.executor, {socket, 0, true});
    if (::chmod(socket.c_str(), 0600) != 0) throw hal::system_error("chmod " + socket.string());
}

void Guard::write_kubeconfig() {
    for (const auto& keeper : keepers_) {
        if (!keeper->row().is_api_server) continue;
        const auto port = keeper->endpoint("api").value().port;
        write_admin_kubeconfig(options_.root / "etc/rancher/k3s/k3s.yaml", "https://127.0.0.1:" + std::to_string(port), *authority_, clock_);
        renewals_due_[""] = Authority::renewal_due(clock_);
    }
}

std::vector<services::config::BoxPort> Guard::box_ports() const {
    std::vector<services::config::BoxPort> ports;
    for (const auto& keeper : keepers_)
        for (const auto& port : keeper->row().ports) {
            const auto add = [&](const std::string& protocol, const std::string& socket) {
                const auto bound = keeper->endpoint(socket);
                if (bound) ports.push_back({std::string(port.name), protocol, port.number, bound->port, std::string(port.known_as)});
            };
            const std::string name(port.name);
            if (port.has_tcp) add("TCP", name);
            if (port.has_udp) add("UDP", name + std::string(udp_suffix));
        }
    return ports;
}

Context Guard::context_for(const ServiceRow& row) {
    Context context;
    context.site = site_;
    context.settings = settings_of(row, configuration_);
    for (const auto& other : all_services())
        if (!other.is_root) context.peer_users.push_back(user_of(other, options_.root));
    context.stops_pods = stops_pods_;
    context.api_server = "https://127.0.0.1:6443";
    const auto api = std::ranges::find_if(keepers_, [](const auto& keeper) { return keeper->row().is_api_server; });
    if (api != keepers_.end()) context.api_server = "https://127.0.0.1:" + std::to_string((*api)->endpoint("api").value().port);
    if (row.is_api_server) context.box_ports = box_ports();
    auto addresses = row.own_addresses();
    addresses.insert(addresses.end(), addresses_.begin(), addresses_.end());
    context.clock_floor = clock_.floor();
    renewals_due_[std::string(row.name)] = Authority::renewal_due(clock_);
    context.credentials = authority_->credentials_for(row.identity(site_), row.dns_names(site_), addresses, clock_);
    std::vector<std::string> missing;  // the service says so itself, too
    context.credentials.merge(files_of(row, context.settings, missing));
    for (const auto& problem : missing) hal::log::error(area, "{}", problem);
    return context;
}

Task<> Guard::run_all() {
    group_.spawn("status", tell_status());
    group_.spawn("ready", tell_ready());
    group_.spawn("addresses", follow_addresses());
    group_.spawn("clock", follow_clock());
    for (auto& keeper : keepers_) {
        hal::log::info(area, "starting {} ({})", keeper->row().name, keeper->endpoints());
        group_.spawn(std::string(keeper->row().name), keeper->keep());
    }
    co_await group_.join();
}

Task<> Guard::tell_ready() {
    for (auto& keeper : keepers_) co_await keeper->wait_ready(ready_time_max);
    notify_systemd("READY=1");
}

Task<> Guard::stop_all() {
    hal::log::info(area, "stopping");
    notify_systemd("STOPPING=1");
    // The API server last: the others say good-bye to it.
    for (auto& keeper : keepers_ | std::views::reverse)
        co_await keeper->stop(stops_pods_ && keeper->row().runs_pods ? pods_stop_time_max : stop_time_max);
    note_time();
    cgroups_.remove(place_.group);
    group_.cancel();
}

Task<> Guard::stop_with_pods() {
    if (!stops_pods_) {
        stops_pods_ = true;
        for (auto& keeper : keepers_) {
            if (!keeper->row().runs_pods) continue;
            keeper->renew();
            if (!co_await keeper->wait_ready(stop_time_max)) hal::log::warn(area, "{} is not ready to end its pods", keeper->row().name);
        }
    }
    co_await stop_all();
}

void Guard::reload() {
    const auto before = configuration_;
    auto read = read_configuration();
    if (!problems_.empty()) return;  // what runs, runs on
    configuration_ = std::move(read);
    for (auto& keeper : keepers_) {
        if (settings_of(keeper->row(), before) == settings_of(keeper->row(), configuration_)) continue;
        hal::log::info(area, "the section of {} changed; it is started anew", keeper->row().name);
        keeper->renew();
    }
    note_waiting("site", started_with_.text("site", ""), configuration_.text("site", ""));
    note_waiting("listen", started_with_.text("listen", ""), configuration_.text("listen", ""));
    for (const auto& keeper : keepers_) {
        const auto section = keeper->row().settings_section();
        note_waiting(std::string(section) + ".listen", own_listen(started_with_, section), own_listen(configuration_, section));
    }
}

void Guard::note_waiting(const std::string& key, const std::string& started, const std::string& now) {
    if (now == started) return;
    const auto shown = [](const std::string& value) { return value.empty() ? "not set" : "'" + value + "'"; };
    problems_.push_back("'" + key + "' is " + shown(now) + " from the next start of branchbox on; until then it is " + shown(started));
    hal::log::warn(area, "{}", problems_.back());
}

Task<> Guard::follow_addresses() {
    hal::net::NetlinkWatch watch(place_.executor);
    for (;;) {
        co_await watch.changed();
        co_await hal::async::sleep_for(address_rest);
        auto now = own_addresses();
        if (now == addresses_) continue;
        addresses_ = std::move(now);
        hal::log::info(area, "this machine's addresses changed");
        renew_services([](const Keeper& keeper) { return keeper.row().has_serving_certificate; });
    }
}

// Listeners stay open meanwhile: a client waits for a moment and is not refused.
void Guard::renew_services(const std::function<bool(const Keeper&)>& is_meant) {
    for (auto& keeper : keepers_) {
        if (!is_meant(*keeper)) continue;
        hal::log::info(area, "{} gets new certificates", keeper->row().name);
        keeper->renew();
    }
}

Task<> Guard::follow_clock() {
    hal::async::ClockWatch watch(place_.executor);
    look_at_clock(false);  // it may have been set before the watch was there
    for (;;) look_at_clock(co_await watch.stepped_within(untrusted_floor_interval));
}

void Guard::look_at_clock(bool is_set) {
    const auto system = hal::SystemClock().wall();
    if (is_set) hal::log::info(area, "the system clock was set to {}", hal::rfc3339(system));
    const auto before = clock_.floor();
    clock_.set_floor(settled(before, system, clock_.steady(), is_set || is_clock_synchronized()));
    const bool is_lower = clock_.floor().wall != before.wall;
    if (is_lower) hal::log::warn(area, "until now this box took the time for {} or later", hal::rfc3339(before.wall));
    if (!clock_.is_trusted()) hal::log::warn(area, "the system clock stands at {}, but it is later than {}", hal::rfc3339(system), hal::rfc3339(clock_.wall()));
    const auto interval = clock_.is_trusted() ? floor_interval : untrusted_floor_interval;
    if (is_set || noted_ == hal::SteadyTime{} || clock_.steady() - noted_ >= interval) note_time();
    if (!authority_) return;
    const auto is_due = [this](std::string_view who) {
        const auto at = renewals_due_.find(who);
        return at != renewals_due_.end() && clock_.wall() >= at->second;
    };
    const bool are_roots_new = authority_->renew_roots(clock_);
    if (are_roots_new || is_due("")) write_kubeconfig();
    renew_services([&](const Keeper& keeper) { return is_lower || are_roots_new || is_due(keeper.row().name); });
}

void Guard::note_time() {
    try {
        write_clock_floor(options_.root, clock_.wall());
    } catch (const hal::Error& failure) {
        hal::log::warn(area, "{}", failure.what());
    }
    noted_ = clock_.steady();
}

Status Guard::status() const {
    Status status;
    const auto add = [&](std::string_view name, pid_t pid, unsigned restarts, bool is_ready, hal::WallTime since) {
        status.processes.push_back({std::string(name), pid, pss_kib(pid), restarts, is_ready, since});
    };
    status.problems = problems_;
    if (!clock_.is_trusted())
        status.problems.push_back(std::format("the system clock stands at {}, which has long passed: the box goes by {} until the clock is set",
                                              hal::rfc3339(hal::SystemClock().wall()), hal::rfc3339(clock_.wall())));
    add(area, ::getpid(), 0, true, clock_.wall() - std::chrono::duration_cast<std::chrono::microseconds>(clock_.steady() - since_));
    for (const auto& keeper : keepers_) {
        add(keeper->row().name, keeper->pid(), keeper->restarts(), keeper->is_ready(), keeper->since());
        status.problems.insert(status.problems.end(), keeper->problems().begin(), keeper->problems().end());
        status.backlogs.insert(status.backlogs.end(), keeper->backlogs().begin(), keeper->backlogs().end());
    }
    return status;
}

Task<> Guard::tell_status() {
    for (;;) {
        auto stream = co_await status_listener_->accept();
        const auto text = to_json(status()) + "\n";
        try {
            co_await stream->write(std::as_bytes(std::span(text)));
        } catch (const hal::Error& failure) {
            if (failure.code() == hal::Code::cancelled) throw;  // others: who asked has left
        }
    }
}

}  // namespace

fs::path status_socket(const fs::path& root) { return root / "run/branchbox/guard.sock"; }

void run(const GuardOptions& options) {
    hal::log::set_process("guard");
    asio::io_context loop(1);
    Guard guard(loop, options);
    guard.prepare();
    hal::async::TaskGroup group(loop.get_executor(), "run", 2);
    asio::signal_set ends(loop, SIGINT, SIGTERM, SIGQUIT), reloads(loop, SIGHUP);
    ends.async_wait([&](const boost::system::error_code& failure, int signal) {
        if (!failure) group.spawn("stop", signal == SIGQUIT ? guard.stop_with_pods() : guard.stop_all());
    });
    const std::function<void()> await_reload = [&] {
        reloads.async_wait([&](const boost::system::error_code& failure, int) {
            if (failure) return;
            guard.reload();
            await_reload();
        });
    };
    await_reload();
    const auto until_stopped = [](Guard& what, asio::signal_set& first, asio::signal_set& second) -> Task<> {
        co_await what.run_all();
        first.cancel();
        second.cancel();
    };
    group.spawn("guard", until_stopped(guard, ends, reloads));
    loop.run();
}

}  // namespace firmware::guard
