// A byte stream: TCP, Unix socket or TLS, behind one face. Who holds a Stream does not know which it is.
//
// One reader and one writer at a time. End of stream is a read of 0 bytes; a reset or a time-out throws hal::Error.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "hal/async/task.hpp"

namespace hal::async {
class Pool;
}

namespace hal::net {

using async::Task;

// An address a socket is bound to or came from: IPv4, IPv6 ("::1", no brackets) or a Unix path (port 0).
struct Endpoint {
    std::string address;
    std::uint16_t port = 0;
    bool is_unix = false;
    // "10.42.0.2:80", "[::1]:80", "unix:/run/x.sock".
    [[nodiscard]] std::string to_string() const;
    // Reads the forms of to_string() and ":80" (every address, both families). Throws Error{invalid}.
    static Endpoint parse(const std::string& text);
};

// What TLS learned about the other side.
struct TlsPeer {
    std::string alpn;                            // "" when none was agreed
    std::optional<std::string> certificate_der;  // the verified leaf certificate, if one was shown
    // Server side: a certificate was shown that does not verify, and why. The connection stands without it, as Go's
    // servers have it: a Kubernetes client with an old certificate is answered 401 and not cut off.
    std::optional<std::string> certificate_problem;
};

// A part of an open file, to be sent. The file stays open while it is used.
struct FileRange {
    int descriptor = -1;
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
    async::Pool* pool = nullptr;  // reads what is not in memory yet
};

// Reads the front of `range` into `into` (at least one byte, unless either is empty) and takes it off `range`: what lies
// in memory at once, what does not on the pool. Throws Error{io}, and Error{corrupt} when the file ends before.
Task<std::size_t> read_range(FileRange& range, std::span<std::byte> into);

class Stream {
public:
    virtual ~Stream() = default;
    // At least one byte, or 0 at the end of the stream. Throws Error{unavailable|timed_out|cancelled|io}.
    virtual Task<std::size_t> read_some(std::span<std::byte> into) = 0;
    // Writes all of `from`.
    virtual Task<> write(std::span<const std::byte> from) = 0;
    // Writes all of `range`; a socket's bytes go from the file to it by the kernel (sendfile(2)).
    virtual Task<> send_file(FileRange range);
    // Says to the peer that nothing more will be written (TLS: close_notify).
    virtual Task<> finish_writing() = 0;
    // Closes at once; pending operations end with Error{cancelled}. Never throws.
    virtual void close() noexcept = 0;
    [[nodiscard]] virtual Endpoint local() const = 0;
    [[nodiscard]] virtual Endpoint remote() const = 0;
    // Null unless this is TLS.
    [[nodiscard]] virtual const TlsPeer* tls() const { return nullptr; }
    // Peer's user id on a Unix socket (SO_PEERCRED).
    [[nodiscard]] virtual std::optional<unsigned> peer_uid() const { return std::nullopt; }
};

using StreamPtr = std::unique_ptr<Stream>;

// Accepts connections; bound sockets close when it goes.
class Listener {
public:
    // Binds and listens; port 0 takes a free one. A Unix path is replaced if nobody listens there. `before_address_exists`:
    // an address that this machine does not have yet is bound all the same (IP_FREEBIND). Throws Error.
    static std::unique_ptr<Listener> bind(async::Executor executor, const Endpoint& endpoint, bool before_address_exists = false);
    // Takes over a listening socket passed by the guard (LISTEN_FDS).
    static std::unique_ptr<Listener> adopt(async::Executor executor, int descriptor);
    virtual ~Listener() = default;
    virtual Task<StreamPtr> accept() = 0;
    [[nodiscard]] virtual Endpoint local() const = 0;
    // To pass it on to a child; stays the listener's.
    [[nodiscard]] virtual int descriptor() = 0;
    virtual void close() noexcept = 0;
};

// Connects within `limit`. A name is resolved (getaddrinfo on a worker); each address is tried in order.
Task<StreamPtr> dial(Endpoint endpoint, std::chrono::steady_clock::duration limit = std::chrono::seconds(10));

}  // namespace hal::net
