// X.509 for the box's own authority: making keys and certificates (EC P-256, SHA-256), reading what a peer showed.
// Pure functions over PEM and DER; who may get which certificate is decided in firmware/guard and services/auth.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "hal/base/clock.hpp"

namespace hal::net {

struct CertificateSubject {
    std::string common_name;
    std::vector<std::string> organizations;  // Kubernetes: groups
};

struct CertificateRequest {
    CertificateSubject subject;
    std::vector<std::string> dns_names;
    std::vector<std::string> ip_addresses;
    bool is_ca = false;
    bool for_server = false;
    bool for_client = false;
    WallTime not_before;
    WallTime not_after;
};

struct KeyAndCertificate {
    std::string key_pem;  // PKCS#8 or SEC1, EC P-256
    std::string certificate_pem;
};

// For a new key. Self-signed when `issuer` is null. Throws Error{invalid}.
KeyAndCertificate issue(const CertificateRequest& request, const KeyAndCertificate* issuer);
// Self-signed anew for the key there is: what it has issued stays valid. Throws Error{invalid}.
KeyAndCertificate issue_again(const CertificateRequest& request, const std::string& key_pem);

struct CertificateFacts {
    CertificateSubject subject;
    std::vector<std::string> dns_names;
    std::vector<std::string> ip_addresses;
    WallTime not_before;
    WallTime not_after;
    bool for_client = false;
};
// PEM (first certificate) or DER. Throws Error{invalid}.
CertificateFacts read_certificate(const std::string& pem_or_der);
std::string pem_to_der(const std::string& pem);

// ES256 (RFC 7518 3.4) over P-256 for ServiceAccount tokens: the 64 byte r||s form.
std::string sign_es256(const std::string& key_pem, std::string_view message);
bool verify_es256(const std::string& public_or_certificate_pem, std::string_view message, std::string_view signature);
std::string public_key_pem(const std::string& key_pem);
std::string sha256(std::string_view bytes);
std::string sha1(std::string_view bytes);  // only for RFC 6455 4.2.2, where it protects nothing

}  // namespace hal::net
