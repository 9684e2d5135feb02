#include "hal/disk/log_core.hpp"

#include <algorithm>

#include "hal/base/log.hpp"

namespace hal::disk {

namespace {

constexpr std::size_t tail_bytes_min = 16 * 1024;  // shorter ones are copied: that costs less than a piece of their own
constexpr std::size_t buffer_kept_max = 256 * 1024;
constexpr std::size_t refusals_max = 64;

}  // namespace

std::string told(const Damage& damage) {
    return damage.path.string() + ": " + std::to_string(damage.bytes) + " bytes at " + std::to_string(damage.offset) + " are damaged: " + damage.what;
}

LogCore::LogCore(async::Executor e, Disk& d, async::Pool& r, std::filesystem::path f, LogOptions o, Recovery recovery)
    : executor(e), disk(d), readers(r), folder(std::move(f)), options(o), identity(recovery.identity),
      segments(std::move(recovery.segments)), damage(std::move(recovery.damage)), torn_bytes(recovery.torn_bytes),
      next_number(recovery.next_number), progress(e), timer(e) {
    for (const auto& [number, segment] : segments)
        if (segment.info.is_abandoned) marks.push_back({number, segment.info.end.offset});
    writer.emplace(disk, folder, identity, options.segment_bytes, std::move(recovery.active));
    written_end = {next_number, format::head_bytes};
    if (!segments.empty() && segments.rbegin()->second.info.is_active) {
        const auto& active = segments.rbegin()->second;
        tail_segment = active.info.number;
        tail_offset = active.info.end.offset;
        tail_capacity = recovery.active_capacity;
        tail_seal = {active.info.records, active.body_bytes};
        written_end = active.info.end;
    }
    durable_end = written_end;
}

Position LogCore::append(std::uint8_t type, std::uint8_t version, std::span<const std::string_view> parts, std::string tail) {
    if (is_closed) throw Error(Code::invalid, folder.string() + ": the log is closed");
    if (type == format::seal_type) throw Error(Code::invalid, "record type 255 is the log's own");
    std::uint64_t length = tail.size();
    for (const auto part : parts) length += part.size();
    if (length > options.record_bytes_max)
        throw Error(Code::too_large, "a record of " + std::to_string(length) + " bytes is over the limit of " + std::to_string(options.record_bytes_max));
    const auto span = format::Frame::padded(format::frame_bytes + length);
    if (statistics.pending_bytes > 0 && statistics.pending_bytes + span > options.pending_bytes_max)
        throw Error(Code::exhausted, folder.string() + ": " + std::to_string(statistics.pending_bytes) + " bytes wait to be written already");
    if (tail_segment == 0 || seal_wanted || tail_offset + span + format::seal_bytes > tail_capacity) rotate();

    auto& chunk = chunk_for(span);
    const bool has_tail = tail.size() >= tail_bytes_min;
    chunk.entries.push_back({.offset = tail_offset,
                             .buffer_at = chunk.buffer.size(),
                             .length = static_cast<std::uint32_t>(length),
                             .type = type,
                             .version = version,
                             .tail = has_tail ? static_cast<std::int32_t>(chunk.tails.size()) : -1});
    chunk.buffer.append(format::frame_bytes, '\0');
    for (const auto part : parts) chunk.buffer.append(part);
    if (has_tail)
        chunk.tails.push_back({chunk.buffer.size(), std::move(tail)});
    else
        chunk.buffer.append(tail);
    chunk.buffer.append(span - format::frame_bytes - length, '\0');
    chunk.body_bytes += length;

    last = {tail_segment, tail_offset};
    tail_offset += static_cast<std::uint32_t>(span);
    chunk.end = tail_offset;
    ++tail_seal.records;
    tail_seal.body_bytes += length;
    statistics.pending_bytes += span;
    ++statistics.records;
    statistics.record_bytes += length;
    kick();
    return last;
}

void LogCore::rotate() {
    if (segments.size() >= options.segments_max)
        throw Error(Code::exhausted, folder.string() + " holds " + std::to_string(segments.size()) + " segments already");
    if (marks.size() >= format::marks_max) throw Error(Code::io, folder.string() + ": too many segments were abandoned; remove some");
    if (next_number >= segment_number_max) throw Error(Code::exhausted, folder.string() + ": out of segment numbers");
    if (tail_segment != 0) {
        if (pending.empty() || pending.back().segment != tail_segment)
            pending.push_back({.segment = tail_segment, .begin = tail_offset, .end = tail_offset, .buffer = {}, .entries = {}, .tails = {}, .seal = {}});
        pending.back().seal = tail_seal;
    }
    tail_segment = next_number++;
    tail_offset = format::head_bytes;
    tail_capacity = options.segment_bytes;
    tail_seal = {};
    seal_wanted = false;
    pending.push_back({.segment = tail_segment, .begin = tail_offset, .end = tail_offset, .buffer = {}, .entries = {}, .tails = {}, .creates = true, .seal = {}});
}

Chunk& LogCore::chunk_for(std::uint64_t span) {
    const bool fits = !pending.empty() && pending.back().segment == tail_segment && !pending.back().seal &&
                      (pending.back().entries.empty() || pending.back().end - pending.back().begin + span <= options.group_bytes_max);
    if (!fits)
        pending.push_back({.segment = tail_segment, .begin = tail_offset, .end = tail_offset, .buffer = std::exchange(spare, {}), .entries = {}, .tails = {}, .seal = {}});
    return pending.back();
}

// Once all that is ready on the loop has run: what a finished group woke appends into one group.
void LogCore::kick() {
    if (std::exchange(kicked, true)) return;
    asio::post(executor, [self = shared_from_this()] {
        self->kicked = false;
        self->start();
    });
}

void LogCore::start() {
    if (in_flight || is_closed) return;
    const auto until = pending.empty() ? written_end : Position{pending.front().segment, pending.front().end};
    const bool is_awaited = !waiters.empty() && waiters.begin()->first < until;
    if (pending.empty() && (durable_end == written_end || !(is_awaited || sync_wanted))) {
        arm();
        return;
    }
    WriteJob job;
    if (!pending.empty()) {
        job.chunk = std::move(pending.front());
        pending.pop_front();
        if (job.chunk->creates) job.marks = marks;
    }
    const auto unsynced = statistics.unsynced_bytes + (job.chunk ? job.chunk->end - job.chunk->begin : 0);
    job.sync = is_awaited || sync_wanted || (job.chunk && job.chunk->seal) || unsynced >= options.sync_bytes;
    job.group_begin = durable_end.segment == until.segment ? durable_end.offset : format::head_bytes;
    in_flight = true;
    asio::post(*threads, [self = shared_from_this(), job = std::move(job), work = asio::make_work_guard(executor)]() mutable {
        auto result = self->writer->run(job);
        auto target = work.get_executor();
        asio::post(target, [self = std::move(self), job = std::move(job), result = std::move(result)]() mutable { self->finish(job, std::move(result)); });
    });
}

void LogCore::finish(WriteJob& job, WriteResult result) {
    in_flight = false;
    if (is_closed) return;
    if (job.chunk) statistics.pending_bytes -= job.chunk->end - job.chunk->begin;
    statistics.written_bytes += result.written_bytes;
    if (result.created) {
        const auto number = job.chunk->segment;
        Segment segment;
        segment.info = {.number = number, .path = folder / format::file_name(number), .begin = {number, format::head_bytes}, .end = {number, format::head_bytes}};
        segment.info.bytes = options.segment_bytes;
        segment.info.is_active = true;
        segment.seed = format::seed(identity, number);
        segments.insert_or_assign(number, std::move(segment));
    }
    if (result.failure)
        refuse(job, result);
    else
        wrote(job);
    progress.set();
    progress.clear();
    // After those that were woken just now have appended what they will.
    kick();
}

void LogCore::wrote(WriteJob& job) {
    if (job.chunk) {
        auto& chunk = *job.chunk;
        auto& segment = segments.at(chunk.segment);
        segment.info.end.offset = chunk.end;
        segment.info.records += chunk.entries.size();
        segment.body_bytes += chunk.body_bytes;
        if (chunk.seal) {
            segment.info.is_active = false;
            segment.info.bytes = std::uint64_t{chunk.end} + format::seal_bytes;
        }
        statistics.unsynced_bytes += chunk.end - chunk.begin;
        unsynced_records += chunk.entries.size();
        written_end = {chunk.segment, chunk.end};
        if (spare.capacity() < chunk.buffer.capacity() && chunk.buffer.capacity() <= buffer_kept_max) {
            spare = std::move(chunk.buffer);
            spare.clear();
        }
    }
    if (!job.sync) return;
    ++statistics.groups;
    statistics.unsynced_bytes = unsynced_records = 0;
    sync_wanted = false;
    durable_end = written_end;
    wake(durable_end, nullptr);
}

// What is not durable is refused, all of it: a record must not be found without the one before it.
void LogCore::refuse(const WriteJob& job, const WriteResult& result) {
    const auto& failure = *result.failure;
    const auto number = job.chunk ? job.chunk->segment : written_end.segment;
    if (const auto found = segments.find(number); found != segments.end()) {
        auto& info = found->second.info;
        info.is_active = false;
        info.is_abandoned = true;
        info.end.offset = durable_end.segment == number ? durable_end.offset : format::head_bytes;
        marks.push_back({number, info.end.offset});
    }
    const auto given = end();
    if (!refusals.empty() && refusals.back().to == durable_end && refusals.back().code == failure.code()) {
        refusals.back().to = given;
    } else {
        // Once, however many are refused until something is durable again.
        log::error("disk", "{}: what was not durable is refused: {}", (folder / format::file_name(number)).string(), failure.what());
        if (refusals.size() == refusals_max) refusals.erase(refusals.begin());
        refusals.push_back({durable_end, given, failure.code(), failure.what()});
    }
    std::uint64_t refused = std::exchange(unsynced_records, 0) + (job.chunk ? job.chunk->entries.size() : 0);
    for (const auto& chunk : pending) refused += chunk.entries.size();
    statistics.refused_records += refused;
    statistics.pending_bytes = statistics.unsynced_bytes = 0;
    pending.clear();
    tail_segment = 0;
    seal_wanted = sync_wanted = false;
    written_end = durable_end = end();
    wake(durable_end, std::make_exception_ptr(failure));
}

void LogCore::wake(Position until, const std::exception_ptr& failure) {
    while (!waiters.empty() && waiters.begin()->first < until) {
        auto waiter = std::move(waiters.begin()->second);
        waiters.erase(waiters.begin());
        if (waiter.slot.is_connected()) waiter.slot.clear();
        asio::post(executor, [handler = std::move(waiter.handler), failure]() mutable { std::move(handler)(failure); });
    }
}

void LogCore::arm() {
    if (is_armed || durable_end == written_end) return;
    is_armed = true;
    timer.expires_after(options.sync_after);
    timer.async_wait([weak = weak_from_this()](boost::system::error_code stopped) {
        const auto self = weak.lock();
        if (stopped || !self) return;
        self->is_armed = false;
        self->sync_wanted = true;
        self->start();
    });
}

void LogCore::note(const std::filesystem::path& path, std::uint32_t number, Damage found) {
    const Position at{number, static_cast<std::uint32_t>(found.offset)};
    found.path = path;
    const auto line = told(found);
    if (damage.add(at, std::move(found)) && damage.count() <= DamageList::damage_max) log::error("disk", "{}", line);
}

}  // namespace hal::disk
