// Bodies on their way in: in memory while they are small, then a part file.
#include <boost/asio/post.hpp>

#include "hal/base/bytes.hpp"
#include "hal/base/log.hpp"
#include "services/objects/store/state.hpp"

namespace services::objects::store {

namespace {

// Smaller writes are gathered up to this before they go to the file.
constexpr std::size_t gather_bytes = 128 * 1024;

}  // namespace

std::uint64_t new_blob() {
    std::uint64_t blob = 0;
    const auto bytes = hal::random_bytes(sizeof blob);
    std::memcpy(&blob, bytes.data(), sizeof blob);
    return blob;
}

Body::Body(std::unique_ptr<State> state) : state_(std::move(state)) {}
Body::Body(Body&&) noexcept = default;
Body& Body::operator=(Body&&) noexcept = default;
Body::~Body() = default;

Body::State::~State() {
    if (is_stored || !store) return;
    if (blob) store->remove_blobs({blob}, file && file->file_bytes() != 0);
    std::vector<std::uint64_t> links;
    for (const auto& part : shared) links.push_back(part.blob);
    store->remove_blobs(std::move(links));
}

void Store::State::remove_blobs(std::vector<std::uint64_t> blobs, bool is_counted) {
    if (blobs.empty()) return;
    for (const auto blob : blobs) {
        young.erase(blob);
        verified.erase(blob);
    }
    // Nothing waits for it: a file that is left over is collected after the next unclean end, or by the next sweep.
    boost::asio::post(file_pool.threads(), [&disk_of = disk, path = folder, list = std::move(blobs), counted_bytes = is_counted ? part_bytes : nullptr] {
        for (const auto blob : list) {
            try {
                const auto file = part_path(path, blob);
                const auto bytes = disk_of.open(file, hal::disk::Disk::Mode::read)->size();
                if (disk_of.remove(file) && counted_bytes) *counted_bytes -= static_cast<std::int64_t>(bytes);
            } catch (const hal::Error& e) {
                if (e.code() != hal::Code::not_found) hal::log::warn("objects", "remove a part file: {}", e.what());
            }
        }
    });
}

std::uint64_t Body::bytes() const { return state_->bytes; }

void Body::adopt(std::string bytes) {
    HAL_REQUIRE(state_->bytes == 0);
    state_->bytes = bytes.size();
    state_->buffer = std::move(bytes);
}

Task<> Body::write(std::string_view bytes) {
    auto& s = *state_;
    s.bytes += bytes.size();
    if (!s.file && s.bytes <= s.store->options.inline_bytes_max) {
        s.buffer.append(bytes);
        co_return;
    }
    if (!s.blob) {
        s.blob = new_blob();
        s.store->young.insert(s.blob);
    }
    const bool gathers = s.file && s.buffer.size() + bytes.size() < gather_bytes;
    if (gathers) {
        s.buffer.append(bytes);
        co_return;
    }
    s.store->bytes_since_look += s.buffer.size() + bytes.size();
    co_await hal::async::offload(s.store->file_pool, [&s, bytes] {
        if (!s.file) s.file = std::make_unique<PartWriter>(s.store->disk, part_path(s.store->folder, s.blob), s.expected);
        if (!s.buffer.empty()) s.file->write(s.buffer);
        s.file->write(bytes);
    });
    s.buffer.clear();
    if (!s.buffer.capacity()) s.buffer.reserve(gather_bytes);
}

Task<> Body::State::finish() {
    if (!file && !needs_file) co_return;
    if (!shared.empty()) co_return;
    if (!blob) {
        blob = new_blob();
        store->young.insert(blob);
    }
    co_await hal::async::offload(store->file_pool, [this] {
        if (!file) file = std::make_unique<PartWriter>(store->disk, part_path(store->folder, blob), bytes);
        if (!buffer.empty()) file->write(buffer);
        file->finish();
    });
    *store->part_bytes += static_cast<std::int64_t>(file->file_bytes());
    buffer = {};
}

std::vector<StoredPart> Body::State::parts(std::int64_t modified) const {
    if (!shared.empty()) return shared;
    if (!blob) return {};
    StoredPart part;
    part.blob = blob;
    part.part.number = 1;
    part.part.bytes = bytes;
    part.part.modified = hal::WallTime(std::chrono::microseconds(modified));
    return {part};
}

Result<Body> Store::body(BodyOptions options) {
    auto& s = *state_;
    if (options.bytes && *options.bytes > s.options.object_bytes_max) return std::unexpected(Refusal::entity_too_large);
    if (s.is_full()) return std::unexpected(Refusal::storage_full);
    const auto large = options.bytes && *options.bytes > s.options.inline_bytes_max;
    if (large && s.free_bytes != UINT64_MAX && *options.bytes + s.options.reserve_bytes > s.free_bytes)
        return std::unexpected(Refusal::storage_full);
    auto made = std::make_unique<Body::State>();
    made->store = &s;
    made->expected = large ? options.bytes : std::nullopt;
    return Body(std::move(made));
}

Task<Result<Body>> Store::body_of(Reader& source, BodyOptions options) {
    auto& s = *state_;
    auto& from = *source.state_;
    options.bytes = from.end - from.at;
    auto made = body(options);
    if (!made) co_return std::unexpected(made.error());
    if (from.record.parts.empty() || from.at != 0 || from.end != from.record.bytes) {
        while (const auto bytes = co_await source.next_bytes()) co_await made->write(*bytes);
        co_return made;
    }
    auto& to = *made->state_;
    for (auto part : from.record.parts) {
        const auto blob = new_blob();
        s.young.insert(blob);
        to.shared.push_back(part);
        to.shared.back().blob = blob;
        const auto was = part.blob;
        co_await hal::async::offload(s.file_pool, [&s, was, blob] {
            const auto path = part_path(s.folder, blob);
            *s.part_bytes += static_cast<std::int64_t>(s.disk.open(part_path(s.folder, was), hal::disk::Disk::Mode::read)->size());
            s.disk.make_folder(path.parent_path());
            s.disk.link(part_path(s.folder, was), path);
            s.disk.sync_folder(path.parent_path());
        });
    }
    to.bytes = from.record.bytes;
    co_return made;
}

}  // namespace services::objects::store
