// Service account tokens for pods (TokenRequest), each kept until 80 % of its life has passed and then renewed while the
// pod runs; when the API server cannot answer the old one goes on, even past its end: a pod without an API server has no
// better use for a failure.
//
// Owns no file: who writes tokens asks token_of() again when next_due() has come. Bounded by the pods that are set up.
// Called on the loop's thread.
#pragma once

#include <boost/json/object.hpp>

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "hal/base/clock.hpp"
#include "services/kubeclient/client.hpp"
#include "services/kubelet/volumes/references.hpp"

namespace services::kubelet::volumes {

class Tokens {
public:
    static constexpr std::int64_t seconds_default = 3600;
    static constexpr std::chrono::hours age_max{24};           // renewed by then, however long it lives
    static constexpr std::chrono::seconds retry_after{30};

    Tokens(kubeclient::Client client, const hal::Clock& clock) : client_(std::move(client)), clock_(clock) {}

    // The token for a serviceAccountToken source of `pod`; asks the API server when there is none or it is due. Throws
    // Error with the kubelet's text when there is none at all.
    Task<std::string> token_of(ObjectPtr pod, json::object source);
    void forget(const std::string& uid);
    // All are due: the clock that ends their lives was set.
    void renew_all();

    // The earliest time at which a token is to be renewed; empty when there is none.
    [[nodiscard]] std::optional<hal::SteadyTime> next_due() const;
    // The pods whose tokens are due.
    [[nodiscard]] std::set<std::string> due() const;

    // "token/AUDIENCE/SECONDS" -> {token, expires}: what a checkpoint holds.
    [[nodiscard]] Objects held_for(const std::string& uid) const;
    void restore(const std::string& uid, const Objects& objects);

private:
    struct Held {
        std::string token;
        std::string expires;  // RFC 3339
        hal::SteadyTime renew_at;
        bool is_told = false;  // that it could not be renewed
    };
    kubeclient::Client client_;
    const hal::Clock& clock_;
    std::map<std::string, std::map<std::string, Held>> held_;  // by pod, by key
};

}  // namespace services::kubelet::volumes
