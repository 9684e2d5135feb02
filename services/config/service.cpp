#include "services/config/service.hpp"

#include "hal/base/error.hpp"

namespace services::config {

const std::string& Service::credential(const std::string& key) const {
    const auto it = credentials.find(key);
    if (it == credentials.end())
        throw hal::Error(hal::Code::not_found, "credential '" + key + "' was not given to service " + name);
    return it->second;
}

}  // namespace services::config
