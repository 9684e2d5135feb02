// Cluster addresses (10.43.0.0/16) and node ports (30000-32767) of Services, and the ipFamilies, ipFamilyPolicy and
// clusterIPs that go with them, as the real allocator sets them. One address family: a box's cluster network is IPv4.
//
// Owns two bitmaps in memory (9 KiB), rebuilt from the stored Services at start; what a Service holds is stored in the
// Service alone. Synchronous, so that two creates never get the same address. Automatic picks come from the upper band
// first: the lower one is for addresses that people write down (KEP-3070).
#pragma once

#include <boost/json/object.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace services::kube::api {

namespace json = boost::json;

// Numbers [0, size) of which each is held at most once.
class NumberPool {
public:
    NumberPool(std::size_t size, std::size_t band_min, std::size_t band_max, std::size_t band_step);
    bool take(std::size_t number);  // false when held
    void release(std::size_t number);
    [[nodiscard]] bool is_held(std::size_t number) const { return held_[number]; }
    // A free one from a random place of the upper band, then of the lower; nothing when all are held.
    std::optional<std::size_t> take_any(const std::function<std::size_t(std::size_t)>& random);
    [[nodiscard]] std::size_t size() const { return held_.size(); }

private:
    std::optional<std::size_t> take_between(std::size_t begin, std::size_t end, std::size_t start);

    std::vector<bool> held_;
    std::size_t band_;  // where the upper band begins
};

class Addresses {
public:
    static constexpr std::string_view network = "10.43.0.0/16";
    static constexpr std::string_view kubernetes_address = "10.43.0.1";  // Service default/kubernetes alone
    static constexpr std::string_view dns_address = "10.43.0.10";        // Services of kube-system alone
    static constexpr std::uint16_t node_port_min = 30000;
    static constexpr std::uint16_t node_port_max = 32767;

    // `random(bound)` gives a number below `bound`.
    explicit Addresses(std::function<std::size_t(std::size_t bound)> random);

    // What a write took and will let go of: undone on destruction unless commit() was called, so a write that fails after
    // it keeps nothing. The Addresses must outlive it.
    class Reservation {
    public:
        Reservation() = default;
        Reservation(Reservation&& other) noexcept;
        Reservation& operator=(Reservation&&) = delete;
        ~Reservation();
        void commit();

    private:
        friend class Addresses;
        Addresses* addresses_ = nullptr;
        std::vector<std::size_t> taken_addresses_, taken_ports_, freed_addresses_, freed_ports_;
    };

    // Fills in what `service` (with metadata, defaulted and validated) asks for. StatusError Invalid with the real texts. A
    // dry run keeps nothing even when committed, and stands in values that no write gets, as the real one does.
    Reservation allocate_create(json::object& service, bool is_dry_run);
    Reservation allocate_update(json::object& service, const json::object& before, bool is_dry_run);
    // A Service that was deleted, and one that was found stored at start.
    void release(const json::object& service);
    void adopt(const json::object& service);

private:
    struct Write;
    void take_cluster_address(Write& write);
    void update_cluster_address(Write& write);
    void take_node_ports(Write& write);
    void update_node_ports(Write& write);
    void take_health_check_port(Write& write);
    std::int64_t any_port(Write& write);
    std::string take_port(Write& write, std::int64_t port);
    void named_port(Write& write, std::size_t index, std::int64_t port);

    std::function<std::size_t(std::size_t)> random_;
    NumberPool cluster_addresses_;
    NumberPool node_ports_;
};

}  // namespace services::kube::api
