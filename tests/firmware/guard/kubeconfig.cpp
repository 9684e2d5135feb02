#include "firmware/guard/kubeconfig.hpp"

#include <catch2/catch_test_macros.hpp>
#include <sys/stat.h>

#include "hal/base/bytes.hpp"
#include "hal/disk/file.hpp"
#include "tests/folder.hpp"

namespace {

std::string value_of(const std::string& text, const std::string& key) {
    const auto from = text.find(key + ": ") + key.size() + 2;
    return text.substr(from, text.find('\n', from) - from);
}

}  // namespace

TEST_CASE("the admin kubeconfig is readable by root alone and names an administrator that the API trusts") {
    const Folder folder;
    const hal::SystemClock clock;
    const auto authority = firmware::guard::Authority::open(folder.path / "credentials", clock);
    const auto file = folder.path / "etc/rancher/k3s/k3s.yaml";
    firmware::guard::write_admin_kubeconfig(file, "https://127.0.0.1:6443", authority, clock);

    struct stat facts{};
    REQUIRE(::stat(file.c_str(), &facts) == 0);
    CHECK((facts.st_mode & 0777) == 0600);
    const auto text = hal::disk::read_file(file, 64 * 1024).value();
    CHECK(value_of(text, "server") == "https://127.0.0.1:6443");
    const auto certificate = hal::net::read_certificate(hal::base64_decoded(value_of(text, "client-certificate-data")).value());
    CHECK(certificate.subject.common_name == "system:admin");
    CHECK(certificate.subject.organizations == std::vector<std::string>{"system:masters"});
    CHECK(certificate.for_client);
}

TEST_CASE("the key of ServiceAccount tokens is the same after a restart, and the API server's alone") {
    const Folder folder;
    const hal::SystemClock clock;
    firmware::guard::Identity api_server, other;
    api_server.is_api_server = true;
    const auto open = [&] { return firmware::guard::Authority::open(folder.path, clock); };
    const auto first = open().credentials_for(api_server, {}, {}, clock);
    const auto second = open().credentials_for(api_server, {}, {}, clock);
    CHECK(first.at("service-account.key") == second.at("service-account.key"));
    CHECK(first.at("kubelet-client.key") != second.at("kubelet-client.key"));
    CHECK_FALSE(open().credentials_for(other, {}, {}, clock).contains("service-account.key"));
}
