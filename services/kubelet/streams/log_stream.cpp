#include "services/kubelet/streams/log_stream.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "hal/base/error.hpp"
#include "hal/process/spawn.hpp"

namespace services::kubelet::streams {

namespace fs = std::filesystem;
namespace asio = boost::asio;
using hal::async::Task;
using hal::process::Descriptor;

namespace {

constexpr std::size_t piece_bytes_max = 64 * 1024;

// What a reader that follows waits for: bytes in the file, another file in its place, the container's end.
struct Watch {
    asio::posix::stream_descriptor changes;
    asio::cancellation_signal stop;
    bool has_ended = false;

    Watch(hal::async::Executor executor, const fs::path& folder) : changes(executor) {
        Descriptor made(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
        if (!made || ::inotify_add_watch(made.get(), folder.c_str(), IN_MODIFY | IN_CREATE | IN_MOVED_TO) < 0)
            throw hal::system_error("watch " + folder.string());
        changes.assign(made.release());
    }
};

class LogReader : public http::BodyReader {
public:
    LogReader(hal::async::Executor executor, fs::path file, LogOptions options, const std::function<Task<>()>& until_end)
        : path_(std::move(file)), options_(options), renderer_(options) {
        // The watch stands before the first read: nothing falls between.
        if (options_.follow) {
            watch_ = std::make_shared<Watch>(executor, path_.parent_path());
            asio::co_spawn(executor, until_end(), asio::bind_cancellation_slot(watch_->stop.slot(), [watch = watch_](std::exception_ptr) {
                               watch->has_ended = true;
                               watch->changes.cancel();
                           }));
        }
        open();
        struct stat facts{};
        if (::fstat(file_.get(), &facts) != 0) throw hal::system_error("look at " + path_.string());
        if (options_.tail_lines) at_ = tail_start(file_.get(), facts.st_size, *options_.tail_lines);
    }
    ~LogReader() override {
        if (watch_) watch_->stop.emit(asio::cancellation_type::all);
    }

    Task<std::string> read() override {
        std::string out;
        std::array<char, 16 * 1024> block;
        while (out.size() < piece_bytes_max && !renderer_.is_full()) {
            // Looked at before the read: what was written before the end is read after it.
            const bool is_last_look = !options_.follow || watch_->has_ended;
            const auto count = ::pread(file_.get(), block.data(), block.size(), at_);
            if (count < 0 && errno == EINTR) continue;
            if (count < 0) throw hal::system_error("read " + path_.string());
            if (count > 0) {
                at_ += count;
                renderer_.add({block.data(), static_cast<std::size_t>(count)}, out);
                continue;
            }
            if (!out.empty()) break;
            if (options_.follow && is_replaced()) {
                open();
                renderer_.begin_file();
                continue;
            }
            if (is_last_look) break;
            co_await wait();
        }
        co_return out;
    }

private:
    void open() {
        file_ = Descriptor(::open(path_.c_str(), O_RDONLY | O_CLOEXEC));
        if (!file_) throw hal::system_error("open " + path_.string());
        at_ = 0;
    }

    // The log was rotated: another file has its name, and is there to be read.
    bool is_replaced() const {
        struct stat own{}, named{};
        return ::fstat(file_.get(), &own) == 0 && ::stat(path_.c_str(), &named) == 0 && own.st_ino != named.st_ino;
    }

    Task<> wait() {
        if (watch_->has_ended) co_return;
        boost::system::error_code failure;
        std::array<char, 4096> events;
        co_await watch_->changes.async_read_some(asio::buffer(events), asio::redirect_error(asio::use_awaitable, failure));
        if (failure && !watch_->has_ended) throw hal::Error(hal::Code::cancelled, "following " + path_.string() + ": " + failure.message());
    }

    fs::path path_;
    LogOptions options_;
    LogRenderer renderer_;
    Descriptor file_;
    off_t at_ = 0;
    std::shared_ptr<Watch> watch_;  // shared with the wait for the container's end, which may outlive this reader
};

}  // namespace

std::unique_ptr<http::BodyReader> read_log(hal::async::Executor executor, fs::path file, LogOptions options, std::function<Task<>()> until_end) {
    std::error_code failure;
    if (!fs::exists(file, failure)) throw hal::Error(hal::Code::not_found, "open " + file.string() + ": no such file or directory");
    return std::make_unique<LogReader>(std::move(executor), std::move(file), options, until_end);
}

}  // namespace services::kubelet::streams
