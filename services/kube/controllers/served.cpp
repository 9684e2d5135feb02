#include "services/kube/controllers/served.hpp"

#include <algorithm>
#include <set>

#include "services/kube/kinds/kind.hpp"

namespace services::kube::controllers {

std::vector<Served> served_kinds() {
    std::vector<Served> found;
    std::set<std::pair<std::string, std::string>> known;
    for (const auto& kind : kinds::all()) {
        // Events of both groups are the same objects.
        if (kind.gvk.group == "events.k8s.io") continue;
        const bool is_usable = std::ranges::all_of(std::initializer_list<std::string_view>{"delete", "list", "watch"},
                                                   [&](std::string_view verb) { return kind.verbs.contains(verb); });
        if (!is_usable || !known.emplace(kind.gvk.group, kind.plural).second) continue;
        found.push_back({.resource = {.group = std::string(kind.gvk.group),
                                      .version = std::string(kind.gvk.version),
                                      .plural = std::string(kind.plural),
                                      .is_namespaced = kind.is_namespaced},
                         .kind = std::string(kind.gvk.kind)});
    }
    return found;
}

std::vector<Served> namespaced(std::vector<Served> served) {
    std::erase_if(served, [](const Served& kind) { return !kind.resource.is_namespaced; });
    return served;
}

}  // namespace services::kube::controllers
