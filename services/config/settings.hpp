// The table of what config.yaml may hold. One row a key: its path, form and, where it is a choice, the choices.
#pragma once

#include <span>
#include <string_view>

namespace services::config {

// `file`: a path whose content the guard hands to the service (Service::credentials, under the setting's path). `url`: its
// choices are the schemes.
enum class Form { text, label, number, boolean, duration, address, path, file, url, rate, bytes, window, list_of_text, list_of_windows, list, section };

struct Setting {
    std::string_view path;     // "kube.node_monitor_grace_period"
    Form form;
    std::string_view choices;  // "a|b", or "" for any
};

std::span<const Setting> settings();
std::string_view name_of(Form form);  // "a duration such as 50s"

}  // namespace services::config
