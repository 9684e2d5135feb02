// The kubelet's API (port 10250): who may ask, and the routes of logs, exec, attach, port-forward, /pods and /healthz. kubectl
// comes here through the API server's proxy.
//
// Owns no listener and no pod: PodsView is what it is given of the pods. Callers are the API server's user or members of
// system:masters, by client certificate; everyone may ask for /healthz. Bounded: `sessions_max` streams at a time.
#pragma once

#include <boost/json/array.hpp>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hal/async/task.hpp"
#include "hal/base/clock.hpp"
#include "hal/process/spawn.hpp"
#include "services/http/message.hpp"

namespace services::kubelet::streams {

namespace json = boost::json;
using hal::async::Task;
using hal::process::Descriptor;

// A process in a container with our ends of its standard streams, not blocking. Dropped, the streams close.
class Process {
public:
    virtual ~Process() = default;
    // With a terminal `input` and `output` are its master and `error` is not open; without stdin `input` is not open.
    Descriptor input, output, error;
    virtual Task<hal::process::Exit> wait() = 0;
    virtual void resize(unsigned columns, unsigned rows) = 0;
    virtual void kill() = 0;
};

struct ExecCommand {
    std::vector<std::string> command;
    bool has_terminal = false;
    bool has_stdin = false;
};

// A container as these streams need to know it.
struct ContainerFacts {
    enum class Phase { waiting, running, terminated } phase = Phase::waiting;
    std::string waiting_reason;                // "ContainerCreating"
    std::string id;                            // of the attempt that runs or ended last
    std::filesystem::path log_file;            // of that attempt; empty when there was none
    std::filesystem::path previous_log_file;   // of the attempt before; empty when there was none
    bool has_terminal = false, has_stdin = false;
};

struct PodFacts {
    std::string name_space, name, uid;
    std::filesystem::path network_namespace;  // empty: the box's own
    bool is_running = false;
    std::vector<std::string> containers;      // all that the spec names
};

// What the pods' owner shows. Called on the loop's thread.
class PodsView {
public:
    virtual ~PodsView() = default;
    // The pods of this node as objects, with their status.
    [[nodiscard]] virtual json::array list() const = 0;
    [[nodiscard]] virtual std::optional<PodFacts> find(std::string_view name_space, std::string_view name) const = 0;
    // Empty when there is no status of it yet.
    [[nodiscard]] virtual std::optional<ContainerFacts> container(const std::string& uid, std::string_view name) const = 0;
    // Returns when the container `id` does not run (any more). Several may wait.
    virtual Task<> wait_end(std::string uid, std::string container, std::string id) = 0;
    // Throws Error{not_found} when it does not run.
    virtual Task<std::unique_ptr<Process>> exec(std::string uid, std::string container, ExecCommand command) = 0;
    // Packets with a first byte of 2 (output) or 3 (error); what is written is the container's input.
    virtual Task<Descriptor> attach(std::string uid, std::string container) = 0;
    virtual void resize(const std::string& uid, const std::string& container, unsigned columns, unsigned rows) = 0;
};

class Streams {
public:
    static constexpr std::size_t sessions_max = 256;

    // `pods` and `clock` outlive it.
    Streams(hal::async::Executor executor, PodsView& pods, const hal::Clock& clock);
    ~Streams();
    // For the server of port 10250. *this outlives it.
    [[nodiscard]] http::Handler handler();

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace services::kubelet::streams
