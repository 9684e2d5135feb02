// OpenSSL's one-algorithm functions are used, deprecated though they are: a state is a plain value that lives inside the
// hasher and may be copied, and no provider is loaded. The EVP functions allocate for each digest and cost an idle process
// the provider's tables.
#define OPENSSL_SUPPRESS_DEPRECATED
// xxHash is a header that is compiled in here.
#define XXH_INLINE_ALL
#include "services/codec/s3/checksum.hpp"

#include <openssl/md5.h>
#include <openssl/sha.h>
#include <xxhash.h>

#include <algorithm>
#include <new>
#include <type_traits>

#include "hal/base/bytes.hpp"
#include "hal/base/crc32c.hpp"
#include "hal/base/error.hpp"
#include "services/codec/crc/crc.hpp"

namespace services::codec::s3 {

namespace {

constexpr ChecksumRow rows[] = {
    {Checksum::crc32, "CRC32", "x-amz-checksum-crc32", "ChecksumCRC32", 4, ChecksumType::composite, true, true},
    {Checksum::crc32c, "CRC32C", "x-amz-checksum-crc32c", "ChecksumCRC32C", 4, ChecksumType::composite, true, true},
    {Checksum::crc64nvme, "CRC64NVME", "x-amz-checksum-crc64nvme", "ChecksumCRC64NVME", 8, ChecksumType::full_object, true, false},
    {Checksum::sha1, "SHA1", "x-amz-checksum-sha1", "ChecksumSHA1", 20, ChecksumType::composite, false, true},
    {Checksum::sha256, "SHA256", "x-amz-checksum-sha256", "ChecksumSHA256", 32, ChecksumType::composite, false, true},
    {Checksum::md5, "MD5", "x-amz-checksum-md5", "ChecksumMD5", 16, ChecksumType::composite, false, true},
    {Checksum::sha512, "SHA512", "x-amz-checksum-sha512", "ChecksumSHA512", 64, ChecksumType::composite, false, true},
    {Checksum::xxhash64, "XXHASH64", "x-amz-checksum-xxhash64", "ChecksumXXHASH64", 8, ChecksumType::composite, false, true},
    {Checksum::xxhash3, "XXHASH3", "x-amz-checksum-xxhash3", "ChecksumXXHASH3", 8, ChecksumType::composite, false, true},
    {Checksum::xxhash128, "XXHASH128", "x-amz-checksum-xxhash128", "ChecksumXXHASH128", 16, ChecksumType::composite, false, true},
};

bool same_letters(std::string_view a, std::string_view b) {
    return std::ranges::equal(a, b, [](char x, char y) { return (x >= 'A' && x <= 'Z' ? x + 32 : x) == (y >= 'A' && y <= 'Z' ? y + 32 : y); });
}

// OpenSSL's context inside the hasher's own bytes.
template <class Context, class State>
Context& context_of(State& state) {
    static_assert(sizeof(Context) <= sizeof(state.state) && alignof(Context) <= alignof(State) && std::is_trivially_copyable_v<Context>);
    return *std::launder(reinterpret_cast<Context*>(state.state.data()));
}

XXH3_state_t* xxh3(void* state) { return static_cast<XXH3_state_t*>(state); }

std::string big_endian(std::uint64_t value, std::size_t bytes) {
    std::string text(bytes, '\0');
    for (std::size_t i = 0; i < bytes; ++i) text[bytes - 1 - i] = static_cast<char>(value >> (8 * i));
    return text;
}

std::uint64_t from_big_endian(std::string_view bytes) {
    std::uint64_t value = 0;
    for (const char c : bytes) value = value << 8 | static_cast<unsigned char>(c);
    return value;
}

std::uint64_t combined(Checksum algorithm, std::uint64_t a, std::uint64_t b, std::uint64_t b_bytes) {
    switch (algorithm) {
        case Checksum::crc32: return crc::crc32_combine(static_cast<std::uint32_t>(a), static_cast<std::uint32_t>(b), b_bytes);
        case Checksum::crc32c: return crc::crc32c_combine(static_cast<std::uint32_t>(a), static_cast<std::uint32_t>(b), b_bytes);
        default: return crc::crc64nvme_combine(a, b, b_bytes);
    }
}

}  // namespace

std::span<const ChecksumRow> checksums() { return rows; }

const ChecksumRow& row_of(Checksum algorithm) { return rows[static_cast<std::size_t>(algorithm)]; }

const ChecksumRow* checksum_by_name(std::string_view name) {
    for (const auto& row : rows)
        if (same_letters(row.name, name)) return &row;
    return nullptr;
}

const ChecksumRow* checksum_by_header(std::string_view header) {
    for (const auto& row : rows)
        if (same_letters(row.header, header)) return &row;
    return nullptr;
}

Hasher::Hasher(Checksum algorithm) : algorithm_(algorithm), state_(std::uint64_t{0}) {
    switch (algorithm) {
        case Checksum::md5: MD5_Init(new (state_.emplace<Md5>().state.data()) MD5_CTX); break;
        case Checksum::sha1: SHA1_Init(new (state_.emplace<Sha1>().state.data()) SHA_CTX); break;
        case Checksum::sha256: SHA256_Init(new (state_.emplace<Sha256>().state.data()) SHA256_CTX); break;
        case Checksum::sha512: SHA512_Init(new (state_.emplace<Sha512>().state.data()) SHA512_CTX); break;
        case Checksum::xxhash64: XXH64_reset(new (state_.emplace<Xxh64>().state.data()) XXH64_state_t, 0); break;
        case Checksum::xxhash3: XXH3_64bits_reset(xxh3(state_.emplace<Xxh3>().state)); break;
        case Checksum::xxhash128: XXH3_128bits_reset(xxh3(state_.emplace<Xxh3>().state)); break;
        default: break;
    }
}

Hasher::Xxh3::Xxh3() : state(XXH3_createState()) {
    if (state == nullptr) throw std::bad_alloc();
}
Hasher::Xxh3::Xxh3(const Xxh3& other) : Xxh3() { XXH3_copyState(xxh3(state), xxh3(other.state)); }
Hasher::Xxh3& Hasher::Xxh3::operator=(const Xxh3& other) {
    if (this != &other) XXH3_copyState(xxh3(state), xxh3(other.state));
    return *this;
}
Hasher::Xxh3::~Xxh3() { XXH3_freeState(xxh3(state)); }

void Hasher::update(std::string_view bytes) {
    if (bytes.empty()) return;
    switch (algorithm_) {
        case Checksum::crc32: {
            auto& crc = std::get<std::uint64_t>(state_);
            crc = crc::crc32(static_cast<std::uint32_t>(crc), bytes);
            break;
        }
        case Checksum::crc32c: {
            auto& crc = std::get<std::uint64_t>(state_);
            crc = hal::crc32c(bytes, static_cast<std::uint32_t>(crc));
            break;
        }
        case Checksum::crc64nvme: {
            auto& crc = std::get<std::uint64_t>(state_);
            crc = crc::crc64nvme(crc, bytes);
            break;
        }
        case Checksum::md5: MD5_Update(&context_of<MD5_CTX>(std::get<Md5>(state_)), bytes.data(), bytes.size()); break;
        case Checksum::sha1: SHA1_Update(&context_of<SHA_CTX>(std::get<Sha1>(state_)), bytes.data(), bytes.size()); break;
        case Checksum::sha256: SHA256_Update(&context_of<SHA256_CTX>(std::get<Sha256>(state_)), bytes.data(), bytes.size()); break;
        case Checksum::sha512: SHA512_Update(&context_of<SHA512_CTX>(std::get<Sha512>(state_)), bytes.data(), bytes.size()); break;
        case Checksum::xxhash64: XXH64_update(&context_of<XXH64_state_t>(std::get<Xxh64>(state_)), bytes.data(), bytes.size()); break;
        case Checksum::xxhash3: XXH3_64bits_update(xxh3(std::get<Xxh3>(state_).state), bytes.data(), bytes.size()); break;
        case Checksum::xxhash128: XXH3_128bits_update(xxh3(std::get<Xxh3>(state_).state), bytes.data(), bytes.size()); break;
    }
}

std::string Hasher::digest() const {
    std::string digest(row_of(algorithm_).digest_bytes, '\0');
    auto* out = reinterpret_cast<unsigned char*>(digest.data());
    switch (algorithm_) {
        case Checksum::md5: {
            auto copy = std::get<Md5>(state_);
            MD5_Final(out, &context_of<MD5_CTX>(copy));
            return digest;
        }
        case Checksum::sha1: {
            auto copy = std::get<Sha1>(state_);
            SHA1_Final(out, &context_of<SHA_CTX>(copy));
            return digest;
        }
        case Checksum::sha256: {
            auto copy = std::get<Sha256>(state_);
            SHA256_Final(out, &context_of<SHA256_CTX>(copy));
            return digest;
        }
        case Checksum::sha512: {
            auto copy = std::get<Sha512>(state_);
            SHA512_Final(out, &context_of<SHA512_CTX>(copy));
            return digest;
        }
        case Checksum::xxhash64: {
            auto copy = std::get<Xxh64>(state_);
            return big_endian(XXH64_digest(&context_of<XXH64_state_t>(copy)), digest.size());
        }
        case Checksum::xxhash3: return big_endian(XXH3_64bits_digest(xxh3(std::get<Xxh3>(state_).state)), digest.size());
        case Checksum::xxhash128: {
            const auto hash = XXH3_128bits_digest(xxh3(std::get<Xxh3>(state_).state));
            return big_endian(hash.high64, 8) + big_endian(hash.low64, 8);
        }
        default: return big_endian(std::get<std::uint64_t>(state_), digest.size());
    }
}

void HasherSet::add(Checksum algorithm) {
    if (has(algorithm)) return;
    const auto slot = std::ranges::find_if(hashers_, [](const auto& hasher) { return !hasher; });
    HAL_REQUIRE(slot != hashers_.end());
    slot->emplace(algorithm);
}

void HasherSet::update(std::string_view bytes) {
    constexpr std::size_t piece_bytes = 16 * 1024;
    for (; !bytes.empty(); bytes.remove_prefix(std::min(bytes.size(), piece_bytes)))
        for (auto& hasher : hashers_)
            if (hasher) hasher->update(bytes.substr(0, piece_bytes));
}

const Hasher* HasherSet::find(Checksum algorithm) const {
    for (const auto& hasher : hashers_)
        if (hasher && hasher->algorithm() == algorithm) return &*hasher;
    return nullptr;
}

std::string HasherSet::digest(Checksum algorithm) const {
    const auto* hasher = find(algorithm);
    return hasher != nullptr ? hasher->digest() : std::string();
}

bool HasherSet::has(Checksum algorithm) const { return find(algorithm) != nullptr; }

std::string digest_of(Checksum algorithm, std::string_view bytes) {
    Hasher hasher(algorithm);
    hasher.update(bytes);
    return hasher.digest();
}

std::optional<std::string> checksum_decoded(Checksum algorithm, std::string_view base64) {
    auto digest = hal::base64_decoded(base64);
    if (!digest || digest->size() != row_of(algorithm).digest_bytes) return std::nullopt;
    return digest;
}

std::string full_object_digest(Checksum algorithm, std::span<const PartDigest> parts) {
    HAL_REQUIRE(row_of(algorithm).may_be_full_object);
    std::uint64_t crc = 0;
    for (const auto& part : parts) crc = combined(algorithm, crc, from_big_endian(part.digest), part.bytes);
    return big_endian(crc, row_of(algorithm).digest_bytes);
}

std::string composite_checksum(Checksum algorithm, std::span<const PartDigest> parts) {
    Hasher hasher(algorithm);
    for (const auto& part : parts) hasher.update(part.digest);
    return hal::base64(hasher.digest()) + "-" + std::to_string(parts.size());
}

std::string multipart_etag(std::span<const PartDigest> parts) {
    Hasher hasher(Checksum::md5);
    for (const auto& part : parts) hasher.update(part.digest);
    return hal::hex(hasher.digest()) + "-" + std::to_string(parts.size());
}

}  // namespace services::codec::s3
