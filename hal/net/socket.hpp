// What a Stream hides, for who decides when bytes leave: pairs of connected sockets, and how much of what was written may wait
// in the kernel unsent (where no one can put it in another order any more).
#pragma once

#include <chrono>
#include <cstddef>

#include "hal/net/stream.hpp"

namespace hal::net {

struct StreamPair {
    StreamPtr ours;
    int theirs = -1;  // the caller's to close
};
// Both ends of a connected pair of Unix sockets. `buffer_bytes`: about what the kernel keeps of what was written to `theirs`.
// Throws Error{exhausted|io}.
StreamPair socket_pair(async::Executor executor, std::size_t buffer_bytes);

struct Pace {
    std::size_t unsent_bytes_max;         // a write waits while more than this has not left
    std::chrono::milliseconds dead_after; // bytes or probes that the other side does not confirm for so long end the connection
};
// As dial().
Task<StreamPtr> dial_paced(Endpoint endpoint, std::chrono::steady_clock::duration limit, Pace pace);

}  // namespace hal::net
