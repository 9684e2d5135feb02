// Tags of buckets and objects: their XML and header forms, and S3's rules for them.
//
// Pure. Bounded: 10 tags an object, 50 a bucket, keys 128 and values 256 characters.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "services/codec/s3/refusal.hpp"

namespace services::codec::s3 {

inline constexpr std::size_t object_tags_max = 10;
inline constexpr std::size_t bucket_tags_max = 50;

using Tags = std::vector<std::pair<std::string, std::string>>;  // sorted by key

Expected<Tags> tags_from_xml(std::string body, std::size_t tags_max);
// x-amz-tagging: "a=1&b=2", percent-encoded.
Expected<Tags> tags_from_header(std::string_view text);
std::string tags_xml(const Tags& tags);
std::string tags_header(const Tags& tags);

}  // namespace services::codec::s3
