#include "services/kube/controllers/rollout_rules.hpp"

#include <boost/json/serialize.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

namespace services::kube::controllers::rollout {

namespace {

constexpr std::int64_t unlimited = std::numeric_limits<std::int32_t>::max();
constexpr std::size_t name_bytes_max = 253;

std::optional<std::int64_t> whole(std::string_view text) {
    std::int64_t value = 0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (failure != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
}

// An IntOrString of which a percentage is of `total`.
std::int64_t scaled(const json::value* value, std::int64_t total, bool is_rounded_up) {
    if (value == nullptr) return 0;
    if (value->is_int64()) return value->get_int64();
    auto text = as_text(*value);
    if (!text.ends_with('%')) return 0;
    text.remove_suffix(1);
    const auto product = whole(text).value_or(0) * total;
    return (is_rounded_up ? product + 99 : product) / 100;
}

std::pair<std::int64_t, std::int64_t> fenceposts(const json::object& deployment) {
    const auto total = replicas_of(deployment);
    const auto surge = scaled(field(deployment, "spec.strategy.rollingUpdate.maxSurge"), total, true);
    const auto unavailable = scaled(field(deployment, "spec.strategy.rollingUpdate.maxUnavailable"), total, false);
    return {surge, surge == 0 && unavailable == 0 ? 1 : unavailable};
}

// Keys in order, so that equal templates have equal text.
void append_canonical(std::string& out, const json::value& value) {
    if (const auto* object = value.if_object()) {
        std::vector<const json::key_value_pair*> members;
        for (const auto& member : *object) members.push_back(&member);
        std::ranges::sort(members, {}, [](const auto* member) { return std::string_view(member->key()); });
        out += '{';
        for (const auto* member : members) {
            out.append(std::string_view(member->key())).append(1, ':');
            append_canonical(out, member->value());
        }
        out += '}';
    } else if (const auto* array = value.if_array()) {
        out += '[';
        for (const auto& entry : *array) {
            append_canonical(out, entry);
            out += ',';
        }
        out += ']';
    } else {
        out += json::serialize(value);
    }
}

std::string_view annotation_or_empty(const json::object& annotations, std::string_view key) {
    const auto* value = annotations.if_contains(key);
    return value == nullptr ? std::string_view() : as_text(*value);
}

bool is_own_annotation(std::string_view key) {
    return key == "kubectl.kubernetes.io/last-applied-configuration" || key == revision_annotation ||
           key == revision_history_annotation || key == desired_annotation || key == max_annotation ||
           key == "deprecated.deployment.rollback.to";
}

// "1,3" + "4"; the oldest go when it grows too long.
std::string history_with(std::string_view history, std::string_view revision) {
    if (history.empty()) return std::string(revision);
    while (history.size() + revision.size() + 1 > revision_history_bytes_max) {
        const auto comma = history.find(',');
        if (comma == std::string_view::npos) return std::string(revision);
        history.remove_prefix(comma + 1);
    }
    return std::string(history).append(1, ',').append(revision);
}

}  // namespace

std::int64_t replicas_of(const json::object& object) { return number(object, "spec.replicas", 1); }
bool is_rolling(const json::object& deployment) { return text(deployment, "spec.strategy.type") == "RollingUpdate"; }

std::int64_t max_surge(const json::object& deployment) { return is_rolling(deployment) ? fenceposts(deployment).first : 0; }

std::int64_t max_unavailable(const json::object& deployment) {
    if (!is_rolling(deployment) || replicas_of(deployment) == 0) return 0;
    return std::min(fenceposts(deployment).second, replicas_of(deployment));
}

bool has_progress_deadline(const json::object& deployment) {
    return number(deployment, "spec.progressDeadlineSeconds", unlimited) != unlimited;
}

std::int64_t sum_replicas(const Sets& sets) {
    std::int64_t sum = 0;
    for (const auto& set : sets) sum += replicas_of(*set);
    return sum;
}

std::int64_t sum_status(const Sets& sets, std::string_view count) {
    std::int64_t sum = 0;
    for (const auto& set : sets) sum += number(object_at(*set, "status"), count);
    return sum;
}

Sets active(const Sets& sets) {
    Sets found;
    std::ranges::copy_if(sets, std::back_inserter(found), [](const ObjectPtr& set) { return replicas_of(*set) > 0; });
    return found;
}

bool is_older(const json::object& left, const json::object& right) {
    const auto created = text(left, "metadata.creationTimestamp"), other = text(right, "metadata.creationTimestamp");
    return created == other ? name_of(left) < name_of(right) : created < other;
}

std::int64_t new_set_size(const json::object& deployment, const Sets& all, std::int64_t size_now) {
    const auto wanted = replicas_of(deployment);
    if (!is_rolling(deployment)) return wanted;
    const auto surge = scaled(field(deployment, "spec.strategy.rollingUpdate.maxSurge"), wanted, true);
    const auto room = wanted + surge - sum_replicas(all);
    return room <= 0 ? size_now : size_now + std::min(room, wanted - size_now);
}

std::int64_t proportion(const json::object& set, const json::object& deployment, std::int64_t to_add, std::int64_t added) {
    const auto size = replicas_of(set);
    if (size == 0 || to_add == 0 || to_add == added) return 0;
    const auto fraction = [&]() -> std::int64_t {
        if (replicas_of(deployment) == 0) return -size;
        const auto total = replicas_of(deployment) + max_surge(deployment);
        // What the Deployment's size was when the set was last scaled; without a record, its present one.
        auto total_before = whole(annotation(set, max_annotation)).value_or(0);
        if (total_before == 0) total_before = number(deployment, "status.replicas");
        if (total_before == 0) return 0;
        const auto size_then = static_cast<double>(size * total) / static_cast<double>(total_before);
        return static_cast<std::int64_t>(std::round(size_then)) - size;
    }();
    return to_add > 0 ? std::min(fraction, to_add - added) : std::max(fraction, to_add - added);
}

bool is_saturated(const json::object& deployment, const json::object& set) {
    const auto wanted = replicas_of(deployment);
    return whole(annotation(set, desired_annotation)) == wanted && replicas_of(set) == wanted &&
           number(set, "status.availableReplicas") == wanted;
}

bool is_complete(const json::object& deployment, const json::object& status) {
    const auto wanted = replicas_of(deployment);
    return number(status, "updatedReplicas") == wanted && number(status, "replicas") == wanted &&
           number(status, "availableReplicas") == wanted &&
           number(status, "observedGeneration") >= number(deployment, "metadata.generation");
}

bool is_progress(const json::object& deployment, const json::object& status) {
    const auto& before = object_at(deployment, "status");
    const auto old_of = [](const json::object& counts) { return number(counts, "replicas") - number(counts, "updatedReplicas"); };
    return number(status, "updatedReplicas") > number(before, "updatedReplicas") || old_of(status) < old_of(before) ||
           number(status, "readyReplicas") > number(before, "readyReplicas") ||
           number(status, "availableReplicas") > number(before, "availableReplicas");
}

const json::object* condition_in(const json::object& status, std::string_view type) {
    for (const auto& entry : array_at(status, "conditions"))
        if (text(as_object(entry), "type") == type) return &entry.get_object();
    return nullptr;
}

bool put_condition(json::object& status, json::object condition) {
    const std::string type(text(condition, "type"));
    if (const auto* before = condition_in(status, type)) {
        const bool is_same_status = text(*before, "status") == text(condition, "status");
        if (is_same_status && text(*before, "reason") == text(condition, "reason")) return false;
        if (is_same_status) condition["lastTransitionTime"] = text(*before, "lastTransitionTime");
    }
    auto conditions = array_at(status, "conditions");
    remove_condition(conditions, type);
    conditions.emplace_back(std::move(condition));
    status["conditions"] = std::move(conditions);
    return true;
}

bool is_same_template(const json::object& left, const json::object& right) {
    if (object_at(left, "spec") != object_at(right, "spec")) return false;
    auto metadata = object_at(left, "metadata"), other = object_at(right, "metadata");
    for (auto* part : {&metadata, &other}) {
        if (auto* labels = part->if_contains("labels"); labels != nullptr && labels->is_object()) {
            labels->get_object().erase(hash_label);
            if (labels->get_object().empty()) part->erase("labels");
        }
        part->erase("creationTimestamp");  // null or absent: no difference
    }
    return metadata == other;
}

std::string template_hash(const json::object& pod_template, std::int64_t collision_count) {
    std::string text;
    append_canonical(text, pod_template);
    if (collision_count > 0) text.append(1, '#').append(std::to_string(collision_count));
    std::uint32_t hash = 2166136261U;
    for (const auto byte : text) hash = (hash ^ static_cast<unsigned char>(byte)) * 16777619U;
    // No vowels and no digits that look like letters: names spell no words.
    constexpr std::string_view alphabet = "bcdfghjklmnpqrstvwxz2456789";
    std::string name;
    for (const auto digit : std::to_string(hash)) name += alphabet[static_cast<unsigned char>(digit) % alphabet.size()];
    return name;
}

std::string set_name(std::string_view deployment, const std::string& hash) {
    return std::string(deployment.substr(0, name_bytes_max - hash.size() - 1)).append(1, '-').append(hash);
}

std::int64_t revision_of(const json::object& object) { return whole(annotation(object, revision_annotation)).value_or(0); }

bool put_replica_annotations(json::object& set, const json::object& deployment) {
    auto& annotations = make_object(set, "metadata.annotations");
    const auto desired = std::to_string(replicas_of(deployment));
    const auto most = std::to_string(replicas_of(deployment) + max_surge(deployment));
    if (annotation_or_empty(annotations, desired_annotation) == desired && annotation_or_empty(annotations, max_annotation) == most)
        return false;
    annotations[desired_annotation] = desired;
    annotations[max_annotation] = most;
    return true;
}

bool put_annotations(json::object& set, const json::object& deployment, std::int64_t revision, bool exists) {
    bool is_changed = false;
    auto& annotations = make_object(set, "metadata.annotations");
    for (const auto& [key, value] : object_at(deployment, "metadata.annotations")) {
        if (is_own_annotation(key) || annotation_or_empty(annotations, key) == as_text(value)) continue;
        annotations[key] = value;
        is_changed = true;
    }
    const std::string before(annotation_or_empty(annotations, revision_annotation));
    if (whole(before).value_or(0) < revision) {
        annotations[revision_annotation] = std::to_string(revision);
        // It had a revision: this is a roll-back to it, and its old number stays in the history.
        if (!before.empty())
            annotations[revision_history_annotation] =
                history_with(annotation_or_empty(annotations, revision_history_annotation), before);
        is_changed = true;
    }
    if (!exists && put_replica_annotations(set, deployment)) is_changed = true;
    return is_changed;
}

}  // namespace services::kube::controllers::rollout
