#include "services/kubelet/streams/streams.hpp"

#include <boost/json/serialize.hpp>

#include <algorithm>
#include <expected>
#include <format>

#include "hal/base/error.hpp"
#include "hal/base/log.hpp"
#include "hal/net/certificates.hpp"
#include "services/http/server.hpp"
#include "services/kubelet/streams/handshake.hpp"
#include "services/kubelet/streams/log_request.hpp"
#include "services/kubelet/streams/log_stream.hpp"
#include "services/kubelet/streams/port_forward.hpp"
#include "services/kubelet/streams/remote_command.hpp"
#include "services/kubelet/streams/spdy_channels.hpp"

namespace services::kubelet::streams {

using http::Request;
using http::Response;
using http::text_response;

namespace {

// Why `request` may not come in; empty: it may.
std::optional<Refusal> refused(const Request& request) {
    if (request.peer.certificate_problem || !request.peer.certificate_der) return Refusal{401, "Unauthorized"};
    const auto subject = hal::net::read_certificate(*request.peer.certificate_der).subject;
    if (subject.common_name == "system:kube-apiserver" || std::ranges::contains(subject.organizations, "system:masters")) return std::nullopt;
    const auto verb = request.method == "GET" ? "get" : request.method == "POST" ? "create" : "update";
    return Refusal{403, std::format("Forbidden (user={}, verb={}, resource=nodes, subresource(s)=[proxy])", subject.common_name, verb)};
}

}  // namespace

struct Streams::State {
    hal::async::Executor executor;
    PodsView& pods;
    const hal::Clock& clock;
    http::Router router;
    std::size_t sessions = 0;

    // Counts a session for as long as its upgraded connection lives.
    struct Seat {
        std::size_t* taken;
        explicit Seat(std::size_t& counted) : taken(&counted) { ++*taken; }
        Seat(const Seat&) = delete;
        Seat& operator=(const Seat&) = delete;
        ~Seat() { --*taken; }
    };

    Task<Response> handle(Request request);
    Task<Response> healthz(Request request);
    Task<Response> list_pods(Request request);
    Task<Response> logs(Request request);
    Task<Response> exec(Request request);
    Task<Response> attach(Request request);
    Task<Response> port_forward(Request request);

    std::expected<PodFacts, Refusal> pod_of(const Request& request) const;
    // Of exec and attach: the handshake, unless too much is open.
    std::expected<Handshake, Refusal> remote_command(const Request& request) const;
    Task<> run_process(std::shared_ptr<http::WebSocket> socket, std::shared_ptr<Process> process, std::string command, Channels channels,
                       std::size_t spdy_streams);
    Task<> run_attachment(std::shared_ptr<http::WebSocket> socket, std::shared_ptr<Descriptor> packets, Channels channels, std::string uid,
                          std::string container, std::size_t spdy_streams);
    Task<> run_port_forward(std::shared_ptr<http::WebSocket> socket, PodFacts pod);
};

namespace {

// The channels of a client that speaks SPDY, once its `streams` are open; of a WebSocket (0 streams) as it is. Null: it went away.
Task<std::shared_ptr<http::WebSocket>> channels_of(std::shared_ptr<http::WebSocket> socket, std::size_t streams) {
    if (streams == 0) co_return socket;
    auto channels = std::make_shared<SpdyChannels>(std::move(socket));
    if (!co_await channels->open(streams)) co_return nullptr;
    co_return channels;
}

// Over SPDY there is a stream for the Status and, with a terminal, one for its size.
std::size_t spdy_streams_of(const Handshake& handshake, const Channels& channels, bool has_terminal) {
    if (!handshake.is_spdy) return 0;
    return std::size_t{1} + (channels.has_input ? 1 : 0) + (channels.has_output ? 1 : 0) + (channels.has_error ? 1 : 0) + (has_terminal ? 1 : 0);
}

}  // namespace

Task<> Streams::State::run_process(std::shared_ptr<http::WebSocket> socket, std::shared_ptr<Process> process, std::string command, Channels channels,
                                   std::size_t spdy_streams) {
    const Seat seat(sessions);
    // However it ends: a process that nobody talks to does not stay.
    const struct Guard {
        Process& process;
        ~Guard() { process.kill(); }
    } guard{*process};
    if (auto messages = co_await channels_of(std::move(socket), spdy_streams))
        co_await serve_process(std::move(messages), process, std::move(command), channels);
}

Task<> Streams::State::run_attachment(std::shared_ptr<http::WebSocket> socket, std::shared_ptr<Descriptor> packets, Channels channels, std::string uid,
                                      std::string container, std::size_t spdy_streams) {
    const Seat seat(sessions);
    if (auto messages = co_await channels_of(std::move(socket), spdy_streams))
        co_await serve_attachment(std::move(messages), std::move(*packets), channels,
                                  [this, uid, container](unsigned columns, unsigned rows) { pods.resize(uid, container, columns, rows); });
}

Task<> Streams::State::run_port_forward(std::shared_ptr<http::WebSocket> socket, PodFacts pod) {
    const Seat seat(sessions);
    co_await serve_port_forward(std::move(socket), std::move(pod));
}

std::expected<PodFacts, Refusal> Streams::State::pod_of(const Request& request) const {
    const auto& name = request.captures.at("pod");
    auto pod = pods.find(request.captures.at("ns"), name);
    if (!pod) return std::unexpected(Refusal{404, std::format("pod \"{}\" does not exist", name)});
    const auto uid = request.captures.find("uid");
    if (uid != request.captures.end() && uid->second != pod->uid) return std::unexpected(Refusal{404, std::format("pod \"{}\" does not exist", name)});
    const auto container = request.captures.find("container");
    if (container != request.captures.end() && !std::ranges::contains(pod->containers, container->second))
        return std::unexpected(Refusal{404, std::format("container \"{}\" not found in pod \"{}\"", container->second, name)});
    return std::move(*pod);
}

std::expected<Handshake, Refusal> Streams::State::remote_command(const Request& request) const {
    if (sessions >= sessions_max) return std::unexpected(Refusal{503, std::format("{} streams are open, no more are taken", sessions_max)});
    return handshake_of(request, {"v5.channel.k8s.io", "v4.channel.k8s.io"}, {"v4.channel.k8s.io"});
}

Task<Response> Streams::State::healthz(Request) { co_return text_response(200, "ok"); }

Task<Response> Streams::State::list_pods(Request) {
    co_return http::json_response(200, json::serialize(json::object{{"kind", "PodList"}, {"apiVersion", "v1"}, {"metadata", json::object()}, {"items", pods.list()}}));
}

Task<Response> Streams::State::logs(Request request) {
    const auto pod = pod_of(request);
    if (!pod) co_return text_response(pod.error().status, pod.error().text);
    const auto options = log_options(request, clock.wall());
    if (!options) co_return text_response(options.error().status, options.error().text);
    const auto name = request.captures.at("container");
    const auto container = pods.container(pod->uid, name);
    const auto file = log_file(container, name, pod->name, options->previous);
    if (!file) co_return text_response(400, file.error());
    auto chosen = *options;
    // What has ended writes no more; a log that the container's next attempt writes is another file.
    if (options->previous || container->phase != ContainerFacts::Phase::running) chosen.follow = false;
    Response response;
    response.headers.set("Content-Type", "text/plain");
    response.stream = read_log(executor, *file, chosen,
                               [this, uid = pod->uid, name, id = container->id] { return pods.wait_end(uid, name, id); });
    co_return response;
}

Task<Response> Streams::State::exec(Request request) {
    const auto pod = pod_of(request);
    if (!pod) co_return text_response(pod.error().status, pod.error().text);
    const auto handshake = remote_command(request);
    if (!handshake) co_return text_response(handshake.error().status, handshake.error().text);
    ExecCommand command;
    std::string shown;
    for (const auto& [name, value] : request.query)
        if (name == "command") {
            shown += (command.command.empty() ? "" : " ") + value;
            command.command.push_back(value);
        }
    command.has_terminal = flag(request, "tty");
    const Channels channels{flag(request, "input", "stdin"), flag(request, "output", "stdout"), !command.has_terminal && flag(request, "error", "stderr"),
                            handshake->is_spdy || handshake->protocol.starts_with("v5")};
    command.has_stdin = channels.has_input;
    if (!channels.has_input && !channels.has_output && !channels.has_error)
        co_return text_response(400, "you must specify at least 1 of stdin, stdout, stderr");
    const auto container = request.captures.at("container");
    const auto facts = pods.container(pod->uid, container);
    if (!facts || facts->phase != ContainerFacts::Phase::running) co_return text_response(500, std::format("container not found (\"{}\")", container));
    const auto streams = spdy_streams_of(*handshake, channels, command.has_terminal);
    std::shared_ptr<Process> process = co_await pods.exec(pod->uid, container, std::move(command));
    co_return accepted(executor, *handshake, [this, process, shown, channels, streams](std::shared_ptr<http::WebSocket> socket) {
        return run_process(std::move(socket), process, shown, channels, streams);
    });
}

Task<Response> Streams::State::attach(Request request) {
    const auto pod = pod_of(request);
    if (!pod) co_return text_response(pod.error().status, pod.error().text);
    const auto handshake = remote_command(request);
    if (!handshake) co_return text_response(handshake.error().status, handshake.error().text);
    const auto container = request.captures.at("container");
    const auto facts = pods.container(pod->uid, container);
    if (!facts || facts->phase != ContainerFacts::Phase::running) co_return text_response(500, std::format("container not found (\"{}\")", container));
    const Channels channels{flag(request, "input", "stdin") && facts->has_stdin, flag(request, "output", "stdout"), flag(request, "error", "stderr"),
                            handshake->is_spdy || handshake->protocol.starts_with("v5")};
    const auto streams = spdy_streams_of(*handshake, channels, flag(request, "tty"));
    const auto packets = std::make_shared<Descriptor>(co_await pods.attach(pod->uid, container));  // std::function wants a copy of what it holds
    co_return accepted(executor, *handshake, [this, packets, channels, uid = pod->uid, container, streams](std::shared_ptr<http::WebSocket> socket) {
        return run_attachment(std::move(socket), packets, channels, uid, container, streams);
    });
}

Task<Response> Streams::State::port_forward(Request request) {
    const auto pod = pod_of(request);
    if (!pod) co_return text_response(pod.error().status, pod.error().text);
    const auto handshake = handshake_of(request, {port_forward_protocol}, {"portforward.k8s.io"});
    if (!handshake) co_return text_response(handshake.error().status, handshake.error().text);
    if (sessions >= sessions_max) co_return text_response(503, std::format("{} streams are open, no more are taken", sessions_max));
    if (!pod->is_running) co_return text_response(500, "unable to forward port because pod is not running. Current status=Pending");
    co_return accepted(executor, *handshake, [this, facts = *pod](std::shared_ptr<http::WebSocket> socket) { return run_port_forward(std::move(socket), facts); });
}

Task<Response> Streams::State::handle(Request request) {
    if (request.path != "/healthz") {
        std::optional<Refusal> refusal;
        try {
            refusal = refused(request);
        } catch (const hal::Error&) {
            refusal = Refusal{401, "Unauthorized"};
        }
        if (refusal) co_return text_response(refusal->status, refusal->text);
    }
    const auto path = request.path;
    try {
        co_return co_await router.handle(std::move(request));
    } catch (const hal::Error& failure) {
        if (failure.code() == hal::Code::cancelled) throw;
        hal::log::warn("streams", "{}: {}", path, failure.what());
        co_return text_response(500, failure.what());
    }
}

Streams::Streams(hal::async::Executor executor, PodsView& pods, const hal::Clock& clock)
    : state_(std::make_unique<State>(std::move(executor), pods, clock)) {
    auto* state = state_.get();
    struct Route {
        const char* method;
        const char* pattern;
        Task<Response> (State::*handle)(Request);
    };
    static constexpr Route routes[] = {{"GET", "/healthz", &State::healthz},
                                       {"GET", "/pods", &State::list_pods},
                                       {"GET", "/containerLogs/{ns}/{pod}/{container}", &State::logs},
                                       {"*", "/exec/{ns}/{pod}/{container}", &State::exec},
                                       {"*", "/exec/{ns}/{pod}/{uid}/{container}", &State::exec},
                                       {"*", "/attach/{ns}/{pod}/{container}", &State::attach},
                                       {"*", "/attach/{ns}/{pod}/{uid}/{container}", &State::attach},
                                       {"*", "/portForward/{ns}/{pod}", &State::port_forward},
                                       {"*", "/portForward/{ns}/{pod}/{uid}", &State::port_forward}};
    for (const auto& route : routes)
        state->router.add(route.method, route.pattern, [state, handle = route.handle](Request request) { return (state->*handle)(std::move(request)); });
}

Streams::~Streams() = default;

http::Handler Streams::handler() {
    return [state = state_.get()](Request request) { return state->handle(std::move(request)); };
}

}  // namespace services::kubelet::streams
