#include "firmware/guard/kubeconfig.hpp"

#include "hal/base/bytes.hpp"
#include "hal/disk/file.hpp"

namespace firmware::guard {

void write_admin_kubeconfig(const std::filesystem::path& file, const std::string& server, const Authority& authority,
                            const hal::Clock& clock) {
    Identity admin;
    admin.client = {"system:admin", {"system:masters"}};
    const auto credentials = authority.credentials_for(admin, {}, {}, clock);
    // k3s's names and order of keys: scripts cut this file with grep and sed.
    std::string text = "apiVersion: v1\nclusters:\n- cluster:\n    certificate-authority-data: " + hal::base64(credentials.at("ca.crt")) +
                       "\n    server: " + server + "\n  name: default\n";
    text += "contexts:\n- context:\n    cluster: default\n    user: default\n  name: default\ncurrent-context: default\nkind: Config\n";
    text += "users:\n- name: default\n  user:\n    client-certificate-data: " + hal::base64(credentials.at("client.crt")) +
            "\n    client-key-data: " + hal::base64(credentials.at("client.key")) + "\n";
    std::filesystem::create_directories(file.parent_path());
    hal::disk::replace_file(file, text, 0600);
}

}  // namespace firmware::guard
