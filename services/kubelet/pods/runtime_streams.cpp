// Beside a container's first process: further processes in it, its own streams, its log file.
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

extern "C" {  // glibc 2.41 declares these without C linkage
#include <sys/pidfd.h>
}

#include <array>
#include <cstring>
#include <format>
#include <fstream>

#include "hal/base/error.hpp"
#include "services/kubelet/pods/runtime_state.hpp"

namespace services::kubelet::pods {

namespace fs = std::filesystem;
namespace json = boost::json;
namespace process = hal::process;
using hal::Code;
using hal::Error;

namespace {

// A socket path longer than sun_path is reached through its folder's descriptor.
struct SocketAddress {
    explicit SocketAddress(const fs::path& path) : folder(::open(path.parent_path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)) {
        if (!folder) throw hal::system_error("open " + path.parent_path().string());
        address.sun_family = AF_UNIX;
        const auto text = std::format("/proc/self/fd/{}/{}", folder.get(), path.filename().string());
        HAL_REQUIRE(text.size() < sizeof address.sun_path);
        std::strcpy(address.sun_path, text.c_str());
    }
    Descriptor folder;
    sockaddr_un address{};
    [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&address); }
};

// The master of the terminal, as crun sends it over its console socket (SCM_RIGHTS).
Descriptor received_descriptor(int connection) {
    std::array<char, 256> name;
    iovec part{name.data(), name.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    if (::recvmsg(connection, &message, MSG_CMSG_CLOEXEC) < 0) throw hal::system_error("receive the terminal");
    const auto* header = CMSG_FIRSTHDR(&message);
    if (!header || header->cmsg_type != SCM_RIGHTS) throw Error(Code::io, "crun sent no terminal");
    int master = -1;
    std::memcpy(&master, CMSG_DATA(header), sizeof master);
    return Descriptor(master);
}

class CrunExec : public Exec {
public:
    CrunExec(process::Child child, fs::path scratch) : child_(std::move(child)), scratch_(std::move(scratch)) {}
    ~CrunExec() override {
        std::error_code ignored;
        fs::remove_all(scratch_, ignored);
    }
    CrunExec(const CrunExec&) = delete;
    CrunExec& operator=(const CrunExec&) = delete;
    Task<process::Exit> wait() override { return child_.wait(); }
    void resize(unsigned columns, unsigned rows) override {
        if (!has_terminal) return;
        winsize size{};
        size.ws_col = static_cast<unsigned short>(columns);
        size.ws_row = static_cast<unsigned short>(rows);
        ::ioctl(output.get(), TIOCSWINSZ, &size);
    }
    // The process is known by its pid file; crun alone would leave it running.
    void kill() override {
        std::ifstream in(scratch_ / "pid");
        pid_t pid = 0;
        if (in >> pid; pid > 0) ::kill(pid, SIGKILL);
        child_.kill(SIGKILL);
    }
    Task<> take_terminal(int listener) {
        // Either crun connects or it ends with a reason; whichever is first.
        Descriptor ended(::pidfd_open(child_.pid(), 0)), either(::epoll_create1(EPOLL_CLOEXEC));
        for (const int one : {listener, ended.get()}) {
            epoll_event event{};
            event.events = EPOLLIN;
            event.data.fd = one;
            if (::epoll_ctl(either.get(), EPOLL_CTL_ADD, one, &event) != 0) throw hal::system_error("wait for the terminal");
        }
        co_await process::wait_readable(either.get());
        Descriptor connection(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (!connection) co_return;  // it ended: its message is on standard error
        co_await process::wait_readable(connection.get());
        output = received_descriptor(connection.get());
        ::fcntl(output.get(), F_SETFL, O_NONBLOCK);
        input = Descriptor(::fcntl(output.get(), F_DUPFD_CLOEXEC, 0));
        error.reset();
        has_terminal = true;
    }
    bool has_terminal = false;

private:
    process::Child child_;
    fs::path scratch_;
};

}  // namespace

Task<std::unique_ptr<Exec>> Runtime::exec(std::string id, ExecRequest request) {
    const auto config = state_->config(id);
    auto task = config.at("process").as_object();
    if (process_of(id) <= 0) throw Error(Code::not_found, "container " + id + " does not run");
    task["terminal"] = request.has_terminal;
    task["args"] = json::array(request.command.begin(), request.command.end());
    task.erase("oomScoreAdj");
    const auto scratch = state_->folder(id) / std::format("exec-{}", ++state_->execs);
    fs::create_directories(scratch);
    std::ofstream(scratch / "process.json") << json::serialize(task) << std::flush;

    std::vector<std::string> arguments{"exec", "--process", (scratch / "process.json").string(), "--pid-file", (scratch / "pid").string()};
    Descriptor listener;
    if (request.has_terminal) {
        SocketAddress at(scratch / "terminal");
        listener = Descriptor(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        if (!listener || ::bind(listener.get(), at.get(), sizeof at.address) != 0 || ::listen(listener.get(), 1) != 0)
            throw hal::system_error("console socket in " + scratch.string());
        arguments.insert(arguments.end(), {"--console-socket", (scratch / "terminal").string()});
    }
    arguments.push_back(id);
    auto command = state_->crun(std::move(arguments));
    process::Pipe in, out = process::make_pipe(), err = process::make_pipe();
    if (request.has_stdin) in = process::make_pipe();
    if (request.has_stdin && !request.has_terminal) command.descriptors[0] = in.read.get();
    command.descriptors[1] = out.write.get();
    command.descriptors[2] = err.write.get();
    auto made = std::make_unique<CrunExec>(process::spawn(command), scratch);
    made->output = std::move(out.read);
    made->error = std::move(err.read);
    if (request.has_stdin) made->input = std::move(in.write);
    for (const auto* one : {&made->input, &made->output, &made->error})
        if (*one) ::fcntl(one->get(), F_SETFL, O_NONBLOCK);
    if (request.has_terminal) {
        out.write.reset();
        err.write.reset();
        co_await made->take_terminal(listener.get());
    }
    co_return made;
}

Task<Attachment> Runtime::attach(std::string id) {
    SocketAddress at(state_->folder(id) / "attach");
    Attachment made{Descriptor(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0))};
    if (!made.socket) throw hal::system_error("socket");
    if (::connect(made.socket.get(), at.get(), sizeof at.address) != 0)
        throw Error(Code::not_found, "container " + id + " does not run");
    co_return made;
}

namespace {

// conmon reads its orders from named pipes; without a reader there is no conmon, and nobody to tell.
void tell(const fs::path& pipe, const std::string& order) {
    const Descriptor to(::open(pipe.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
    if (to && ::write(to.get(), order.data(), order.size()) < 0 && errno != EAGAIN && errno != EPIPE)
        throw hal::system_error("write to " + pipe.string());
}

}  // namespace

void Runtime::reopen_log(const std::string& id) const { tell(state_->folder(id) / "ctl", "2 0 0\n"); }

void Runtime::resize(const std::string& id, unsigned columns, unsigned rows) const {
    tell(state_->folder(id) / "winsz", std::format("{} {}\n", rows, columns));
}

}  // namespace services::kubelet::pods
