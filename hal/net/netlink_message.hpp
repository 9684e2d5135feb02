// Building and reading netlink messages, and one blocking request over a socket. Used by netlink*.cpp alone.
#pragma once

#include <linux/netlink.h>

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

namespace hal::net::netlink {

// A descriptor that closes itself.
class Descriptor {
public:
    explicit Descriptor(int fd = -1) : fd_(fd) {}
    ~Descriptor();
    Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Descriptor& operator=(Descriptor&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    [[nodiscard]] int get() const { return fd_; }

private:
    int fd_;
};

// An address in network order; `family` is AF_INET or AF_INET6. Throws Error{invalid}.
struct RawAddress {
    int family;
    std::string bytes;
};
RawAddress raw_address(const std::string& text);
std::string address_text(std::string_view bytes);  // 4 or 16 bytes, else ""

class Message {
public:
    Message(std::uint16_t type, std::uint16_t flags);
    template <class T>
    void put(const T& fixed) {  // the family's own header
        append({reinterpret_cast<const char*>(&fixed), sizeof fixed});
    }
    void attribute(std::uint16_t type, std::string_view value);
    void attribute(std::uint16_t type, std::uint32_t value) {
        attribute(type, std::string_view(reinterpret_cast<const char*>(&value), sizeof value));
    }
    void text(std::uint16_t type, const std::string& value) { attribute(type, std::string_view(value.c_str(), value.size() + 1)); }
    // An attribute that holds others: end(begin(type)) around them.
    std::size_t begin(std::uint16_t type);
    void end(std::size_t start);
    // The finished bytes, with length and sequence filled in.
    std::string_view finish(std::uint32_t sequence);

private:
    void append(std::string_view bytes);
    std::string bytes_;
};

// Calls `each(type, value)` for each attribute; stops at the first that does not fit.
void for_attributes(std::string_view bytes, const std::function<void(std::uint16_t type, std::string_view value)>& each);

template <class T>
bool read_fixed(std::string_view& bytes, T& into) {
    if (bytes.size() < NLMSG_ALIGN(sizeof into)) return false;
    std::memcpy(&into, bytes.data(), sizeof into);
    bytes.remove_prefix(NLMSG_ALIGN(sizeof into));
    return true;
}

Descriptor open_socket(int protocol);
// Sends `message` and gives each answer's payload to `each`; returns the kernel's error number (0: done). Throws Error
// when the socket itself fails or the answer is over `dump_bytes_max`.
int request(int fd, std::uint32_t sequence, Message& message,
            const std::function<void(std::uint16_t type, std::string_view payload)>& each = nullptr);

}  // namespace hal::net::netlink
