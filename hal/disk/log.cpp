#include "hal/disk/log.hpp"

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <deque>
#include <map>
#include <utility>

#include "hal/base/error.hpp"
#include "hal/base/log.hpp"
#include "hal/disk/log_reader.hpp"
#include "hal/disk/log_recovery.hpp"
#include "hal/disk/log_writer.hpp"

namespace hal::disk {

namespace asio = boost::asio;
using async::Task;

namespace {

constexpr std::uint32_t segment_bytes_min = 64 * 1024;
constexpr std::uint32_t segment_bytes_max = 1024 * 1024 * 1024;
constexpr std::uint32_t segment_number_max = 0x7FFFFFFF;
constexpr std::size_t tail_bytes_min = 16 * 1024;  // shorter ones are copied: that costs less than a piece of their own
constexpr std::size_t buffer_kept_max = 256 * 1024;
constexpr std::size_t refusals_max = 64;

void check(const LogOptions& options) {
    const std::uint64_t needed = format::head_bytes + format::Frame::padded(std::uint64_t{options.record_bytes_max} + format::frame_bytes) + format::seal_bytes;
    if (options.segment_bytes < segment_bytes_min || options.segment_bytes > segment_bytes_max || options.segment_bytes % format::alignment != 0)
        throw Error(Code::invalid, "segment_bytes " + std::to_string(options.segment_bytes) + " is no multiple of 8 from 64 KiB to 1 GiB");
    if (needed > options.segment_bytes)
        throw Error(Code::invalid, "a record of " + std::to_string(options.record_bytes_max) + " bytes needs segments of " + std::to_string(needed) +
                                       ", and they have " + std::to_string(options.segment_bytes));
    if (options.scan_bytes < 1024 || options.files_max == 0 || options.segments_max == 0 || options.group_bytes_max == 0)
        throw Error(Code::invalid, "a limit of the segment log is zero");
}

}  // namespace

// What the loop knows. Shared with each job's completion, which may come after the log has gone.
struct Core : std::enable_shared_from_this<Core> {
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

    Core(async::Executor e, Disk& d, async::Pool& r, std::filesystem::path f, LogOptions o, Recovery recovery)
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
    void wrote(WriteJob& job, const WriteResult& result);
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

struct Log::State {
    std::shared_ptr<Core> core;  // shared with completions, see Core
    async::Pool writer{1};
};

Position Core::append(std::uint8_t type, std::uint8_t version, std::span<const std::string_view> parts, std::string tail) {
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

void Core::rotate() {
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

Chunk& Core::chunk_for(std::uint64_t span) {
    const bool fits = !pending.empty() && pending.back().segment == tail_segment && !pending.back().seal &&
                      (pending.back().entries.empty() || pending.back().end - pending.back().begin + span <= options.group_bytes_max);
    if (!fits)
        pending.push_back({.segment = tail_segment, .begin = tail_offset, .end = tail_offset, .buffer = std::exchange(spare, {}), .entries = {}, .tails = {}, .seal = {}});
    return pending.back();
}

// Once all that is ready on the loop has run: what a finished group woke appends into one group.
void Core::kick() {
    if (std::exchange(kicked, true)) return;
    asio::post(executor, [self = shared_from_this()] {
        self->kicked = false;
        self->start();
    });
}

void Core::start() {
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

void Core::finish(WriteJob& job, WriteResult result) {
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
        wrote(job, result);
    progress.set();
    progress.clear();
    // After those that were woken just now have appended what they will.
    kick();
}

void Core::wrote(WriteJob& job, const WriteResult&) {
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
void Core::refuse(const WriteJob& job, const WriteResult& result) {
    const auto& failure = *result.failure;
    const auto number = job.chunk ? job.chunk->segment : written_end.segment;
    log::error("disk", "{}: what was not durable is refused: {}", (folder / format::file_name(number)).string(), failure.what());
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

void Core::wake(Position until, const std::exception_ptr& failure) {
    while (!waiters.empty() && waiters.begin()->first < until) {
        auto waiter = std::move(waiters.begin()->second);
        waiters.erase(waiters.begin());
        if (waiter.slot.is_connected()) waiter.slot.clear();
        asio::post(executor, [handler = std::move(waiter.handler), failure]() mutable { std::move(handler)(failure); });
    }
}

void Core::arm() {
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

void Core::note(const std::filesystem::path& path, std::uint32_t number, Damage found) {
    const Position at{number, static_cast<std::uint32_t>(found.offset)};
    found.path = path;
    damage.add(at, std::move(found));
}

namespace {

// Takes the open file of a segment from the cache, where there is one.
std::shared_ptr<File> take_file(Core& core, std::uint32_t number) {
    const auto found = std::ranges::find(core.files, number, [](const auto& entry) { return entry.first; });
    if (found == core.files.end()) return nullptr;
    std::rotate(found, found + 1, core.files.end());
    return core.files.back().second;
}

void keep_file(Core& core, std::uint32_t number, std::shared_ptr<File> file) {
    if (!core.segments.contains(number) || take_file(core, number)) return;
    if (core.files.size() >= core.options.files_max) core.files.erase(core.files.begin());
    core.files.emplace_back(number, std::move(file));
}

Error gone(const Core& core, Position position) {
    return {Code::gone, core.folder.string() + ": there is no record at " + std::to_string(position.segment) + ":" + std::to_string(position.offset) + " any more"};
}

// Opens `path` unless `file` is there; a segment that was removed meanwhile is gone.
void open_file(Disk& disk, std::shared_ptr<File>& file, const std::filesystem::path& path) {
    if (file) return;
    try {
        file = disk.open(path, Disk::Mode::read);
    } catch (const Error& e) {
        if (e.code() == Code::not_found) throw Error(Code::gone, path.string() + " was removed");
        throw;
    }
}

Task<> wait_for(std::shared_ptr<Core> core, Position position) {
    const auto cancellation = co_await asio::this_coro::cancellation_state;
    if (cancellation.cancelled() != asio::cancellation_type::none) throw Error(Code::cancelled, "cancelled before the record was durable");
    co_await asio::async_initiate<const asio::use_awaitable_t<>&, void(std::exception_ptr)>(
        [&](auto handler) {
            const auto slot = asio::get_associated_cancellation_slot(handler);
            const auto waiter = core->waiters.emplace(position, Core::Waiter{std::move(handler), slot});
            if (!slot.is_connected()) return;
            waiter->second.slot.assign([core = core.get(), waiter](asio::cancellation_type) {
                auto cancelled = std::move(waiter->second.handler);
                core->waiters.erase(waiter);
                asio::post(core->executor, [handler = std::move(cancelled)]() mutable {
                    std::move(handler)(std::make_exception_ptr(Error(Code::cancelled, "cancelled before the record was durable")));
                });
            });
        },
        asio::use_awaitable);
}

}  // namespace

Log::Log(std::unique_ptr<State> state) : state_(std::move(state)) {}

Log::~Log() {
    auto& core = *state_->core;
    core.is_closed = true;
    core.timer.cancel();
    core.progress.set();
    core.wake({segment_number_max, UINT32_MAX}, std::make_exception_ptr(Error(Code::cancelled, "the log was closed")));
}

Task<std::unique_ptr<Log>> Log::open(Disk& disk, async::Pool& readers, std::filesystem::path folder, LogOptions options) {
    check(options);
    auto recovery = co_await async::offload(readers, [&] { return recover(disk, folder, options); });
    auto state = std::make_unique<State>();
    state->core = std::make_shared<Core>(co_await asio::this_coro::executor, disk, readers, std::move(folder), options, std::move(recovery));
    state->core->threads = &state->writer.threads();
    co_return std::unique_ptr<Log>(new Log(std::move(state)));
}

Position Log::append(std::uint8_t type, std::uint8_t version, std::span<const std::string_view> parts, std::string tail) {
    return state_->core->append(type, version, parts, std::move(tail));
}

Task<> Log::committed(Position position) {
    auto core = state_->core;
    if (const auto* refusal = core->refusal_of(position)) throw Error(refusal->code, refusal->message);
    if (position < core->durable_end) co_return;
    if (position >= core->end()) throw Error(Code::invalid, "no record was appended at that position yet");
    if (core->is_closed) throw Error(Code::invalid, core->folder.string() + ": the log is closed");
    core->kick();
    co_await wait_for(std::move(core), position);
}

Task<Position> Log::write(std::uint8_t type, std::uint8_t version, std::string body) {
    co_await room(body.size());
    const auto position = append(type, version, {}, std::move(body));
    co_await committed(position);
    co_return position;
}

Task<> Log::room(std::uint64_t bytes) {
    const auto core = state_->core;
    const auto span = format::Frame::padded(bytes + format::frame_bytes);
    while (core->statistics.pending_bytes > 0 && core->statistics.pending_bytes + span > core->options.pending_bytes_max && !core->is_closed)
        co_await core->progress.wait();
}

Task<> Log::sync() {
    if (state_->core->last != Position{}) co_await committed(state_->core->last);
}

Task<Record> Log::read(Position position) {
    const auto core = state_->core;
    while (position >= core->written_end && position < core->end() && !core->is_closed) co_await core->progress.wait();
    if (core->refusal_of(position) != nullptr) throw gone(*core, position);
    const auto found = core->segments.find(position.segment);
    if (position >= core->written_end) throw Error(Code::invalid, "no record was appended at that position yet");
    if (found == core->segments.end() || position.offset >= found->second.info.end.offset) throw gone(*core, position);
    const auto& segment = found->second;
    auto file = take_file(*core, position.segment);
    const auto path = segment.info.path;
    auto result = co_await async::offload(core->readers, [&disk = core->disk, &file, path, position, seed = segment.seed, limit = segment.info.end.offset,
                                                          most = core->options.record_bytes_max] {
        open_file(disk, file, path);
        return read_one(*file, seed, position, limit, most);
    });
    keep_file(*core, position.segment, std::move(file));
    if (result.outcome == ReadOne::Outcome::record) co_return std::move(result.record);
    if (result.outcome == ReadOne::Outcome::no_record)
        result.damage = {{}, position.offset, format::frame_bytes, "no true record"};
    const auto message = path.string() + ": the record at " + std::to_string(position.offset) + " is damaged: " + result.damage.what;
    // A wrong position is the caller's, and no damage of the disk.
    if (result.outcome == ReadOne::Outcome::no_record && (position.offset < format::head_bytes || position.offset % format::alignment != 0))
        throw Error(Code::invalid, path.string() + ": no record begins at " + std::to_string(position.offset));
    core->note(path, position.segment, std::move(result.damage));
    throw Error(Code::corrupt, message);
}

Task<Batch> Log::scan(Position from, Until until) {
    const auto core = state_->core;
    for (;;) {
        const auto limit = until == Until::durable ? core->durable_end : core->written_end;
        auto found = core->segments.lower_bound(from.segment);
        if (found != core->segments.end() && found->first == from.segment && from.offset >= found->second.info.end.offset) ++found;
        Batch none;
        none.next = std::max(from, limit);
        if (found == core->segments.end() || found->first > limit.segment) co_return none;
        const auto number = found->first;
        const Position begin{number, number == from.segment ? std::max(from.offset, format::head_bytes) : format::head_bytes};
        const auto stop = number == limit.segment ? std::min(limit.offset, found->second.info.end.offset) : found->second.info.end.offset;
        if (begin >= limit) co_return none;
        auto file = take_file(*core, number);
        const auto path = found->second.info.path;
        ReadRun run;
        bool is_gone = false;
        try {
            run = co_await async::offload(core->readers, [&disk = core->disk, &file, path, begin, stop, seed = found->second.seed, bytes = core->options.scan_bytes] {
                open_file(disk, file, path);
                return read_run(*file, seed, begin, stop, bytes);
            });
        } catch (const Error& e) {
            if (e.code() != Code::gone) throw;
            is_gone = true;
        }
        if (is_gone) {
            from = {number + 1, 0};
            continue;
        }
        keep_file(*core, number, std::move(file));
        for (auto& damage : run.damage) core->note(path, number, std::move(damage));
        if (!run.batch.records.empty()) co_return std::move(run.batch);
        from = run.batch.next;
    }
}

Task<> Log::more(Position position) {
    const auto core = state_->core;
    while (core->durable_end <= position) {
        if (core->is_closed) throw Error(Code::cancelled, core->folder.string() + ": the log is closed");
        co_await core->progress.wait();
    }
}

std::vector<SegmentInfo> Log::segments() const {
    std::vector<SegmentInfo> list;
    list.reserve(state_->core->segments.size());
    for (const auto& [number, segment] : state_->core->segments) list.push_back(segment.info);
    return list;
}

Task<> Log::remove(std::vector<std::uint32_t> numbers) {
    const auto core = state_->core;
    std::vector<std::filesystem::path> paths;
    for (const auto number : numbers) {
        const auto found = core->segments.find(number);
        if (found == core->segments.end()) continue;
        // The newest one carries the count of segments on, so that no position comes twice.
        if (found->second.info.is_active || number == core->segments.rbegin()->first)
            throw Error(Code::conflict, found->second.info.path.string() + " is the newest segment");
        paths.push_back(found->second.info.path);
    }
    if (paths.empty()) co_return;
    co_await async::offload(core->readers, [&disk = core->disk, &paths, folder = core->folder] {
        for (const auto& path : paths) disk.remove(path);
        disk.sync_folder(folder);
    });
    for (const auto number : numbers) {
        core->segments.erase(number);
        std::erase_if(core->files, [&](const auto& entry) { return entry.first == number; });
        std::erase_if(core->marks, [&](const auto& mark) { return mark.segment == number; });
    }
}

void Log::seal() {
    state_->core->seal_wanted = state_->core->tail_segment != 0 && state_->core->tail_seal.records > 0;
}

Position Log::begin() const {
    const auto& core = *state_->core;
    return core.segments.empty() ? Position{core.next_number, format::head_bytes} : core.segments.begin()->second.info.begin;
}

Position Log::end() const { return state_->core->end(); }
Position Log::durable_end() const { return state_->core->durable_end; }

std::uint64_t Log::bytes() const {
    std::uint64_t bytes = 0;
    for (const auto& [number, segment] : state_->core->segments) bytes += segment.info.bytes;
    return bytes;
}

std::uint64_t Log::reserved_bytes() const {
    const auto& core = *state_->core;
    if (core.tail_segment == 0 || core.seal_wanted || !core.segments.contains(core.tail_segment)) return 0;
    const auto used = std::min<std::uint64_t>(core.tail_offset + format::seal_bytes + format::frame_bytes, core.tail_capacity);
    return core.tail_capacity - used;
}

LogStatistics Log::statistics() const {
    auto statistics = state_->core->statistics;
    statistics.damaged_records = state_->core->damage.count();
    statistics.damage = state_->core->damage.first();
    statistics.torn_bytes = state_->core->torn_bytes;
    return statistics;
}

Task<> Log::close() {
    co_await sync();
    state_->core->is_closed = true;
    state_->core->timer.cancel();
}

}  // namespace hal::disk
