// What the loop of a segment log knows: where the next record goes, what waits to be written, who waits for it, which segments
// there are. Log (log.hpp) is its face; a LogWriter does what it decides. Used on the loop alone, but for the writer, which
// belongs to the writing thread while a group is in flight. Bounded by LogOptions. Shared with each group's completion,
// which may come after the log has gone (`is_closed` then).
#pragma once

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/steady_timer.hpp>

#include <cstdint>
#include <deque>
#include <exception>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hal/base/error.hpp"
#include "hal/disk/log.hpp"
#include "hal/disk/log_recovery.hpp"
#include "hal/disk/log_writer.hpp"

namespace hal::disk {

namespace asio = boost::asio;

// "/log/0000000001.segment: 32 bytes at 4096 are damaged: no true record".
std::string told(const Damage& damage);

struct LogCore : std::enable_shared_from_this<LogCore> {
    static constexpr std::uint32_t segment_number_max = 0x7FFFFFFF;

    struct Waiter {
        asio::any_completion_handler<void(std::exception_ptr)> handler;
        asio::cancellation_slot slot;
    };
    using Waiters = std::multimap<Position, Waiter>;
    struct Refusal {  // positions in [from, to) were given and refused
        Position from;
        Position to;
        Code code;
        std::string message;
    };

    LogCore(async::Executor executor, Disk& disk, async::Pool& readers, std::filesystem::path folder, LogOptions options, Recovery recovery);

    [[nodiscard]] Position end() const {
        return tail_segment != 0 ? Position{tail_segment, tail_offset} : Position{next_number, format::head_bytes};
    }
    [[nodiscard]] const Refusal* refusal_of(Position position) const {
        for (const auto& refusal : refusals)
            if (refusal.from <= position && position < refusal.to) return &refusal;
        return nullptr;
    }

    Position append(std::uint8_t type, std::uint8_t version, std::span<const std::string_view> parts, std::string tail);
    void rotate();
    Chunk& chunk_for(std::uint64_t span);
    void kick();
    void start();
    void finish(WriteJob& job, WriteResult result);
    void wrote(WriteJob& job);
    void refuse(const WriteJob& job, const WriteResult& result);
    void wake(Position until, const std::exception_ptr& failure);
    void arm();
    void note(const std::filesystem::path& path, std::uint32_t number, Damage found);

    async::Executor executor;
    Disk& disk;
    async::Pool& readers;
    std::filesystem::path folder;
    LogOptions options;
    std::uint64_t identity;
    std::map<std::uint32_t, Segment> segments;  // that exist; their ends are those of what is written
    std::vector<format::Mark> marks;            // of abandoned ones among them
    DamageList damage;
    std::uint64_t torn_bytes;

    // Where the next record goes: in tail_segment, or in a new one when that is 0.
    std::uint32_t next_number;
    std::uint32_t tail_segment = 0;
    std::uint32_t tail_offset = 0;
    std::uint32_t tail_capacity = 0;
    format::Seal tail_seal;
    bool seal_wanted = false;
    Position last;  // appended

    std::deque<Chunk> pending;
    std::string spare;  // a written chunk's buffer, to be used again
    std::optional<LogWriter> writer;  // used by the writing thread while `in_flight`, by no one else
    bool kicked = false;
    bool in_flight = false;
    bool is_closed = false;
    Position written_end;
    Position durable_end;
    std::uint64_t unsynced_records = 0;
    bool sync_wanted = false;
    bool is_armed = false;
    std::vector<Refusal> refusals;
    Waiters waiters;
    async::Event progress;  // pulsed when something was written, made durable or refused
    asio::steady_timer timer;
    LogStatistics statistics;
    std::vector<std::pair<std::uint32_t, std::shared_ptr<File>>> files;  // open for reading, last used last; shared with reads that run
    asio::thread_pool* threads = nullptr;
};

}  // namespace hal::disk
