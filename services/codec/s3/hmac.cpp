#include "services/codec/s3/hmac.hpp"

#include "hal/base/bytes.hpp"

namespace services::codec::s3 {

std::string hmac(Checksum algorithm, std::string_view key, std::string_view text) {
    const std::size_t block_bytes = algorithm == Checksum::sha512 ? 128 : 64;
    char inner_pad[128], outer_pad[128];
    const std::string short_key = key.size() > block_bytes ? digest_of(algorithm, key) : std::string(key);
    for (std::size_t i = 0; i < block_bytes; ++i) {
        const char byte = i < short_key.size() ? short_key[i] : '\0';
        inner_pad[i] = static_cast<char>(byte ^ 0x36);
        outer_pad[i] = static_cast<char>(byte ^ 0x5c);
    }
    Hasher inner(algorithm), outer(algorithm);
    inner.update({inner_pad, block_bytes});
    inner.update(text);
    outer.update({outer_pad, block_bytes});
    outer.update(inner.digest());
    return outer.digest();
}

std::string sha256_hex(std::string_view text) { return hal::hex(digest_of(Checksum::sha256, text)); }

}  // namespace services::codec::s3
