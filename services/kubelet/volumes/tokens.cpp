#include "services/kubelet/volumes/tokens.hpp"

#include <algorithm>
#include <exception>
#include <format>
#include <utility>

#include "hal/base/error.hpp"
#include "hal/base/log.hpp"
#include "services/kubeclient/object.hpp"

namespace services::kubelet::volumes {

namespace kc = kubeclient;

namespace {

json::object request_for(const json::object& pod, std::string_view audience, std::int64_t seconds) {
    json::object spec{{"expirationSeconds", seconds},
                      {"boundObjectRef", {{"apiVersion", "v1"}, {"kind", "Pod"}, {"name", kc::name_of(pod)}, {"uid", kc::uid_of(pod)}}}};
    json::array audiences;
    if (!audience.empty()) audiences.emplace_back(audience);
    spec["audiences"] = std::move(audiences);
    return {{"apiVersion", "authentication.k8s.io/v1"}, {"kind", "TokenRequest"}, {"spec", std::move(spec)}};
}

}  // namespace

Task<std::string> Tokens::token_of(ObjectPtr pod, json::object source) {
    const std::string uid(kc::uid_of(*pod));
    const auto audience = kc::text(source, "audience");
    const auto seconds = kc::number(source, "expirationSeconds", seconds_default);
    const auto key = std::format("token/{}/{}", audience, seconds);
    if (const auto pod_at = held_.find(uid); pod_at != held_.end())
        if (const auto at = pod_at->second.find(key); at != pod_at->second.end() && clock_.steady() < at->second.renew_at) co_return at->second.token;

    std::string problem;
    try {
        const auto answer = co_await client_.post(kc::resources::service_accounts, std::string(kc::namespace_of(*pod)),
                                                  std::string(kc::text(*pod, "spec.serviceAccountName", "default")), "token",
                                                  request_for(*pod, audience, seconds));
        // The server may shorten or stretch what was asked for.
        const auto life = std::chrono::seconds(kc::number(answer, "spec.expirationSeconds", seconds));
        Held fresh{std::string(kc::text(answer, "status.token")), std::string(kc::text(answer, "status.expirationTimestamp")),
                   clock_.steady() + std::min<std::chrono::seconds>(life * 8 / 10, age_max), false};
        co_return (held_[uid][key] = std::move(fresh)).token;
    } catch (const hal::Error& failure) {
        if (failure.code() == hal::Code::cancelled) throw;
        problem = failure.what();
    }
    const auto pod_at = held_.find(uid);
    const auto at = pod_at == held_.end() ? decltype(pod_at->second.begin()){} : pod_at->second.find(key);
    if (pod_at == held_.end() || at == pod_at->second.end()) throw hal::Error(hal::Code::unavailable, "failed to fetch token: " + problem);
    if (!std::exchange(at->second.is_told, true)) hal::log::warn("volumes", "token of pod {}: {}; the old one goes on", kc::key_of(*pod), problem);
    at->second.renew_at = clock_.steady() + retry_after;
    co_return at->second.token;
}

void Tokens::forget(const std::string& uid) { held_.erase(uid); }

void Tokens::renew_all() {
    for (auto& [uid, tokens] : held_)
        for (auto& [key, held] : tokens) held.renew_at = clock_.steady();
}

std::optional<hal::SteadyTime> Tokens::next_due() const {
    std::optional<hal::SteadyTime> next;
    for (const auto& [uid, tokens] : held_)
        for (const auto& [key, held] : tokens) next = next ? std::min(*next, held.renew_at) : held.renew_at;
    return next;
}

std::set<std::string> Tokens::due() const {
    std::set<std::string> uids;
    for (const auto& [uid, tokens] : held_)
        for (const auto& [key, held] : tokens)
            if (held.renew_at <= clock_.steady()) uids.insert(uid);
    return uids;
}

Objects Tokens::held_for(const std::string& uid) const {
    Objects objects;
    if (const auto at = held_.find(uid); at != held_.end())
        for (const auto& [key, held] : at->second) objects[key] = {{"token", held.token}, {"expires", held.expires}};
    return objects;
}

void Tokens::restore(const std::string& uid, const Objects& objects) {
    // Due at once: the API server is asked first, and this answers only if it does not.
    for (const auto& [key, object] : objects)
        if (key.starts_with("token/"))
            held_[uid].try_emplace(key, Held{std::string(kc::text(object, "token")), std::string(kc::text(object, "expires")), clock_.steady(), false});
}

}  // namespace services::kubelet::volumes
