#include "hal/disk/log_recovery.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "hal/base/bytes.hpp"
#include "hal/base/error.hpp"

namespace hal::disk {

namespace {

using format::Walk;
using Kind = Walk::Step::Kind;

constexpr std::size_t window_bytes = 256 * 1024;
constexpr std::uint64_t segment_bytes_max = std::uint64_t{1} << 31;  // of a file found: offsets have 32 bits

std::string read_head(File& file) {
    std::string head(format::head_bytes, '\0');
    head.resize(file.read_at(0, head.data(), head.size()));
    return head;
}

// What is left over behind the last multiple of 8 holds no whole record.
std::uint64_t bounded_size(File& file) { return std::min(file.size(), segment_bytes_max) / format::alignment * format::alignment; }

void note_damage(Recovery& recovery, const Segment& segment, std::uint64_t offset, std::uint64_t bytes, std::string what) {
    recovery.damage.add({segment.info.number, static_cast<std::uint32_t>(offset)}, {segment.info.path, offset, bytes, std::move(what)});
}

void note_damage(Recovery& recovery, const Segment& segment, const Walk::Step& step) {
    note_damage(recovery, segment, step.offset, step.span, step.frame ? "the body's checksum does not hold" : "no true record");
}

void count(Segment& segment, const format::Frame& frame) {
    ++segment.info.records;
    segment.body_bytes += frame.length;
}

// A segment that is written no more: all that is not a record is damage.
void recover_closed(Recovery& recovery, Segment& segment, File& file, std::uint64_t limit) {
    Walk walk(file, segment.seed, format::head_bytes, limit, window_bytes);
    segment.info.end.offset = format::head_bytes;
    for (;;) {
        const auto step = walk.next(nullptr);
        if (step.kind == Kind::end) break;
        if (step.kind == Kind::damaged)
            note_damage(recovery, segment, step);
        else if (step.frame->type == format::seal_type)
            break;
        else
            count(segment, *step.frame);
        segment.info.end.offset = static_cast<std::uint32_t>(step.offset + step.span);
    }
}

// Fills in what the seal at the end of the file says; false when there is none.
bool read_seal(Segment& segment, File& file, std::uint64_t size) {
    if (size < format::head_bytes + format::seal_bytes || size % format::alignment != 0) return false;
    const auto at = static_cast<std::uint32_t>(size - format::seal_bytes);
    Walk walk(file, segment.seed, at, size, window_bytes);
    std::string body;
    const auto step = walk.next(&body);
    if (step.kind != Kind::record || step.frame->type != format::seal_type) return false;
    const auto seal = format::decode_seal(body);
    if (!seal) return false;
    segment.info.records = seal->records;
    segment.body_bytes = seal->body_bytes;
    segment.info.end.offset = at;
    return true;
}

struct LastEnd {
    std::uint32_t group_begin = format::head_bytes;  // all before it was durable
    std::uint64_t valid_end = format::head_bytes;    // behind the last true record
};

LastEnd find_last_group(File& file, std::uint32_t seed, std::uint64_t size) {
    LastEnd last;
    Walk walk(file, seed, format::head_bytes, size, window_bytes);
    for (;;) {
        const auto step = walk.next(nullptr);
        if (step.kind == Kind::end) return last;
        if (step.kind != Kind::record) continue;
        if (step.frame->group_begin % format::alignment == 0 && step.frame->group_begin <= step.offset)
            last.group_begin = std::max(last.group_begin, step.frame->group_begin);
        last.valid_end = step.offset + step.span;
        if (step.frame->type == format::seal_type) return last;
    }
}

// Writes the last group again, so that its pages are dirty: after a failed sync the kernel may hold them as clean although
// they never reached the disk, and the sync that follows here would say that all is well.
void write_again(File& file, std::uint64_t from, std::uint64_t to) {
    std::string piece;
    while (from < to) {
        piece.resize(std::min<std::uint64_t>(to - from, window_bytes));
        piece.resize(file.read_at(from, piece.data(), piece.size()));
        if (piece.empty()) return;
        const std::string_view part = piece;
        file.write_at(from, {&part, 1});
        from += piece.size();
    }
}

// The newest segment: finds its end, cuts what is torn, makes it durable. It may be written on when nothing but zeros follows.
void recover_last(Recovery& recovery, Segment& segment, std::unique_ptr<File> file, std::uint64_t size) {
    const auto last = find_last_group(*file, segment.seed, size);
    auto& end = segment.info.end.offset;
    end = format::head_bytes;
    bool is_sealed = false;
    bool is_torn = false;
    Walk walk(*file, segment.seed, format::head_bytes, size, window_bytes);
    for (;;) {
        auto step = walk.next(nullptr);
        const bool is_last = step.offset >= last.valid_end;
        if (step.kind == Kind::end) {
            if (walk.is_zero(step.offset)) break;
            is_torn = true;
            if (!walk.looks_lost(step, true) && !walk.is_zero(std::uint64_t{step.offset} + format::frame_bytes))
                note_damage(recovery, segment, step.offset, size - step.offset, "no true record, and none behind it");
            break;
        }
        if (step.kind == Kind::record) {
            if (step.frame->type == format::seal_type) {
                is_sealed = true;
                break;
            }
            count(segment, *step.frame);
        } else if (!step.frame && step.offset < last.group_begin && step.offset + step.span > last.group_begin) {
            // The last group begins within it: up to there it is damage, and from there on it is looked at anew.
            step.span = last.group_begin - step.offset;
            note_damage(recovery, segment, step);
            walk = Walk(*file, segment.seed, last.group_begin, size, window_bytes);
        } else if (step.offset >= last.group_begin && walk.looks_lost(step, is_last)) {
            is_torn = true;
            break;
        } else {
            note_damage(recovery, segment, step);
        }
        end = static_cast<std::uint32_t>(step.offset + step.span);
    }
    write_again(*file, std::min(last.group_begin, end), is_sealed ? end + format::seal_bytes : end);
    const bool is_full = std::uint64_t{end} + format::seal_bytes > size;
    if (!is_sealed && (is_torn || is_full)) {
        if (is_torn) recovery.torn_bytes += size - end;
        const auto seal = format::encode_seal({segment.info.records, segment.body_bytes}, std::min(last.group_begin, end), segment.seed, end);
        const std::string_view part = seal;
        file->write_at(end, {&part, 1});
        file->truncate(std::uint64_t{end} + format::seal_bytes);
        is_sealed = true;
    }
    file->sync_data();
    segment.info.bytes = file->size();
    if (is_sealed) return;
    segment.info.is_active = true;
    recovery.active_capacity = static_cast<std::uint32_t>(size);
    recovery.active = std::move(file);
}

struct Found {
    std::uint32_t number = 0;
    std::filesystem::path path;
    std::optional<format::Head> head;
};

// The segments of the folder by their heads, oldest first; files that were made and never held a record are removed.
std::vector<Found> find_segments(Disk& disk, const std::filesystem::path& folder, std::size_t segments_max) {
    std::vector<Found> found;
    bool removed = false;
    for (const auto& entry : disk.list(folder, segments_max + 64)) {
        const auto number = format::segment_of(entry.name);
        if (!number || entry.is_folder) continue;
        Found segment{*number, folder / entry.name, std::nullopt};
        const auto file = disk.open(segment.path, Disk::Mode::read);
        segment.head = format::decode_head(read_head(*file));
        if (segment.head && segment.head->version > format::version)
            throw Error(Code::unsupported, segment.path.string() + " has format " + std::to_string(segment.head->version) +
                                               ", and this program knows formats up to " + std::to_string(format::version));
        if (segment.head && segment.head->segment != *number) segment.head.reset();
        if (!segment.head && Walk(*file, 0, format::head_bytes, bounded_size(*file), window_bytes).is_zero(format::head_bytes)) {
            disk.remove(segment.path);
            removed = true;
            continue;
        }
        found.push_back(std::move(segment));
    }
    if (removed) disk.sync_folder(folder);
    return found;
}

}  // namespace

bool DamageList::add(Position at, Damage damage) {
    const auto place = std::ranges::lower_bound(seen_, at.value());
    if ((place != seen_.end() && *place == at.value()) || seen_.size() == damage_seen_max) return false;
    seen_.insert(place, at.value());
    ++count_;
    if (first_.size() < damage_max) first_.push_back(std::move(damage));
    return true;
}

Recovery recover(Disk& disk, const std::filesystem::path& folder, const LogOptions& options) {
    Recovery recovery;
    disk.make_folder(folder);
    disk.sync_folder(folder.has_parent_path() ? folder.parent_path() : ".");
    const auto found = find_segments(disk, folder, options.segments_max);
    recovery.identity = options.identity;
    std::map<std::uint32_t, std::uint32_t> marks;
    for (const auto& [number, path, head] : found) {
        if (!head) continue;
        recovery.identity = head->identity;
        for (const auto& mark : head->marks) {
            const auto [known, is_new] = marks.try_emplace(mark.segment, mark.end);
            if (!is_new) known->second = std::min(known->second, mark.end);
        }
    }
    if (recovery.identity == 0) {
        const auto random = random_bytes(sizeof recovery.identity);
        std::memcpy(&recovery.identity, random.data(), random.size());
    }
    for (std::size_t i = 0; i < found.size(); ++i) {
        const auto& [number, path, head] = found[i];
        Segment segment;
        segment.info = {.number = number, .path = path, .begin = {number, format::head_bytes}, .end = {number, format::head_bytes}};
        segment.seed = format::seed(head ? head->identity : recovery.identity, number);
        const bool is_last = i + 1 == found.size();
        auto file = disk.open(path, is_last && head ? Disk::Mode::write : Disk::Mode::read);
        const auto size = bounded_size(*file);
        segment.info.bytes = size;
        const auto mark = marks.find(number);
        if (!head) note_damage(recovery, segment, 0, format::head_bytes, "neither copy of the segment's head holds");
        if (mark != marks.end()) {
            segment.info.is_abandoned = true;
            recover_closed(recovery, segment, *file, std::min<std::uint64_t>(size, mark->second));
            segment.info.end.offset = std::max(format::head_bytes, mark->second);
        } else if (is_last && head) {
            recover_last(recovery, segment, std::move(file), size);
        } else if (!read_seal(segment, *file, size)) {
            recover_closed(recovery, segment, *file, size);
        }
        recovery.next_number = number + 1;
        recovery.segments.emplace(number, std::move(segment));
    }
    return recovery;
}

}  // namespace hal::disk
