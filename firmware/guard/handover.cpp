#include "firmware/guard/handover.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value_from.hpp>
#include <boost/json/value_to.hpp>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <string>

#include "firmware/guard/host.hpp"
#include "firmware/guard/rights.hpp"
#include "firmware/guard/status.hpp"
#include "hal/base/error.hpp"
#include "hal/base/log.hpp"
#include "hal/process/sandbox.hpp"

namespace firmware::guard {
namespace {

namespace json = boost::json;
using hal::process::Descriptor;

constexpr int first_passed = 3;  // SD_LISTEN_FDS_START

void write_all(int descriptor, std::string_view text) {
    while (!text.empty()) {
        const auto written = ::write(descriptor, text.data(), text.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) throw hal::system_error("hand over");
        text.remove_prefix(static_cast<std::size_t>(written));
    }
}

Descriptor memory_file(const std::string& text) {
    if (text.size() > context_bytes_max) throw hal::Error(hal::Code::exhausted, "hand over: " + std::to_string(text.size()) + " bytes of context");
    Descriptor file(::memfd_create("context", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!file) throw hal::system_error("memory file");
    write_all(file.get(), text);
    if (::fcntl(file.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) != 0) throw hal::system_error("seal");
    return file;
}

std::string text_of(int descriptor) {
    struct stat facts{};
    if (::fstat(descriptor, &facts) != 0) throw hal::system_error("context");
    if (static_cast<std::size_t>(facts.st_size) > context_bytes_max) throw hal::Error(hal::Code::invalid, "context: too large");
    std::string text(static_cast<std::size_t>(facts.st_size), '\0');
    std::size_t have = 0;
    while (have < text.size()) {
        const auto got = ::pread(descriptor, text.data() + have, text.size() - have, static_cast<off_t>(have));
        if (got <= 0) throw hal::system_error("context");
        have += static_cast<std::size_t>(got);
    }
    return text;
}

std::string serialized(const Context& context) {
    json::array ports;
    for (const auto& port : context.box_ports)
        ports.push_back({{"name", port.name}, {"protocol", port.protocol}, {"usual", port.usual}, {"bound", port.bound}, {"known_as", port.known_as}});
    json::object object{{"site", context.site},
                        {"settings", context.settings},
                        {"api_server", context.api_server},
                        {"credentials", json::value_from(context.credentials)},
                        {"stops_pods", context.stops_pods},
                        {"peer_users", json::value_from(context.peer_users)},
                        {"disk_bytes_max", context.disk_bytes_max},
                        {"box_ports", std::move(ports)},
                        {"parent", context.parent},
                        {"clock_floor", {{"wall", context.clock_floor.wall.time_since_epoch().count()},
                                         {"at", context.clock_floor.at.time_since_epoch().count()}}}};
    if (context.user) object["user"] = *context.user;
    return json::serialize(object);
}

Context parsed(const json::object& object) {
    Context context;
    context.site = json::value_to<std::string>(object.at("site"));
    context.settings = object.at("settings").as_object();
    context.api_server = json::value_to<std::string>(object.at("api_server"));
    context.credentials = json::value_to<std::map<std::string, std::string>>(object.at("credentials"));
    context.stops_pods = object.at("stops_pods").as_bool();
    context.peer_users = json::value_to<std::vector<unsigned>>(object.at("peer_users"));
    context.disk_bytes_max = object.at("disk_bytes_max").to_number<std::int64_t>();
    for (const auto& port : object.at("box_ports").as_array())
        context.box_ports.push_back({json::value_to<std::string>(port.at("name")), json::value_to<std::string>(port.at("protocol")),
                                     port.at("usual").to_number<std::uint16_t>(), port.at("bound").to_number<std::uint16_t>(),
                                     json::value_to<std::string>(port.at("known_as"))});
    context.parent = object.at("parent").to_number<int>();
    const auto& floor = object.at("clock_floor").as_object();
    context.clock_floor = {hal::WallTime(hal::WallTime::duration(floor.at("wall").to_number<std::int64_t>())),
                           hal::SteadyTime(hal::SteadyTime::duration(floor.at("at").to_number<std::int64_t>()))};
    if (const auto* user = object.if_contains("user")) context.user = user->to_number<unsigned>();
    return context;
}

// The guard reads what it is told at once; one that does not is gone, and so will be this process.
void tell(int notify, const std::string& line) {
    if (::write(notify, line.data(), line.size()) != static_cast<ssize_t>(line.size())) hal::log::warn("guard", "the guard does not listen");
}

// "https://127.0.0.1:6443" -> 6443
std::uint16_t port_of(const std::string& url) {
    std::uint16_t port = 0;
    const auto colon = url.rfind(':');
    if (colon != url.npos) std::from_chars(url.data() + colon + 1, url.data() + url.size(), port);
    return port;
}

void give_up(const ServiceRow& row, const std::filesystem::path& root, const Context& context) {
    hal::log::set_process(row.name);
    hal::process::set_oom_score(rights_of(row).oom_score);  // the guard has said so where it may not
    if (context.user)
        for (const auto& unknown : hal::process::enter(sandbox_of(row, root, *context.user, port_of(context.api_server))))
            hal::log::warn("guard", "{}", unknown);
    hal::process::end_with_parent(context.parent);
}

}  // namespace

Descriptor hand_over(hal::process::Command& command, const std::vector<Passed>& sockets, const Context& context, int notify) {
    auto file = memory_file(serialized(context));
    auto all = sockets;
    all.push_back({"context", file.get()});
    all.push_back({"notify", notify});
    if (all.size() > passed_sockets_max) throw hal::Error(hal::Code::exhausted, "hand over: more than " + std::to_string(passed_sockets_max) + " sockets");
    std::string names;
    int number = first_passed;
    for (const auto& [name, descriptor] : all) {
        names.append(names.empty() ? "" : ":").append(name);
        command.descriptors[number++] = descriptor;
    }
    if (!command.environment) command.environment.emplace();
    // LISTEN_PID is left out: the child's number is not known before it runs, and it is started for this alone.
    (*command.environment)["LISTEN_FDS"] = std::to_string(all.size());
    (*command.environment)["LISTEN_FDNAMES"] = names;
    return file;
}

std::optional<Handover> take_over() {
    const char* count = std::getenv("LISTEN_FDS");
    const char* listed = std::getenv("LISTEN_FDNAMES");
    if (!count || !listed) return std::nullopt;
    const std::string names(listed);
    const auto wanted = std::strtoul(count, nullptr, 10);
    ::unsetenv("LISTEN_FDS");
    ::unsetenv("LISTEN_FDNAMES");
    Handover handover;
    std::optional<json::object> context;
    int number = first_passed;
    for (std::size_t from = 0; from <= names.size() && static_cast<std::size_t>(number - first_passed) < passed_sockets_max; ++number) {
        const auto end = std::min(names.find(':', from), names.size());
        const auto name = names.substr(from, end - from);
        from = end + 1;
        if (::fcntl(number, F_SETFD, FD_CLOEXEC) != 0) throw hal::system_error("descriptor " + std::to_string(number) + " was not passed");
        if (name == "context") {
            context = json::parse(text_of(number)).as_object();
            ::close(number);
        } else if (name == lock_name) {
            continue;  // open until this process ends
        } else if (name == "notify") {
            handover.notify = Descriptor(number);
        } else {
            handover.sockets.push_back({name, number});
        }
    }
    if (static_cast<std::size_t>(number - first_passed) != wanted || !context || !handover.notify)
        throw hal::Error(hal::Code::invalid, "LISTEN_FDS=" + std::string(count) + " LISTEN_FDNAMES=" + names + ": no guard of this version passed these");
    handover.context = parsed(*context);
    return handover;
}

void run_handed(const ServiceRow& row, const std::filesystem::path& root, Handover handover) {
    give_up(row, root, handover.context);
    host(row, root, handover.context.clock_floor, [&](services::config::Service& service) {
        service.site = handover.context.site;
        service.settings = std::move(handover.context.settings);
        service.api_server = handover.context.api_server;
        service.credentials = std::move(handover.context.credentials);
        service.stops_pods = handover.context.stops_pods;
        service.peer_users = std::move(handover.context.peer_users);
        service.disk_bytes_max = handover.context.disk_bytes_max;
        service.box_ports = std::move(handover.context.box_ports);
        for (const auto& [name, descriptor] : handover.sockets) {
            if (name.ends_with(udp_suffix))
                service.datagram_sockets[name.substr(0, name.size() - udp_suffix.size())].push_back(descriptor);
            else
                service.listeners[name].push_back(hal::net::Listener::adopt(service.executor, descriptor));
        }
        const int notify = handover.notify.get();  // outlives the service: it is the caller's argument
        service.notify_ready = [notify] { tell(notify, "READY=1\n"); };
        service.report_problems = [notify](const std::vector<std::string>& problems) {
            tell(notify, "PROBLEMS=" + json::serialize(json::value_from(problems)) + "\n");
        };
        service.report_backlogs = [notify](const std::vector<services::config::Backlog>& backlogs) {
            tell(notify, "BACKLOGS=" + backlogs_json(backlogs) + "\n");
        };
    });
}

}  // namespace firmware::guard
