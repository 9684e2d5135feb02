// Opened versions, and their bytes.
#include <algorithm>

#include "hal/base/log.hpp"
#include "services/objects/store/state.hpp"

namespace services::objects::store {

namespace {

constexpr int moves_max = 8;                    // a record may be moved by compaction while it is looked for
constexpr std::size_t verify_pieces = 4;        // read and checked in one go before they are sent
constexpr std::size_t verified_files_max = 4096;
constexpr std::size_t corrupt_listed_max = 64;

}  // namespace

Object object_of(const PutRecord& record, bool with_parts) {
    Object object;
    object.key = record.key;
    object.version = version_text(record.version);
    object.modified = hal::WallTime(std::chrono::microseconds(record.modified));
    object.bytes = record.bytes;
    object.etag = record.etag;
    object.is_delete_marker = record.flags & flag::delete_marker;
    object.is_evicted = record.flags & flag::evicted;
    object.sequence = record.sequence;
    object.metadata = record.metadata;
    if (with_parts && (record.flags & flag::multipart))
        for (const auto& part : record.parts) object.parts.push_back(part.part);
    return object;
}

Object object_of(const std::string& key, const Row& row) {
    Object object;
    object.key = key;
    object.version = version_text(row.version);
    object.modified = hal::WallTime(std::chrono::microseconds(row.modified));
    object.bytes = row.bytes;
    object.etag = row.etag;
    object.is_delete_marker = row.is_delete_marker();
    object.is_evicted = row.flags & flag::evicted;
    object.sequence = row.sequence;
    return object;
}

void Store::State::note_corrupt(const std::string& what) {
    ++counted.corrupt_objects;
    if (counted.corrupt.size() < corrupt_listed_max) counted.corrupt.push_back(what);
    hal::log::error("objects", "damaged: {}", what);
}

Task<Result<std::unique_ptr<Reader::State>>> Store::State::open_row(std::string bucket, std::uint64_t bucket_id, std::string key,
                                                                    std::optional<VersionKey> version, bool with_markers) {
    for (int moves = 0;; ++moves) {
        const auto row = co_await find(bucket_id, key, version);
        if (!row) co_return std::unexpected(version ? Refusal::no_such_version : Refusal::no_such_key);
        if (row->is_delete_marker() && !with_markers) co_return std::unexpected(version ? Refusal::is_delete_marker : Refusal::no_such_key);
        auto opened = std::make_unique<Reader::State>();
        std::optional<hal::Error> failure;
        try {
            opened->body = (co_await log->read(row->position)).body;
        } catch (const hal::Error& e) {
            failure = e;
        }
        if (failure) {
            if (failure->code() == hal::Code::gone && moves < moves_max) continue;
            if (failure->code() == hal::Code::corrupt) note_corrupt(bucket + "/" + key + " version " + version_text(row->version) + ": " + failure->what());
            throw hal::Error(*failure);
        }
        auto record = decoded(static_cast<std::uint8_t>(RecordType::put), opened->body);
        if (!record) {
            note_corrupt(bucket + "/" + key + " version " + version_text(row->version) + ": its record cannot be read");
            throw hal::Error(hal::Code::corrupt, bucket + "/" + key + ": its record cannot be read");
        }
        opened->store = this;
        opened->bucket = std::move(bucket);
        opened->record = std::get<PutRecord>(std::move(*record));
        opened->object = object_of(opened->record, true);
        opened->end = opened->record.bytes;
        // A version that was asked for by its id may not be the latest; which one is costs a second look.
        if (version) {
            const auto latest = co_await find(bucket_id, opened->record.key, std::nullopt);
            opened->object.is_latest = latest && latest->version == *version;
        }
        co_return opened;
    }
}

Task<Result<std::unique_ptr<Reader::State>>> Store::State::open_named(std::string bucket, std::string key, std::optional<std::string> version, bool with_markers) {
    const auto found = buckets.find(bucket);
    if (found == buckets.end()) co_return std::unexpected(Refusal::no_such_bucket);
    std::optional<VersionKey> wanted;
    if (version && !(wanted = version_key(*version))) co_return std::unexpected(Refusal::no_such_version);
    const auto id = found->second->bucket.id;
    co_return co_await open_row(std::move(bucket), id, std::move(key), std::move(wanted), with_markers);
}

Task<Result<Reader>> Store::open_object(std::string bucket, std::string key, std::optional<std::string> version) {
    auto opened = co_await state_->open_named(std::move(bucket), std::move(key), std::move(version), false);
    if (!opened) co_return std::unexpected(opened.error());
    if ((*opened)->object.is_evicted) co_return std::unexpected(Refusal::evicted);
    co_return Reader(std::move(*opened));
}

Task<Result<Object>> Store::stat(std::string bucket, std::string key, std::optional<std::string> version) {
    auto opened = co_await state_->open_named(std::move(bucket), std::move(key), std::move(version), true);
    if (!opened) co_return std::unexpected(opened.error());
    co_return std::move((*opened)->object);
}

Reader::Reader(std::unique_ptr<State> state) : state_(std::move(state)) {}
Reader::Reader(Reader&&) noexcept = default;
Reader& Reader::operator=(Reader&&) noexcept = default;
Reader::~Reader() = default;

const Object& Reader::object() const { return state_->object; }

void Reader::select(std::uint64_t offset, std::uint64_t bytes) {
    HAL_REQUIRE(offset <= state_->record.bytes && bytes <= state_->record.bytes - offset);
    state_->at = offset;
    state_->end = offset + bytes;
}

std::optional<std::string_view> Reader::inline_bytes() const {
    if (!state_->record.parts.empty()) return std::nullopt;
    return state_->record.data.substr(state_->at, state_->end - state_->at);
}

namespace {

// The part that byte `at` lies in, and where that part begins.
std::pair<std::size_t, std::uint64_t> part_at(const std::vector<StoredPart>& parts, std::uint64_t at) {
    std::uint64_t begin = 0;
    for (std::size_t i = 0; i < parts.size(); ++i) {
        if (at < begin + parts[i].part.bytes) return {i, begin};
        begin += parts[i].part.bytes;
    }
    HAL_REQUIRE(false);
    return {};
}

}  // namespace

// Opens the file of the part at `at` and makes sure that the piece there, and a few behind it, were verified since start.
// The offset within the part, and the part's end there as far as it was verified (both within the selected range).
Task<std::pair<std::uint64_t, std::uint64_t>> Reader::State::prepare() {
    const auto [index, begin] = part_at(record.parts, at);
    const auto& stored = record.parts[index];
    auto& seen = store->verified;
    const auto path = part_path(store->folder, stored.blob);
    std::optional<hal::Error> failure;
    try {
        if (part != index) {
            file = co_await hal::async::offload(store->file_pool, [this, &path, &stored] {
                return std::make_shared<PartReader>(store->disk, path, stored.part.bytes);
            });
            part = index;
        }
        if (seen.size() >= verified_files_max && !seen.contains(stored.blob)) seen.clear();
        const auto offset = at - begin;
        const auto first = static_cast<std::size_t>(offset / piece_bytes);
        const auto last = static_cast<std::size_t>((std::min(begin + stored.part.bytes, end) - begin - 1) / piece_bytes);
        auto& before = seen[stored.blob];
        before.resize(file->pieces());
        if (!before[first]) {
            const auto until = std::min(last + 1, first + verify_pieces);
            co_await hal::async::offload(store->file_pool, [this, first, until, &path] {
                std::string bytes;
                for (auto piece = first; piece < until; ++piece)
                    if (!file->read_piece(piece, bytes))
                        throw hal::Error(hal::Code::corrupt, path.string() + ": the piece at byte " + std::to_string(piece * piece_bytes) +
                                                                 " does not match its checksum");
            });
            auto& after = seen[stored.blob];
            after.resize(file->pieces());
            for (auto piece = first; piece < until; ++piece) after[piece] = true;
        }
        const auto& pieces = seen[stored.blob];
        auto until = first;
        while (until <= last && pieces[until]) ++until;
        const auto stop = std::min<std::uint64_t>(std::uint64_t{until} * piece_bytes, std::min(begin + stored.part.bytes, end) - begin);
        co_return std::pair(offset, stop);
    } catch (const hal::Error& e) {
        failure = e;
    }
    if (failure->code() == hal::Code::not_found) failure = hal::Error(hal::Code::corrupt, path.string() + ": is not there");
    if (failure->code() == hal::Code::corrupt)
        store->note_corrupt(bucket + "/" + object.key + " version " + object.version + ": " + failure->what());
    throw hal::Error(*failure);
}

Task<std::optional<std::string_view>> Reader::next_bytes() {
    auto& s = *state_;
    if (s.at == s.end) co_return std::nullopt;
    if (s.record.parts.empty()) {
        const auto bytes = s.record.data.substr(s.at, s.end - s.at);
        s.at = s.end;
        co_return bytes;
    }
    const auto [offset, stop] = co_await s.prepare();
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(stop - offset, piece_bytes - offset % piece_bytes));
    co_await hal::async::offload(s.store->file_pool, [&s, offset, size] { s.file->read(offset, size, s.buffer); });
    s.at += size;
    co_return s.buffer;
}

Task<std::optional<Reader::Piece>> Reader::next() {
    auto& s = *state_;
    if (s.at == s.end) co_return std::nullopt;
    if (!s.record.parts.empty()) {
        const auto [offset, stop] = co_await s.prepare();
        if (const int descriptor = s.file->descriptor(); descriptor >= 0) {
            s.at += stop - offset;
            co_return Piece(FilePiece{descriptor, offset, stop - offset});
        }
    }
    const auto bytes = co_await next_bytes();
    co_return Piece(*bytes);
}

}  // namespace services::objects::store
