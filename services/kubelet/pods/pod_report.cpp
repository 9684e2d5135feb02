// What a pod tells: its status and events to the API, its checkpoint to the disk.
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <format>

#include "hal/base/error.hpp"
#include "hal/base/log.hpp"
#include "hal/disk/file.hpp"
#include "services/kubelet/pods/pod_worker.hpp"

namespace services::kubelet::pods {

namespace fs = std::filesystem;
namespace kc = kubeclient;

namespace {

constexpr std::chrono::seconds report_retry_min{1}, report_retry_max{30};

// True when every field of `wanted` reads the same in `have`; null stands for absent.
bool is_said(const json::object& wanted, const json::object& have) {
    return std::ranges::all_of(wanted, [&](const auto& field) {
        const auto* there = have.if_contains(field.key());
        if (field.value().is_null()) return !there || there->is_null() || *there == json::value("");
        return there && *there == field.value();
    });
}

}  // namespace

std::string PodWorker::shown() const { return std::format("{}_{}({})", kc::name_of(state_.pod), kc::namespace_of(state_.pod), uid_); }

void PodWorker::event(std::string_view type, std::string_view reason, std::string message, const ContainerState* container) {
    if (is_outliving_) return;  // its namespace is not there, or another's
    std::string path;
    if (container) path = std::format("spec.{}{{{}}}", container->list(), container->name);
    json::object about{{"apiVersion", "v1"}, {"kind", "Pod"}};
    for (const auto& [key, value] : state_.pod)
        if (key == "metadata") about[key] = value;
    parts_.events.record(about, type, reason, std::move(message), path);
}

Task<> PodWorker::checkpoint() {
    if (has_volumes_ && !is_missed_ && !is_outliving_) state_.objects = parts_.volumes.needed_by(uid_);
    auto text = json::serialize(state_.to_json());
    if (text == checkpointed_) co_return;
    const auto folder = data_folder();
    const auto write = [folder, text] {
        fs::create_directories(folder);
        hal::disk::replace_file(folder / "pod.json", text, 0600);
    };
    co_await hal::async::offload(parts_.pool, write);
    checkpointed_ = std::move(text);
}

Task<> PodWorker::report() {
    auto retry = report_retry_min;
    for (;;) {
        co_await report_.wait();
        report_.clear();
        const bool is_written = co_await write_status();
        if (is_torn_down_ && is_written && co_await confirm_end()) {
            is_confirmed_ = true;
            wake_.set();
            co_return;
        }
        if (is_written && !is_torn_down_) {
            retry = report_retry_min;
            continue;
        }
        co_await hal::async::sleep_for(retry);
        retry = std::min(retry * 2, report_retry_max);
        report_.set();
    }
}

Task<bool> PodWorker::write_status() {
    // A pod that was over before this process knew it keeps the status it has.
    if (is_gone_ || is_outliving_ || (!state_.started && kc::is_pod_finished(state_.pod))) co_return true;
    auto status = status_of(state_, api_status_, parts_.clock.wall());
    if (is_said(status, api_status_)) co_return true;
    std::optional<hal::Code> refused;
    try {
        json::object patch{{"metadata", {{"uid", uid_}}}, {"status", std::move(status)}};
        const auto now = co_await parts_.client.patch(kc::resources::pods, std::string(kc::namespace_of(state_.pod)), std::string(kc::name_of(state_.pod)),
                                                      "merge-patch", std::move(patch), "status");
        api_status_ = kc::object_at(now, "status");
        co_return true;
    } catch (const hal::Error& error) {
        if (error.code() == hal::Code::cancelled) throw;
        refused = error.code();
        if (refused != hal::Code::unavailable && refused != hal::Code::not_found)
            hal::log::warn("kubelet", "pod {}: status not written: {}", kc::key_of(state_.pod), error.what());
    }
    if (refused == hal::Code::not_found) missed();
    co_return refused == hal::Code::not_found;
}

// Grace 0 from the kubelet removes the object for good.
Task<bool> PodWorker::confirm_end() {
    if (!is_gone_) {
        try {
            co_await parts_.client.remove(kc::resources::pods, std::string(kc::namespace_of(state_.pod)), std::string(kc::name_of(state_.pod)),
                                          {.grace_seconds = 0, .propagation = "", .uid = uid_});
        } catch (const hal::Error& error) {
            if (error.code() == hal::Code::cancelled) throw;
            // Not there, or another one by that name.
            if (error.code() != hal::Code::not_found && error.code() != hal::Code::conflict) co_return false;
        }
    }
    const auto remove = [data = data_folder(), logs = logs()] {
        std::error_code ignored;
        fs::remove_all(data, ignored);
        fs::remove_all(logs, ignored);
    };
    co_await hal::async::offload(parts_.pool, remove);
    co_return true;
}

}  // namespace services::kubelet::pods
