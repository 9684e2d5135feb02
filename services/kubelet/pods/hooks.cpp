// Lifecycle hooks of containers: a command inside, an HTTP request to the pod, a pause.
#include <format>

#include "hal/base/error.hpp"
#include "services/http/client.hpp"
#include "services/kubelet/pods/command.hpp"
#include "services/kubelet/pods/pod_worker.hpp"

namespace services::kubelet::pods {

namespace kc = kubeclient;

namespace {

// A hook's own bound is the grace period, whose kill ends it.
constexpr std::chrono::hours command_time_max{1};

std::uint16_t port_of(const json::object& handler, const json::object& spec) {
    const auto* port = handler.if_contains("port");
    if (port && port->is_int64()) return static_cast<std::uint16_t>(port->as_int64());
    for (const auto& item : kc::array_at(spec, "ports"))
        if (port && kc::text(item.as_object(), "name") == kc::as_text(*port)) return static_cast<std::uint16_t>(kc::number(item.as_object(), "containerPort"));
    return 0;
}

}  // namespace

Task<std::string> PodWorker::run_hook(json::object handler, std::string id) {
    try {
        if (const auto* pause = kc::field(handler, "sleep.seconds")) {
            co_await hal::async::sleep_for(std::chrono::seconds(pause->to_number<std::int64_t>()));
        } else if (const auto* command = kc::field(handler, "exec.command")) {
            std::vector<std::string> words;
            for (const auto& word : command->as_array()) words.emplace_back(kc::as_text(word));
            const auto done = co_await run_command(parts_.runtime, id, std::move(words), command_time_max);
            if (done.exit_code != 0) co_return std::format("command ended with exit code {}: {}", done.exit_code, done.output);
        } else if (const auto& get = kc::object_at(handler, "httpGet"); !get.empty()) {
            json::object spec;
            for (const auto& container : state_.containers)
                if (container.id == id) spec = state_.spec_of(container);
            http::ClientOptions options;
            const auto pod_address = state_.addresses.empty() ? std::string("127.0.0.1") : state_.addresses.front();
            options.origin = {std::string(kc::text(get, "host", pod_address)), port_of(get, spec)};
            http::Client client(parts_.executor, std::move(options));
            http::Request request;
            request.method = "GET";
            request.target = kc::text(get, "path", "/");
            for (const auto& header : kc::array_at(get, "httpHeaders"))
                request.headers.add(std::string(kc::text(header.as_object(), "name")), std::string(kc::text(header.as_object(), "value")));
            const auto response = co_await client.send(std::move(request));
            if (response.status >= 400) co_return std::format("HTTP status {}", response.status);
        }
    } catch (const hal::Error& error) {
        if (error.code() == hal::Code::cancelled) throw;
        co_return error.what();
    }
    co_return "";
}

}  // namespace services::kubelet::pods
