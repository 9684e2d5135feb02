// The image store over HTTP, for the kubelet's control socket: what `k3s ctr images` asks. Our own interface, between two
// parts of one executable.
//
//   GET    /images                       {"images":[{"references":[...],"id":"sha256:...","size_bytes":N,"architecture":"amd64"}]}
//   POST   /images?archive=PATH          imports an archive of this machine; the answer lists what it held. &name=REFERENCE names
//                                        an image that has no name of its own
//   DELETE /images?reference=REFERENCE   404 when there is none
//
// Failures are {"error":"a sentence"} with 400 (a bad archive or name), 404, 507 (disk full) or 500.
#pragma once

#include "services/http/server.hpp"
#include "services/kubelet/images/images.hpp"

namespace services::kubelet::images {

// The store must outlive the router.
void add_routes(http::Router& router, ImageStore& store);

}  // namespace services::kubelet::images
