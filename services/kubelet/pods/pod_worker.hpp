// One pod of this node, from the first look at its spec until nothing of it is left: brings its containers to the spec,
// again after each thing that happens (the API's object changed, a container ended, a probe's result, an image came), and
// says how it stands.
//
// One coroutine (run()) decides and acts; what waits (a container's end, a kill's grace, the API) are tasks that wake it.
// Cancelled, it leaves the containers running. Used on the loop's thread. Bounded: one task per container and kill.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "services/kubelet/pods/parts.hpp"

namespace services::kubelet::pods {

class PodWorker {
public:
    // `state`: of a new pod (PodState::of), or its checkpoint.
    PodWorker(Parts& parts, PodState state);

    // Takes up what an earlier process left running. Once, before run().
    void adopt();
    // Returns when the API was told that the pod is gone and nothing of it is left here.
    Task<> run();

    // The pod as the API has it now.
    void update(kubeclient::ObjectPtr pod);
    // The API has it no more.
    void vanished();
    // The database that `cluster` names is the API server's, and has this pod.
    void belongs_to(const std::string& cluster);
    // The API server's database is a later one than this pod's: it runs on from its checkpoint, and the API is told nothing.
    void outlive();
    [[nodiscard]] bool is_outliving() const { return is_outliving_; }
    [[nodiscard]] bool is_ending() const { return wants_end() || !state_.final_phase.empty(); }
    // Something outside has changed that it may wait for: what its volumes or environment name, Parts::starts_allowed.
    void look_again() { wake_.set(); }
    // The box is to run no pods any more: its containers end, the API is not told that the pod is gone.
    void stop();
    [[nodiscard]] bool is_stopped() const;
    // The list of images has changed.
    void images_changed();
    // `message`: for `failed`, why the container is to be restarted; `grace`: the probe's own.
    void probed(const std::string& container, probes::Result result, std::string message = "", std::optional<std::chrono::seconds> grace = {});

    [[nodiscard]] bool is_missed() const { return is_missed_; }
    // The API has it no more, or never had.
    void missed();
    [[nodiscard]] const PodState& state() const { return state_; }
    [[nodiscard]] std::filesystem::path network_namespace() const;  // empty on the host's network
    // The CRI log of an attempt (0: the first).
    [[nodiscard]] std::filesystem::path log_file(const std::string& container, unsigned attempt) const;

private:
    using Steady = std::chrono::steady_clock;
    // What is known of a container only while this process lives.
    struct Live {
        std::unique_ptr<hal::async::Event> ended;    // set once wait_end has returned
        std::optional<Ended> end;
        bool is_killed = false;    // a kill is on its way
        std::string reason;        // why it was killed, when that is more than the exit code
        std::chrono::seconds back_off{0};  // of the next failure
        std::chrono::seconds delay{0};     // of the last
        bool is_backing_off = false;
        Steady::time_point not_before{};  // the next start
        Steady::time_point since = Steady::now();  // it runs, as this process saw it
    };

    // pod_worker.cpp: deciding.
    void add_live();
    Task<> live();
    Task<> sync();
    Task<bool> run_inits();
    Task<> run_one(ContainerState& container);
    void settle();
    [[nodiscard]] bool should_restart(const ContainerState& container) const;
    [[nodiscard]] bool wants_end() const;
    void look_again_at(Steady::time_point time);
    bool check_deadline();

    // pod_start.cpp: bringing up.
    Task<> make_sandbox();
    Task<ReferencedObjects> environment_objects();
    Task<> start_container(ContainerState& container);
    Task<> launch(ContainerState& container, images::Image image, std::string id);
    Task<json::object> configure(ContainerState& container, images::Image image, std::string id);
    void refuse(ContainerState& container, std::string reason, std::string message);
    void watch(const std::string& name, const std::string& id);
    Task<> wait_end(std::string name, std::string id, std::filesystem::path log);
    Task<> run_post_start(std::string name, json::object hook, std::string id);
    void begin_probes(ContainerState& container);
    [[nodiscard]] std::vector<Mount> file_mounts(const ContainerState& container, const json::object& spec) const;

    // pod_end.cpp: taking down.
    Task<> absorb_ends();
    Task<> remove_container(std::string id);
    Task<> end_pod();
    void begin_kill(const std::string& name, std::chrono::seconds grace, std::string message);
    Task<> kill(std::string name, std::chrono::seconds grace, std::string message);
    Task<> kill_at(std::string name, Steady::time_point deadline);
    Task<> tear_down();
    [[nodiscard]] std::string termination_message(const ContainerState& container, const json::object& spec, int exit_code) const;
    [[nodiscard]] std::chrono::seconds grace() const;

    // pod_report.cpp: telling.
    Task<> report();
    Task<bool> write_status();
    Task<bool> confirm_end();
    Task<> checkpoint();
    void event(std::string_view type, std::string_view reason, std::string message, const ContainerState* container = nullptr);
    [[nodiscard]] std::string shown() const;  // "name_namespace(uid)"

    // Lifecycle hooks; the failure as text, empty when it passed.
    Task<std::string> run_hook(json::object handler, std::string container_id);

    [[nodiscard]] std::filesystem::path run_folder() const { return parts_.run_folder / "pods" / uid_; }
    [[nodiscard]] std::filesystem::path data_folder() const { return parts_.data_folder / "pods" / uid_; }
    [[nodiscard]] std::filesystem::path logs() const;  // all of this pod's
    // /var/log/containers/POD_NAMESPACE_CONTAINER-ID.log: where log shippers look.
    [[nodiscard]] std::filesystem::path log_link(const ContainerState& container) const;
    [[nodiscard]] std::filesystem::path rootfs(const std::string& id) const { return parts_.run_folder / "rootfs" / id; }
    [[nodiscard]] std::filesystem::path upper(const std::string& id) const { return parts_.data_folder / "rootfs" / id; }
    [[nodiscard]] bool on_host_network() const;

    Parts& parts_;
    PodState state_;
    std::string uid_;
    std::map<std::string, Live, std::less<>> live_;
    hal::async::Event wake_, report_;
    hal::async::TaskGroup tasks_;
    std::optional<Steady::time_point> look_again_;
    json::object api_status_;  // as the API has it
    bool is_gone_ = false;       // from the API
    bool is_missed_ = false;     // the API has no such pod; why is being asked
    bool is_outliving_ = false;
    bool is_stopping_ = false;   // stop() was called
    bool is_torn_down_ = false;  // nothing is left on this node
    bool is_confirmed_ = false;  // and the API knows
    bool has_volumes_ = false;   // set up by this process
    std::optional<std::chrono::seconds> kill_grace_;  // of the kill that is on its way
    std::string checkpointed_;
};

}  // namespace services::kubelet::pods
