// How many durable records a second the segment log takes, what they cost, and how many bytes reach the disk for them;
// beside a file for each record (temporary name, fsync, rename, fsync of the folder) on the same disk, in the same run.
//
//   bench_log FOLDER SECONDS RECORD_BYTES WRITERS       the log with WRITERS who each wait for their record
//   bench_log FOLDER SECONDS RECORD_BYTES files          the files, one after the other
//
// Prints one line: records, seconds, CPU microseconds a record, bytes written a byte of record.
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <print>
#include <stdexcept>
#include <string>

#include "hal/async/task.hpp"
#include "hal/disk/log.hpp"

using Clock = std::chrono::steady_clock;
using hal::async::Task;

namespace {

void must(bool holds, const char* what) {
    if (!holds) throw std::runtime_error(what);
}

double cpu_seconds() {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    const auto seconds = [](const timeval& time) { return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6; };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

std::uint64_t written_bytes() {
    std::ifstream file("/proc/self/io");
    for (std::string name; file >> name;) {
        std::uint64_t value = 0;
        file >> value;
        if (name == "write_bytes:") return value;
    }
    return 0;
}

Task<> write_until(hal::disk::Log& log, const std::string& body, Clock::time_point end, std::uint64_t& records) {
    while (Clock::now() < end) {
        co_await log.committed(log.append(1, 1, {body}));
        ++records;
    }
}

std::uint64_t to_log(const std::filesystem::path& folder, const std::string& body, unsigned writers, Clock::time_point end) {
    boost::asio::io_context loop{1};
    hal::async::Pool readers{1};
    std::unique_ptr<hal::disk::Log> log;
    std::uint64_t records = 0;
    unsigned running = writers;
    boost::asio::co_spawn(loop, hal::disk::Log::open(hal::disk::system_disk(), readers, folder / "log", {}),
                          [&](std::exception_ptr failure, std::unique_ptr<hal::disk::Log> opened) {
                              if (failure) std::rethrow_exception(failure);
                              log = std::move(opened);
                          });
    while (!log) loop.run_one();
    for (unsigned i = 0; i < writers; ++i)
        boost::asio::co_spawn(loop, write_until(*log, body, end, records), [&](std::exception_ptr failure) {
            if (failure) std::rethrow_exception(failure);
            --running;
        });
    loop.restart();  // it had nothing left to do once the log was open
    while (running > 0) loop.run_one();
    return records;
}

std::uint64_t to_files(const std::filesystem::path& folder, const std::string& body, Clock::time_point end) {
    const int parent = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY);
    std::uint64_t records = 0;
    while (Clock::now() < end) {
        const auto name = folder / std::to_string(records % 1000), temporary = folder / "new";
        const int file = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
        must(file >= 0 && ::write(file, body.data(), body.size()) == static_cast<ssize_t>(body.size()) && ::fsync(file) == 0, "write");
        ::close(file);
        must(::rename(temporary.c_str(), name.c_str()) == 0 && ::fsync(parent) == 0, "rename");
        ++records;
    }
    ::close(parent);
    return records;
}

}  // namespace

int main(int count, char** values) {
    if (count != 5) return std::fputs("bench_log FOLDER SECONDS RECORD_BYTES WRITERS|files\n", stderr), 2;
    const std::filesystem::path folder = values[1];
    const std::string body(std::strtoul(values[3], nullptr, 10), 'x');
    const auto begin = Clock::now();
    const auto end = begin + std::chrono::milliseconds(static_cast<int>(1000 * std::strtod(values[2], nullptr)));
    const auto cpu = cpu_seconds();
    const auto written = written_bytes();
    const bool is_files = std::string(values[4]) == "files";
    const auto records = is_files ? to_files(folder, body, end) : to_log(folder, body, static_cast<unsigned>(std::strtoul(values[4], nullptr, 10)), end);
    const std::chrono::duration<double> took = Clock::now() - begin;
    const auto bytes = static_cast<double>(records) * static_cast<double>(body.size());
    std::println("{} {:.3f} {:.3f} {:.4f}", records, took.count(), 1e6 * (cpu_seconds() - cpu) / static_cast<double>(records),
                 static_cast<double>(written_bytes() - written) / bytes);
    return 0;
}
