// Random histories of a segment log on the fake disk, beside a model of what must be there. Whatever was committed is
// found after each crash with the bytes it had, whatever was refused is not, and of what was neither a first part may be.
//
// BRANCHBOX_MODEL_SEEDS=1000 runs the long one: 1,000 histories of 1,000 operations. BRANCHBOX_MODEL_SEED=n runs one.
#include <catch2/catch_test_macros.hpp>

#include <cstdlib>
#include <map>
#include <random>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "hal/base/error.hpp"
#include "hal/disk/fake_disk.hpp"
#include "hal/disk/log.hpp"
#include "on_loop.hpp"

using hal::Code;
using hal::Error;
using hal::async::Task;
using namespace hal::disk;

namespace {

struct Fault : std::runtime_error {
    using std::runtime_error::runtime_error;
};

std::string place(Position position) { return std::to_string(position.segment) + ":" + std::to_string(position.offset); }

class History {
public:
    explicit History(std::uint64_t seed) : random_(seed), disk_(seed * 7919 + 1), identity_(seed + 1), flips_(seed % 2 == 0) { reopen(); }

    void run(std::uint64_t operations) {
        while (operations_ < operations) step();
        restart(true);
    }
    std::uint64_t operations() const { return operations_; }
    std::uint64_t committed() const { return committed_; }
    std::uint64_t restarts() const { return crashes_; }

private:
    enum class State { pending, committed, refused };
    struct Known {
        std::uint8_t type = 0;
        std::string body;
        State state = State::pending;
        bool may_be_damaged = false;
        std::uint64_t span() const { return (24 + body.size() + 7) / 8 * 8; }
    };

    std::uint64_t below(std::uint64_t bound) { return random_() % bound; }
    void expect(bool holds, const std::string& what) const {
        if (!holds) throw Fault(what);
    }

    std::string make_body() {
        const auto kind = below(20);
        std::string body(kind == 0 ? 17'000 + below(5'000) : kind < 4 ? below(3'000) : below(300), '\0');
        if (kind == 1) return body;  // zeros all through
        for (auto& c : body) c = static_cast<char>(random_());
        if (kind == 2 && body.size() > 1'500) std::fill(body.begin() + 10, body.begin() + 1'400, '\0');
        return body;
    }

    void step() {
        const auto choice = below(1'000);
        if (choice < 620) {
            burst();
        } else if (choice < 850) {
            read();
        } else if (choice < 880) {
            scan_all();
        } else if (choice < 910) {
            remove();
        } else if (choice < 920) {
            log_->seal();
            ++operations_;
        } else if (choice < 930) {
            disk_.fail_syncs(1);
            ++operations_;
        } else if (choice < 935) {
            disk_.fail_writes(1);
            ++operations_;
        } else if (choice < 950) {
            disk_.set_capacity(is_full_ ? UINT64_MAX : disk_.used_bytes());
            is_full_ = !is_full_;
            ++operations_;
        } else if (choice < 960) {
            disk_.cut_power_after(1 + below(12));
            ++operations_;
        } else if (choice < 975) {
            flip();
        } else {
            restart(false);
        }
        // The model stays small, so that a history is fast.
        if (disk_.has_power() && log_->segments().size() > 6) remove();
        if (!disk_.has_power()) restart(false);
    }

    void burst() {
        const auto count = 1 + below(8);
        const auto waits = below(3);  // no one, some, all
        std::vector<Position> given;
        for (std::uint64_t i = 0; i < count; ++i) {
            ++operations_;
            Known record{static_cast<std::uint8_t>(below(200)), make_body(), State::pending, false};
            const std::string_view first = std::string_view(record.body).substr(0, below(record.body.size() + 1));
            try {
                const auto position = log_->append(record.type, 1, {first}, record.body.substr(first.size()));
                if (const auto old = known_.find(position); old != known_.end() && old->second.state == State::committed)
                    throw Fault("position " + place(position) + " was given twice");
                known_[position] = std::move(record);
                given.push_back(position);
                last_ = position;
            } catch (const Error& e) {
                expect(e.code() == Code::io || e.code() == Code::exhausted, e.what());
            }
        }
        std::uint64_t waiting = 0;
        for (const auto position : given) {
            if (waits == 0 || (waits == 1 && below(2) == 0)) continue;
            ++waiting;
            boost::asio::co_spawn(on_loop_.loop, log_->committed(position), [&, position](std::exception_ptr thrown) {
                --waiting;
                if (!thrown) commit_up_to(position);
            });
        }
        on_loop_.loop.restart();
        while (waiting > 0) on_loop_.loop.run_one();
        settle();
    }

    void commit(Known& record) {
        if (record.state != State::committed) ++committed_;
        record.state = State::committed;
    }
    // The promise: this one and all before it.
    void commit_up_to(Position position) {
        for (auto at = known_.begin(); at != known_.end() && at->first <= position; ++at)
            if (at->second.state == State::pending) commit(at->second);
    }

    // Waits until everything is written or refused, and takes down which.
    void settle() {
        if (!known_.empty()) {
            try {
                on_loop_(log_->read(last_));
            } catch (const Error&) {
                // Refused, or damaged; told apart below.
            }
        }
        const bool refused = std::exchange(refused_, log_->statistics().refused_records) != log_->statistics().refused_records;
        if (refused) loose_segment_ = std::max(loose_segment_, newest());
        for (auto& [position, record] : known_) {
            if (record.state != State::pending || position >= log_->durable_end()) continue;
            if (!refused || (disk_.has_power() && is_there(position)))
                commit(record);
            else if (disk_.has_power())
                record.state = State::refused;
            // What was refused because the power went may be there or not.
        }
    }
    bool is_there(Position position) {
        try {
            on_loop_(log_->read(position));
        } catch (const Error& e) {
            expect(e.code() == Code::gone, "reading " + place(position) + ": " + e.what());
            return false;
        }
        return true;
    }
    std::uint32_t newest() const {
        const auto segments = log_->segments();
        return segments.empty() ? 0 : segments.back().number;
    }

    void read() {
        ++operations_;
        if (known_.empty()) return;
        auto at = known_.lower_bound({static_cast<std::uint32_t>(1 + below(known_.rbegin()->first.segment)), static_cast<std::uint32_t>(below(130'000))});
        if (at == known_.end()) at = known_.begin();
        const auto& [position, record] = *at;
        try {
            const auto got = on_loop_(log_->read(position));
            expect(record.state != State::refused || position.segment == newest(), "a refused record is read at " + place(position));
            expect(got.type == record.type && got.body == record.body, "other bytes at " + place(position));
        } catch (const Error& e) {
            expect(record.state != State::committed || record.may_be_damaged, "committed " + place(position) + " cannot be read: " + e.what());
        }
    }

    std::map<Position, std::pair<std::uint8_t, std::string>> scan(Log::Until until) {
        std::map<Position, std::pair<std::uint8_t, std::string>> found;
        Position from;
        for (;;) {
            const auto batch = on_loop_(log_->scan(from, until));
            if (batch.records.empty()) return found;
            for (const auto& record : batch.records) {
                expect(found.empty() || found.rbegin()->first < record.position, "a scan goes back to " + place(record.position));
                found[record.position] = {record.type, std::string(record.body)};
            }
            from = batch.next;
        }
    }

    void scan_all() {
        ++operations_;
        const auto found = scan(Log::Until::written);
        for (const auto& [position, bytes] : found) {
            const auto known = known_.find(position);
            expect(known != known_.end() && known->second.body == bytes.second, "a scan finds something else at " + place(position));
            expect(known->second.state != State::refused, "a scan finds what was refused at " + place(position));
        }
        for (const auto& [position, record] : known_)
            expect(record.state != State::committed || record.may_be_damaged || found.contains(position), "a scan misses " + place(position));
    }

    void remove() {
        ++operations_;
        const auto segments = log_->segments();
        if (segments.size() < 3) return;
        const auto number = segments[below(segments.size() - 1)].number;
        const auto begin = known_.lower_bound({number, 0});
        const auto end = known_.lower_bound({number + 1, 0});
        try {
            on_loop_(log_->remove({number}));
            known_.erase(begin, end);
        } catch (const Error& e) {
            expect(!disk_.has_power(), std::string("removing a segment: ") + e.what());
            for (auto at = begin; at != end; ++at) at->second.may_be_damaged = true;
            removed_in_part_.insert(number);
        }
    }

    // One bit of a committed record, or of the head of a segment.
    void flip() {
        ++operations_;
        if (!flips_ || known_.empty()) return;
        auto at = known_.lower_bound({static_cast<std::uint32_t>(1 + below(known_.rbegin()->first.segment)), static_cast<std::uint32_t>(below(130'000))});
        if (at == known_.end()) at = known_.begin();
        auto& [position, record] = *at;
        if (record.state != State::committed) return;
        const auto path = std::filesystem::path("/log") / (std::string(10 - std::to_string(position.segment).size(), '0') + std::to_string(position.segment) + ".segment");
        if (below(10) == 0) {
            // Of one copy alone.
            if (heads_flipped_.insert(position.segment).second) disk_.flip(path, below(2'048), static_cast<unsigned>(below(8)));
            return;
        }
        disk_.flip(path, position.offset + below(record.span()), static_cast<unsigned>(below(8)));
        record.may_be_damaged = true;
        has_flipped_ = true;
        loose_segment_ = std::max(loose_segment_, newest());
    }

    void restart(bool cleanly) {
        ++operations_;
        ++crashes_;
        bool all_written = false;
        const auto choice = cleanly ? 9 : below(10);
        if (!disk_.has_power() || choice < 5) {
            disk_.crash();
        } else {
            settle();
            all_written = disk_.has_power();
            if (choice >= 8) {
                try {
                    on_loop_(log_->close());
                    for (auto& [position, record] : known_)
                        if (record.state == State::pending) commit(record);
                } catch (const Error&) {
                    settle();
                    all_written = disk_.has_power();
                }
            }
            if (disk_.has_power())
                disk_.kill();
            else
                disk_.crash();
        }
        log_.reset();
        if (below(5) == 0) disk_.cut_power_after(1 + below(8));
        all_written = reopen() && all_written;
        // What open() found is durable, even if the power goes with its very last step.
        while (!disk_.has_power()) {
            log_.reset();
            disk_.crash();
            all_written = reopen() && all_written;
        }
        verify(all_written);
    }

    // False when a first try failed: then the power may have gone.
    bool reopen() {
        bool at_once = true;
        for (int tries = 0;; ++tries) {
            try {
                log_ = on_loop_(Log::open(disk_, readers_, "/log",
                                          {.segment_bytes = 128 * 1024, .record_bytes_max = 24 * 1024, .group_bytes_max = 32 * 1024, .sync_bytes = 48 * 1024, .scan_bytes = 16 * 1024, .identity = identity_}));
                refused_ = 0;
                return at_once;
            } catch (const Error& e) {
                expect(tries < 10, std::string("the log does not open: ") + e.what());
                at_once = false;
                loose_segment_ = UINT32_MAX;
                if (e.code() == Code::exhausted) disk_.set_capacity(UINT64_MAX);
                if (!disk_.has_power()) disk_.crash();
            }
        }
    }

    void verify(bool all_written) {
        const auto found = scan(Log::Until::durable);
        std::set<std::uint32_t> segments;
        for (const auto& segment : log_->segments()) segments.insert(segment.number);
        const auto last = segments.empty() ? 0 : *segments.rbegin();
        for (const auto& [position, bytes] : found) {
            const auto known = known_.find(position);
            expect(known != known_.end(), "a record nobody appended at " + place(position));
            expect(known->second.type == bytes.first && known->second.body == bytes.second, "other bytes at " + place(position));
            expect(known->second.state != State::refused || position.segment == last, "a refused record came back at " + place(position));
        }
        bool missing = false;
        for (auto at = known_.begin(); at != known_.end();) {
            auto& [position, record] = *at;
            const bool is_found = found.contains(position);
            if (record.state == State::committed) {
                const bool is_removed = removed_in_part_.contains(position.segment) && !segments.contains(position.segment);
                expect(is_found || record.may_be_damaged || is_removed, "committed " + place(position) + " is lost");
            } else if (record.state == State::pending) {
                expect(is_found || !all_written, "written " + place(position) + " did not survive a kill");
                expect(!is_found || !missing || loose_segment_ >= position.segment, place(position) + " is there, and one before it is not");
                missing = missing || !is_found;
            }
            if (is_found) commit(record);
            if (!is_found && (record.state == State::pending || !segments.contains(position.segment)))
                at = known_.erase(at);
            else
                ++at;
        }
        if (loose_segment_ == 0) expect(log_->statistics().damaged_records == 0, "damage is reported, and nothing was damaged");
        removed_in_part_.clear();
    }

    OnLoop on_loop_;
    std::mt19937_64 random_;
    FakeDisk disk_;
    hal::async::Pool readers_{1};
    std::uint64_t identity_;
    bool flips_;
    bool has_flipped_ = false;
    bool is_full_ = false;
    std::unique_ptr<Log> log_;
    std::map<Position, Known> known_;
    Position last_;
    std::set<std::uint32_t> heads_flipped_;
    std::set<std::uint32_t> removed_in_part_;
    std::uint32_t loose_segment_ = 0;  // up to here a double fault may leave a hole in what was not committed
    std::uint64_t refused_ = 0;
    std::uint64_t operations_ = 0;
    std::uint64_t committed_ = 0;
    std::uint64_t crashes_ = 0;
};

std::uint64_t number_of(const char* name, std::uint64_t otherwise) {
    const char* value = std::getenv(name);
    return value != nullptr ? std::strtoull(value, nullptr, 10) : otherwise;
}

}  // namespace

TEST_CASE("through random faults no committed record is lost and no refused one comes back") {
    const auto first = number_of("BRANCHBOX_MODEL_SEED", 1);
    const auto seeds = std::getenv("BRANCHBOX_MODEL_SEED") != nullptr ? 1 : number_of("BRANCHBOX_MODEL_SEEDS", 40);
    std::uint64_t operations = 0;
    std::uint64_t committed = 0;
    std::uint64_t restarts = 0;
    for (auto seed = first; seed < first + seeds; ++seed) {
        INFO("BRANCHBOX_MODEL_SEED=" << seed);
        try {
            History history(seed);
            history.run(1'000);
            operations += history.operations();
            committed += history.committed();
            restarts += history.restarts();
        } catch (const std::exception& e) {
            FAIL(e.what());
        }
    }
    if (seeds >= 1'000)
        WARN(operations << " operations over " << seeds << " seeds, " << committed << " records committed, " << restarts << " restarts, none lost");
    CHECK(committed > 0);
}
