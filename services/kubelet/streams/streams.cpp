#include "services/kubelet/streams/streams.hpp"

#include <boost/json/serialize.hpp>

#include <algorithm>
#include <charconv>
#include <expected>
#include <format>

#include "hal/base/error.hpp"
#include "hal/base/log.hpp"
#include "hal/net/certificates.hpp"
#include "services/http/server.hpp"
#include "services/http/websocket.hpp"
#include "services/kubelet/streams/log_stream.hpp"
#include "services/kubelet/streams/port_forward.hpp"
#include "services/kubelet/streams/remote_command.hpp"

namespace services::kubelet::streams {

using http::Request;
using http::Response;
using http::text_response;

namespace {

// What goes wrong before an answer has begun, as status and text.
struct Refusal {
    unsigned status;
    std::string text;
};

// Why `request` may not come in; empty: it may.
std::optional<Refusal> refused(const Request& request) {
    if (request.peer.certificate_problem || !request.peer.certificate_der) return Refusal{401, "Unauthorized"};
    const auto subject = hal::net::read_certificate(*request.peer.certificate_der).subject;
    if (subject.common_name == "system:kube-apiserver" || std::ranges::contains(subject.organizations, "system:masters")) return std::nullopt;
    const auto verb = request.method == "GET" ? "get" : request.method == "POST" ? "create" : "update";
    return Refusal{403, std::format("Forbidden (user={}, verb={}, resource=nodes, subresource(s)=[proxy])", subject.common_name, verb)};
}

bool flag(const Request& request, std::string_view name) {
    const auto* value = request.query_value(name);
    return value && (*value == "1" || *value == "true");
}

// A parameter by either of its names: the kubelet's own, or the API's.
bool flag(const Request& request, std::string_view name, std::string_view other) { return flag(request, name) || flag(request, other); }

std::expected<std::optional<std::int64_t>, Refusal> whole_number(const Request& request, std::string_view name, std::int64_t least) {
    const auto* text = request.query_value(name);
    if (!text) return std::nullopt;
    std::int64_t value = 0;
    const auto read = std::from_chars(text->data(), text->data() + text->size(), value);
    if (read.ec != std::errc() || read.ptr != text->data() + text->size()) return std::unexpected(Refusal{400, R"({"message": "Unable to decode query."})"});
    if (value < least) return std::unexpected(Refusal{422, R"({"message": "Invalid request."})"});
    return value;
}

std::expected<LogOptions, Refusal> log_options(const Request& request, hal::WallTime now) {
    LogOptions options;
    options.follow = flag(request, "follow");
    options.previous = flag(request, "previous");
    options.timestamps = flag(request, "timestamps");
    const auto tail = whole_number(request, "tailLines", 0), bytes = whole_number(request, "limitBytes", 1), seconds = whole_number(request, "sinceSeconds", 1);
    for (const auto* one : {&tail, &bytes, &seconds})
        if (!*one) return std::unexpected(one->error());
    options.tail_lines = *tail;
    options.bytes_max = *bytes;
    if (*seconds) options.since = now - std::chrono::seconds(std::min<std::int64_t>(**seconds, std::int64_t{100} * 365 * 86400));
    if (const auto* text = request.query_value("sinceTime")) {
        options.since = log_time(*text);
        if (!options.since) return std::unexpected(Refusal{400, R"({"message": "Unable to decode query."})"});
    }
    const auto* which = request.query_value("stream");
    if (which && *which != "All" && *which != "Stdout" && *which != "Stderr") return std::unexpected(Refusal{400, std::format("invalid stream type \"{}\"", *which)});
    if (which) options.which = *which == "Stdout" ? LogOptions::Which::output : *which == "Stderr" ? LogOptions::Which::error : LogOptions::Which::all;
    return options;
}

// The file that `kubectl logs` means, or the kubelet's text why there is none.
std::expected<std::filesystem::path, std::string> log_file(const std::optional<ContainerFacts>& container, const std::string& name,
                                                           const std::string& pod, bool previous) {
    if (!container) return std::unexpected(std::format("container \"{}\" in pod \"{}\" is not available", name, pod));
    if (previous) {
        if (container->previous_log_file.empty())
            return std::unexpected(std::format("previous terminated container \"{}\" in pod \"{}\" not found", name, pod));
        return container->previous_log_file;
    }
    // Between two attempts: the last one's.
    if (!container->log_file.empty()) return container->log_file;
    const auto& reason = container->waiting_reason;
    if (reason == "ErrImagePull") return std::unexpected(std::format("container \"{}\" in pod \"{}\" is waiting to start: image can't be pulled", name, pod));
    if (reason == "ImagePullBackOff")
        return std::unexpected(std::format("container \"{}\" in pod \"{}\" is waiting to start: trying and failing to pull image", name, pod));
    if (reason.empty()) return std::unexpected(std::format("container \"{}\" in pod \"{}\" is waiting to start - no logs yet", name, pod));
    return std::unexpected(std::format("container \"{}\" in pod \"{}\" is waiting to start: {}", name, pod, reason));
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
    std::expected<std::string, Refusal> protocol_of(const Request& request) const;
    static Task<> run_process(State& state, std::shared_ptr<http::WebSocket> socket, std::shared_ptr<Process> process, std::string command,
                              Channels channels);
    static Task<> run_attachment(State& state, std::shared_ptr<http::WebSocket> socket, Descriptor packets, Channels channels, std::string uid,
                                 std::string container);
    static Task<> run_port_forward(State& state, std::shared_ptr<http::WebSocket> socket, PodFacts pod);
};

Task<> Streams::State::run_process(State& state, std::shared_ptr<http::WebSocket> socket, std::shared_ptr<Process> process, std::string command,
                              Channels channels) {
    const Seat seat(state.sessions);
    co_await serve_process(std::move(socket), std::move(process), std::move(command), channels);
}

Task<> Streams::State::run_attachment(State& state, std::shared_ptr<http::WebSocket> socket, Descriptor packets, Channels channels, std::string uid,
                                      std::string container) {
    const Seat seat(state.sessions);
    co_await serve_attachment(std::move(socket), std::move(packets), channels, [&state, uid, container](unsigned columns, unsigned rows) {
        state.pods.resize(uid, container, columns, rows);
    });
}

Task<> Streams::State::run_port_forward(State& state, std::shared_ptr<http::WebSocket> socket, PodFacts pod) {
    const Seat seat(state.sessions);
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

std::expected<std::string, Refusal> Streams::State::protocol_of(const Request& request) const {
    if (!request.headers.find("Sec-WebSocket-Key")) return std::unexpected(Refusal{400, "Upgrade request required"});
    if (sessions >= sessions_max) return std::unexpected(Refusal{503, std::format("{} streams are open, no more are taken", sessions_max)});
    const auto offered = request.headers.get("Sec-WebSocket-Protocol");
    auto chosen = chosen_protocol(offered);
    if (chosen.empty())
        return std::unexpected(Refusal{403, std::format("requested protocol(s) are not supported: [{}]; supports [v5.channel.k8s.io v4.channel.k8s.io]", offered)});
    return chosen;
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
    const auto protocol = protocol_of(request);
    if (!protocol) co_return text_response(protocol.error().status, protocol.error().text);
    ExecCommand command;
    std::string shown;
    for (const auto& [name, value] : request.query)
        if (name == "command") {
            shown += (command.command.empty() ? "" : " ") + value;
            command.command.push_back(value);
        }
    command.has_terminal = flag(request, "tty");
    const Channels channels{flag(request, "input", "stdin"), flag(request, "output", "stdout"), !command.has_terminal && flag(request, "error", "stderr"),
                            protocol->starts_with("v5")};
    command.has_stdin = channels.has_input;
    if (!channels.has_input && !channels.has_output && !channels.has_error)
        co_return text_response(400, "you must specify at least 1 of stdin, stdout, stderr");
    const auto container = request.captures.at("container");
    const auto facts = pods.container(pod->uid, container);
    if (!facts || facts->phase != ContainerFacts::Phase::running) co_return text_response(500, std::format("container not found (\"{}\")", container));
    std::shared_ptr<Process> process = co_await pods.exec(pod->uid, container, std::move(command));
    Response response;
    response.websocket_protocol = *protocol;
    response.websocket = [this, process, shown, channels](std::unique_ptr<http::WebSocket> socket) {
        return run_process(*this, std::move(socket), process, shown, channels);
    };
    co_return response;
}

Task<Response> Streams::State::attach(Request request) {
    const auto pod = pod_of(request);
    if (!pod) co_return text_response(pod.error().status, pod.error().text);
    const auto protocol = protocol_of(request);
    if (!protocol) co_return text_response(protocol.error().status, protocol.error().text);
    const auto container = request.captures.at("container");
    const auto facts = pods.container(pod->uid, container);
    if (!facts || facts->phase != ContainerFacts::Phase::running) co_return text_response(500, std::format("container not found (\"{}\")", container));
    const Channels channels{flag(request, "input", "stdin") && facts->has_stdin, flag(request, "output", "stdout"), flag(request, "error", "stderr"),
                            protocol->starts_with("v5")};
    const auto packets = std::make_shared<Descriptor>(co_await pods.attach(pod->uid, container));  // std::function wants a copy of what it holds
    Response response;
    response.websocket_protocol = *protocol;
    response.websocket = [this, packets, channels, uid = pod->uid, container](std::unique_ptr<http::WebSocket> socket) {
        return run_attachment(*this, std::move(socket), std::move(*packets), channels, uid, container);
    };
    co_return response;
}

Task<Response> Streams::State::port_forward(Request request) {
    const auto pod = pod_of(request);
    if (!pod) co_return text_response(pod.error().status, pod.error().text);
    if (!request.headers.find("Sec-WebSocket-Key")) co_return text_response(400, "Upgrade request required");
    if (request.headers.get("Sec-WebSocket-Protocol").find(port_forward_protocol) == std::string::npos)
        co_return text_response(403, std::format("requested protocol(s) are not supported: [{}]; supports [{}]",
                                                 request.headers.get("Sec-WebSocket-Protocol"), port_forward_protocol));
    if (sessions >= sessions_max) co_return text_response(503, std::format("{} streams are open, no more are taken", sessions_max));
    if (!pod->is_running) co_return text_response(500, "unable to forward port because pod is not running. Current status=Pending");
    Response response;
    response.websocket_protocol = port_forward_protocol;
    response.websocket = [this, facts = *pod](std::unique_ptr<http::WebSocket> socket) { return run_port_forward(*this, std::move(socket), facts); };
    co_return response;
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
