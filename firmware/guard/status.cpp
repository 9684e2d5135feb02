#include "firmware/guard/status.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value_from.hpp>
#include <boost/json/value_to.hpp>

#include <algorithm>
#include <array>
#include <format>
#include <fstream>

#include "firmware/guard/guard.hpp"
#include "hal/base/error.hpp"
#include "hal/process/spawn.hpp"

namespace firmware::guard {
namespace {

namespace json = boost::json;
using services::config::Backlog;

constexpr std::size_t status_bytes_max = 1024 * 1024;

// "3d", "2h", "5m", "7s": the largest unit tells a person enough.
std::string age(hal::WallTime since, hal::WallTime now) {
    const auto seconds = std::max<std::int64_t>(0, std::chrono::duration_cast<std::chrono::seconds>(now - since).count());
    if (seconds >= 2 * 86'400) return std::format("{}d", seconds / 86'400);
    if (seconds >= 2 * 3'600) return std::format("{}h", seconds / 3'600);
    if (seconds >= 2 * 60) return std::format("{}m", seconds / 60);
    return std::format("{}s", seconds);
}

std::string amount(std::uint64_t bytes) {
    constexpr std::array<std::string_view, 5> units{"B", "kB", "MB", "GB", "TB"};
    auto value = static_cast<double>(bytes);
    std::size_t unit = 0;
    for (; value >= 1000 && unit + 1 < units.size(); ++unit) value /= 1000;
    return unit == 0 ? std::format("{} B", bytes) : std::format("{:.1f} {}", value, units[unit]);
}

json::array array_of(const std::vector<Backlog>& backlogs) {
    json::array list;
    for (const auto& one : backlogs)
        list.push_back({{"upstream", one.upstream},
                        {"class", one.urgency},
                        {"count", one.count},
                        {"bytes", one.bytes},
                        {"oldest", hal::rfc3339(one.oldest)},
                        {"empty_at", one.empty_at ? json::value(hal::rfc3339(*one.empty_at)) : json::value(nullptr)}});
    return list;
}

std::vector<Backlog> backlogs_in(const json::array& list) {
    std::vector<Backlog> backlogs;
    for (const auto& one : list) {
        backlogs.push_back({json::value_to<std::string>(one.at("upstream")), json::value_to<std::string>(one.at("class")),
                            one.at("count").to_number<std::uint64_t>(), one.at("bytes").to_number<std::uint64_t>(),
                            hal::parse_rfc3339(json::value_to<std::string>(one.at("oldest"))), {}});
        if (const auto& at = one.at("empty_at"); !at.is_null()) backlogs.back().empty_at = hal::parse_rfc3339(json::value_to<std::string>(at));
    }
    return backlogs;
}

}  // namespace

std::string backlogs_json(const std::vector<Backlog>& backlogs) { return json::serialize(array_of(backlogs)); }

std::vector<Backlog> backlogs_of(std::string_view text) {
    try {
        return backlogs_in(json::parse(text).as_array());
    } catch (const std::exception&) {
        return {};
    }
}

bool Status::is_healthy() const { return problems.empty() && std::ranges::all_of(processes, &ProcessStatus::is_ready); }

std::string to_json(const Status& status) {
    json::array processes;
    for (const auto& one : status.processes)
        processes.push_back({{"service", one.service},
                             {"pid", one.pid},
                             {"pss_kib", one.pss_kib},
                             {"restarts", one.restarts},
                             {"ready", one.is_ready},
                             {"since", hal::rfc3339(one.since)}});
    return json::serialize(
        json::object{{"processes", std::move(processes)}, {"backlogs", array_of(status.backlogs)}, {"problems", json::value_from(status.problems)}});
}

Status status_of(const std::string& text) {
    try {
        const auto object = json::parse(text).as_object();
        Status status;
        for (const auto& one : object.at("processes").as_array())
            status.processes.push_back({json::value_to<std::string>(one.at("service")), one.at("pid").to_number<pid_t>(),
                                        one.at("pss_kib").to_number<std::uint64_t>(), one.at("restarts").to_number<unsigned>(),
                                        one.at("ready").as_bool(), hal::parse_rfc3339(json::value_to<std::string>(one.at("since")))});
        status.backlogs = backlogs_in(object.at("backlogs").as_array());
        status.problems = json::value_to<std::vector<std::string>>(object.at("problems"));
        return status;
    } catch (const std::exception& failure) {
        throw hal::Error(hal::Code::corrupt, std::string("the guard's status cannot be read: ") + failure.what());
    }
}

std::string to_text(const Status& status, hal::WallTime now) {
    std::string text = std::format("{:<12} {:<9} {:>8} {:>10} {:>9} {:>6}\n", "SERVICE", "STATE", "PID", "MEMORY", "RESTARTS", "SINCE");
    for (const auto& one : status.processes)
        text += std::format("{:<12} {:<9} {:>8} {:>6} KiB {:>9} {:>6}\n", one.service, one.is_ready ? "ready" : one.pid ? "starting" : "down",
                            one.pid, one.pss_kib, one.restarts, age(one.since, now));
    if (!status.backlogs.empty()) text += std::format("\n{:<12} {:<9} {:>8} {:>10} {:>9} {:>9}\n", "UPSTREAM", "CLASS", "COUNT", "BYTES", "OLDEST", "EMPTY IN");
    for (const auto& one : status.backlogs)
        text += std::format("{:<12} {:<9} {:>8} {:>10} {:>9} {:>9}\n", one.upstream, one.urgency, one.count, amount(one.bytes), age(one.oldest, now),
                            one.empty_at ? age(now, *one.empty_at) : "unknown");
    for (const auto& problem : status.problems) text += "problem: " + problem + "\n";
    return text;
}

std::uint64_t pss_kib(pid_t process) {
    std::ifstream file("/proc/" + std::to_string(process) + "/smaps_rollup");
    for (std::string line; std::getline(file, line);)
        if (line.starts_with("Pss:")) return std::strtoull(line.c_str() + 4, nullptr, 10);
    return 0;
}

Status ask_status(const std::filesystem::path& root) {
    const auto path = status_socket(root).string();
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) throw hal::Error(hal::Code::invalid, path + ": too long for a socket's name");
    path.copy(address.sun_path, path.size());
    const hal::process::Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket) throw hal::system_error("socket");
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        if (errno == ENOENT || errno == ECONNREFUSED)
            throw hal::Error(hal::Code::unavailable, "branchbox does not run here (nobody answers at " + path + ")");
        throw hal::system_error("connect " + path);
    }
    std::string text;
    std::array<char, 4096> piece{};
    for (;;) {
        const auto got = ::read(socket.get(), piece.data(), piece.size());
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) throw hal::system_error("read " + path);
        if (got == 0) break;
        text.append(piece.data(), static_cast<std::size_t>(got));
        if (text.size() > status_bytes_max) throw hal::Error(hal::Code::too_large, path + ": more than a status");
    }
    return status_of(text);
}

}  // namespace firmware::guard
