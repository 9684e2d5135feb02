// Lifecycle hooks of containers: a command inside, an HTTP request to the pod, a pause.
#include <boost/asio/cancel_after.hpp>
#include <boost/asio/co_spawn.hpp>

#include <unistd.h>

#include <array>
#include <format>

#include "hal/base/error.hpp"
#include "services/http/client.hpp"
#include "services/kubelet/pods/pod_worker.hpp"

namespace services::kubelet::pods {

namespace kc = kubeclient;

namespace {

constexpr std::size_t output_bytes_max = 16 << 10;

Task<std::string> read_all(int from) {
    std::string text;
    for (;;) {
        co_await hal::process::wait_readable(from);
        std::array<char, 4096> buffer;
        const auto count = ::read(from, buffer.data(), buffer.size());
        if (count > 0 && text.size() < output_bytes_max) text.append(buffer.data(), static_cast<std::size_t>(count));
        if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR)) co_return text;
    }
}

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
            ExecRequest request;
            for (const auto& word : command->as_array()) request.command.emplace_back(kc::as_text(word));
            auto exec = co_await parts_.runtime.exec(id, std::move(request));
            auto said = co_await read_all(exec->output.get());
            said += co_await read_all(exec->error.get());
            const auto exit = co_await exec->wait();
            if (exit.code != 0) co_return std::format("command ended with exit code {}: {}", exit.code, said);
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
