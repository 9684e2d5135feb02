// What tls.cpp and certificates.cpp share of mbedTLS: owning handles, the random source, error texts. Only those two
// include this; no mbedTLS type leaves hal/net.
#pragma once

#include <mbedtls/ecp.h>
#include <mbedtls/pk.h>
#include <mbedtls/x509_crt.h>

#include <cstddef>
#include <string>

#include "hal/base/error.hpp"

namespace hal::net::mbed {

// A C object with init and free, at a fixed address.
template <class T, void (*init)(T*), void (*release)(T*)>
class Owned {
public:
    Owned() { init(&object_); }
    ~Owned() { release(&object_); }
    Owned(const Owned&) = delete;
    Owned& operator=(const Owned&) = delete;
    T* get() { return &object_; }
    const T* get() const { return &object_; }
    T* operator->() { return &object_; }
    const T* operator->() const { return &object_; }

private:
    T object_;
};

using Key = Owned<mbedtls_pk_context, mbedtls_pk_init, mbedtls_pk_free>;
using Chain = Owned<mbedtls_x509_crt, mbedtls_x509_crt_init, mbedtls_x509_crt_free>;
using Number = Owned<mbedtls_mpi, mbedtls_mpi_init, mbedtls_mpi_free>;

// The system's randomness (getrandom), in mbedTLS's callback form.
int random_source(void*, unsigned char* into, std::size_t count);
std::string text_of(int failure);
// Throws Error{invalid} "what: why" when `result` is negative.
void check(int result, const std::string& what);
void parse_chain(Chain& chain, const std::string& pem_or_der, const std::string& what);
void parse_key(Key& key, const std::string& pem, const std::string& what);

}  // namespace hal::net::mbed
