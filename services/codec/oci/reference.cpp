#include "services/codec/oci/reference.hpp"

#include <algorithm>

#include "hal/base/error.hpp"

namespace services::codec::oci {

using hal::Code;
using hal::Error;

namespace {

constexpr std::size_t name_bytes_max = 255;
constexpr std::size_t tag_bytes_max = 128;

bool is_lower_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_word(char c) { return is_lower_or_digit(c) || is_upper(c) || c == '_'; }

// path-component := [a-z0-9]+ (separator [a-z0-9]+)*, separator := "." | "_" | "__" | "-"+
bool is_component(std::string_view text) {
    std::size_t i = 0;
    const auto run = [&](auto is) {
        const auto begin = i;
        while (i < text.size() && is(text[i])) ++i;
        return i - begin;
    };
    if (run(is_lower_or_digit) == 0) return false;
    while (i < text.size()) {
        const auto begin = i;
        const auto length = run([](char c) { return !is_lower_or_digit(c); });
        const auto separator = text.substr(begin, length);
        const bool dashes = std::ranges::all_of(separator, [](char c) { return c == '-'; });
        if (separator != "." && separator != "_" && separator != "__" && !dashes) return false;
        if (run(is_lower_or_digit) == 0) return false;
    }
    return true;
}

bool is_domain(std::string_view text) {
    if (text.starts_with('[')) return text.contains(']');
    const auto colon = text.find(':');
    if (colon != std::string_view::npos) {
        const auto port = text.substr(colon + 1);
        if (port.empty() || !std::ranges::all_of(port, [](char c) { return c >= '0' && c <= '9'; })) return false;
    }
    const auto host = text.substr(0, colon);
    return !host.empty() && host.front() != '-' && host.back() != '-' && host.front() != '.' && host.back() != '.' &&
           std::ranges::all_of(host, [](char c) { return (is_word(c) && c != '_') || c == '-' || c == '.'; });
}

bool is_tag(std::string_view text) {
    return !text.empty() && text.size() <= tag_bytes_max && is_word(text.front()) &&
           std::ranges::all_of(text, [](char c) { return is_word(c) || c == '.' || c == '-'; });
}

[[noreturn]] void refuse() { throw Error(Code::invalid, "invalid reference format"); }

}  // namespace

bool is_sha256_digest(std::string_view text) {
    constexpr std::string_view prefix = "sha256:";
    return text.size() == prefix.size() + 64 && text.starts_with(prefix) &&
           std::ranges::all_of(text.substr(prefix.size()), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

std::string normalise_reference(std::string_view reference) {
    if (reference.empty()) refuse();
    std::string_view digest;
    if (const auto at = reference.find('@'); at != std::string_view::npos) {
        digest = reference.substr(at + 1);
        reference = reference.substr(0, at);
        if (!is_sha256_digest(digest)) refuse();
    }
    std::string_view tag;
    if (const auto colon = reference.rfind(':'); colon != std::string_view::npos && reference.find('/', colon) == std::string_view::npos) {
        tag = reference.substr(colon + 1);
        reference = reference.substr(0, colon);
        if (!is_tag(tag)) refuse();
    }
    // The first component is a host only if it looks like one (splitDockerDomain).
    const auto slash = reference.find('/');
    const auto first = reference.substr(0, slash);
    const bool has_domain = slash != std::string_view::npos &&
                            (first.find_first_of(".:") != std::string_view::npos || first == "localhost" || std::ranges::any_of(first, is_upper));
    std::string domain = has_domain ? std::string(first) : "docker.io";
    std::string path(has_domain ? reference.substr(slash + 1) : reference);
    if (domain == "index.docker.io") domain = "docker.io";
    if (domain == "docker.io" && !path.contains('/')) path = "library/" + path;
    if (std::ranges::any_of(path, is_upper))
        throw Error(Code::invalid, "invalid reference format: repository name (" + path + ") must be lowercase");
    if (!is_domain(domain)) refuse();
    for (std::string_view rest = path;;) {
        const auto end = rest.find('/');
        if (!is_component(rest.substr(0, end))) refuse();
        if (end == std::string_view::npos) break;
        rest = rest.substr(end + 1);
    }
    const auto name = domain + "/" + path;
    if (name.size() > name_bytes_max) throw Error(Code::invalid, "repository name must not be more than 255 characters");
    if (!digest.empty()) return name + "@" + std::string(digest);
    return name + ":" + (tag.empty() ? "latest" : std::string(tag));
}

}  // namespace services::codec::oci
