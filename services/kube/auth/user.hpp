// Who makes a request, as Kubernetes names it (user.Info). A value; whoever made it has verified it.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace services::kube::auth {

struct User {
    std::string name;
    std::string uid;
    std::vector<std::string> groups;
    std::map<std::string, std::vector<std::string>> extra;

    [[nodiscard]] bool is_in(std::string_view group) const;
};

inline constexpr std::string_view group_masters = "system:masters";
inline constexpr std::string_view group_authenticated = "system:authenticated";
inline constexpr std::string_view group_unauthenticated = "system:unauthenticated";
inline constexpr std::string_view user_anonymous = "system:anonymous";

}  // namespace services::kube::auth
