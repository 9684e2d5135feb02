// What the parts of the Runtime (lifecycle, exec, attach) share. Only for them.
#pragma once

#include <string_view>

#include "services/kubelet/pods/runtime.hpp"

namespace services::kubelet::pods {

struct Runtime::State {
    hal::async::Pool& pool;
    const hal::Clock& clock;
    RuntimeOptions options;
    hal::process::Cgroups cgroups;
    unsigned long execs = 0;  // numbers their files

    [[nodiscard]] std::filesystem::path containers() const { return options.run_folder / "containers"; }
    [[nodiscard]] std::filesystem::path folder(const std::string& id) const { return containers() / id; }
    [[nodiscard]] std::filesystem::path exit_file(const std::string& id) const { return options.run_folder / "exits" / id; }
    // crun's options before its command.
    [[nodiscard]] std::string root_option() const { return "--root=" + (options.run_folder / "crun").string(); }
    [[nodiscard]] hal::process::Command crun(std::vector<std::string> arguments) const;
    [[nodiscard]] boost::json::object config(const std::string& id) const;  // Error{not_found}
    [[nodiscard]] std::string group_of(const std::string& id) const;  // its cgroup
    [[nodiscard]] pid_t conmon_of(const std::string& id) const;  // 0: none, or ended
    Task<pid_t> launch(Creation creation);
    Task<std::string> answer_of(int sync_pipe) const;
    [[nodiscard]] Ended read_end(const std::string& id) const;
};

// The reason within crun's message: "crun: x: No such file or directory" without the program's name and line end.
std::string crun_message(std::string_view output);

}  // namespace services::kubelet::pods
