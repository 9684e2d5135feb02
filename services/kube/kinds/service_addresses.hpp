// Addresses and networks in fields as old as Services and Pods: what is refused, and what is taken with a warning. Leading
// zeros and IPv4-mapped addresses, which once were taken, are refused; other than canonical spellings warn.
//
// Pure. `kept`: values of the object before, which stay valid whatever they are.
#pragma once

#include <boost/json/array.hpp>

#include <string>
#include <string_view>
#include <vector>

#include "services/kube/kinds/report.hpp"

namespace services::kube::kinds {

void check_address(Report& report, const Path& path, std::string_view text, const json::array& kept = {});
void check_network(Report& report, const Path& path, std::string_view text);
// No loopback, link-local or multicast address, nor the unspecified one: what an endpoint may be.
void check_endpoint_address(Report& report, const Path& path, std::string_view text);
bool is_ipv6_address(std::string_view text);
// One of each family, two at most.
bool is_dual_stack(const json::array& addresses);

std::vector<std::string> address_warnings(const Path& path, std::string_view text);
std::vector<std::string> network_warnings(const Path& path, std::string_view text);

}  // namespace services::kube::kinds
