// The OpenAPI v2 document for kubectl before 1.27, which reads no other: protobuf, as a gzip stream in the executable's
// read-only data (openapi_v2.py makes it). Nothing of it is ever inflated here.
#pragma once

#include <string_view>

namespace services::kube::discovery {

// Asked for as "...spec.v2@v1.0+protobuf", which is no media type (RFC 6838 4.2), and therefore answered with a dot.
inline constexpr std::string_view openapi_v2_media_prefix = "application/com.github.proto-openapi.spec.v2";
inline constexpr std::string_view openapi_v2_media_type = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

std::string_view openapi_v2_gzip();
std::string_view openapi_v2_hash();  // of the document, in hex

}  // namespace services::kube::discovery
