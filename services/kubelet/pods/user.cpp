// Who a container runs as: security contexts over the image's USER, names by the image's own passwd and group.
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <format>
#include <optional>
#include <sstream>

#include "hal/base/error.hpp"
#include "hal/process/spawn.hpp"
#include "services/kubeclient/object.hpp"
#include "services/kubelet/pods/oci_config.hpp"

namespace services::kubelet::pods {

namespace kc = kubeclient;
namespace fs = std::filesystem;
using hal::Code;
using hal::Error;

namespace {

constexpr std::size_t account_file_bytes_max = 1 << 20;

// A file of the image; its links stay inside.
std::string read_inside(const fs::path& rootfs, const char* path) {
    const hal::process::Descriptor folder(::open(rootfs.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    open_how how{};
    how.flags = O_RDONLY | O_CLOEXEC;
    how.resolve = RESOLVE_IN_ROOT;
    const hal::process::Descriptor file(static_cast<int>(::syscall(SYS_openat2, folder.get(), path, &how, sizeof how)));
    std::string text;
    char buffer[4096];
    for (ssize_t count = 0; file && text.size() < account_file_bytes_max && (count = ::read(file.get(), buffer, sizeof buffer)) > 0;)
        text.append(buffer, static_cast<std::size_t>(count));
    return text;
}

std::optional<std::uint32_t> as_number(std::string_view text) {
    std::uint32_t number = 0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
    return failure == std::errc() && end == text.data() + text.size() && !text.empty() ? std::optional(number) : std::nullopt;
}

// Lines of passwd(5) and group(5) as fields.
std::vector<std::vector<std::string>> entries(const std::string& text) {
    std::vector<std::vector<std::string>> all;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        auto& fields = all.emplace_back();
        std::istringstream parts(line);
        for (std::string part; std::getline(parts, part, ':');) fields.push_back(part);
        fields.resize(std::max<std::size_t>(fields.size(), 4));
    }
    return all;
}

}  // namespace

User user_of(const json::object& pod, const json::object& container, const images::ImageConfig& image, const fs::path& rootfs) {
    const auto setting = [&](const char* name) -> const json::value* {
        const auto* own = kc::field(kc::object_at(container, "securityContext"), name);
        return own ? own : kc::field(kc::object_at(pod, "spec.securityContext"), name);
    };
    const auto colon = image.user.find(':');
    std::string wanted = image.user.substr(0, colon), wanted_group = colon == image.user.npos ? "" : image.user.substr(colon + 1);
    const auto* run_as = setting("runAsUser");
    const auto* non_root = setting("runAsNonRoot");
    if (non_root && non_root->is_bool() && non_root->as_bool()) {
        const auto where = std::format("(pod: \"{}_{}({})\", container: {})", kc::name_of(pod), kc::namespace_of(pod), kc::uid_of(pod), kc::text(container, "name"));
        if (run_as && run_as->to_number<std::uint32_t>() == 0)
            throw Error(Code::invalid, "container's runAsUser breaks non-root policy " + where);
        if (!run_as && !wanted.empty() && !as_number(wanted))
            throw Error(Code::invalid, std::format("container has runAsNonRoot and image has non-numeric user ({}), cannot verify user is non-root {}", wanted, where));
        if (!run_as && as_number(wanted).value_or(0) == 0)
            throw Error(Code::invalid, "container has runAsNonRoot and image will run as root " + where);
    }
    if (run_as) wanted = std::to_string(run_as->to_number<std::uint32_t>()), wanted_group.clear();

    User user;
    const auto number = as_number(wanted);
    user.uid = number.value_or(0);
    std::string name;
    bool is_known = wanted.empty() || number;
    for (const auto& entry : entries(read_inside(rootfs, "etc/passwd"))) {
        if (!(number ? as_number(entry[2]) == number : wanted.empty() ? entry[2] == "0" : entry[0] == wanted)) continue;
        user.uid = as_number(entry[2]).value_or(0);
        user.gid = as_number(entry[3]).value_or(0);
        name = entry[0];
        is_known = true;
        break;
    }
    if (!is_known) throw Error(Code::invalid, std::format("unable to find user {}: no matching entries in passwd file", wanted));
    const auto groups = entries(read_inside(rootfs, "etc/group"));
    if (!wanted_group.empty()) {
        auto group = as_number(wanted_group);
        for (const auto& entry : groups)
            if (!group && entry[0] == wanted_group) group = as_number(entry[2]);
        if (!group) throw Error(Code::invalid, std::format("unable to find group {}: no matching entries in group file", wanted_group));
        user.gid = *group;
    }
    if (const auto* group = setting("runAsGroup")) user.gid = group->to_number<std::uint32_t>();
    const auto& context = kc::object_at(pod, "spec.securityContext");
    const auto add = [&](std::uint32_t group) {
        if (std::ranges::find(user.groups, group) == user.groups.end()) user.groups.push_back(group);
    };
    if (const auto* group = kc::field(context, "fsGroup")) add(group->to_number<std::uint32_t>());
    for (const auto& group : kc::array_at(context, "supplementalGroups")) add(group.to_number<std::uint32_t>());
    if (kc::text(context, "supplementalGroupsPolicy", "Merge") == "Merge" && !name.empty())
        for (const auto& entry : groups)
            if (("," + entry[3] + ",").contains("," + name + ",")) add(as_number(entry[2]).value_or(0));
    return user;
}

}  // namespace services::kubelet::pods
