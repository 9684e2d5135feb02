// Opens the store even when its file is damaged: the API server of a box that stands alone must start, and its kubelet runs
// what it ran from its checkpoints.
#pragma once

#include <functional>
#include <string>

#include "services/kube/store/store.hpp"

namespace services::kube::store {

// Damaged files that are kept for a person to look at; older ones go.
inline constexpr std::size_t damaged_kept_max = 2;

// As Store::open. A file that is Error{corrupt} is set aside as FILE.corrupt-20261124T090000Z (its -wal and -shm too), the
// store begins empty, and `tell` is given a sentence about it; also at later starts, for as long as a damaged file is kept.
std::unique_ptr<Store> open_or_begin_anew(hal::async::Executor executor, Options options, const hal::Clock& clock,
                                          const std::function<void(std::string)>& tell);

}  // namespace services::kube::store
