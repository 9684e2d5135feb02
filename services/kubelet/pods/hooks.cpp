// Lifecycle hooks of containers: a command inside, an HTTP request to the pod, a pause.
#include <format>

#include "hal/base/error.hpp"
#include "services/kubelet/pods/command.hpp"
#include "services/kubelet/pods/pod_worker.hpp"

namespace services::kubelet::pods {

namespace kc = kubeclient;

namespace {

// A hook's own bound is the grace period, whose kill ends it.
constexpr std::chrono::hours command_time_max{1};

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
        } else {
            // An HTTP request or a connection, as a probe makes it.
            json::object container;
            for (const auto& one : state_.containers)
                if (one.id == id) container = state_.spec_of(one);
            handler["timeoutSeconds"] = std::chrono::seconds(command_time_max).count();
            const auto address = state_.addresses.empty() ? std::string("127.0.0.1") : state_.addresses.front();
            const auto outcome = co_await probes::probe_once(std::move(handler), {uid_, std::move(container), address}, nullptr);
            if (outcome.kind == probes::Outcome::Kind::failure || outcome.kind == probes::Outcome::Kind::error) co_return outcome.text;
        }
    } catch (const hal::Error& error) {
        if (error.code() == hal::Code::cancelled) throw;
        co_return error.what();
    }
    co_return "";
}

}  // namespace services::kubelet::pods
