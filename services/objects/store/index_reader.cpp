// Questions to the index: versions of a key, listings, uploads.
#include <algorithm>
#include <cstring>

#include "hal/base/error.hpp"
#include "services/objects/store/index.hpp"

namespace services::objects::store {

namespace {

// So many rows of one key are read over before the index is asked for the next key.
constexpr int rows_before_seek = 8;

std::int64_t signed_of(std::uint64_t value) { return static_cast<std::int64_t>(value); }
std::uint64_t unsigned_of(std::int64_t value) { return static_cast<std::uint64_t>(value); }

constexpr std::string_view row_columns =
    "key, ord, version, sequence, position, length, bytes, modified, etag, flags, oldest, blobs FROM versions ";

Row row_of(const hal::disk::Statement& s) {
    return {.order = unsigned_of(-s.integer(1)),
            .version = std::string(s.bytes(2)),
            .sequence = unsigned_of(s.integer(3)),
            .position = Position::of(unsigned_of(s.integer(4))),
            .length = static_cast<std::uint32_t>(s.integer(5)),
            .bytes = unsigned_of(s.integer(6)),
            .modified = s.integer(7),
            .etag = std::string(s.bytes(8)),
            .flags = unsigned_of(s.integer(9)),
            .oldest = static_cast<std::uint32_t>(s.integer(10)),
            .blobs = std::string(s.bytes(11))};
}

// The smallest text behind all that begin with `prefix`; nullopt: there is none.
std::optional<std::string> behind(std::string prefix) {
    while (!prefix.empty() && static_cast<unsigned char>(prefix.back()) == 0xff) prefix.pop_back();
    if (prefix.empty()) return std::nullopt;
    prefix.back() = static_cast<char>(static_cast<unsigned char>(prefix.back()) + 1);
    return prefix;
}

// The common prefix that `key` counts under; empty: it stands for itself.
std::string_view common_prefix(std::string_view key, const std::string& prefix, const std::string& delimiter) {
    if (delimiter.empty()) return {};
    const auto at = key.find(delimiter, prefix.size());
    return at == std::string_view::npos ? std::string_view() : key.substr(0, at + delimiter.size());
}

UploadRecord upload_of(std::string_view body) {
    auto record = decoded(static_cast<std::uint8_t>(RecordType::upload), body);
    if (!record) throw hal::Error(hal::Code::corrupt, "the index holds an upload that cannot be read");
    return std::get<UploadRecord>(std::move(*record));
}

}  // namespace

IndexReader IndexReader::open(const std::filesystem::path& file, std::size_t cache_bytes) {
    return IndexReader(hal::disk::Sqlite::open(file, {.mode = hal::disk::Sqlite::Mode::reader, .cache_bytes = cache_bytes}));
}

std::vector<Row> IndexReader::versions(std::uint64_t bucket, std::string_view key, std::span<const VersionKey> skip, std::size_t rows_max) {
    std::vector<Row> found;
    auto s = database_.prepare("SELECT " + std::string(row_columns) + "WHERE bucket = ? AND key = ? ORDER BY ord");
    s.bind(signed_of(bucket)).bind(key);
    while (found.size() < rows_max && s.step())
        if (std::find(skip.begin(), skip.end(), s.bytes(2)) == skip.end()) found.push_back(row_of(s));
    return found;
}

std::optional<Row> IndexReader::version(std::uint64_t bucket, std::string_view key, std::string_view version) {
    auto s = database_.prepare("SELECT " + std::string(row_columns) + "WHERE bucket = ? AND key = ? AND version = ?");
    s.bind(signed_of(bucket)).bind(key).bind(version);
    return s.step() ? std::optional(row_of(s)) : std::nullopt;
}

std::optional<Row> IndexReader::by_order(std::uint64_t bucket, std::string_view key, std::uint64_t order) {
    auto s = database_.prepare("SELECT " + std::string(row_columns) + "WHERE bucket = ? AND key = ? AND ord = ?");
    s.bind(signed_of(bucket)).bind(key).bind(-signed_of(order));
    return s.step() ? std::optional(row_of(s)) : std::nullopt;
}

bool IndexReader::has_any(std::uint64_t bucket) {
    auto s = database_.prepare("SELECT 1 FROM versions WHERE bucket = ? LIMIT 1");
    s.bind(signed_of(bucket));
    return s.step();
}

ListPage IndexReader::list(std::uint64_t bucket, const ListRequest& request) {
    ListPage page;
    const auto keys_max = std::min<std::size_t>(request.keys_max, 1000);
    if (keys_max == 0) return page;
    // `from` and the order behind which to go on within it; -1 begins at the key's newest version.
    std::string from = request.prefix;
    std::int64_t from_ord = std::numeric_limits<std::int64_t>::min();
    std::string last_key;  // whose newest version has been dealt with
    bool has_last = false;
    if (request.after >= request.prefix && !request.after.empty()) {
        from = request.after;
        from_ord = std::numeric_limits<std::int64_t>::max();
        if (request.with_versions && !request.after_version.empty()) {
            if (const auto key = version_key(request.after_version))
                if (const auto row = version(bucket, request.after, *key)) {
                    from_ord = -signed_of(row->order);
                    has_last = true;
                    last_key = request.after;
                }
        }
        // A marker that is a common prefix leaves out all that it stands for.
        if (!request.delimiter.empty() && common_prefix(from, request.prefix, request.delimiter) == from) {
            const auto next = behind(from);
            if (!next) return page;
            from = *next;
            from_ord = std::numeric_limits<std::int64_t>::min();
            has_last = false;
        }
    }
    // `until` is the end of the prefix' range; without one a text that no key reaches.
    const auto until = behind(request.prefix).value_or(std::string(key_bytes_max + 1, '\xff'));
    std::size_t count = 0;
    for (bool is_done = false; !is_done;) {
        auto s = database_.prepare("SELECT " + std::string(row_columns) +
                                   "WHERE bucket = ?1 AND (key, ord) > (?2, ?3) AND key < ?4 ORDER BY key, ord");
        s.bind(signed_of(bucket)).bind(std::string_view(from)).bind(from_ord).bind(std::string_view(until));
        is_done = true;
        int skipped = 0;
        while (s.step()) {
            const auto key = s.bytes(0);
            const bool is_first = !has_last || key != last_key;
            if (!is_first && !request.with_versions) {
                if (++skipped < rows_before_seek) continue;
                from = last_key;
                from_ord = std::numeric_limits<std::int64_t>::max();
                is_done = false;
                break;
            }
            skipped = 0;
            const auto common = common_prefix(key, request.prefix, request.delimiter);
            const bool is_marker = unsigned_of(s.integer(9)) & flag::delete_marker;
            if (!common.empty()) {
                // A prefix shows when something under it does.
                if (is_marker && !request.with_versions) {
                    last_key.assign(key);
                    has_last = true;
                    continue;
                }
                if (count == keys_max) {
                    page.is_truncated = true;
                    break;
                }
                page.prefixes.emplace_back(common);
                page.next = page.prefixes.back();
                page.next_version.clear();
                ++count;
                const auto next = behind(page.prefixes.back());
                if (!next) break;
                from = *next;
                from_ord = std::numeric_limits<std::int64_t>::min();
                is_done = false;
                break;
            }
            if (is_first) {
                last_key.assign(key);
                has_last = true;
                if (is_marker && !request.with_versions) continue;
            }
            if (count == keys_max) {
                page.is_truncated = true;
                break;
            }
            page.rows.push_back({std::string(key), row_of(s), is_first});
            page.next.assign(key);
            page.next_version = version_text(page.rows.back().row.version);
            ++count;
        }
    }
    if (!page.is_truncated) {
        page.next.clear();
        page.next_version.clear();
    }
    return page;
}

std::optional<UploadRow> IndexReader::upload(std::string_view id) {
    auto s = database_.prepare("SELECT position, body FROM uploads WHERE id = ?");
    s.bind(id);
    if (!s.step()) return std::nullopt;
    return UploadRow{upload_of(s.bytes(1)), Position::of(unsigned_of(s.integer(0)))};
}

std::vector<StoredPart> IndexReader::parts(std::string_view upload, unsigned after, std::size_t parts_max) {
    std::vector<StoredPart> found;
    auto s = database_.prepare("SELECT body FROM parts WHERE upload = ? AND number > ? ORDER BY number LIMIT ?");
    s.bind(upload).bind(std::int64_t{after}).bind(signed_of(parts_max));
    while (s.step()) {
        auto record = decoded(static_cast<std::uint8_t>(RecordType::part), s.bytes(0));
        if (!record) throw hal::Error(hal::Code::corrupt, "the index holds a part that cannot be read");
        found.push_back(std::get<PartRecord>(std::move(*record)).part);
    }
    return found;
}

std::optional<Position> IndexReader::part_position(std::string_view upload, unsigned number) {
    auto s = database_.prepare("SELECT position FROM parts WHERE upload = ? AND number = ?");
    s.bind(upload).bind(std::int64_t{number});
    return s.step() ? std::optional(Position::of(unsigned_of(s.integer(0)))) : std::nullopt;
}

UploadPage IndexReader::uploads(std::uint64_t bucket, const UploadListRequest& request) {
    UploadPage page;
    const auto uploads_max = std::min<std::size_t>(request.uploads_max, 1000);
    std::string from = std::max(request.prefix, request.after_key);
    // Behind every upload of the marker's key, or behind the one named.
    std::string from_id = request.after_key.empty() || from != request.after_key ? std::string()
                          : request.after_upload.empty()                       ? std::string(17, '\xff')
                                                                              : request.after_upload;
    if (!request.delimiter.empty() && !request.after_key.empty() && common_prefix(from, request.prefix, request.delimiter) == from) {
        const auto next = behind(from);
        if (!next) return page;
        from = *next;
        from_id.clear();
    }
    const auto until = behind(request.prefix).value_or(std::string(key_bytes_max + 1, '\xff'));
    std::size_t count = 0;
    for (bool is_done = uploads_max == 0; !is_done;) {
        auto s = database_.prepare("SELECT key, body FROM uploads WHERE bucket = ?1 AND (key, id) > (?2, ?3) AND key < ?4 ORDER BY key, id");
        s.bind(signed_of(bucket)).bind(std::string_view(from)).bind(std::string_view(from_id)).bind(std::string_view(until));
        is_done = true;
        while (s.step()) {
            if (count == uploads_max) {
                page.is_truncated = true;
                break;
            }
            ++count;
            const auto common = common_prefix(s.bytes(0), request.prefix, request.delimiter);
            if (!common.empty()) {
                page.prefixes.emplace_back(common);
                page.next_key = page.prefixes.back();
                page.next_upload.clear();
                const auto next = behind(page.prefixes.back());
                if (!next) break;
                from = *next;
                from_id.clear();
                is_done = false;
                break;
            }
            page.uploads.push_back(upload_of(s.bytes(1)));
            page.next_key = page.uploads.back().key;
            page.next_upload = page.uploads.back().id;
        }
    }
    return page;
}

std::vector<std::uint64_t> IndexReader::unknown_blobs(std::span<const std::uint64_t> blobs) {
    std::vector<std::uint64_t> unknown;
    for (const auto blob : blobs) {
        auto s = database_.prepare("SELECT 1 FROM blobs WHERE id = ?");
        s.bind(signed_of(blob));
        if (!s.step()) unknown.push_back(blob);
    }
    return unknown;
}

}  // namespace services::objects::store
