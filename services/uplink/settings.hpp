// The section `upstream:` of the configuration as the uplink uses it: destinations with their credentials, the office's proxy,
// the byte budget. Pure; what does not fit together is told as sentences and left out.
//
// Texts of the files that the section names come by the guard, under the setting's path ("upstream.objects.password_file").
#pragma once

#include <boost/json/object.hpp>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "services/config/forms.hpp"
#include "services/uplink/budget.hpp"
#include "services/uplink/schedule.hpp"
#include "services/uplink/usage.hpp"

namespace services::uplink {

struct Credentials {
    std::string authorization;  // the field's value: "Basic ...", "Bearer ..."; "": none
    std::string certificate_pem, key_pem;
    std::string ca_pem;  // trusted in place of the system's; "": the system's
};

struct Destination {
    std::string name;  // "objects"
    config::Url url;
    Credentials credentials;
};

struct OfficeProxy {
    config::Url url;
    std::string user, password;
};

struct Settings {
    std::vector<Destination> destinations;
    std::optional<OfficeProxy> proxy;
    Schedule schedule;
    bool has_budget = false;
    Shares shares = shares_by_default;
    Caps caps;
    std::vector<std::string> problems;
};

Settings read_settings(const boost::json::object& section, const std::map<std::string, std::string>& files);

// The destination a request goes to: that of the same scheme, host and port, and of several the one whose path is the longest
// beginning of the request's. Null: not one of ours.
const Destination* destination_for(const std::vector<Destination>& destinations, const config::Url& url);
// The same for a tunnel.
const Destination* destination_for(const std::vector<Destination>& destinations, const config::HostPort& where);

}  // namespace services::uplink
