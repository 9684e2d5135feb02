// One service under the guard: its sockets, its process of the moment, and when that is started again.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "firmware/guard/handover.hpp"
#include "firmware/guard/services.hpp"
#include "hal/async/task.hpp"
#include "hal/base/clock.hpp"
#include "hal/net/stream.hpp"
#include "hal/process/cgroup.hpp"
#include "hal/process/spawn.hpp"

namespace firmware::guard {

// Where every service runs.
struct Place {
    std::filesystem::path root;
    hal::async::Executor executor;
    const hal::Clock* clock;
    const hal::process::Cgroups* cgroups;
    std::string group;  // its control groups are GROUP/NAME
    int services_lock;  // every service holds it open for as long as it lives
};

class Keeper {
public:
    // `context`: made anew for each process, so that a restart is a renewal of certificates.
    Keeper(const ServiceRow& row, const Place& place, std::function<Context()> context);
    ~Keeper();

    // Binds its sockets: `listen` is the default address of public ports ("": every one), `own` the section's own
    // "ADDR[:PORT]". May be called again after it threw. Throws Error.
    void bind(const std::string& listen, const std::string& own);
    // Starts its process, and starts it again until stop().
    hal::async::Task<> keep();
    // Ends the process of the moment; keep() starts the next at once, with a new context.
    void renew();
    // Returns when the process of the moment, or a later one, has said that it is ready; false after `limit`.
    hal::async::Task<bool> wait_ready(std::chrono::steady_clock::duration limit);
    // Ends it for good: SIGTERM, after `limit` SIGKILL. keep() returns.
    hal::async::Task<> stop(std::chrono::seconds limit);

    [[nodiscard]] const ServiceRow& row() const { return row_; }
    // 0: none runs at this moment.
    [[nodiscard]] pid_t pid() const { return child_ ? child_->pid() : 0; }
    [[nodiscard]] bool is_ready() const { return ready_.is_set(); }
    [[nodiscard]] unsigned restarts() const { return restarts_; }
    // Since when, by the clock as it is now: one that was set meanwhile makes no process older.
    [[nodiscard]] hal::WallTime since() const;
    [[nodiscard]] const std::vector<std::string>& problems() const { return problems_; }
    [[nodiscard]] const std::vector<services::config::Backlog>& backlogs() const { return backlogs_; }
    [[nodiscard]] std::string endpoints() const;  // "api [::]:6443"
    [[nodiscard]] std::optional<hal::net::Endpoint> endpoint(std::string_view port) const;

private:
    struct Bound {
        std::string name;
        std::unique_ptr<hal::net::Listener> listener;  // null: `datagram`
        hal::process::Descriptor datagram;
        hal::net::Endpoint where;
    };
    void bind_socket(const Port& port);
    hal::process::Pipe start();
    void make_folders() const;
    [[nodiscard]] std::string control_group() const;
    void join_group(pid_t process) const;
    hal::async::Task<> listen_to(hal::process::Descriptor pipe);
    void heard(std::string_view line);

    const ServiceRow& row_;
    const Place& place_;
    std::function<Context()> context_;
    std::vector<Bound> sockets_;
    std::optional<hal::process::Child> child_;
    hal::async::Event stopping_, ended_, ready_;
    bool is_renewed_ = false;
    unsigned restarts_ = 0;
    hal::SteadyTime since_{};
    std::vector<std::string> problems_;
    std::vector<services::config::Backlog> backlogs_;
};

// The user of a service under this root: no name in any file, but always the same number. Roots beside one another (tests)
// have different ones.
unsigned user_of(const ServiceRow& row, const std::filesystem::path& root);

}  // namespace firmware::guard
