// The object store's process: S3 and MinIO's surface on port 9000, expiry by lifecycle rules, replication upstream.
//
// Listeners: "s3", "control" (/healthz, /readyz, /metrics; where changes go upstream, GET /dead-letters and POST
// /dead-letters/redrive). Root user: MINIO_ROOT_USER and MINIO_ROOT_PASSWORD (or _FILE) where it runs alone,
// `objects.root_user` and `objects.root_password_file` of the configuration, else the ones that were made at the first start
// (credentials "root-user", "root-password").
#pragma once

#include "hal/async/task.hpp"
#include "services/config/service.hpp"

namespace services::objects {

// Returns after `service.stopping` is set.
hal::async::Task<> run(config::Service& service);

}  // namespace services::objects
