// This box as a Node of the cluster: registered once, its Lease renewed while the kubelet lives, its status written when
// something changed and every few minutes.
//
// Owns no pods; what it says about them and the images is asked for. Cancelled, it leaves the Node as it is. Bounded:
// `images_max` images are listed, as the kubelet does.
#pragma once

#include <boost/json/object.hpp>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "hal/async/task.hpp"
#include "hal/base/clock.hpp"
#include "services/kubeclient/client.hpp"
#include "services/kubelet/images/images.hpp"

namespace services::kubelet {

namespace json = boost::json;
using hal::async::Task;

// What does not change while the machine runs.
struct NodeFacts {
    std::int64_t milli_cpu = 0, memory_bytes = 0, storage_bytes = 0, inodes = 0;
    std::string machine_id, system_uuid, boot_id, kernel_version, os_image, architecture, runtime_version;
};
// `data_folder`: on the file system that pods write to. `runtime_version`: "crun://1.21".
NodeFacts read_node_facts(const std::filesystem::path& data_folder, std::string runtime_version);

// What services and the system keep of the memory; the rest is allocatable to pods.
std::int64_t reserved_memory(const NodeFacts& facts);

struct NodeView {
    std::string name;
    NodeFacts facts;
    std::vector<std::string> addresses;  // InternalIP, the default route's first
    std::uint16_t kubelet_port = 10250;
    std::vector<images::Image> images;
    std::vector<std::string> problems;   // of the pod network: it is not ready with any
};

// The object to create.
json::object node_object(const NodeView& view);
// Its status. `before`: as the API has it, whose conditions of others and transition times stay.
json::object node_status(const NodeView& view, const json::object& before, hal::WallTime now);

class Node {
public:
    static constexpr std::chrono::seconds lease_interval{10}, status_interval{300};
    static constexpr int lease_seconds = 40;
    static constexpr std::size_t images_max = 50;

    // `look`: how things stand now.
    Node(hal::async::Executor executor, kubeclient::Client client, const hal::Clock& clock, std::function<NodeView()> look);

    // Registers, then keeps status and Lease until cancelled. While the API cannot answer it tries again.
    Task<> run(hal::async::TaskGroup& group);
    // Addresses, images or problems are others: the status is written soon.
    void changed() { changed_.set(); }
    [[nodiscard]] bool is_registered() const { return !uid_.empty(); }

private:
    Task<> register_once();
    Task<> register_until_done();
    Task<> keep_status();
    Task<> keep_lease();
    Task<> write_lease();

    kubeclient::Client client_;
    const hal::Clock& clock_;
    std::function<NodeView()> look_;
    hal::async::Event changed_;
    std::string uid_;
    json::object status_;  // as the API has it
};

}  // namespace services::kubelet
