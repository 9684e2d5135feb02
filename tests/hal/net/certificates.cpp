#include "hal/net/certificates.hpp"

#include <catch2/catch_test_macros.hpp>

#include "hal/base/bytes.hpp"
#include "hal/base/error.hpp"

using namespace hal::net;
using namespace std::chrono_literals;

namespace {

const hal::WallTime noon = hal::parse_rfc3339("2026-11-24T12:00:00Z");

KeyAndCertificate authority() {
    return issue({.subject = {.common_name = "ca", .organizations = {}}, .dns_names = {}, .ip_addresses = {}, .is_ca = true,
                  .not_before = noon, .not_after = noon + 24h},
                 nullptr);
}

}  // namespace

TEST_CASE("a certificate says what was asked for, every group in order") {
    const auto ca = authority();
    const auto made = issue({.subject = {.common_name = "system:node:berlin-03", .organizations = {"system:nodes", "a=b,c", ""}},
                             .dns_names = {"berlin-03", "*.example"}, .ip_addresses = {"10.42.0.1", "fe80::1"}, .for_server = true,
                             .for_client = true, .not_before = noon - 1h, .not_after = noon + 1h},
                            &ca);
    const auto facts = read_certificate(made.certificate_pem);
    CHECK(facts.subject.common_name == "system:node:berlin-03");
    CHECK(facts.subject.organizations == std::vector<std::string>{"system:nodes", "a=b,c", ""});
    CHECK(facts.dns_names == std::vector<std::string>{"berlin-03", "*.example"});
    CHECK(facts.ip_addresses == std::vector<std::string>{"10.42.0.1", "fe80::1"});
    CHECK(facts.not_before == noon - 1h);
    CHECK(facts.not_after == noon + 1h);
    CHECK(facts.for_client);
    CHECK(read_certificate(pem_to_der(made.certificate_pem)).subject.common_name == "system:node:berlin-03");
    CHECK_THROWS_AS(read_certificate("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), hal::Error);
    CHECK_THROWS_AS(read_certificate(""), hal::Error);
}

TEST_CASE("an ES256 signature holds for its message and key alone, by public key or certificate") {
    const auto ca = authority();
    const auto signature = sign_es256(ca.key_pem, "header.payload");
    CHECK(signature.size() == 64);
    CHECK(verify_es256(public_key_pem(ca.key_pem), "header.payload", signature));
    CHECK(verify_es256(ca.certificate_pem, "header.payload", signature));
    CHECK_FALSE(verify_es256(ca.certificate_pem, "header.payloaD", signature));
    CHECK_FALSE(verify_es256(authority().certificate_pem, "header.payload", signature));
    CHECK_FALSE(verify_es256(ca.certificate_pem, "header.payload", std::string(64, '\0')));
    CHECK_FALSE(verify_es256(ca.certificate_pem, "header.payload", signature.substr(1)));
}

TEST_CASE("SHA-256 and SHA-1 are those of the standard") {
    CHECK(hal::hex(sha256("abc")) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    CHECK(hal::hex(sha1("abc")) == "a9993e364706816aba3e25717850c26c9cd0d89d");
}
