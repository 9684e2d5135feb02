// The box's certificate authority: two roots (serving and client certificates) and the key of ServiceAccount tokens under
// the credentials folder, made on first use, and the leaf certificates that each service is handed. The only code that
// reads the roots' keys.
//
// Certificates are backdated and long, because a box's clock may be wrong (architecture.md, "Time is not given"): roots
// 20 years, leaves 2 years, each renewed well before its end and also after it: a root keeps its key and name, so what it
// has issued stays valid. Files are 0600 in a folder of 0700, each replaced as a whole. Blocks on disk; used by the
// guard and by a service that runs alone, before its loop starts.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "hal/base/clock.hpp"
#include "hal/net/certificates.hpp"

namespace firmware::guard {

// Who a service is, to others.
struct Identity {
    hal::net::CertificateSubject client;      // as a client of the API; empty common name: it is none
    bool has_serving_certificate = false;
    // The API server alone: its name towards kubelets (kubelet-client.crt, kubelet-client.key), and the key that signs
    // ServiceAccount tokens (service-account.key).
    bool is_api_server = false;
    // Objects alone: the root user of S3 (root-user, root-password), made at the first call.
    bool has_root_user = false;
};

class Authority {
public:
    // Opens or makes the roots in `folder`, renewed where it is time. Throws Error{io|corrupt|invalid} naming the file.
    static Authority open(const std::filesystem::path& folder, const hal::Clock& clock);

    // Renews roots whose end has come near, and says so. True: who has credentials needs new ones. Throws as open() does.
    bool renew_roots(const hal::Clock& clock);
    // When credentials that are issued now are to be replaced: at half of their life.
    static hal::WallTime renewal_due(const hal::Clock& clock);

    // PEM texts by the names of services/config/service.hpp: ca.crt, client-ca.crt, and as `identity` says client.crt,
    // client.key, serving.crt, serving.key and the API server's. New keys at each call and never written down, but for
    // service-account.key: tokens outlive a restart.
    std::map<std::string, std::string> credentials_for(const Identity& identity, const std::vector<std::string>& names,
                                                       const std::vector<std::string>& addresses, const hal::Clock& clock) const;

private:
    std::filesystem::path folder_;
    hal::net::KeyAndCertificate server_root_, client_root_;
    std::string service_account_key_pem_;
};

}  // namespace firmware::guard
