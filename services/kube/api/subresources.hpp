// The subresources that are more than a part of their object, and the resources that are asked by creating them and never
// stored. A table; status alone is not here, since every kind writes it alike (write.hpp).
#pragma once

#include "services/kube/api/api.hpp"

namespace services::kube::api {

// Null when this folder serves no such subresource (404).
Handler find_subresource(const kinds::Kind& kind, std::string_view subresource);
// True when the body must stay a stream (exec, proxy): server.cpp reads it whole otherwise.
bool is_streamed(std::string_view subresource);
// selfsubjectaccessreviews, tokenreviews, bindings ...: the handler of a POST; null when there is none.
Handler find_review(std::string_view group, std::string_view version, std::string_view resource);

}  // namespace services::kube::api
