// Names of images as Docker and containerd read them (distribution reference). Pure; inputs are at most a name long.
#pragma once

#include <string>
#include <string_view>

namespace services::codec::oci {

// "redis" -> "docker.io/library/redis:latest"; a tag beside a digest is dropped (ParseDockerRef).
// Throws Error{invalid} with the real text.
std::string normalise_reference(std::string_view reference);
// "sha256:" and 64 lower-case hex digits.
bool is_sha256_digest(std::string_view text);

}  // namespace services::codec::oci
