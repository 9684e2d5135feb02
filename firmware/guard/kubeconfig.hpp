// The admin kubeconfig in k3s's place, ROOT/etc/rancher/k3s/k3s.yaml: user system:admin of group system:masters, its key
// and certificate inline. Written by who owns the certificate authority (the guard, or a service run alone), never by the
// API server: its process cannot make itself an administrator.
#pragma once

#include <filesystem>
#include <string>

#include "firmware/guard/authority.hpp"

namespace firmware::guard {

// Replaces the file (0600; its folder is made). `server`: "https://127.0.0.1:6443". A new key at each call; older ones
// stay valid until they expire. Throws Error{io|exhausted}.
void write_admin_kubeconfig(const std::filesystem::path& file, const std::string& server, const Authority& authority,
                            const hal::Clock& clock);

}  // namespace firmware::guard
