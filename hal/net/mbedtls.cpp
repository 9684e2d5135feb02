#include "hal/net/mbedtls.hpp"

#include <mbedtls/error.h>
#include <sys/random.h>

#include <cerrno>

namespace hal::net::mbed {

int random_source(void*, unsigned char* into, std::size_t count) {
    while (count > 0) {
        const auto got = ::getrandom(into, count, 0);
        if (got < 0) {
            if (errno == EINTR) continue;
            return MBEDTLS_ERR_ECP_RANDOM_FAILED;
        }
        into += got;
        count -= static_cast<std::size_t>(got);
    }
    return 0;
}

std::string text_of(int failure) {
    char text[160];
    mbedtls_strerror(failure, text, sizeof text);
    return text;
}

void check(int result, const std::string& what) {
    if (result < 0) throw Error(Code::invalid, what + ": " + text_of(result));
}

void parse_chain(Chain& chain, const std::string& pem_or_der, const std::string& what) {
    // PEM is told by the terminating zero that mbedTLS wants to see counted.
    const bool is_pem = pem_or_der.contains("-----BEGIN");
    const auto result = mbedtls_x509_crt_parse(chain.get(), reinterpret_cast<const unsigned char*>(pem_or_der.c_str()),
                                               pem_or_der.size() + (is_pem ? 1 : 0));
    check(result, what);
    if (result > 0) throw Error(Code::invalid, what + ": " + std::to_string(result) + " certificates could not be read");
}

void parse_key(Key& key, const std::string& pem, const std::string& what) {
    check(mbedtls_pk_parse_key(key.get(), reinterpret_cast<const unsigned char*>(pem.c_str()), pem.size() + 1, nullptr, 0,
                               random_source, nullptr),
          what);
}

}  // namespace hal::net::mbed
