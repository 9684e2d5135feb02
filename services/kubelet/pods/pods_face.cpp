#include "services/kubelet/pods/pods_face.hpp"

#include <algorithm>

#include "hal/base/error.hpp"

namespace services::kubelet::pods {

namespace kc = kubeclient;
using hal::Code;
using hal::Error;

json::array PodsFace::list() const {
    json::array all;
    pods_.each([&](PodWorker& worker) {
        auto pod = worker.state().pod;
        pod["status"] = status_of(worker.state(), kc::object_at(pod, "status"), parts_.clock.wall());
        all.push_back(std::move(pod));
    });
    return all;
}

std::optional<streams::PodFacts> PodsFace::find(std::string_view name_space, std::string_view name) const {
    auto* worker = pods_.find(name_space, name);
    if (!worker) return std::nullopt;
    streams::PodFacts facts;
    facts.name_space = name_space;
    facts.name = name;
    facts.uid = worker->state().uid();
    facts.network_namespace = worker->network_namespace();
    facts.is_running = phase_of(worker->state()) == "Running";
    for (const auto& container : worker->state().containers) facts.containers.push_back(container.name);
    return facts;
}

std::optional<streams::ContainerFacts> PodsFace::container(const std::string& uid, std::string_view name) const {
    auto* worker = pods_.find(uid);
    if (!worker) return std::nullopt;
    const auto& containers = worker->state().containers;
    const auto it = std::ranges::find(containers, name, &ContainerState::name);
    if (it == containers.end()) return std::nullopt;
    streams::ContainerFacts facts;
    const auto& spec = worker->state().spec_of(*it);
    facts.phase = it->is_running() ? streams::ContainerFacts::Phase::running
                  : it->phase == ContainerState::Phase::terminated ? streams::ContainerFacts::Phase::terminated
                                                                   : streams::ContainerFacts::Phase::waiting;
    facts.waiting_reason = it->waiting_reason;
    facts.id = it->id;
    if (it->attempts > 0) facts.log_file = worker->log_file(it->name, it->attempts - 1);
    if (it->attempts > 1) facts.previous_log_file = worker->log_file(it->name, it->attempts - 2);
    facts.has_terminal = kc::flag(spec, "tty");
    facts.has_stdin = kc::flag(spec, "stdin");
    return facts;
}

std::string PodsFace::running_id(const std::string& uid, std::string_view container) const {
    auto* worker = pods_.find(uid);
    if (worker)
        for (const auto& one : worker->state().containers)
            if (one.name == container && one.is_running()) return one.id;
    throw Error(Code::not_found, "container " + std::string(container) + " does not run");
}

Task<> PodsFace::wait_end(std::string uid, std::string container, std::string id) {
    bool runs = false;
    if (auto* worker = pods_.find(uid))
        for (const auto& one : worker->state().containers) runs = runs || (one.name == container && one.id == id && one.is_running());
    if (!runs) co_return;
    try {
        co_await parts_.runtime.wait_end(id);
    } catch (const Error& error) {
        // Removed in between: it has ended.
        if (error.code() != Code::not_found) throw;
    }
}

Task<std::unique_ptr<streams::Process>> PodsFace::exec(std::string uid, std::string container, streams::ExecCommand command) {
    return parts_.runtime.exec(running_id(uid, container), std::move(command));
}

Task<Descriptor> PodsFace::attach(std::string uid, std::string container) {
    auto attachment = co_await parts_.runtime.attach(running_id(uid, container));
    co_return std::move(attachment.socket);
}

void PodsFace::resize(const std::string& uid, const std::string& container, unsigned columns, unsigned rows) {
    parts_.runtime.resize(running_id(uid, container), columns, rows);
}

}  // namespace services::kubelet::pods
