#include <charconv>

#include "hal/base/error.hpp"
#include "hal/net/stream.hpp"

namespace hal::net {

namespace {

constexpr std::string_view unix_prefix = "unix:";

std::uint16_t port_of(std::string_view digits, const std::string& whole) {
    std::uint16_t port = 0;
    const auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    if (failure != std::errc{} || end != digits.data() + digits.size() || digits.empty())
        throw Error(Code::invalid, "address '" + whole + "': the port must be a number from 0 to 65535");
    return port;
}

}  // namespace

std::string Endpoint::to_string() const {
    if (is_unix) return std::string(unix_prefix) + address;
    const bool is_v6 = address.contains(':');
    return (is_v6 ? "[" + address + "]" : address) + ":" + std::to_string(port);
}

Endpoint Endpoint::parse(const std::string& text) {
    const std::string_view view = text;
    if (view.starts_with(unix_prefix)) {
        if (view.size() == unix_prefix.size()) throw Error(Code::invalid, "address 'unix:': a path must follow");
        return {.address = std::string(view.substr(unix_prefix.size())), .port = 0, .is_unix = true};
    }
    if (view.starts_with('[')) {
        const auto close = view.find("]:");
        if (close == std::string_view::npos)
            throw Error(Code::invalid, "address '" + text + "': an IPv6 address is written [ADDRESS]:PORT");
        return {.address = std::string(view.substr(1, close - 1)), .port = port_of(view.substr(close + 2), text)};
    }
    const auto colon = view.find(':');
    if (colon == std::string_view::npos || view.find(':', colon + 1) != std::string_view::npos)
        throw Error(Code::invalid, "address '" + text + "': needed is ADDRESS:PORT, [IPV6]:PORT or unix:PATH");
    const auto host = view.substr(0, colon);
    return {.address = host.empty() ? "::" : std::string(host), .port = port_of(view.substr(colon + 1), text)};
}

}  // namespace hal::net
