// Real packets through real namespaces: the test makes itself a network namespace as the box, one per pod, and one that
// is another machine on the office network.
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>

#include "hal/net/netlink.hpp"
#include "hal/net/nftables.hpp"
#include "services/kubelet/network/pod_network.hpp"
#include "services/kubelet/network/service_rules.hpp"

using namespace services::kubelet::network;
using hal::async::Task;

namespace {

std::string shell(const std::string& command) {
    std::string out;
    FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
    std::array<char, 4096> buffer;
    while (const auto got = std::fread(buffer.data(), 1, buffer.size(), pipe)) out.append(buffer.data(), got);
    ::pclose(pipe);
    return out;
}

// Runs in a thread that has become a box of its own: network and mount namespace, `ip netns` names under a tmpfs.
template <class Body>
void on_a_box(Body body) {
    if (::geteuid() != 0) SKIP("network namespaces need root");
    std::exception_ptr failure;
    std::thread([&] {
        try {
            if (::unshare(CLONE_NEWNET | CLONE_NEWNS | CLONE_FS) != 0) throw std::runtime_error("unshare");
            if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
                ::mount("run", "/run", "tmpfs", 0, nullptr) != 0)
                throw std::runtime_error("private mounts");
            // /proc/sys/net shows the namespace of the thread that asks, so that nothing else is needed for sysctls.
            body();
        } catch (...) {
            failure = std::current_exception();
        }
    }).join();
    if (failure) std::rethrow_exception(failure);
}

template <class T>
T finish(boost::asio::io_context& loop, Task<T> task) {
    std::optional<T> result;
    std::exception_ptr failure;
    boost::asio::co_spawn(loop, std::move(task), [&](std::exception_ptr thrown, T value) {
        failure = thrown;
        result = std::move(value);
    });
    loop.restart();
    loop.run();
    if (failure) std::rethrow_exception(failure);
    return std::move(*result);
}
void finish(boost::asio::io_context& loop, Task<> task) {
    std::exception_ptr failure;
    boost::asio::co_spawn(loop, std::move(task), [&](std::exception_ptr thrown) { failure = thrown; });
    loop.restart();
    loop.run();
    if (failure) std::rethrow_exception(failure);
}

// Serves `address:port` in namespace `name` until the namespace's processes are stopped: answers "NAME CLIENT-ADDRESS".
constexpr auto server = R"(python3 -c '
import socket,sys
s=socket.create_server((sys.argv[2],int(sys.argv[3])))
print("listening",flush=True)
while True:
    c,a=s.accept()
    c.sendall((sys.argv[1]+" "+a[0]).encode()); c.close()
' )";

struct Server {
    FILE* pipe;
    Server(const std::string& where, const std::string& name, const std::string& address, int port)
        : pipe(::popen((where + " setpriv --pdeathsig KILL " + server + name + " " + address + " " + std::to_string(port) + " & echo $!; wait").c_str(), "r")) {
        std::array<char, 64> line;
        for (int i = 0; i < 2; ++i) {
            REQUIRE(std::fgets(line.data(), line.size(), pipe) != nullptr);
            if (std::string(line.data()).find("listening") == std::string::npos) pid = std::atoi(line.data());
        }
    }
    ~Server() {
        if (pid > 0) ::kill(pid, SIGKILL);
        ::pclose(pipe);
    }
    int pid = 0;
};

std::string ask(const std::string& where, const std::string& address, int port) {
    return shell(where + " python3 -c 'import socket,sys; c=socket.create_connection((sys.argv[1],int(sys.argv[2])),3); "
                         "print(c.recv(100).decode(),end=\"\")' " + address + " " + std::to_string(port) + " 2>&1 | tail -n 1 | tr -d '\\n'");
}

}  // namespace

TEST_CASE("packets take the ways that Services promise") {
    on_a_box([] {
        const auto folder = std::filesystem::temp_directory_path() / ("pod-network-" + std::to_string(::gettid()));
        std::filesystem::create_directories(folder);
        // The office: another machine, 192.0.2.9, on the box's eth0, 192.0.2.1. No default route anywhere.
        shell("ip link set lo up; ip netns add office; ip link add eth0 type veth peer name eth0 netns office;"
              "ip addr add 192.0.2.1/24 dev eth0; ip link set eth0 up;"
              "ip -n office addr add 192.0.2.9/24 dev eth0; ip -n office link set eth0 up; ip netns add a; ip netns add b");

        boost::asio::io_context loop(1);
        hal::async::Pool* pool = nullptr;
        hal::async::Pool threads(2);  // made here, so that its threads live in this namespace
        pool = &threads;
        Options options;
        options.root = folder;
        options.data_folder = folder;
        options.node_name = "box";
        options.fixed_services = {{"10.43.0.1", "TCP", 443, "10.42.0.1", 6443}};
        PodNetwork network(loop.get_executor(), *pool, options);
        finish(loop, network.start());
        CHECK(network.box_addresses() == std::vector<std::string>{"192.0.2.1"});
        const auto a = finish(loop, network.attach("uid-a", "/run/netns/a", {{"TCP", 8088, 8080, ""}}));
        const auto b = finish(loop, network.attach("uid-b", "/run/netns/b", {}));
        CHECK(a.ip == "10.42.0.2");
        CHECK(b.ip == "10.42.0.3");
        CHECK(finish(loop, network.attach("uid-a", "/run/netns/a", {{"TCP", 8088, 8080, ""}})).ip == a.ip);

        const std::string in_a = "ip netns exec a", in_b = "ip netns exec b", in_office = "ip netns exec office";
        const Server of_a(in_a, "a", a.ip, 8080);
        const Server of_api("", "api", "10.42.0.1", 6443);
        CHECK(ask(in_b, a.ip, 8080) == "a " + b.ip);
        CHECK(ask("", a.ip, 8080) == "a 10.42.0.1");
        CHECK(ask(in_b, "10.43.0.1", 443) == "api " + b.ip);
        CHECK(ask("", "10.43.0.1", 443).starts_with("api "));
        CHECK(ask(in_office, "192.0.2.1", 8088) == "a 192.0.2.9");
        CHECK(ask("", "192.0.2.1", 8088) == "a 10.42.0.1");

        // A second table with the Service, as run() would make it of the API's objects.
        ServicePort service;
        service.name = "default/web";
        service.protocol = "tcp";
        service.port = 80;
        service.node_port = 30080;
        service.is_balanced = true;
        service.affinity_seconds = 60;
        service.addresses = {"10.43.7.1"};
        service.endpoints = {{a.ip, 8080, true, true, false, true}};
        RuleInput input;
        input.table = "services_test";
        input.services = {service};
        const auto with = ruleset(input);
        const hal::net::Nftables nft;
        nft.apply(transaction({}, with));
        CHECK(ask(in_b, "10.43.7.1", 80) == "a " + b.ip);
        CHECK(ask(in_a, "10.43.7.1", 80) == "a 10.42.0.1");
        CHECK(ask("", "10.43.7.1", 80) == "a 10.42.0.1");
        CHECK(ask("", "192.0.2.1", 80) == "a 10.42.0.1");
        CHECK(ask("", "127.0.0.1", 30080) == "a 10.42.0.1");
        CHECK(ask(in_office, "192.0.2.1", 80) == "a 192.0.2.9");
        CHECK(ask(in_office, "192.0.2.1", 30080) == "a 192.0.2.9");
        CHECK(ask(in_b, "192.0.2.1", 80) == "a " + b.ip);

        // Its endpoint goes to the other pod: one transaction, and the rules follow. Then none is left.
        const Server of_b(in_b, "b", b.ip, 8080);
        input.services[0].endpoints = {{b.ip, 8080, true, true, false, true}};
        const auto moved = ruleset(input);
        nft.apply(transaction(with, moved));
        CHECK(ask(in_office, "192.0.2.1", 80) == "b 192.0.2.9");
        input.services[0].endpoints.clear();
        const auto empty = ruleset(input);
        nft.apply(transaction(moved, empty));
        CHECK(ask(in_office, "192.0.2.1", 80).find("refused") != std::string::npos);
        CHECK(ask(in_a, "10.43.7.1", 80).find("refused") != std::string::npos);

        // A restart: the addresses are where they were; what belongs to no pod goes.
        PodNetwork later(loop.get_executor(), *pool, options);
        finish(loop, later.start());
        CHECK(later.address_of("uid-b")->ip == b.ip);
        finish(loop, later.keep_only({"uid-b"}));
        CHECK(!later.address_of("uid-a"));
        CHECK(shell("ip -n a link show eth0").find("does not exist") != std::string::npos);
        std::filesystem::remove_all(folder);
    });
}
