#include "firmware/guard/services.hpp"

#include <algorithm>

#include "services/discovery/service.hpp"

namespace firmware::guard {
namespace {

constexpr Port discovery_ports[] = {{"dns", 53, true, true}};

constexpr ServiceRow table[] = {
    {"discovery", discovery_ports, "system:coredns", "branchbox:services", false, services::discovery::run},
};

}  // namespace

Identity ServiceRow::identity() const {
    Identity identity;
    identity.client.common_name = common_name;
    if (!organization.empty()) identity.client.organizations.emplace_back(organization);
    identity.has_serving_certificate = has_serving_certificate;
    return identity;
}

std::span<const ServiceRow> all_services() { return table; }

const ServiceRow* find_service(std::string_view name) {
    const auto it = std::ranges::find(table, name, &ServiceRow::name);
    return it == std::end(table) ? nullptr : &*it;
}

}  // namespace firmware::guard
