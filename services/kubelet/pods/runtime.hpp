// Containers as processes: crun makes and starts them, conmon (one per container) holds their output and writes down how
// they ended, so that they outlive this process and are found again by it.
//
// Does not own pods, images, mounts of a rootfs, networks or restart rules: it is given a bundle folder whose config.json
// is ready to be written, and an id. State lies in RUN/crun (crun's), RUN/containers/ID (bundle, conmon's files) and
// RUN/exits (exit files); all of RUN is gone after a reboot, and so are the containers. Called on the loop's thread.
// Bounded: messages of crun by `hal::process::capture_bytes_max`, each call by `call_time_max`.
#pragma once

#include <boost/json/object.hpp>

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "hal/async/pool.hpp"
#include "hal/async/task.hpp"
#include "hal/base/clock.hpp"
#include "hal/process/cgroup.hpp"
#include "hal/process/spawn.hpp"
#include "services/kubelet/streams/streams.hpp"

namespace services::kubelet::pods {

using hal::async::Task;
using hal::process::Descriptor;

struct RuntimeOptions {
    std::filesystem::path run_folder;           // RUN: /run/branchbox/kubelet, on a tmpfs
    std::string cgroup_parent;                  // "/branchbox-1a2b3c4d": conmon runs in PARENT/conmon
    std::filesystem::path crun_program = "/usr/bin/crun";
    std::filesystem::path conmon_program = "/usr/bin/conmon";
    std::chrono::steady_clock::duration call_time_max = std::chrono::minutes(2);
};

struct Creation {
    std::string id;               // unique, [A-Za-z0-9_.-]
    boost::json::object config;   // OCI runtime-spec config.json, with linux.cgroupsPath
    std::filesystem::path log_file;  // CRI format; its folder exists
    bool has_terminal = false;    // as config.process.terminal says
    bool has_stdin = false;       // a pipe that attach() can write to
    bool stdin_once = false;      // it closes after the first attached client
};

// What conmon wrote down when the container ended.
struct Ended {
    int exit_code = 0;   // 128 + signal when a signal ended it
    bool was_oom_killed = false;
    hal::WallTime finished;
    bool is_known = true;  // false: conmon was killed or left no exit file; the code is then 137
};

// A process beside the container's own. The process itself is ended by kill(), not by dropping it.
using Exec = streams::Process;
using ExecRequest = streams::ExecCommand;

// A connection to the container's own streams, beside the log. One packet per read (SOCK_SEQPACKET): the first byte says
// the stream (2 standard output, 3 standard error), the rest is data; what is written goes to standard input as it is.
struct Attachment {
    static constexpr std::size_t packet_bytes_max = 32 * 1024 + 1;
    static constexpr char output = 2, error = 3;
    Descriptor socket;  // not blocking
};

class Runtime {
public:
    Runtime(hal::async::Pool& pool, const hal::Clock& clock, RuntimeOptions options);
    ~Runtime();

    // Makes the folders. Throws Error{io}, Error{not_found} when crun or conmon is not there.
    void start();

    // Makes the container, not running. Throws Error{invalid} with crun's message ("executable file `/x` not found: ...");
    // then nothing is left of it.
    Task<> create(Creation creation);
    Task<> run(std::string id);
    // The container's first process; 0 when there is none. No I/O but reading a file.
    [[nodiscard]] pid_t process_of(const std::string& id) const;
    // False when it does not run any more.
    bool signal(const std::string& id, int signal) const;
    // Returns when the container has ended, at once when it has already. Works for containers made before this process
    // started. Throws Error{not_found} when there is no such container.
    Task<Ended> wait_end(std::string id);
    // The ids that RUN knows, running or ended: what a new process adopts.
    [[nodiscard]] std::vector<std::string> known() const;
    // SIGKILL to all in the container, then nothing is left of it: crun's state, bundle folder, exit file, its cgroup.
    Task<> remove(std::string id);
    // Makes conmon open its log file again, after it was renamed.
    void reopen_log(const std::string& id) const;

    // Throws Error{not_found} when the container does not run. A command that cannot be executed ends with an exit
    // code other than 0 and crun's message on its standard error.
    Task<std::unique_ptr<Exec>> exec(std::string id, ExecRequest request);
    Task<Attachment> attach(std::string id);
    // Sets the size of the container's own terminal.
    void resize(const std::string& id, unsigned columns, unsigned rows) const;

    [[nodiscard]] std::filesystem::path bundle(const std::string& id) const;

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace services::kubelet::pods
