// The services this box has, as one table: ports, identity towards the API, entry point. The guard and `branchbox
// service NAME` read it; a further service is a further row here, and one of what it may do and use (rights.hpp).
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "firmware/guard/authority.hpp"
#include "hal/async/task.hpp"
#include "services/config/configuration.hpp"
#include "services/config/service.hpp"

namespace firmware::guard {

struct Port {
    std::string_view name;  // "dns"
    std::uint16_t number;
    bool has_tcp = true;
    bool has_udp = false;
    // Where the guard binds it: "" what the configuration says (every address unless told), else this address, which the
    // box need not have yet. A service alone binds both loopbacks.
    std::string_view address = "";
    // The Kubernetes Service by which pods find it, under its usual number; several ports may have one. Its endpoint is
    // 10.42.0.1, so the port has to listen there.
    std::string_view known_as = "";
    // Not a port but a Unix socket of this name in /run/branchbox, which the box's other services may connect to.
    std::string_view socket = "";
};

struct ServiceRow {
    std::string_view name;
    std::span<const Port> ports;
    // Of its client certificate; "" if it is no client of the API. One that ends in ':' is completed by the site's name.
    std::string_view common_name;
    std::string_view organization;
    bool has_serving_certificate;
    bool is_api_server;  // gets the API server's further credentials; the admin kubeconfig names its port "api"
    bool is_root;             // stays root; else it runs as a user of its own, sandboxed
    bool runs_pods;           // what it started runs on without it, unless it is told to end that too
    std::int64_t memory_bytes_max;  // of its control group, under the guard
    hal::async::Task<> (*run)(services::config::Service&);
    std::string_view section = "";  // of the configuration; "": its name
    std::string_view upstream = "";  // the part of `upstream:` that it reads, as "upstream" among its settings
    bool has_root_user = false;      // objects: gets the root user that is made at the first start
    [[nodiscard]] std::string_view settings_section() const { return section.empty() ? name : section; }
    [[nodiscard]] Identity identity(std::string_view site) const;
    // What its serving certificate names: itself on any box. The box's own addresses come on top.
    [[nodiscard]] std::vector<std::string> dns_names(const std::string& site) const;
    [[nodiscard]] std::vector<std::string> own_addresses() const;
};

// The site's name unless the configuration has one: the host's name as a DNS label.
std::string host_label();
// Below it each service has a control group. Roots beside one another (tests) have different ones.
std::string control_group(const std::filesystem::path& root);
// ROOT/var/lib/branchbox/NAME.
std::filesystem::path data_folder(const std::filesystem::path& root, std::string_view service);

// Reads the files that a section's settings name, for Service::credentials: the setting's path -> the text. What cannot be read
// is told in `problems`.
std::map<std::string, std::string> named_files(const boost::json::object& settings, std::string_view section, std::vector<std::string>& problems);

// What the configuration says to a service, and the files that it names there.
boost::json::object settings_of(const ServiceRow& row, const services::config::Configuration& configuration);
std::map<std::string, std::string> files_of(const ServiceRow& row, const boost::json::object& settings, std::vector<std::string>& problems);

std::span<const ServiceRow> all_services();
// Null when there is none of that name.
const ServiceRow* find_service(std::string_view name);

}  // namespace firmware::guard
