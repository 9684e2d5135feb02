// What a service process is given to run: its name, folders, listeners, credentials and its section of the
// configuration. Made by firmware (guard's child, or `branchbox service NAME` alone); services only read it.
#pragma once

#include <boost/json/object.hpp>

#include <cstdint>
#include <exception>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "hal/async/pool.hpp"
#include "hal/async/task.hpp"
#include "hal/base/clock.hpp"
#include "hal/net/stream.hpp"

namespace services::config {

// A port of the box's own services, as the API server hears of it.
struct BoxPort {
    std::string name;       // "api"
    std::string protocol;   // "TCP", "UDP"
    std::uint16_t usual;    // the number its clients know
    std::uint16_t bound;    // where it listens now
    std::string known_as;   // the Kubernetes Service by which pods find it: "minio"; "" for none
};

// What waits in a service to go upstream, as `branchbox status` shows it.
struct Backlog {
    std::string upstream;  // "objects"
    std::string urgency;   // the uplink's class, "backlog"
    std::uint64_t count = 0;
    std::uint64_t bytes = 0;
    hal::WallTime oldest{};
    std::optional<hal::WallTime> empty_at;  // by the uplink's forecast; none: no telling
};

struct Service {
    std::string name;            // "kube"
    std::filesystem::path root;  // --root, "/" by default
    std::string site;            // node name: DNS label
    boost::json::object settings;  // this service's section of config.yaml, already checked
    hal::async::Executor executor;
    const hal::Clock* clock = nullptr;
    hal::async::Pool* pool = nullptr;      // the worker pool for blocking work
    hal::async::Event* stopping = nullptr; // set on SIGTERM: stop accepting, drain, return from run()
    hal::async::Event* reloading = nullptr;// set on SIGHUP

    // Port name -> listeners bound or passed on: kube: "api"; kubelet: "api"; discovery: "dns" (TCP).
    // uplink: "proxy", the Unix socket of the other services. Every service: "control", the Unix socket /run/branchbox/NAME.sock for /healthz, /readyz, /metrics.
    std::map<std::string, std::vector<std::unique_ptr<hal::net::Listener>>> listeners;
    // UDP sockets, bound: discovery: "dns".
    std::map<std::string, std::vector<int>> datagram_sockets;

    // PEM texts by name, from the guard by descriptor or made under the root when alone:
    //   ca.crt          roots of serving certificates        client-ca.crt   roots of client certificates
    //   serving.crt/key this service's server certificate    client.crt/key  this service's client certificate for the API
    //   files that the section names: the setting's path ("upstream.objects.password_file")
    //   objects only: root-user, root-password
    //   kube only: service-account.key (ES256), kubelet-client.crt/key (API server -> kubelet)
    std::map<std::string, std::string> credentials;
    // Where the API server is (kubelet, discovery): "https://127.0.0.1:6443".
    std::string api_server;
    // Tells the guard that the service is ready. Null when alone.
    std::function<void()> notify_ready;
    // Tells the guard what is wrong though the service runs, as sentences for `branchbox status`; replaces what was told
    // before. Null when alone.
    std::function<void(const std::vector<std::string>&)> report_problems;
    // The same for what waits to go upstream (the uplink alone). Null when alone.
    std::function<void(const std::vector<Backlog>&)> report_backlogs;
    // The users of this box's services: who may connect to a socket that is meant for them. Empty when alone.
    std::vector<unsigned> peer_users;
    // Its share of the data partition; 0: the file system's own end.
    std::int64_t disk_bytes_max = 0;
    // kube only: what the services of this box listen on. Empty when alone.
    std::vector<BoxPort> box_ports;
    bool stops_pods = false;  // kubelet: pods end with it (`branchbox run --stop-pods`)

    [[nodiscard]] std::filesystem::path under_root(const std::filesystem::path& absolute) const {
        return root / absolute.relative_path();
    }
    [[nodiscard]] std::filesystem::path data_folder() const { return under_root("/var/lib/branchbox") / name; }
    [[nodiscard]] std::filesystem::path run_folder() const { return under_root("/run/branchbox"); }
    [[nodiscard]] const std::string& credential(const std::string& key) const;  // Error{not_found}
};

// Returns when `service.stopping` is set, or when the waiting was ended otherwise: what ended it, to be thrown again once
// everything is put away. What is awaited afterwards is not cancelled any more.
hal::async::Task<std::exception_ptr> until_stopped(Service& service);

}  // namespace services::config
