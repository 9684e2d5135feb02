#include "services/objects/replication/replicator.hpp"

#include "hal/base/error.hpp"
#include "hal/base/log.hpp"

namespace services::objects::replication {

using hal::Code;
using hal::Error;

namespace {

constexpr auto area = "objects";

}  // namespace

Replicator::Replicator(hal::async::Executor executor, store::Store& store, Line& line, Settings settings, const hal::Clock& clock, Random random)
    : store_(store),
      line_(line),
      settings_(std::move(settings)),
      clock_(clock),
      random_(std::move(random)),
      transfer_(store_, line_, settings_, clock_),
      woken_(executor),
      backlog_changed_(executor),
      transfers_(executor, "replication", 2 * transfers_max + 2) {}  // one that ends may be counted a moment longer

Task<> Replicator::run() {
    // What the process before had under way may have arrived: it is asked for before it is sent again.
    for (const auto& entry : co_await store_.outbox(std::string(destination), 0, page_entries)) unsure_until_ = entry.sequence;
    backlog_changed_.set();
    transfers_.spawn("outbox", watch_outbox());
    transfers_.spawn("backlog", tell_backlog());
    std::exception_ptr failure;
    try {
        for (;;) {
            co_await line_.open();
            woken_.clear();
            co_await fill();
            const auto now = clock_.steady();
            if (paused_until_ && *paused_until_ <= now) paused_until_.reset();
            if (!paused_until_) start_transfers();
            auto until = paused_until_;
            if (!until && running_ < transfers_max) until = queue_.next_time();
            if (until)
                co_await woken_.wait_for(std::max(*until - now, hal::SteadyTime::duration(0)));
            else
                co_await woken_.wait();
        }
    } catch (...) {
        failure = std::current_exception();
    }
    co_await boost::asio::this_coro::reset_cancellation_state();
    transfers_.cancel();
    co_await transfers_.join();
    std::rethrow_exception(failure);
}

Task<> Replicator::watch_outbox() {
    for (;;) {
        // Nothing else is waited for here: what is added meanwhile would not be heard of.
        co_await store_.outbox_more();
        is_outbox_read_ = false;
        woken_.set();
        backlog_changed_.set();
    }
}

Task<> Replicator::fill() {
    while (!is_outbox_read_ && queue_.has_room()) {
        is_outbox_read_ = true;
        auto entries = co_await store_.outbox(std::string(destination), queue_.last_sequence(), page_entries);
        if (entries.size() == page_entries) is_outbox_read_ = false;
        for (auto& entry : entries) {
            if (!queue_.has_room()) {
                is_outbox_read_ = false;
                break;
            }
            queue_.add(std::move(entry));
        }
    }
}

void Replicator::start_transfers() {
    while (running_ < transfers_max) {
        auto entry = queue_.next(clock_.steady());
        if (!entry) return;
        ++running_;
        transfers_.spawn("transfer", bring(std::move(*entry)));
    }
}

Task<> Replicator::bring(store::OutboxEntry entry) {
    const auto sequence = entry.sequence;
    const auto name = entry.bucket + "/" + entry.key;
    const struct Turn {
        Replicator& replicator;
        ~Turn() {
            --replicator.running_;
            replicator.backlog_changed_.set();
            replicator.woken_.set();
        }
    } turn{*this};
    const bool may_be_there = sequence <= unsure_until_ || unsure_.contains(sequence);
    std::optional<Answer> answer;
    std::optional<Error> failure;
    try {
        answer = co_await transfer_.bring(std::move(entry), may_be_there);
    } catch (const Error& error) {
        // What cannot be read here is no matter of the line.
        if (error.code() == Code::corrupt)
            answer = Answer{Meaning::refused, error.what()};
        else
            failure = error;
    }
    if (answer && answer->meaning == Meaning::taken) {
        // Only what the outbox no longer holds is done.
        try {
            co_await store_.outbox_done(std::string(destination), {sequence});
        } catch (const Error& error) {
            failure = error;
        }
    }
    if (failure || answer->meaning == Meaning::not_now) {
        unsure_.insert(sequence);
        queue_.put_back(sequence);
        if (failure && failure->code() == Code::cancelled) throw *failure;
        // A cut line is told of when it is back (Line::open): there is no use in waiting longer and longer here.
        pause(failure ? failure->what() : answer->reason, failure ? pause_bound_min : pause_bound_);
        if (!failure) pause_bound_ = std::min(pause_bound_ * 2, pause_bound_max);
    } else if (answer->meaning == Meaning::taken) {
        unsure_.erase(sequence);
        queue_.done(sequence);
        ++sent_changes_;
        if (!trouble_.empty()) hal::log::info(area, "objects are sent upstream again");
        trouble_.clear();
        pause_bound_ = pause_bound_min;
    } else {
        co_await bury_or_wait(sequence, name, std::move(*answer));
    }
}

Task<> Replicator::bury_or_wait(std::uint64_t sequence, std::string name, Answer answer) {
    ++refusals_;
    const auto blame = answer.meaning == Meaning::bucket_full ? Queue::Blame::nobody
                       : answer.meaning == Meaning::refused   ? Queue::Blame::change
                                                              : Queue::Blame::unclear;
    hal::log::warn(area, "{} was not taken upstream: {}", name, answer.reason);
    if (!queue_.refused(sequence, blame, random_(), clock_.steady())) co_return;
    hal::log::error(area, "{} is a dead letter now: refused {} times, last with {}", name, Queue::tries_max, answer.reason);
    unsure_.erase(sequence);
    co_await store_.outbox_dead(std::string(destination), sequence, std::move(answer.reason), Queue::tries_max);
}

void Replicator::pause(std::string why, std::chrono::milliseconds bound) {
    if (trouble_ != why) hal::log::warn(area, "objects are not sent upstream: {}", why);
    trouble_ = std::move(why);
    const auto now = clock_.steady();
    if (paused_until_ && *paused_until_ > now) return;  // by another that was under way
    paused_until_ = now + std::chrono::milliseconds(static_cast<std::int64_t>(random_() * static_cast<double>(bound.count())));
}

Task<> Replicator::tell_backlog() {
    for (;;) {
        co_await backlog_changed_.wait();
        backlog_changed_.clear();
        co_await line_.report(co_await store_.backlog(std::string(destination)));
    }
}

Task<std::size_t> Replicator::redrive() {
    std::size_t count = 0;
    for (std::uint64_t after = 0;;) {
        const auto letters = co_await store_.dead_letters(std::string(destination), after, page_entries);
        if (letters.empty()) co_return count;
        for (const auto& letter : letters) {
            after = letter.sequence;
            if (!co_await store_.outbox_redrive(std::string(destination), letter.sequence)) continue;
            ++count;
            queue_.go_back_to(letter.sequence - 1);
            is_outbox_read_ = false;
            woken_.set();
        }
    }
}

Task<Status> Replicator::status() {
    co_return Status{co_await store_.backlog(std::string(destination)), sent_changes_, transfer_.sent_bytes(), refusals_, trouble_};
}

}  // namespace services::objects::replication
