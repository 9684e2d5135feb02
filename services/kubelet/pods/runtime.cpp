#include "services/kubelet/pods/runtime.hpp"

#include <boost/asio/cancel_after.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <iterator>

#include "hal/base/error.hpp"
#include "hal/base/log.hpp"
#include "hal/disk/file.hpp"
#include "services/kubelet/pods/runtime_state.hpp"

namespace services::kubelet::pods {

namespace fs = std::filesystem;
namespace json = boost::json;
namespace asio = boost::asio;
namespace process = hal::process;
using hal::Code;
using hal::Error;

namespace {

constexpr auto area = "kubelet";
constexpr std::size_t config_bytes_max = 4 << 20;
constexpr std::size_t answer_bytes_max = 64 << 10;
constexpr auto program_path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

std::string text_of(const fs::path& file) { return hal::disk::read_file(file, config_bytes_max).value_or(""); }

long number_of(std::string_view text) {
    long value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

void write_plain(const fs::path& file, std::string_view text) {
    std::ofstream out(file, std::ios::trunc);
    out << text << std::flush;
    if (!out) throw hal::system_error("write " + file.string());
}

// True when process `pid` was started with `id` among its arguments: its number was not given to another since.
bool is_about(pid_t pid, const std::string& id) {
    std::ifstream in("/proc/" + std::to_string(pid) + "/cmdline");
    const std::string words(std::istreambuf_iterator<char>(in), {});
    return words.contains(id + '\0');
}

}  // namespace

std::string crun_message(std::string_view output) {
    while (!output.empty() && (output.back() == '\n' || output.back() == ' ')) output.remove_suffix(1);
    if (const auto line = output.rfind('\n'); line != output.npos) output.remove_prefix(line + 1);
    // "2026-11-24T12:33:17.581405Z: message" since crun 1.8.
    if (output.size() > 28 && output[4] == '-' && output[10] == 'T')
        if (const auto end = output.find(": "); end != output.npos) output.remove_prefix(end + 2);
    return std::string(output);
}

process::Command Runtime::State::crun(std::vector<std::string> arguments) const {
    process::Command command{.program = options.crun_program.string(), .arguments = {root_option()}};
    command.arguments.insert(command.arguments.end(), arguments.begin(), arguments.end());
    return command;
}

json::object Runtime::State::config(const std::string& id) const {
    const auto text = hal::disk::read_file(folder(id) / "config.json", config_bytes_max);
    if (!text) throw Error(Code::not_found, "container " + id + ": there is none");
    return json::parse(*text).as_object();
}

std::string Runtime::State::group_of(const std::string& id) const {
    const auto all = config(id);
    return std::string(all.at("linux").at("cgroupsPath").as_string());
}

pid_t Runtime::State::conmon_of(const std::string& id) const {
    const auto pid = static_cast<pid_t>(number_of(text_of(folder(id) / "conmon.pid")));
    return pid > 0 && is_about(pid, id) ? pid : 0;
}

Runtime::Runtime(hal::async::Pool& pool, const hal::Clock& clock, RuntimeOptions options)
    : state_(new State{pool, clock, std::move(options), hal::process::Cgroups()}) {}
Runtime::~Runtime() = default;

fs::path Runtime::bundle(const std::string& id) const { return state_->folder(id); }

void Runtime::start() {
    for (const auto* name : {"crun", "containers", "exits"}) fs::create_directories(state_->options.run_folder / name);
    for (const auto& program : {state_->options.crun_program, state_->options.conmon_program})
        if (::access(program.c_str(), X_OK) != 0) throw Error(Code::not_found, program.string() + ": there is no such program");
    state_->cgroups.create(state_->options.cgroup_parent + "/conmon");
}

// conmon's protocol (its --api-version 1): it waits for a byte on _OCI_STARTPIPE, so that it can be moved into its cgroup
// before it starts anything, and says {"data": PID}, or {"data": -1, "message": ...}, on _OCI_SYNCPIPE.
Task<pid_t> Runtime::State::launch(Creation creation) {
    auto sync = process::make_pipe(), begin = process::make_pipe();
    const auto bundle = folder(creation.id);
    process::Command command{.program = options.conmon_program.string()};
    // Its log need not be synced with each container that ends: what a pod says is no acknowledged data.
    command.arguments = {"--api-version", "1", "-c", creation.id, "-u", creation.id, "-n", creation.id,
                         "-r", options.crun_program.string(), "--runtime-arg", root_option(),
                         "-b", bundle.string(), "-p", (bundle / "pid").string(), "-P", (bundle / "conmon.pid").string(),
                         "-l", "k8s-file:" + creation.log_file.string(), "--exit-dir", (options.run_folder / "exits").string(),
                         "--full-attach", "--no-sync-log"};
    command.folder = bundle.string();  // it drops a file `oom` where it runs
    if (creation.has_terminal) command.arguments.emplace_back("-t");
    if (creation.has_stdin) command.arguments.emplace_back("-i");
    if (creation.has_stdin && !creation.stdin_once) command.arguments.emplace_back("--leave-stdin-open");
    command.environment = {{"PATH", program_path}, {"_OCI_SYNCPIPE", "3"}, {"_OCI_STARTPIPE", "4"}};
    command.descriptors = {{3, sync.write.get()}, {4, begin.read.get()}};
    auto child = process::spawn(command);
    sync.write.reset();
    begin.read.reset();
    cgroups.add(options.cgroup_parent + "/conmon", child.pid());
    const char go = 'x';
    if (::write(begin.write.get(), &go, 1) != 1) throw hal::system_error("start conmon");
    begin.write.reset();

    const auto executor = co_await asio::this_coro::executor;
    const auto answer = co_await asio::co_spawn(executor, answer_of(sync.read.get()),
                                                asio::cancel_after(options.call_time_max, asio::use_awaitable));
    co_await child.wait();  // it has left its daemon behind
    boost::system::error_code failure;
    const auto said = json::parse(answer, failure);
    if (failure || !said.is_object()) throw Error(Code::io, "conmon ended without an answer");
    const auto& fields = said.as_object();
    const auto* pid = fields.if_contains("data");
    if (pid && pid->is_int64() && pid->as_int64() > 0) co_return static_cast<pid_t>(pid->as_int64());
    const auto* message = fields.if_contains("message");
    throw Error(Code::invalid, message && message->is_string() ? crun_message(message->as_string()) : "crun made no container");
}

Task<std::string> Runtime::State::answer_of(int sync_pipe) const {
    ::fcntl(sync_pipe, F_SETFL, O_NONBLOCK);
    std::string answer;
    while (!answer.ends_with('\n') && answer.size() < answer_bytes_max) {
        co_await process::wait_readable(sync_pipe);
        std::array<char, 4096> buffer;
        const auto count = ::read(sync_pipe, buffer.data(), buffer.size());
        if (count == 0) break;
        if (count > 0) answer.append(buffer.data(), static_cast<std::size_t>(count));
        if (count < 0 && errno != EAGAIN && errno != EINTR) throw hal::system_error("read conmon's answer");
    }
    co_return answer;
}

Task<> Runtime::create(Creation creation) {
    const auto id = creation.id;
    fs::create_directories(state_->folder(id));
    write_plain(state_->folder(id) / "config.json", json::serialize(creation.config));
    std::exception_ptr failure;
    try {
        co_await state_->launch(std::move(creation));
    } catch (...) {
        failure = std::current_exception();
    }
    if (!failure) co_return;
    co_await asio::this_coro::reset_cancellation_state();
    co_await remove(id);
    std::rethrow_exception(failure);
}

Task<> Runtime::run(std::string id) {
    const auto started = co_await process::run(state_->crun({"start", id}), state_->options.call_time_max);
    if (started.timed_out) throw Error(Code::timed_out, "crun start took too long");
    if (started.exit.code != 0) throw Error(Code::invalid, crun_message(started.output));
}

pid_t Runtime::process_of(const std::string& id) const {
    if (fs::exists(state_->exit_file(id))) return 0;
    return static_cast<pid_t>(number_of(text_of(state_->folder(id) / "pid")));
}

bool Runtime::signal(const std::string& id, int signal) const {
    const auto pid = process_of(id);
    if (pid <= 0) return false;
    const auto target = process::Foreign::open(pid);
    // Its parent is conmon as long as it is the process we mean.
    if (!target || (state_->conmon_of(id) == 0 && signal != SIGKILL)) return false;
    target->kill(signal);
    return true;
}

Ended Runtime::State::read_end(const std::string& id) const {
    Ended ended{.exit_code = 137, .finished = clock.wall(), .is_known = false};
    struct stat facts{};
    if (::stat(exit_file(id).c_str(), &facts) == 0) {
        ended.exit_code = static_cast<int>(number_of(text_of(exit_file(id))));
        ended.finished = hal::WallTime(std::chrono::seconds(facts.st_mtim.tv_sec) + std::chrono::microseconds(facts.st_mtim.tv_nsec / 1000));
        ended.is_known = true;
    }
    ended.was_oom_killed = cgroups.oom_kills(group_of(id)) > 0;
    return ended;
}

Task<Ended> Runtime::wait_end(std::string id) {
    if (!fs::exists(state_->folder(id) / "config.json")) throw Error(Code::not_found, "container " + id + ": there is none");
    if (const auto pid = state_->conmon_of(id); pid > 0 && !fs::exists(state_->exit_file(id)))
        if (auto conmon = process::Foreign::open(pid)) co_await conmon->wait_end();
    auto ended = state_->read_end(id);
    if (!ended.is_known) {
        hal::log::warn(area, "container {}: conmon left no exit code", id);
        // Nobody holds its output any more: what still runs of it is ended.
        if (const auto pid = process_of(id); pid > 0) ::kill(pid, SIGKILL);
    }
    co_return ended;
}

std::vector<std::string> Runtime::known() const {
    std::vector<std::string> found;
    std::error_code failure;
    for (const auto& entry : fs::directory_iterator(state_->containers(), failure)) found.push_back(entry.path().filename());
    std::ranges::sort(found);
    return found;
}

Task<> Runtime::remove(std::string id) {
    std::string group;
    if (fs::exists(state_->folder(id) / "config.json")) group = state_->group_of(id);
    const auto conmon_pid = state_->conmon_of(id);
    // crun's own --force kills, deletes its state and does not mind if there is none.
    const auto deleted = co_await process::run(state_->crun({"delete", "--force", id}), state_->options.call_time_max);
    if (deleted.exit.code != 0) hal::log::warn(area, "container {}: {}", id, crun_message(deleted.output));
    if (!group.empty()) state_->cgroups.kill_all(group);
    if (auto conmon = conmon_pid > 0 ? process::Foreign::open(conmon_pid) : std::nullopt) co_await conmon->wait_end();
    if (!group.empty()) state_->cgroups.remove(group);
    std::error_code ignored;
    fs::remove_all(state_->folder(id), ignored);
    fs::remove(state_->exit_file(id), ignored);
}

}  // namespace services::kubelet::pods
