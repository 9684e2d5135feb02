// Keeps the S3 service upstream in step with the store: takes changes from the outbox in order, brings several keys' at
// once, and keeps what could not be brought. Nothing is lost by a crash, a cut line or a full disk there: a change leaves
// the outbox when the other side has verified it, and what is refused for good becomes a dead letter that can be driven
// again.
//
// Event-driven: waits for changes, for the line, and for the first time at which something may be tried again.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "services/objects/replication/line.hpp"
#include "services/objects/replication/queue.hpp"
#include "services/objects/replication/settings.hpp"
#include "services/objects/replication/transfer.hpp"

namespace services::objects::replication {

struct Status {
    store::Backlog backlog;         // of the store: exact
    std::uint64_t sent_changes = 0; // since the start
    std::uint64_t sent_bytes = 0;
    std::uint64_t refusals = 0;
    std::string trouble;            // why nothing can be sent at the moment, as the other side says; "" when it can
};

class Replicator {
public:
    static constexpr std::size_t transfers_max = 4;
    static constexpr std::size_t page_entries = 512;
    static constexpr std::chrono::milliseconds pause_bound_min{500}, pause_bound_max{2 * 60 * 1000};

    using Random = std::function<double()>;  // 0 to below 1
    Replicator(hal::async::Executor executor, store::Store& store, Line& line, Settings settings, const hal::Clock& clock, Random random);
    // Runs until it is cancelled.
    Task<> run();
    // An operator's wish: dead letters go to the outbox again. How many.
    Task<std::size_t> redrive();
    Task<Status> status();

private:
    Task<> fill();
    Task<> watch_outbox();
    Task<> bring(store::OutboxEntry entry);
    void start_transfers();
    Task<> bury_or_wait(std::uint64_t sequence, std::string name, Answer answer);
    void pause(std::string why, std::chrono::milliseconds bound);
    Task<> tell_backlog();

    store::Store& store_;
    Line& line_;
    Settings settings_;
    const hal::Clock& clock_;
    Random random_;
    Transfer transfer_;
    Queue queue_;
    hal::async::Event woken_;
    hal::async::Event backlog_changed_;
    hal::async::TaskGroup transfers_;
    std::size_t running_ = 0;
    std::uint64_t unsure_until_ = 0;        // changes up to this one may have been under way when the process before ended
    std::set<std::uint64_t> unsure_;        // may have arrived though the answer did not
    std::optional<hal::SteadyTime> paused_until_;
    std::chrono::milliseconds pause_bound_ = pause_bound_min;
    bool is_outbox_read_ = false;
    std::uint64_t sent_changes_ = 0;
    std::uint64_t refusals_ = 0;
    std::string trouble_;
};

}  // namespace services::objects::replication
