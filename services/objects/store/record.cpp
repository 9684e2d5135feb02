// A record's body is its fields in the order below: numbers as base-128 varints (least significant group first, signed
// ones zigzag), texts as their length and bytes, lists as their length and elements. A field that a later version adds
// stands at the end; a put's data follows its length.
//
// A removal of version none (the null version) of "a" in bucket 5, order 7, sequence 9, 3 bytes, at 1970-01-01T00:00:01Z,
// nothing dispatched:
//   09        sequence         05        bucket          01 61     key
//   00        version          07        order           03        bytes
//   80 89 7a  time (1,000,000 zigzag)                    00        dispatches
#include "services/objects/store/record.hpp"

#include "hal/base/bytes.hpp"

namespace services::objects::store {

namespace {

constexpr std::size_t list_elements_max = 100'000;

class Writer {
public:
    void number(const std::uint64_t& value) {
        std::uint64_t left = value;
        for (; left >= 0x80; left >>= 7) bytes_.push_back(static_cast<char>(left | 0x80));
        bytes_.push_back(static_cast<char>(left));
    }
    void number(const std::int64_t& value) {
        number((static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63));
    }
    void text(std::string_view value) {
        number(static_cast<std::uint64_t>(value.size()));
        bytes_.append(value);
    }
    template <class Element, class Function>
    void list(const std::vector<Element>& elements, Function function) {
        number(static_cast<std::uint64_t>(elements.size()));
        for (const auto& element : elements) function(*this, element);
    }
    std::string take() { return std::move(bytes_); }

private:
    std::string bytes_;
};

class Scanner {
public:
    explicit Scanner(std::string_view bytes) : left_(bytes) {}
    void number(std::uint64_t& value) {
        value = 0;
        for (unsigned shift = 0; shift < 64; shift += 7) {
            if (left_.empty()) return fail();
            const auto byte = static_cast<unsigned char>(left_.front());
            left_.remove_prefix(1);
            value |= std::uint64_t{byte & 0x7fu} << shift;
            if (byte < 0x80) return;
        }
        fail();
    }
    void number(std::int64_t& value) {
        std::uint64_t zigzag = 0;
        number(zigzag);
        value = static_cast<std::int64_t>(zigzag >> 1) ^ -static_cast<std::int64_t>(zigzag & 1);
    }
    void text(std::string& value) { value = piece(); }
    std::string_view piece() {
        std::uint64_t size = 0;
        number(size);
        if (size > left_.size()) {
            fail();
            return {};
        }
        const auto found = left_.substr(0, size);
        left_.remove_prefix(size);
        return found;
    }
    template <class Element, class Function>
    void list(std::vector<Element>& elements, Function function) {
        std::uint64_t count = 0;
        number(count);
        if (count > list_elements_max || count > left_.size()) return fail();
        elements.resize(count);
        for (auto& element : elements) function(*this, element);
    }
    [[nodiscard]] bool is_good() const { return !failed_; }

private:
    void fail() {
        failed_ = true;
        left_ = {};
    }
    std::string_view left_;
    bool failed_ = false;
};

// Each record's fields, once for both ways: `a` is a Writer with a const record or a Scanner with one to fill.
const auto field = [](auto& a, auto& f) {
    a.text(f.first);
    a.text(f.second);
};

void metadata(auto& a, auto& m) {
    a.list(m.headers, field);
    a.list(m.user, field);
    a.list(m.tags, field);
    a.list(m.checksums, field);
    a.text(m.checksum_type);
}

// The time of a part, as the microseconds since 1970.
void time(Writer& a, const hal::WallTime& t) { a.number(std::int64_t{t.time_since_epoch().count()}); }
void time(Scanner& a, hal::WallTime& t) {
    std::int64_t count = 0;
    a.number(count);
    t = hal::WallTime(std::chrono::microseconds(count));
}
void small(Writer& a, const unsigned& n) { a.number(std::uint64_t{n}); }
void small(Scanner& a, unsigned& n) {
    std::uint64_t wide = 0;
    a.number(wide);
    n = static_cast<unsigned>(wide);
}
void flag_bit(Writer& a, const bool& b) { a.number(std::uint64_t{b}); }
void flag_bit(Scanner& a, bool& b) {
    std::uint64_t wide = 0;
    a.number(wide);
    b = wide != 0;
}

const auto stored_part = [](auto& a, auto& p) {
    a.number(p.blob);
    small(a, p.part.number);
    a.number(p.part.bytes);
    a.text(p.part.etag);
    time(a, p.part.modified);
    a.list(p.part.checksums, field);
};

const auto dispatch = [](auto& a, auto& d) {
    a.text(d.destination);
    a.text(d.note);
    flag_bit(a, d.superseded_by_next);
};

template <class T, class R>
concept is_a = std::same_as<std::remove_const_t<T>, R>;

void fields(auto& a, is_a<PutRecord> auto& r) {
    a.number(r.sequence);
    a.number(r.order);
    a.number(r.bucket);
    a.text(r.key);
    a.text(r.version);
    a.number(r.modified);
    a.number(r.bytes);
    a.number(r.flags);
    a.text(r.etag);
    metadata(a, r.metadata);
    a.list(r.parts, stored_part);
    a.text(r.upload);
    a.text(r.key_salt);
    a.list(r.dispatches, dispatch);
}

void fields(auto& a, is_a<RemoveRecord> auto& r) {
    a.number(r.sequence);
    a.number(r.bucket);
    a.text(r.key);
    a.text(r.version);
    a.number(r.order);
    a.number(r.bytes);
    a.number(r.time);
    a.list(r.dispatches, dispatch);
}

void fields(auto& a, is_a<BucketRecord> auto& r) {
    a.number(r.sequence);
    a.number(r.id);
    a.text(r.name);
    a.number(r.created);
    a.number(r.versioning);
    a.number(r.quota_bytes);
    a.number(r.is_removed);
    a.list(r.configuration, field);
}

void fields(auto& a, is_a<UploadRecord> auto& r) {
    a.number(r.sequence);
    a.text(r.id);
    a.number(r.bucket);
    a.text(r.key);
    a.number(r.initiated);
    metadata(a, r.metadata);
    a.text(r.checksum_algorithm);
    a.text(r.checksum_type);
    a.number(r.is_encrypted);
    a.text(r.key_salt);
}

void fields(auto& a, is_a<PartRecord> auto& r) {
    a.number(r.sequence);
    a.text(r.upload);
    stored_part(a, r.part);
}

void fields(auto& a, is_a<UploadEndRecord> auto& r) {
    a.number(r.sequence);
    a.text(r.upload);
}

void fields(auto& a, is_a<OutboxRecord> auto& r) {
    a.number(r.state);
    dispatch(a, r.dispatch);
    a.list(r.sequences, [](auto& b, auto& n) { b.number(n); });
    a.number(r.bucket);
    a.text(r.key);
    a.text(r.version);
    a.number(r.is_removal);
    a.number(r.bytes);
    a.number(r.time);
    a.text(r.reason);
    a.number(r.tries);
}

std::string written(const auto& record) {
    Writer writer;
    fields(writer, record);
    return writer.take();
}

template <class R>
std::optional<AnyRecord> read(std::string_view body) {
    Scanner scanner(body);
    R record;
    fields(scanner, record);
    if (!scanner.is_good()) return std::nullopt;
    return AnyRecord(std::move(record));
}

}  // namespace

std::string encoded(const PutRecord& record) {
    Writer writer;
    fields(writer, record);
    writer.number(static_cast<std::uint64_t>(record.data.size()));
    return writer.take();
}
std::string encoded(const RemoveRecord& record) { return written(record); }
std::string encoded(const BucketRecord& record) { return written(record); }
std::string encoded(const UploadRecord& record) { return written(record); }
std::string encoded(const PartRecord& record) { return written(record); }
std::string encoded(const UploadEndRecord& record) { return written(record); }
std::string encoded(const OutboxRecord& record) { return written(record); }

RecordType type_of(const AnyRecord& record) { return static_cast<RecordType>(record.index() + 1); }

std::optional<AnyRecord> decoded(std::uint8_t type, std::string_view body) {
    switch (static_cast<RecordType>(type)) {
        case RecordType::put: {
            Scanner scanner(body);
            PutRecord record;
            fields(scanner, record);
            record.data = scanner.piece();
            if (!scanner.is_good()) return std::nullopt;
            return AnyRecord(std::move(record));
        }
        case RecordType::remove: return read<RemoveRecord>(body);
        case RecordType::bucket: return read<BucketRecord>(body);
        case RecordType::upload: return read<UploadRecord>(body);
        case RecordType::part: return read<PartRecord>(body);
        case RecordType::upload_end: return read<UploadEndRecord>(body);
        case RecordType::outbox: return read<OutboxRecord>(body);
    }
    return std::nullopt;
}

std::string encoded_fields(const Fields& list) {
    Writer writer;
    writer.list(list, field);
    return writer.take();
}

Fields decoded_fields(std::string_view bytes) {
    Scanner scanner(bytes);
    Fields list;
    scanner.list(list, field);
    return scanner.is_good() ? list : Fields{};
}

std::optional<VersionKey> version_key(std::string_view text) {
    if (text == null_version) return VersionKey();
    if (text.size() != 36 || text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-') return std::nullopt;
    std::string digits;
    for (const char c : text)
        if (c != '-') digits.push_back(c);
    auto key = hal::hex_decoded(digits);
    if (!key || key->size() != 16) return std::nullopt;
    return key;
}

std::string version_text(std::string_view key) {
    if (key.empty()) return std::string(null_version);
    auto text = hal::hex(key);
    for (const std::size_t at : {8u, 13u, 18u, 23u}) text.insert(at, 1, '-');
    return text;
}

std::string_view name_of(Refusal refusal) {
    switch (refusal) {
        case Refusal::no_such_bucket: return "no such bucket";
        case Refusal::bucket_exists: return "bucket exists";
        case Refusal::bucket_not_empty: return "bucket not empty";
        case Refusal::too_many_buckets: return "too many buckets";
        case Refusal::no_such_key: return "no such key";
        case Refusal::no_such_version: return "no such version";
        case Refusal::is_delete_marker: return "delete marker";
        case Refusal::precondition_failed: return "precondition failed";
        case Refusal::no_such_upload: return "no such upload";
        case Refusal::invalid_part: return "invalid part";
        case Refusal::invalid_part_order: return "invalid part order";
        case Refusal::entity_too_small: return "part too small";
        case Refusal::entity_too_large: return "too large";
        case Refusal::storage_full: return "storage full";
        case Refusal::quota_exceeded: return "quota exceeded";
        case Refusal::too_many_uploads: return "too many uploads";
        case Refusal::evicted: return "evicted";
    }
    return "refused";
}

}  // namespace services::objects::store
