#include "hal/disk/log.hpp"

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <utility>

#include "hal/base/error.hpp"
#include "hal/base/log.hpp"
#include "hal/disk/log_core.hpp"
#include "hal/disk/log_reader.hpp"

namespace hal::disk {

using async::Task;

namespace {

constexpr std::uint32_t segment_bytes_min = 64 * 1024;
constexpr std::uint32_t segment_bytes_max = 1024 * 1024 * 1024;

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

// What recovery found, a line for each of the first places.
void tell(const std::filesystem::path& folder, const Recovery& recovery) {
    for (const auto& damage : recovery.damage.first()) log::error("disk", "{}", told(damage));
    if (recovery.damage.count() > recovery.damage.first().size()) log::error("disk", "{}: {} places are damaged", folder.string(), recovery.damage.count());
    if (recovery.torn_bytes > 0) log::warn("disk", "{}: the last write was torn and is cut off", folder.string());
}

}  // namespace

struct Log::State {
    std::shared_ptr<LogCore> core;  // shared with completions, see LogCore
    async::Pool writer{1};
};

namespace {

// Takes the open file of a segment from the cache, where there is one.
std::shared_ptr<File> take_file(LogCore& core, std::uint32_t number) {
    const auto found = std::ranges::find(core.files, number, [](const auto& entry) { return entry.first; });
    if (found == core.files.end()) return nullptr;
    std::rotate(found, found + 1, core.files.end());
    return core.files.back().second;
}

void keep_file(LogCore& core, std::uint32_t number, std::shared_ptr<File> file) {
    if (!core.segments.contains(number) || take_file(core, number)) return;
    if (core.files.size() >= core.options.files_max) core.files.erase(core.files.begin());
    core.files.emplace_back(number, std::move(file));
}

Error gone(const LogCore& core, Position position) {
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

Task<> wait_for(std::shared_ptr<LogCore> core, Position position) {
    const auto cancellation = co_await asio::this_coro::cancellation_state;
    if (cancellation.cancelled() != asio::cancellation_type::none) throw Error(Code::cancelled, "cancelled before the record was durable");
    co_await asio::async_initiate<const asio::use_awaitable_t<>&, void(std::exception_ptr)>(
        [&](auto handler) {
            const auto slot = asio::get_associated_cancellation_slot(handler);
            const auto waiter = core->waiters.emplace(position, LogCore::Waiter{std::move(handler), slot});
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
    core.wake({LogCore::segment_number_max, UINT32_MAX}, std::make_exception_ptr(Error(Code::cancelled, "the log was closed")));
}

Task<std::unique_ptr<Log>> Log::open(Disk& disk, async::Pool& readers, std::filesystem::path folder, LogOptions options) {
    check(options);
    auto recovery = co_await async::offload(readers, [&] { return recover(disk, folder, options); });
    tell(folder, recovery);
    auto state = std::make_unique<State>();
    state->core = std::make_shared<LogCore>(co_await asio::this_coro::executor, disk, readers, std::move(folder), options, std::move(recovery));
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
