#include "firmware/guard/keeper.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/json/parse.hpp>
#include <boost/json/value_to.hpp>

#include <algorithm>
#include <array>

#include "firmware/guard/guard.hpp"
#include "firmware/guard/rights.hpp"
#include "firmware/guard/status.hpp"
#include "hal/base/error.hpp"
#include "hal/base/log.hpp"
#include "hal/net/datagram.hpp"

namespace firmware::guard {
namespace {

using hal::async::Task;
using hal::net::Endpoint;
namespace fs = std::filesystem;

constexpr auto area = "guard";
constexpr std::size_t line_bytes_max = 64 * 1024;  // of what a service tells
// Numbers that systemd keeps for users without a name (DynamicUser=).
constexpr unsigned users_first = 61184, users_last = 65519, users_per_root = 8;

// What the configuration says of a port; the guard binds public ones on every address unless told.
Endpoint endpoint_of(const Port& port, const std::string& listen, const std::string& own) {
    const auto at = [&](const std::string& text) {
        // An address alone ("[::]", "192.0.2.1") or one with a port.
        const bool has_port = text.starts_with('[') ? text.contains("]:") : std::ranges::count(text, ':') == 1;
        return Endpoint::parse(has_port ? text : text.starts_with('[') || !text.contains(':') ? text + ":" + std::to_string(port.number)
                                                                                              : "[" + text + "]:" + std::to_string(port.number));
    };
    if (!own.empty()) return at(own);
    if (!port.address.empty()) return {std::string(port.address), port.number};
    if (!listen.empty()) return at(listen);
    return Endpoint::parse(":" + std::to_string(port.number));
}

void make_folder(const fs::path& path, mode_t mode, std::optional<unsigned> owner) {
    fs::create_directories(path);
    if (::chmod(path.c_str(), mode) != 0) throw hal::system_error("chmod " + path.string());
    if (!owner) return;
    struct stat facts{};
    if (::stat(path.c_str(), &facts) != 0) throw hal::system_error("stat " + path.string());
    if (facts.st_uid == *owner) return;
    // Made by a service that ran alone, or restored from another box: what is in it must be its user's too.
    for (const auto& entry : fs::recursive_directory_iterator(path))
        if (::lchown(entry.path().c_str(), *owner, *owner) != 0) throw hal::system_error("chown " + entry.path().string());
    if (::chown(path.c_str(), *owner, *owner) != 0) throw hal::system_error("chown " + path.string());
}

}  // namespace

unsigned user_of(const ServiceRow& row, const fs::path& root) {
    const auto all = all_services();
    const auto index = static_cast<unsigned>(&row - all.data());
    HAL_REQUIRE(index < users_per_root);
    // The box itself takes the first numbers; FNV-1a spreads the other roots.
    std::uint64_t hash = 14695981039346656037U;
    for (const char c : root.lexically_normal().string()) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211U;
    constexpr unsigned roots = (users_last - users_first + 1) / users_per_root;
    const unsigned place = root == "/" ? 0 : 1 + static_cast<unsigned>(hash % (roots - 1));
    return users_first + place * users_per_root + index;
}

Keeper::Keeper(const ServiceRow& row, const Place& place, std::function<Context()> context)
    : row_(row), place_(place), context_(std::move(context)), stopping_(place.executor), ended_(place.executor), ready_(place.executor) {}

Keeper::~Keeper() = default;

void Keeper::bind(const std::string& listen, const std::string& own) {
    sockets_.clear();
    for (const auto& port : row_.ports) {
        if (!port.socket.empty()) {
            bind_socket(port);
            continue;
        }
        const auto where = endpoint_of(port, listen, own);
        const bool is_early = !port.address.empty() && own.empty();
        Endpoint bound = where;
        if (port.has_tcp) {
            auto listener = hal::net::Listener::bind(place_.executor, where, is_early);
            bound = listener->local();  // a free port is the same for both protocols
            sockets_.push_back({std::string(port.name), std::move(listener), {}, bound});
        }
        if (port.has_udp)
            sockets_.push_back({std::string(port.name).append(udp_suffix), nullptr, hal::process::Descriptor(hal::net::bind_datagram(bound, is_early)), bound});
    }
    const Endpoint control{place_.root / "run/branchbox" / (std::string(row_.name) + ".sock"), 0, true};
    sockets_.push_back({"control", hal::net::Listener::bind(place_.executor, control), {}, control});
    if (::chmod(control.address.c_str(), 0600) != 0) throw hal::system_error("chmod " + control.address);
}

// For the box's other services, whose users the service tells apart itself: the mode lets every user connect.
void Keeper::bind_socket(const Port& port) {
    const Endpoint where{place_.root / "run/branchbox" / port.socket, 0, true};
    sockets_.push_back({std::string(port.name), hal::net::Listener::bind(place_.executor, where), {}, where});
    if (::chmod(where.address.c_str(), 0666) != 0) throw hal::system_error("chmod " + where.address);
}

void Keeper::make_folders() const {
    make_folder(data_folder(place_.root, row_.name), 0700, row_.is_root ? std::nullopt : std::optional(user_of(row_, place_.root)));
}

hal::process::Pipe Keeper::start() {
    make_folders();
    auto context = context_();
    if (!row_.is_root) context.user = user_of(row_, place_.root);
    context.parent = ::getpid();
    context.disk_bytes_max = disk_share(row_, place_.root);
    auto pipe = hal::process::make_pipe();
    hal::process::Command command;
    command.program = "/proc/self/exe";
    command.arguments = {"service", std::string(row_.name), "--root", place_.root.string()};
    command.environment = {{"PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
                           {"TMPDIR", data_folder(place_.root, row_.name).string()}};
    command.descriptors = {{2, 2}};
    std::vector<Passed> sockets;
    for (auto& bound : sockets_) sockets.push_back({bound.name, bound.listener ? bound.listener->descriptor() : bound.datagram.get()});
    sockets.push_back({std::string(lock_name), place_.services_lock});
    const auto file = hand_over(command, sockets, context, pipe.write.get());
    child_.emplace(hal::process::spawn(command));
    since_ = place_.clock->steady();
    ready_.clear();
    is_renewed_ = false;
    problems_.clear();
    backlogs_.clear();
    join_group(child_->pid());
    return pipe;
}

std::string Keeper::control_group() const { return place_.group + "/" + std::string(row_.name); }

void Keeper::join_group(pid_t process) const {
    const auto group = control_group();
    try {
        place_.cgroups->create(group);
        place_.cgroups->limit(group, {.memory_bytes = row_.memory_bytes_max, .cpu_shares = rights_of(row_).cpu_shares, .cpu_quota_us = {}, .pids = {}});
        place_.cgroups->add(group, process);
    } catch (const hal::Error& failure) {
        hal::log::warn(area, "{} runs without a memory limit: {}", row_.name, failure.what());
    }
}

Task<> Keeper::keep() {
    std::chrono::milliseconds delay = restart_delay_min;
    hal::async::TaskGroup listening(place_.executor, std::string(row_.name) + " tells", 1);
    while (!stopping_.is_set()) {
        std::string failed;
        try {
            auto pipe = start();
            listening.spawn("pipe", listen_to(std::move(pipe.read)));
        } catch (const hal::Error& failure) {
            failed = failure.what();
        }
        if (!failed.empty()) {
            hal::log::error(area, "{} cannot be started: {}; tried again in {} ms", row_.name, failed, delay.count());
            co_await stopping_.wait_for(delay);
            delay = std::min<std::chrono::milliseconds>(delay * 2, restart_delay_max);
            continue;
        }
        const auto exit = co_await child_->wait();
        child_.reset();
        co_await listening.join();  // the pipe ended with the process
        const bool was_ready = ready_.is_set();
        ready_.clear();
        if (stopping_.is_set()) break;
        ++restarts_;
        if (is_renewed_) continue;
        const auto how = exit.signal ? "signal " + std::to_string(exit.signal) : "status " + std::to_string(exit.code);
        if (was_ready) {
            hal::log::error(area, "{} ended with {}; it is started again", row_.name, how);
            delay = restart_delay_min;
            continue;
        }
        hal::log::error(area, "{} ended with {} before it was ready; it is started again in {} ms", row_.name, how, delay.count());
        co_await stopping_.wait_for(delay);
        delay = std::min<std::chrono::milliseconds>(delay * 2, restart_delay_max);
    }
    place_.cgroups->remove(control_group());
    ended_.set();
}

Task<> Keeper::listen_to(hal::process::Descriptor pipe) {
    if (::fcntl(pipe.get(), F_SETFL, O_NONBLOCK) != 0) throw hal::system_error("pipe");
    std::string text;
    std::array<char, 4096> piece{};
    for (;;) {
        co_await hal::process::wait_readable(pipe.get());
        const auto got = ::read(pipe.get(), piece.data(), piece.size());
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) continue;
        if (got <= 0) co_return;
        text.append(piece.data(), static_cast<std::size_t>(got));
        for (auto end = text.find('\n'); end != text.npos; end = text.find('\n')) {
            heard(std::string_view(text).substr(0, end));
            text.erase(0, end + 1);
        }
        if (text.size() > line_bytes_max) text.clear();
    }
}

void Keeper::heard(std::string_view line) {
    constexpr std::string_view problems = "PROBLEMS=", backlogs = "BACKLOGS=";
    if (line == "READY=1") {
        ready_.set();
        hal::log::info(area, "{} is ready after {} ms", row_.name,
                       std::chrono::duration_cast<std::chrono::milliseconds>(place_.clock->steady() - since_).count());
    } else if (line.starts_with(problems)) {
        boost::system::error_code failure;
        const auto list = boost::json::parse(line.substr(problems.size()), failure);
        if (failure || !list.is_array()) return;
        problems_.clear();
        for (const auto& one : list.get_array())
            if (one.is_string()) problems_.emplace_back(one.get_string());
    } else if (line.starts_with(backlogs)) {
        backlogs_ = backlogs_of(line.substr(backlogs.size()));
    }
}

Task<bool> Keeper::wait_ready(std::chrono::steady_clock::duration limit) { co_return co_await ready_.wait_for(limit); }

void Keeper::renew() {
    is_renewed_ = true;
    ready_.clear();
    if (child_) child_->kill(SIGTERM);
}

Task<> Keeper::stop(std::chrono::seconds limit) {
    stopping_.set();
    if (child_) child_->kill(SIGTERM);
    if (!co_await ended_.wait_for(limit) && child_) {
        hal::log::error(area, "{} did not end within {} s and is killed", row_.name, limit.count());
        child_->kill(SIGKILL);
        co_await ended_.wait();
    }
}

hal::WallTime Keeper::since() const {
    return place_.clock->wall() - std::chrono::duration_cast<std::chrono::microseconds>(place_.clock->steady() - since_);
}

std::string Keeper::endpoints() const {
    std::string text;
    for (const auto& bound : sockets_)
        if (!bound.where.is_unix && bound.listener) text.append(text.empty() ? "" : ", ").append(bound.name + " " + bound.where.to_string());
    return text;
}

std::optional<Endpoint> Keeper::endpoint(std::string_view port) const {
    for (const auto& bound : sockets_)
        if (bound.name == port) return bound.where;
    return std::nullopt;
}

}  // namespace firmware::guard
