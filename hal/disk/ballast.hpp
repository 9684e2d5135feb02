// Space on the data partition that is given up when it is full, so that deleting works: a log or a database needs room to
// write that something is gone. One file of a fixed size, really allocated.
//
// Owns that file alone; when to give it up is its user's to say. Blocking (a system call or two): called from a worker or
// before the loop runs, by one thread at a time.
#pragma once

#include <cstdint>
#include <filesystem>

namespace hal::disk {

class Ballast {
public:
    // Nothing is touched yet.
    Ballast(std::filesystem::path file, std::int64_t bytes) : file_(std::move(file)), bytes_(bytes) {}
    // Takes the space unless it is held. False while the partition has not twice as much free: taking all that there is would
    // fill it up again. Never throws.
    bool hold();
    // Gives the space back. False when it was not held.
    bool give_up();

private:
    std::filesystem::path file_;
    std::int64_t bytes_;
};

}  // namespace hal::disk
