#include "firmware/guard/authority.hpp"

#include <sys/stat.h>

#include <algorithm>

#include "firmware/guard/clock_floor.hpp"
#include "hal/base/bytes.hpp"
#include "hal/base/error.hpp"
#include "hal/base/log.hpp"
#include "hal/disk/file.hpp"

namespace firmware::guard {
namespace {

using hal::net::CertificateRequest;
using hal::net::KeyAndCertificate;

constexpr std::size_t pem_bytes_max = 64 * 1024;
constexpr std::chrono::days root_life{20 * 365};
constexpr std::chrono::days leaf_life{2 * 365};
// A root that ends before what it issues would: time for the next.
constexpr auto root_rest = leaf_life;
// A board without a battery clock starts in 1970: what it issues then must still hold once it learns the time, and be
// valid before. So nothing begins later than 1970, and no life is counted from before this release.
constexpr hal::WallTime always{};

hal::WallTime issue_time(const hal::Clock& clock) { return std::max(clock.wall(), release); }

CertificateRequest root_request(std::string common_name, hal::WallTime now) {
    CertificateRequest request;
    request.subject.common_name = std::move(common_name);
    request.is_ca = true;
    request.not_before = always;
    request.not_after = now + root_life;
    return request;
}

KeyAndCertificate open_root(const std::filesystem::path& folder, const std::string& name, hal::WallTime now) {
    const auto key_file = folder / (name + ".key");
    const auto certificate_file = folder / (name + ".crt");
    const auto key = hal::disk::read_file(key_file, pem_bytes_max);
    const auto certificate = hal::disk::read_file(certificate_file, pem_bytes_max);
    if (key && certificate) {
        KeyAndCertificate root{*key, *certificate};
        try {
            hal::net::read_certificate(root.certificate_pem);
            // A key that is not this certificate's would fail only later, at each peer.
            constexpr std::string_view probe = "branchbox";
            if (!hal::net::verify_es256(root.certificate_pem, probe, hal::net::sign_es256(root.key_pem, probe)))
                throw hal::Error(hal::Code::corrupt, key_file.string() + " is not the key of " + certificate_file.string());
        } catch (const hal::Error& failure) {
            if (failure.code() == hal::Code::corrupt) throw;
            throw hal::Error(hal::Code::corrupt, certificate_file.string() + ": " + failure.what());
        }
        return root;
    }
    // The key is written first: with a key alone, no certificate was handed out yet and both are made anew.
    if (certificate)
        throw hal::Error(hal::Code::corrupt, key_file.string() + " is missing, but its certificate is there; without it no certificate "
                                                                 "can be issued that the box's clients trust");
    const auto common_name = "branchbox-" + name + "@" + std::to_string(now.time_since_epoch() / std::chrono::seconds(1));
    auto root = hal::net::issue(root_request(common_name, now), nullptr);
    hal::disk::replace_file(key_file, root.key_pem, 0600);
    hal::disk::replace_file(certificate_file, root.certificate_pem, 0600);
    return root;
}

bool renew_root(const std::filesystem::path& file, KeyAndCertificate& root, hal::WallTime now) {
    const auto facts = hal::net::read_certificate(root.certificate_pem);
    if (now + root_rest < facts.not_after) return false;
    const auto request = root_request(facts.subject.common_name, now);
    root.certificate_pem = hal::net::issue_again(request, root.key_pem).certificate_pem;
    hal::disk::replace_file(file, root.certificate_pem, 0600);
    hal::log::warn("guard", "{} {} {}; it is renewed until {}: clients that hold a copy need the new one", file.string(),
                   facts.not_after < now ? "expired on" : "expires on", hal::rfc3339(facts.not_after), hal::rfc3339(request.not_after));
    return true;
}

// A key without a certificate: P-256, as the roots'.
std::string open_key(const std::filesystem::path& file) {
    if (auto key = hal::disk::read_file(file, pem_bytes_max)) {
        try {
            hal::net::public_key_pem(*key);
        } catch (const hal::Error& failure) {
            throw hal::Error(hal::Code::corrupt, file.string() + ": " + failure.what());
        }
        return *std::move(key);
    }
    CertificateRequest request;
    request.subject.common_name = "branchbox";
    request.not_before = always;
    request.not_after = release;
    auto key = hal::net::issue(request, nullptr).key_pem;
    hal::disk::replace_file(file, key, 0600);
    return key;
}

// A random text of `bytes` bytes that stays the same: made where there is none.
std::string open_secret(const std::filesystem::path& file, std::size_t bytes) {
    if (auto text = hal::disk::read_file(file, pem_bytes_max)) return *std::move(text);
    auto text = hal::base64url(hal::random_bytes(bytes));
    hal::disk::replace_file(file, text, 0600);
    return text;
}

}  // namespace

Authority Authority::open(const std::filesystem::path& folder, const hal::Clock& clock) {
    std::filesystem::create_directories(folder);
    if (::chmod(folder.c_str(), 0700) != 0) throw hal::system_error("chmod " + folder.string());
    const auto now = issue_time(clock);
    Authority authority;
    authority.folder_ = folder;
    authority.server_root_ = open_root(folder, "server-ca", now);
    authority.client_root_ = open_root(folder, "client-ca", now);
    authority.service_account_key_pem_ = open_key(folder / "service-account.key");
    authority.renew_roots(clock);
    return authority;
}

bool Authority::renew_roots(const hal::Clock& clock) {
    const bool is_server_renewed = renew_root(folder_ / "server-ca.crt", server_root_, issue_time(clock));
    return renew_root(folder_ / "client-ca.crt", client_root_, issue_time(clock)) || is_server_renewed;
}

hal::WallTime Authority::renewal_due(const hal::Clock& clock) { return issue_time(clock) + leaf_life / 2; }

std::map<std::string, std::string> Authority::credentials_for(const Identity& identity, const std::vector<std::string>& names,
                                                              const std::vector<std::string>& addresses,
                                                              const hal::Clock& clock) const {
    std::map<std::string, std::string> credentials{{"ca.crt", server_root_.certificate_pem},
                                                   {"client-ca.crt", client_root_.certificate_pem}};
    CertificateRequest request;
    request.not_before = always;
    request.not_after = issue_time(clock) + leaf_life;
    const auto issue = [&](const std::string& name, const KeyAndCertificate& root) {
        const auto leaf = hal::net::issue(request, &root);
        credentials[name + ".crt"] = leaf.certificate_pem;
        credentials[name + ".key"] = leaf.key_pem;
    };
    request.for_client = true;
    if (!identity.client.common_name.empty()) {
        request.subject = identity.client;
        issue("client", client_root_);
    }
    if (identity.is_api_server) {
        request.subject = {"system:kube-apiserver", {}};
        issue("kubelet-client", client_root_);
        credentials["service-account.key"] = service_account_key_pem_;
    }
    if (identity.has_root_user) {
        credentials["root-user"] = open_secret(folder_ / "s3-root-user", 12);
        credentials["root-password"] = open_secret(folder_ / "s3-root-password", 30);
    }
    if (identity.has_serving_certificate) {
        request.subject = {"branchbox", {}};
        request.for_client = false;
        request.for_server = true;
        request.dns_names = names;
        request.ip_addresses = addresses;
        issue("serving", server_root_);
    }
    return credentials;
}

}  // namespace firmware::guard
