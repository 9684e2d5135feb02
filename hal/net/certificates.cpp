#include "hal/net/certificates.hpp"

#include <mbedtls/asn1write.h>
#include <mbedtls/ecdsa.h>
#include <mbedtls/oid.h>
#include <mbedtls/sha1.h>
#include <mbedtls/sha256.h>

#include <arpa/inet.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <format>
#include <string_view>
#include <utility>

#include "hal/base/error.hpp"
#include "hal/net/mbedtls.hpp"

namespace hal::net {

namespace {

using Writer = mbed::Owned<mbedtls_x509write_cert, mbedtls_x509write_crt_init, mbedtls_x509write_crt_free>;
using Group = mbed::Owned<mbedtls_ecp_group, mbedtls_ecp_group_init, mbedtls_ecp_group_free>;
using Point = mbed::Owned<mbedtls_ecp_point, mbedtls_ecp_point_init, mbedtls_ecp_point_free>;

constexpr std::size_t pem_bytes_max = 16 * 1024;
constexpr std::size_t names_max = 64;
constexpr std::size_t coordinate_bytes = 32;  // P-256
constexpr std::size_t serial_bytes = 16;

// mbedTLS's own reader of names keeps one value of each kind, but a Kubernetes user has several groups. So the list is
// built here; the writer frees it (with free(), as mbedtls_free is). It is written from its end: the common name is last.
mbedtls_asn1_named_data* name_list(const CertificateSubject& subject) {
    mbedtls_asn1_named_data* first = nullptr;
    auto* last = &first;
    const auto add = [&last](const char* oid, std::size_t oid_size, const std::string& value) {
        const auto copy = [](const void* from, std::size_t size) {
            auto* bytes = static_cast<unsigned char*>(std::calloc(1, size == 0 ? 1 : size));
            if (bytes == nullptr) throw Error(Code::exhausted, "no memory for a certificate's name");
            std::memcpy(bytes, from, size);
            return bytes;
        };
        auto* node = static_cast<mbedtls_asn1_named_data*>(std::calloc(1, sizeof(mbedtls_asn1_named_data)));
        if (node == nullptr) throw Error(Code::exhausted, "no memory for a certificate's name");
        node->oid = {.tag = MBEDTLS_ASN1_OID, .len = oid_size, .p = copy(oid, oid_size)};
        node->val = {.tag = MBEDTLS_ASN1_UTF8_STRING, .len = value.size(), .p = copy(value.data(), value.size())};
        *last = node;
        last = &node->next;
    };
    add(MBEDTLS_OID_AT_CN, MBEDTLS_OID_SIZE(MBEDTLS_OID_AT_CN), subject.common_name);
    for (auto it = subject.organizations.rbegin(); it != subject.organizations.rend(); ++it)
        add(MBEDTLS_OID_AT_ORGANIZATION, MBEDTLS_OID_SIZE(MBEDTLS_OID_AT_ORGANIZATION), *it);
    return first;
}

std::string x509_time(WallTime time) {
    return std::format("{:%Y%m%d%H%M%S}", std::chrono::floor<std::chrono::seconds>(time));
}

WallTime wall_time(const mbedtls_x509_time& time) {
    using namespace std::chrono;
    return sys_days(year(time.year) / month(static_cast<unsigned>(time.mon)) / day(static_cast<unsigned>(time.day))) +
           hours(time.hour) + minutes(time.min) + seconds(time.sec);
}

// The names in mbedTLS's list form; owns what the list points to.
class AlternativeNames {
public:
    explicit AlternativeNames(const CertificateRequest& request) {
        if (request.dns_names.size() + request.ip_addresses.size() > names_max)
            throw Error(Code::too_large, "a certificate takes at most " + std::to_string(names_max) + " names");
        for (const auto& name : request.dns_names) add(MBEDTLS_X509_SAN_DNS_NAME, name);
        for (const auto& address : request.ip_addresses) {
            unsigned char bytes[16];
            std::size_t size = 4;
            if (::inet_pton(AF_INET, address.c_str(), bytes) != 1) {
                size = 16;
                if (::inet_pton(AF_INET6, address.c_str(), bytes) != 1)
                    throw Error(Code::invalid, "certificate: '" + address + "' is not an IP address");
            }
            add(MBEDTLS_X509_SAN_IP_ADDRESS, std::string(reinterpret_cast<char*>(bytes), size));
        }
        // Written from its end, as all of a certificate is: the first name is the list's last.
        for (std::size_t i = 1; i < nodes_.size(); ++i) nodes_[i].next = &nodes_[i - 1];
    }
    const mbedtls_x509_san_list* list() const { return nodes_.empty() ? nullptr : &nodes_.back(); }

private:
    void add(int type, std::string value) {
        auto& bytes = values_.emplace_back(std::move(value));
        auto& node = nodes_.emplace_back();
        node.node.type = type;
        node.node.san.unstructured_name.tag = type;
        node.node.san.unstructured_name.p = reinterpret_cast<unsigned char*>(bytes.data());
        node.node.san.unstructured_name.len = bytes.size();
    }
    std::deque<std::string> values_;
    std::deque<mbedtls_x509_san_list> nodes_;
};

void set_usages(Writer& writer, const CertificateRequest& request) {
    unsigned usage = MBEDTLS_X509_KU_DIGITAL_SIGNATURE;
    if (request.is_ca) usage |= MBEDTLS_X509_KU_KEY_CERT_SIGN | MBEDTLS_X509_KU_CRL_SIGN;
    mbed::check(mbedtls_x509write_crt_set_key_usage(writer.get(), usage), "certificate key usage");
    std::array<mbedtls_asn1_sequence, 2> extended{};
    std::size_t count = 0;
    const auto add = [&](const char* oid, std::size_t size) {
        extended[count].buf.tag = MBEDTLS_ASN1_OID;
        extended[count].buf.p = reinterpret_cast<unsigned char*>(const_cast<char*>(oid));  // only read by the writer
        extended[count].buf.len = size;
        if (count > 0) extended[count - 1].next = &extended[count];
        ++count;
    };
    if (request.for_server) add(MBEDTLS_OID_SERVER_AUTH, MBEDTLS_OID_SIZE(MBEDTLS_OID_SERVER_AUTH));
    if (request.for_client) add(MBEDTLS_OID_CLIENT_AUTH, MBEDTLS_OID_SIZE(MBEDTLS_OID_CLIENT_AUTH));
    if (count > 0) mbed::check(mbedtls_x509write_crt_set_ext_key_usage(writer.get(), extended.data()), "extended key usage");
}

std::string key_pem_of(mbed::Key& key) {
    std::string pem(pem_bytes_max, '\0');
    mbed::check(mbedtls_pk_write_key_pem(key.get(), reinterpret_cast<unsigned char*>(pem.data()), pem.size()), "write key");
    pem.resize(pem.find('\0'));
    return pem;
}

void read_public(mbed::Key& key, const std::string& pem) {
    if (!pem.contains("-----BEGIN CERTIFICATE")) {
        mbed::check(mbedtls_pk_parse_public_key(key.get(), reinterpret_cast<const unsigned char*>(pem.c_str()), pem.size() + 1),
                    "public key");
        return;
    }
    mbed::Chain chain;
    mbed::parse_chain(chain, pem, "certificate");
    std::array<unsigned char, 512> der;
    const int size = mbedtls_pk_write_pubkey_der(&chain->pk, der.data(), der.size());
    mbed::check(size, "public key");
    mbed::check(mbedtls_pk_parse_public_key(key.get(), der.data() + der.size() - size, static_cast<std::size_t>(size)), "public key");
}

// The P-256 key pair inside `key`; Error{invalid} for any other kind.
const mbedtls_ecp_keypair* p256_of(const mbed::Key& key) {
    if (mbedtls_pk_get_type(key.get()) != MBEDTLS_PK_ECKEY || mbedtls_pk_get_bitlen(key.get()) != 256)
        throw Error(Code::invalid, "ES256 needs an EC P-256 key");
    return mbedtls_pk_ec(*key.get());
}

const unsigned char* bytes_of(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

KeyAndCertificate issue_for(mbed::Key& key, const CertificateRequest& request, const KeyAndCertificate* issuer) {
    mbed::Key issuer_key;
    mbed::Chain issuer_chain;
    if (issuer != nullptr) {
        mbed::parse_key(issuer_key, issuer->key_pem, "issuer's key");
        mbed::parse_chain(issuer_chain, issuer->certificate_pem, "issuer's certificate");
    }
    auto* signing = issuer != nullptr ? &issuer_key : &key;

    Writer writer;
    mbedtls_x509write_crt_set_version(writer.get(), MBEDTLS_X509_CRT_VERSION_3);
    mbedtls_x509write_crt_set_md_alg(writer.get(), MBEDTLS_MD_SHA256);
    mbedtls_x509write_crt_set_subject_key(writer.get(), key.get());
    mbedtls_x509write_crt_set_issuer_key(writer.get(), signing->get());
    std::array<unsigned char, serial_bytes> serial;
    mbed::check(mbed::random_source(nullptr, serial.data(), serial.size()), "certificate serial");
    serial[0] = static_cast<unsigned char>((serial[0] & 0x7f) | 0x01);  // positive, never zero (RFC 5280 4.1.2.2)
    mbed::check(mbedtls_x509write_crt_set_serial_raw(writer.get(), serial.data(), serial.size()), "certificate serial");

    writer->private_subject = name_list(request.subject);
    writer->private_issuer = name_list(issuer != nullptr ? read_certificate(issuer->certificate_pem).subject : request.subject);
    mbed::check(mbedtls_x509write_crt_set_validity(writer.get(), x509_time(request.not_before).c_str(),
                                                   x509_time(request.not_after).c_str()),
                "certificate validity");
    mbed::check(mbedtls_x509write_crt_set_basic_constraints(writer.get(), request.is_ca ? 1 : 0, -1), "basic constraints");
    mbed::check(mbedtls_x509write_crt_set_subject_key_identifier(writer.get()), "subject key identifier");
    mbed::check(mbedtls_x509write_crt_set_authority_key_identifier(writer.get()), "authority key identifier");
    set_usages(writer, request);
    const AlternativeNames names(request);
    if (names.list() != nullptr)
        mbed::check(mbedtls_x509write_crt_set_subject_alternative_name(writer.get(), names.list()), "certificate names");

    std::string pem(pem_bytes_max, '\0');
    mbed::check(mbedtls_x509write_crt_pem(writer.get(), reinterpret_cast<unsigned char*>(pem.data()), pem.size(),
                                          mbed::random_source, nullptr),
                "write certificate");
    pem.resize(pem.find('\0'));
    return {.key_pem = key_pem_of(key), .certificate_pem = std::move(pem)};
}

}  // namespace

KeyAndCertificate issue(const CertificateRequest& request, const KeyAndCertificate* issuer) {
    mbed::Key key;
    mbed::check(mbedtls_pk_setup(key.get(), mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY)), "new key");
    mbed::check(mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(*key.get()), mbed::random_source, nullptr), "new key");
    return issue_for(key, request, issuer);
}

KeyAndCertificate issue_again(const CertificateRequest& request, const std::string& key_pem) {
    mbed::Key key;
    mbed::parse_key(key, key_pem, "key");
    return issue_for(key, request, nullptr);
}

CertificateFacts read_certificate(const std::string& pem_or_der) {
    mbed::Chain chain;
    mbed::parse_chain(chain, pem_or_der, "certificate");
    CertificateFacts facts;
    for (const auto* name = &chain->subject; name != nullptr; name = name->next) {
        const std::string value(reinterpret_cast<const char*>(name->val.p), name->val.len);
        if (MBEDTLS_OID_CMP(MBEDTLS_OID_AT_CN, &name->oid) == 0) facts.subject.common_name = value;
        if (MBEDTLS_OID_CMP(MBEDTLS_OID_AT_ORGANIZATION, &name->oid) == 0) facts.subject.organizations.push_back(value);
    }
    for (const auto* name = &chain->subject_alt_names; name != nullptr && name->buf.p != nullptr; name = name->next) {
        const int type = name->buf.tag & MBEDTLS_ASN1_TAG_VALUE_MASK;
        if (type == MBEDTLS_X509_SAN_DNS_NAME)
            facts.dns_names.emplace_back(reinterpret_cast<const char*>(name->buf.p), name->buf.len);
        if (type == MBEDTLS_X509_SAN_IP_ADDRESS && (name->buf.len == 4 || name->buf.len == 16)) {
            char text[INET6_ADDRSTRLEN];
            if (::inet_ntop(name->buf.len == 4 ? AF_INET : AF_INET6, name->buf.p, text, sizeof text) != nullptr)
                facts.ip_addresses.emplace_back(text);
        }
    }
    facts.not_before = wall_time(chain->valid_from);
    facts.not_after = wall_time(chain->valid_to);
    facts.for_client = mbedtls_x509_crt_check_extended_key_usage(chain.get(), MBEDTLS_OID_CLIENT_AUTH,
                                                                 MBEDTLS_OID_SIZE(MBEDTLS_OID_CLIENT_AUTH)) == 0;
    return facts;
}

std::string pem_to_der(const std::string& pem) {
    mbed::Chain chain;
    mbed::parse_chain(chain, pem, "certificate");
    return {reinterpret_cast<const char*>(chain->raw.p), chain->raw.len};
}

std::string sign_es256(const std::string& key_pem, std::string_view message) {
    mbed::Key key;
    mbed::parse_key(key, key_pem, "signing key");
    Group group;
    mbed::Number secret;
    Point unused;
    mbed::check(mbedtls_ecp_export(p256_of(key), group.get(), secret.get(), unused.get()), "signing key");
    const auto digest = sha256(message);
    mbed::Number r;
    mbed::Number s;
    mbed::check(mbedtls_ecdsa_sign(group.get(), r.get(), s.get(), secret.get(), bytes_of(digest), digest.size(),
                                   mbed::random_source, nullptr),
                "sign");
    std::string signature(2 * coordinate_bytes, '\0');
    auto* out = reinterpret_cast<unsigned char*>(signature.data());
    mbed::check(mbedtls_mpi_write_binary(r.get(), out, coordinate_bytes), "sign");
    mbed::check(mbedtls_mpi_write_binary(s.get(), out + coordinate_bytes, coordinate_bytes), "sign");
    return signature;
}

bool verify_es256(const std::string& public_or_certificate_pem, std::string_view message, std::string_view signature) {
    if (signature.size() != 2 * coordinate_bytes) return false;
    mbed::Key key;
    read_public(key, public_or_certificate_pem);
    Group group;
    mbed::Number unused;
    Point point;
    mbed::check(mbedtls_ecp_export(p256_of(key), group.get(), unused.get(), point.get()), "public key");
    mbed::Number r;
    mbed::Number s;
    mbed::check(mbedtls_mpi_read_binary(r.get(), bytes_of(signature), coordinate_bytes), "signature");
    mbed::check(mbedtls_mpi_read_binary(s.get(), bytes_of(signature) + coordinate_bytes, coordinate_bytes), "signature");
    const auto digest = sha256(message);
    return mbedtls_ecdsa_verify(group.get(), bytes_of(digest), digest.size(), point.get(), r.get(), s.get()) == 0;
}

std::string public_key_pem(const std::string& key_pem) {
    mbed::Key key;
    mbed::parse_key(key, key_pem, "key");
    std::string pem(pem_bytes_max, '\0');
    mbed::check(mbedtls_pk_write_pubkey_pem(key.get(), reinterpret_cast<unsigned char*>(pem.data()), pem.size()), "write key");
    pem.resize(pem.find('\0'));
    return pem;
}

std::string sha256(std::string_view bytes) {
    std::string digest(32, '\0');
    mbed::check(mbedtls_sha256(bytes_of(bytes), bytes.size(), reinterpret_cast<unsigned char*>(digest.data()), 0), "SHA-256");
    return digest;
}

std::string sha1(std::string_view bytes) {
    std::string digest(20, '\0');
    mbed::check(mbedtls_sha1(bytes_of(bytes), bytes.size(), reinterpret_cast<unsigned char*>(digest.data())), "SHA-1");
    return digest;
}

}  // namespace hal::net
