#include "services/config/settings.hpp"

namespace services::config {
namespace {

constexpr Setting table[] = {
    {"apiVersion", Form::text, "branchbox/v1"},
    {"site", Form::label, ""},
    {"listen", Form::address, ""},
    {"kube", Form::section, ""},
    {"kube.service_names_in", Form::list_of_text, ""},
    {"kube.node_monitor_grace_period", Form::duration, ""},
    {"kube.listen", Form::address, ""},
    {"kubelet", Form::section, ""},
    {"kubelet.listen", Form::address, ""},
    {"discovery", Form::section, ""},
    {"discovery.upstream_servers", Form::list_of_text, ""},
};

}  // namespace

std::span<const Setting> settings() { return table; }

std::string_view name_of(Form form) {
    switch (form) {
        case Form::text: return "text";
        case Form::label: return "a DNS label (a-z, 0-9, '-', at most 63 characters)";
        case Form::number: return "a whole number";
        case Form::boolean: return "true or false";
        case Form::duration: return "a duration such as 50s, 10m or 24h";
        case Form::address: return "an address such as '[::]', 192.0.2.1 or 127.0.0.1:6443";
        case Form::path: return "a path";
        case Form::list_of_text: return "a list of texts";
        case Form::list: return "a list";
        case Form::section: return "a section (keys and values)";
    }
    return "a value";
}

}  // namespace services::config
