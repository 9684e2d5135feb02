// The arithmetic of a Deployment's roll-out: how many pods may be added or taken away, which ReplicaSet is the new one,
// what its name's hash is, and which annotations it carries. Pure functions over the objects.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "services/kube/controllers/controller.hpp"

namespace services::kube::controllers::rollout {

inline constexpr std::string_view revision_annotation = "deployment.kubernetes.io/revision";
inline constexpr std::string_view revision_history_annotation = "deployment.kubernetes.io/revision-history";
inline constexpr std::string_view desired_annotation = "deployment.kubernetes.io/desired-replicas";
inline constexpr std::string_view max_annotation = "deployment.kubernetes.io/max-replicas";
inline constexpr std::string_view hash_label = "pod-template-hash";
inline constexpr std::size_t revision_history_bytes_max = 2000;

using Sets = std::vector<ObjectPtr>;

std::int64_t replicas_of(const json::object& object);  // spec.replicas
bool is_rolling(const json::object& deployment);
// strategy.rollingUpdate in pods: surge rounds up, unavailable down; both zero would block, so one may then be unavailable.
std::int64_t max_surge(const json::object& deployment);
std::int64_t max_unavailable(const json::object& deployment);
bool has_progress_deadline(const json::object& deployment);

std::int64_t sum_replicas(const Sets& sets);  // what is asked for
// Sums a count of the status over `sets`.
std::int64_t sum_status(const Sets& sets, std::string_view count);
Sets active(const Sets& sets);  // spec.replicas > 0
bool is_older(const json::object& left, const json::object& right);  // by creation, then name

// The size of the new set: as far up as the surge allows.
std::int64_t new_set_size(const json::object& deployment, const Sets& all, std::int64_t size_now);
// The part of `to_add` (negative: to take away) for `set`, in proportion to its size; `added` is already given out.
std::int64_t proportion(const json::object& set, const json::object& deployment, std::int64_t to_add, std::int64_t added);
// All pods of the new set are there, wanted and available.
bool is_saturated(const json::object& deployment, const json::object& set);

// All that is wanted is new and available, and nothing old is left; `status` is the Deployment's.
bool is_complete(const json::object& deployment, const json::object& status);
// Something came forward from the Deployment's present status to `status`.
bool is_progress(const json::object& deployment, const json::object& status);
const json::object* condition_in(const json::object& status, std::string_view type);
// Puts `condition` last, its lastTransitionTime kept while the status stays. False when status and reason were the same.
bool put_condition(json::object& status, json::object condition);

// Equal but for the hash label.
bool is_same_template(const json::object& left, const json::object& right);
// Safe-encoded FNV-1a, as in "web-5d59d67564": a name for the template, not a secret.
std::string template_hash(const json::object& pod_template, std::int64_t collision_count);
std::string set_name(std::string_view deployment, const std::string& hash);

std::int64_t revision_of(const json::object& object);  // 0: none
// Each changes the annotations of `set` and says whether it did.
bool put_replica_annotations(json::object& set, const json::object& deployment);
bool put_annotations(json::object& set, const json::object& deployment, std::int64_t revision, bool exists);

}  // namespace services::kube::controllers::rollout
