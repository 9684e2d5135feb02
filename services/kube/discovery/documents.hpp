// The discovery documents as JSON texts, made from the kinds table and from the few resources that are only asked by
// creating them (reviews, bindings). Made on call: each takes well under a millisecond and is asked for once per client.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "services/kube/kinds/kind.hpp"

namespace services::kube::discovery {

// "" in the group is the core group, /api.
struct GroupVersions {
    std::string_view group;
    std::vector<std::string_view> versions;  // preferred first
};

// A resource that is no stored kind: POST only.
struct Asked {
    std::string_view group, version, resource, singular, kind;
    bool is_namespaced;
};
std::span<const Asked> asked_resources();

// Groups in the real server's order, the core group left out.
std::vector<GroupVersions> named_groups();

std::string path_list();                                                     // /
std::string api_versions(std::string_view server_address);                   // /api
std::string group_list();                                                    // /apis
std::string group_document(std::string_view group);                          // /apis/GROUP, "" when not served
std::string resource_list(std::string_view group, std::string_view version); // /apis/GROUP/VERSION, "" when not served
// Aggregated (apidiscovery.k8s.io), `version` "v2" or "v2beta1": the core group alone, or all named groups.
std::string aggregated(bool is_core, std::string_view version);

}  // namespace services::kube::discovery
