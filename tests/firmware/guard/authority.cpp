#include "firmware/guard/authority.hpp"

#include <catch2/catch_test_macros.hpp>

#include <sys/stat.h>

#include <fstream>

#include "hal/base/error.hpp"
#include "hal/disk/file.hpp"
#include "tests/folder.hpp"

using firmware::guard::Authority;
using namespace std::chrono_literals;

namespace {

const hal::ManualClock today(std::chrono::sys_days{std::chrono::year{2026} / 11 / 24});

const firmware::guard::Identity dns{{"system:coredns", {"branchbox:services"}}, true};

}  // namespace

TEST_CASE("the roots are made once and kept over a restart, for root's eyes alone") {
    Folder folder;
    const auto first = Authority::open(folder.path / "credentials", today).credentials_for({}, {}, {}, today);
    const auto second = Authority::open(folder.path / "credentials", today).credentials_for({}, {}, {}, today);
    CHECK(first == second);
    CHECK(first.at("ca.crt") != first.at("client-ca.crt"));
    struct stat facts{};
    REQUIRE(::stat((folder.path / "credentials/server-ca.key").c_str(), &facts) == 0);
    CHECK((facts.st_mode & 0777) == 0600);
    REQUIRE(::stat((folder.path / "credentials").c_str(), &facts) == 0);
    CHECK((facts.st_mode & 0777) == 0700);
}

TEST_CASE("a service gets the certificates of its identity and no root key") {
    Folder folder;
    const auto authority = Authority::open(folder.path, today);
    const auto given = authority.credentials_for(dns, {"localhost"}, {"127.0.0.1"}, today);
    CHECK(given.size() == 6);
    const auto client = hal::net::read_certificate(given.at("client.crt"));
    CHECK(client.subject.common_name == "system:coredns");
    CHECK(client.subject.organizations == std::vector<std::string>{"branchbox:services"});
    CHECK(client.for_client);
    const auto serving = hal::net::read_certificate(given.at("serving.crt"));
    CHECK(serving.dns_names == std::vector<std::string>{"localhost"});
    CHECK(serving.ip_addresses == std::vector<std::string>{"127.0.0.1"});
    CHECK_FALSE(serving.for_client);
    CHECK(authority.credentials_for({}, {}, {}, today).size() == 2);
}

TEST_CASE("what a board issues in 1970 is valid then and after it has learnt the time") {
    Folder folder;
    const hal::ManualClock unset(hal::WallTime{1h});
    const auto given = Authority::open(folder.path, unset).credentials_for(dns, {}, {}, unset);
    for (const char* name : {"ca.crt", "client-ca.crt", "client.crt", "serving.crt"}) {
        const auto facts = hal::net::read_certificate(given.at(name));
        CHECK(facts.not_before <= unset.wall());
        CHECK(facts.not_after > today.wall());
    }
}

TEST_CASE("a root that cannot be used is named, and nothing is put in its place") {
    Folder folder;
    Authority::open(folder.path, today);
    SECTION("its key is another's") {
        std::filesystem::copy_file(folder.path / "client-ca.key", folder.path / "server-ca.key", std::filesystem::copy_options::overwrite_existing);
    }
    SECTION("its key is gone") { std::filesystem::remove(folder.path / "server-ca.key"); }
    SECTION("its certificate is no certificate") { std::ofstream(folder.path / "server-ca.crt") << "nonsense"; }
    try {
        Authority::open(folder.path, today);
        FAIL("it opened");
    } catch (const hal::Error& failure) {
        CHECK(failure.code() == hal::Code::corrupt);
        CHECK(std::string(failure.what()).find("server-ca") != std::string::npos);
    }
}

TEST_CASE("a root whose end has come, or comes before a new leaf's, is renewed under its own key, and old leaves stay valid") {
    Folder folder;
    const auto before = Authority::open(folder.path, today).credentials_for(dns, {}, {}, today);
    const hal::ManualClock late(today.wall() + 24h * 365 * 21);
    auto renewed = Authority::open(folder.path, late);
    const auto after = renewed.credentials_for(dns, {}, {}, late);
    for (const char* name : {"ca.crt", "client-ca.crt"}) {
        const auto old_facts = hal::net::read_certificate(before.at(name));
        const auto facts = hal::net::read_certificate(after.at(name));
        CHECK(old_facts.not_after < late.wall());
        CHECK(facts.not_after > late.wall() + 24h * 365 * 19);
        CHECK(facts.subject.common_name == old_facts.subject.common_name);
        CHECK(hal::net::verify_es256(after.at(name), "x", hal::net::sign_es256(*hal::disk::read_file(folder.path / (std::string(name) == "ca.crt" ? "server-ca.key" : "client-ca.key"), 65536), "x")));
    }
    CHECK_FALSE(renewed.renew_roots(late));
    CHECK_FALSE(renewed.renew_roots(hal::ManualClock(late.wall() + 24h * 365 * 18 - 24h)));
    CHECK(renewed.renew_roots(hal::ManualClock(late.wall() + 24h * 365 * 18)));
}

TEST_CASE("credentials are due for renewal at half of their life, which is not counted from before the release") {
    CHECK(Authority::renewal_due(today) == today.wall() + 24h * 365);
    CHECK(Authority::renewal_due(hal::ManualClock(hal::WallTime{})) > hal::WallTime{std::chrono::sys_days{std::chrono::year{2026} / 12 / 31}});
}
