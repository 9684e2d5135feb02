// The executable under the name `k3s`: the commands of k3s that people and scripts use, with its words where they are
// read by programs.
#pragma once

namespace firmware::cli {

// `argv[0]` is the name it was called by. `branchbox k3s ...` is the same.
int k3s(int argc, char** argv);

}  // namespace firmware::cli
