// The family fields of a Service (ipFamilyPolicy, ipFamilies, clusterIPs) on a cluster of one family, IPv4: what the
// real server fills in and refuses before it allocates addresses. Private to addresses.cpp. Pure.
#pragma once

#include <boost/json/object.hpp>

namespace services::kube::api {

// `before` is null for a create. StatusError Invalid with the real texts.
void set_address_families(boost::json::object& service, const boost::json::object* before);

}  // namespace services::kube::api
