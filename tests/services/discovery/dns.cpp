#include <catch2/catch_test_macros.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/json/parse.hpp>

#include <arpa/inet.h>
#include <sys/socket.h>

#include <array>
#include <cstdio>
#include <thread>

#include <boost/asio/co_spawn.hpp>

#include "services/discovery/server.hpp"

using namespace services::discovery;
namespace dns = services::codec::dns;

namespace {

boost::json::object object(const std::string& text) { return boost::json::parse(text).as_object(); }

Zone sample() {
    Zone zone;
    zone.put_service(object(R"({"metadata":{"name":"web","namespace":"shop"},"spec":{"clusterIP":"10.43.7.1","clusterIPs":["10.43.7.1"],
        "ports":[{"name":"http","protocol":"TCP","port":80}]}})"));
    zone.put_service(object(R"({"metadata":{"name":"db","namespace":"shop"},"spec":{"clusterIP":"None","clusterIPs":["None"],
        "ports":[{"name":"sql","protocol":"TCP","port":5432}]}})"));
    zone.put_slice(object(R"({"metadata":{"name":"db-1","namespace":"shop","labels":{"kubernetes.io/service-name":"db"}},
        "ports":[{"name":"sql","protocol":"TCP","port":5432}],"endpoints":[
        {"addresses":["10.42.0.5"],"hostname":"db-0","conditions":{"ready":true}},
        {"addresses":["10.42.0.6"],"conditions":{"ready":true}},
        {"addresses":["10.42.0.7"],"conditions":{"ready":false}}]})"));
    zone.put_service(object(R"({"metadata":{"name":"hq","namespace":"shop"},"spec":{"type":"ExternalName","externalName":"hq.example.com"}})"));
    return zone;
}

dns::Message asked(const Zone& zone, const std::string& name, std::uint16_t type) {
    dns::Message reply;
    REQUIRE(zone.answer({name, type, 1}, reply));
    return reply;
}

}  // namespace

TEST_CASE("a Service has its cluster IP by name, in the case it was asked") {
    const auto zone = sample();
    const auto reply = asked(zone, "Web.Shop.svc.cluster.local", dns::A);
    REQUIRE(reply.answers.size() == 1);
    CHECK(reply.answers[0].name == "Web.Shop.svc.cluster.local");
    CHECK(reply.answers[0].rdata == dns::address_rdata("10.43.7.1"));
    CHECK(reply.is_authoritative);
}

TEST_CASE("a name without that type is NODATA, an absent one NXDOMAIN, both with SOA") {
    const auto zone = sample();
    const auto none = asked(zone, "web.shop.svc.cluster.local", dns::AAAA);
    CHECK(none.rcode == dns::Rcode::no_error);
    CHECK(none.answers.empty());
    REQUIRE(none.authorities.size() == 1);
    CHECK(none.authorities[0].type == dns::SOA);
    for (const auto* name : {"nothing.shop.svc.cluster.local", "web.elsewhere.svc.cluster.local", "cluster.local.cluster.local"})
        CHECK(asked(zone, name, dns::A).rcode == dns::Rcode::name_error);
    CHECK(asked(zone, "shop.svc.cluster.local", dns::A).rcode == dns::Rcode::no_error);
}

TEST_CASE("a headless Service names its ready endpoints, together and by host name") {
    const auto zone = sample();
    CHECK(asked(zone, "db.shop.svc.cluster.local", dns::A).answers.size() == 2);
    CHECK(asked(zone, "db-0.db.shop.svc.cluster.local", dns::A).answers.at(0).rdata == dns::address_rdata("10.42.0.5"));
    CHECK(asked(zone, "10-42-0-6.db.shop.svc.cluster.local", dns::A).answers.size() == 1);
    const auto srv = asked(zone, "_sql._tcp.db.shop.svc.cluster.local", dns::SRV);
    CHECK(srv.answers.size() == 2);
    CHECK(srv.additionals.size() == 2);
}

TEST_CASE("pods, external names and addresses have names too") {
    const auto zone = sample();
    CHECK(asked(zone, "10-42-0-9.shop.pod.cluster.local", dns::A).answers.at(0).rdata == dns::address_rdata("10.42.0.9"));
    CHECK(asked(zone, "10-42-0-9.elsewhere.pod.cluster.local", dns::A).rcode == dns::Rcode::name_error);
    CHECK(asked(zone, "hq.shop.svc.cluster.local", dns::A).answers.at(0).rdata == *dns::name_rdata("hq.example.com"));
    CHECK(asked(zone, "1.7.43.10.in-addr.arpa", dns::PTR).answers.at(0).rdata == *dns::name_rdata("web.shop.svc.cluster.local"));
    dns::Message reply;
    CHECK(!zone.answer({"example.com", dns::A, 1}, reply));
    CHECK(!zone.answer({"9.9.9.9.in-addr.arpa", dns::PTR, 1}, reply));
}

TEST_CASE("a snapshot gives back the same names") {
    const auto zone = sample();
    Zone later;
    later.restore(zone.snapshot());
    CHECK(later.snapshot() == zone.snapshot());
    CHECK(asked(later, "db.shop.svc.cluster.local", dns::A).answers.size() == 2);
    CHECK_THROWS(later.restore("{\"version\":1"));
    CHECK(later.size() == zone.size());
}

TEST_CASE("a message survives the way to bytes and back; what does not fit is told by TC") {
    dns::Message message;
    message.id = 7;
    message.is_response = true;
    message.questions.push_back({"a.b", dns::A, 1});
    for (int i = 0; i < 60; ++i) message.answers.push_back({"a.b", dns::A, 1, 5, std::string("\x0a\x2a\x00", 3) + static_cast<char>(i)});
    const auto whole = dns::decode(dns::encode(message));
    REQUIRE(whole);
    CHECK(whole->answers.size() == 60);
    CHECK(!whole->is_truncated);
    const auto bytes = dns::encode(message, dns::udp_bytes_classic);
    CHECK(bytes.size() <= 512);
    CHECK(dns::decode(bytes)->is_truncated);
    // A pointer to itself, and one forwards.
    const std::string header("\x00\x01\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00", 12);
    CHECK(!dns::decode(header + std::string("\xC0\x0C\x00\x01\x00\x01", 6)));
    CHECK(!dns::decode(header + std::string("\xC0\x20\x00\x01\x00\x01", 6)));
}

TEST_CASE("dig is answered over UDP and TCP; an absent name is denied only by a whole zone") {
    boost::asio::io_context loop(1);
    auto zone = sample();
    Forwarder forwarder(loop.get_executor(), "/nonexistent/resolv.conf", {});
    Server server(loop.get_executor(), zone, forwarder);
    auto listener = hal::net::Listener::bind(loop.get_executor(), {"127.0.0.1", 0});
    const auto port = listener->local().port;
    const int udp = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::bind(udp, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    server.listen_udp(udp);
    server.listen_tcp(std::move(listener));
    std::array<std::string, 6> answers;
    std::thread asker([&] {
        const std::array<std::string, 6> questions{"web.shop.svc.cluster.local A +short", "web.shop.svc.cluster.local A +short +tcp",
                                                   "_http._tcp.web.shop.svc.cluster.local SRV +short", "nothing.shop.svc.cluster.local A",
                                                   "nothing.shop.svc.cluster.local A", "example.com A"};
        for (std::size_t i = 0; i < questions.size(); ++i) {
            if (i == 4) boost::asio::post(loop, [&] { zone.mark_whole(); });
            const auto command = "dig @127.0.0.1 -p " + std::to_string(port) + " +tries=1 +time=2 +noedns " + questions[i];
            FILE* pipe = ::popen(command.c_str(), "r");
            std::array<char, 4096> buffer;
            while (const auto got = std::fread(buffer.data(), 1, buffer.size(), pipe)) answers[i].append(buffer.data(), got);
            ::pclose(pipe);
        }
        boost::asio::post(loop, [&] { boost::asio::co_spawn(loop, server.stop(), [](std::exception_ptr) {}); });
    });
    loop.run();
    asker.join();
    CHECK(answers[0] == "10.43.7.1\n");
    CHECK(answers[1] == "10.43.7.1\n");
    CHECK(answers[2] == "0 100 80 web.shop.svc.cluster.local.\n");
    CHECK(answers[3].find("status: SERVFAIL") != std::string::npos);
    CHECK(answers[4].find("status: NXDOMAIN") != std::string::npos);
    CHECK(answers[5].find("status: SERVFAIL") != std::string::npos);
}
