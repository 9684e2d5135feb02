#include "services/kubelet/network/links.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <boost/json/parse.hpp>

#include <algorithm>
#include <set>

#include "hal/base/error.hpp"
#include "hal/net/netlink.hpp"
#include "services/kubeclient/object.hpp"

namespace services::kubelet::network {

namespace net = hal::net;
namespace kc = kubeclient;
using hal::Code;
using hal::Error;

std::vector<std::string> prepare_box(const std::string& gateway, const std::string& service_range) {
    std::vector<std::string> problems;
    net::Netlink box;
    const auto lo = box.find_link("lo");
    if (!lo) throw Error(Code::unavailable, "this network namespace has no loopback link");
    box.set_up(lo->index);
    // Scope host: the kernel never picks it as the source of what leaves the box.
    box.add_address({lo->index, gateway, 32, net::LinkAddress::Scope::host});
    const auto slash = service_range.find('/');
    box.put_route({service_range.substr(0, slash), std::stoi(service_range.substr(slash + 1)), lo->index, "", gateway});
    if (!net::set_sysctl("net.ipv4.ip_forward", "1"))
        problems.emplace_back("net.ipv4.ip_forward is 0 and cannot be set: pods reach only the box");
    return problems;
}

void connect_pod(const PodLink& pod) {
    net::Netlink box;
    net::Netlink inside(pod.netns);
    auto outer = box.find_link(pod.name);
    auto eth0 = inside.find_link("eth0");
    if (!outer || !eth0) {
        // Half a pair is left from a namespace that is gone (a reboot, a pod made anew).
        if (outer) box.remove_link(pod.name);
        if (eth0) inside.remove_link("eth0");
        box.add_veth(pod.name, "eth0", pod.netns);
        outer = box.find_link(pod.name);
        eth0 = inside.find_link("eth0");
        if (!outer || !eth0) throw Error(Code::internal, "the veth pair " + pod.name + " is not there after it was made");
    }
    const auto conf = "net.ipv4.conf." + pod.name + ".";
    net::set_sysctl(conf + "route_localnet", "1");  // 127.0.0.1:NodePort on the box
    // Strict filtering drops replies that leave by another interface; loose is safe with these routes. The kernel takes
    // the higher of `all` and the link's own.
    if (net::sysctl("net.ipv4.conf.all.rp_filter") == "1" || net::sysctl(conf + "rp_filter") == "1")
        net::set_sysctl(conf + "rp_filter", "2");
    box.add_address({outer->index, pod.gateway, 32});
    box.set_up(outer->index);
    if (const auto lo = inside.find_link("lo")) inside.set_up(lo->index);
    inside.add_address({eth0->index, pod.ip, 32});
    inside.set_up(eth0->index);
    inside.put_route({pod.gateway, 32, eth0->index, "", ""});
    inside.put_route({"", 0, eth0->index, pod.gateway, ""});
    box.put_route({pod.ip, 32, outer->index, "", pod.gateway});
}

void disconnect_pod(const std::string& name) { net::Netlink().remove_link(name); }

std::vector<std::string> links_named(const std::string& prefix) {
    std::vector<std::string> names;
    for (auto& link : net::Netlink().links())
        if (link.name.starts_with(prefix)) names.push_back(std::move(link.name));
    return names;
}

std::vector<std::string> own_addresses(const std::string& pod_prefix, const std::string& gateway) {
    net::Netlink box;
    std::set<int> others;
    for (const auto& link : box.links())
        if (link.is_loopback || link.name.starts_with(pod_prefix)) others.insert(link.index);
    int uplink = 0;
    std::uint32_t metric = 0;
    for (const auto& route : box.routes())
        if (!route.is_ipv6 && route.prefix_bits == 0 && (uplink == 0 || route.metric < metric)) {
            uplink = route.link;
            metric = route.metric;
        }
    struct Ranked {
        bool is_ipv6, is_elsewhere;
        std::string ip;
    };
    std::vector<Ranked> ranked;
    for (const auto& address : box.addresses())
        if (address.scope == net::LinkAddress::Scope::universe && !address.is_temporary_or_tentative &&
            !others.contains(address.link) && address.ip != gateway)
            ranked.push_back({address.ip.find(':') != std::string::npos, address.link != uplink, address.ip});
    std::ranges::stable_sort(ranked, {}, [](const Ranked& one) { return std::pair(one.is_ipv6, one.is_elsewhere); });
    std::vector<std::string> result;
    for (auto& one : ranked) result.push_back(std::move(one.ip));
    return result;
}

std::vector<std::string> forwarding_refused(const std::string& chains_json, const std::string& own_table) {
    std::vector<std::string> problems;
    boost::system::error_code failure;
    const auto value = boost::json::parse(chains_json, failure);
    if (failure) return problems;
    for (const auto& one : kc::array_at(kc::as_object(value), "nftables")) {
        const auto& chain = kc::object_at(kc::as_object(one), "chain");
        if (kc::text(chain, "hook") != "forward" || kc::text(chain, "policy") != "drop" || kc::text(chain, "table") == own_table)
            continue;
        const auto family = std::string(kc::text(chain, "family"));
        if (family == "ip6" || family == "bridge" || family == "arp") continue;  // pods speak IPv4
        problems.push_back("table " + family + " " + std::string(kc::text(chain, "table")) + ", chain " +
                           std::string(kc::text(chain, "name")) +
                           " drops forwarded packets (Docker and ufw do so): pods cannot be reached from other machines "
                           "until it accepts 10.42.0.0/16");
    }
    return problems;
}

void write_durably(const std::filesystem::path& path, const std::string& text) {
    std::filesystem::create_directories(path.parent_path());
    const auto aside = path.string() + ".new";
    const auto check = [&](bool good, const char* what) {
        if (!good) throw hal::system_error(std::string(what) + " " + aside);
    };
    struct File {
        int fd;
        ~File() {
            if (fd >= 0) ::close(fd);
        }
    };
    {
        const File file{::open(aside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)};
        check(file.fd >= 0, "make");
        for (std::size_t done = 0; done < text.size();) {
            const ssize_t wrote = ::write(file.fd, text.data() + done, text.size() - done);
            check(wrote >= 0, "write");
            done += static_cast<std::size_t>(wrote);
        }
        check(::fsync(file.fd) == 0, "sync");
    }
    check(::rename(aside.c_str(), path.c_str()) == 0, "rename");
    const File folder{::open(path.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    check(folder.fd >= 0 && ::fsync(folder.fd) == 0, "sync the folder of");
}

}  // namespace services::kubelet::network
