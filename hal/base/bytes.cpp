#include "hal/base/bytes.hpp"

#include <sys/random.h>

#include <array>
#include <cstdint>

#include "hal/base/error.hpp"

namespace hal {
namespace {

constexpr std::string_view standard = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view url = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

std::string encoded(std::string_view bytes, std::string_view alphabet, bool padded) {
    std::string out;
    out.reserve((bytes.size() + 2) / 3 * 4);
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        std::uint32_t group = 0;
        const std::size_t have = std::min<std::size_t>(3, bytes.size() - i);
        for (std::size_t k = 0; k < 3; ++k)
            group = group << 8 | (k < have ? static_cast<std::uint8_t>(bytes[i + k]) : 0U);
        for (std::size_t k = 0; k < 4; ++k) {
            if (k <= have)
                out.push_back(alphabet[group >> (18 - 6 * k) & 63]);
            else if (padded)
                out.push_back('=');
        }
    }
    return out;
}

constexpr int no_digit = 255;

std::array<std::uint8_t, 256> digits_of(std::string_view alphabet) {
    std::array<std::uint8_t, 256> digits{};
    digits.fill(no_digit);
    for (std::size_t i = 0; i < alphabet.size(); ++i) digits[static_cast<std::uint8_t>(alphabet[i])] = static_cast<std::uint8_t>(i);
    return digits;
}

void append_group(std::string& out, std::uint32_t group, std::size_t digits) {
    group <<= 6 * (4 - digits);
    for (std::size_t k = 0; k + 1 < digits; ++k) out.push_back(static_cast<char>(group >> (16 - 8 * k) & 255));
}

}  // namespace

std::string base64(std::string_view bytes) { return encoded(bytes, standard, true); }
std::string base64url(std::string_view bytes) { return encoded(bytes, url, false); }

std::optional<std::string> base64_decoded(std::string_view text, Base64Error* error) {
    static const auto digits = digits_of(standard);
    auto fail = [&](std::size_t at) -> std::optional<std::string> {
        if (error) error->offset = at;
        return std::nullopt;
    };
    auto skip_breaks = [&](std::size_t at) {
        while (at < text.size() && (text[at] == '\n' || text[at] == '\r')) ++at;
        return at;
    };
    std::string out;
    out.reserve(text.size() / 4 * 3);
    std::size_t at = 0;
    std::uint32_t group = 0;
    std::size_t have = 0;
    // Offsets follow Go's decodeQuantum, whose messages clients print.
    while (true) {
        at = skip_breaks(at);
        if (at == text.size()) {
            if (have == 0) return out;
            return fail(at - have);
        }
        const char c = text[at++];
        if (const auto digit = digits[static_cast<std::uint8_t>(c)]; digit != no_digit) {
            group = group << 6 | digit;
            if (++have == 4) {
                append_group(out, group, 4);
                group = 0;
                have = 0;
            }
            continue;
        }
        if (c != '=') return fail(at - 1);
        if (have < 2) return fail(at - 1);
        if (have == 2) {
            at = skip_breaks(at);
            if (at == text.size()) return fail(text.size());
            if (text[at] != '=') return fail(at - 1);
            ++at;
        }
        append_group(out, group, have);
        at = skip_breaks(at);
        if (at < text.size()) return fail(at);
        return out;
    }
}

std::optional<std::string> base64url_decoded(std::string_view text) {
    static const auto digits = digits_of(url);
    while (!text.empty() && text.back() == '=') text.remove_suffix(1);
    if (text.size() % 4 == 1) return std::nullopt;
    std::string out;
    std::uint32_t group = 0;
    std::size_t have = 0;
    for (char c : text) {
        const auto digit = digits[static_cast<std::uint8_t>(c)];
        if (digit == no_digit) return std::nullopt;
        group = group << 6 | digit;
        if (++have == 4) {
            append_group(out, group, 4);
            group = 0;
            have = 0;
        }
    }
    if (have != 0) append_group(out, group, have);
    return out;
}

std::string hex(std::string_view bytes) {
    static constexpr std::string_view alphabet = "0123456789abcdef";
    std::string out;
    out.reserve(bytes.size() * 2);
    for (char c : bytes) {
        out.push_back(alphabet[static_cast<std::uint8_t>(c) >> 4]);
        out.push_back(alphabet[static_cast<std::uint8_t>(c) & 15]);
    }
    return out;
}

std::optional<std::string> hex_decoded(std::string_view text) {
    if (text.size() % 2 != 0) return std::nullopt;
    auto digit = [](char c) -> int {
        if (c >= '0' && c <= '9') return c - '0';
        if (c >= 'a' && c <= 'f') return c - 'a' + 10;
        if (c >= 'A' && c <= 'F') return c - 'A' + 10;
        return -1;
    };
    std::string out;
    for (std::size_t i = 0; i < text.size(); i += 2) {
        const int high = digit(text[i]);
        const int low = digit(text[i + 1]);
        if (high < 0 || low < 0) return std::nullopt;
        out.push_back(static_cast<char>(high * 16 + low));
    }
    return out;
}

bool equal_secrets(std::string_view a, std::string_view b) {
    if (a.size() != b.size()) return false;
    volatile unsigned char difference = 0;
    for (std::size_t i = 0; i < a.size(); ++i)
        difference = difference | static_cast<unsigned char>(a[i] ^ b[i]);
    return difference == 0;
}

std::string random_bytes(std::size_t count) {
    std::string out(count, '\0');
    std::size_t have = 0;
    while (have < count) {
        const auto got = ::getrandom(out.data() + have, count - have, 0);
        if (got < 0) throw system_error("getrandom");
        have += static_cast<std::size_t>(got);
    }
    return out;
}

std::string random_uuid() {
    std::string bytes = random_bytes(16);
    bytes[6] = static_cast<char>((bytes[6] & 0x0f) | 0x40);
    bytes[8] = static_cast<char>((bytes[8] & 0x3f) | 0x80);
    std::string text = hex(bytes);
    for (std::size_t at : {20U, 16U, 12U, 8U}) text.insert(at, "-");
    return text;
}

}  // namespace hal
