// What the executable does when it is invoked as `minio`.
#pragma once

namespace firmware::cli {

// `minio server DIR [--address ADDR] [--console-address ADDR]` with MINIO_* variables: the object store alone, its data in
// DIR. Returns the exit status.
int minio(int argc, char** argv);

}  // namespace firmware::cli
