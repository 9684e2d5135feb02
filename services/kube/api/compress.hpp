// gzip (RFC 1952) for answers over `compress_bytes_min` whose client takes it, as the real server compresses them. Runs on
// the worker pool, piece by piece; a stream stays a stream.
#pragma once

#include "hal/async/pool.hpp"
#include "services/http/message.hpp"

namespace services::kube::api {

inline constexpr std::size_t compress_bytes_min = 128 * 1024;

hal::async::Task<http::Response> compressed(hal::async::Pool& pool, http::Response response);

}  // namespace services::kube::api
