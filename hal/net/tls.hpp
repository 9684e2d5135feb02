// TLS 1.2 and 1.3 over any Stream (mbedTLS 3.6), server and client, with client certificates and ALPN.
//
// Owns no trust decisions beyond the certificate chain: names of users are read by services/auth. A context may be
// replaced (renewed certificates) while connections that were made with the old one live on.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "hal/net/stream.hpp"

namespace hal::net {

struct TlsServerOptions {
    std::string certificate_pem;  // leaf first, then intermediates
    std::string key_pem;
    std::string client_ca_pem;    // empty: client certificates are not asked for; else asked for, optional, and verified
    std::vector<std::string> alpn = {"http/1.1"};
};

struct TlsClientOptions {
    std::string ca_pem;  // trusted roots
    bool verify = true;  // false only where the protocol says so (kubelet HTTPS probes)
    std::string certificate_pem;
    std::string key_pem;
    std::vector<std::string> alpn = {"http/1.1"};
};

class TlsServerContext {
public:
    // Throws Error{invalid} naming what could not be read.
    static std::shared_ptr<const TlsServerContext> make(const TlsServerOptions& options);  // shared with live connections
    virtual ~TlsServerContext() = default;
};

class TlsClientContext {
public:
    static std::shared_ptr<const TlsClientContext> make(const TlsClientOptions& options);
    virtual ~TlsClientContext() = default;
};

// The handshake, within `limit` (default 10 s). A client certificate that does not verify is as none was shown, and told in
// TlsPeer::certificate_problem.
Task<StreamPtr> tls_accept(StreamPtr plain, std::shared_ptr<const TlsServerContext> context,
                           std::chrono::steady_clock::duration limit = std::chrono::seconds(10));
// `server_name` is verified against the certificate (DNS name or IP address): Error{unauthenticated} if it does not hold.
Task<StreamPtr> tls_connect(StreamPtr plain, std::shared_ptr<const TlsClientContext> context, std::string server_name,
                            std::chrono::steady_clock::duration limit = std::chrono::seconds(10));

// "3.6.6": the TLS library this was built with.
std::string tls_library_version();

}  // namespace hal::net
