// A box with one ServiceAccount `till` in namespace `shop`, its pod `till-0` and a clock that stands at noon.
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>

#include <map>

#include "hal/net/certificates.hpp"
#include "services/kube/auth/authentication.hpp"

inline constexpr hal::WallTime noon{std::chrono::sys_days{std::chrono::year{2026} / 11 / 24} + std::chrono::hours{12}};

inline std::string new_key() {
    return hal::net::issue({.subject = {"key", {}}, .dns_names = {}, .ip_addresses = {}, .not_before = noon, .not_after = noon + std::chrono::hours{1}}, nullptr).key_pem;
}

struct Box {
    using Uid = std::optional<std::string>;

    template <class T>
    T run(hal::async::Task<T> task) {
        boost::asio::io_context loop;
        auto result = boost::asio::co_spawn(loop, std::move(task), boost::asio::use_future);
        loop.run();
        return result.get();
    }

    static hal::async::Task<Uid> find(std::map<std::string, std::string>* uids, std::string key) {
        const auto it = uids->find(key);
        co_return it == uids->end() ? Uid{} : Uid{it->second};
    }

    [[nodiscard]] services::kube::auth::Claims claims() const {
        return {.name_space = "shop",
                .service_account = {"till", "uid-sa"},
                .pod = services::kube::auth::BoundObject{"till-0", "uid-pod"},
                .secret = {},
                .node = services::kube::auth::BoundObject{"box", "uid-node"},
                .audiences = {std::string(services::kube::auth::token_issuer)},
                .issued = noon,
                .not_before = noon,
                .expires = noon + std::chrono::hours{1},
                .id = "id-1"};
    }

    services::kube::auth::Tokens tokens{new_key()};
    hal::ManualClock clock{noon};
    std::map<std::string, std::string> uids{{"serviceaccounts/shop/till", "uid-sa"}, {"pods/shop/till-0", "uid-pod"}};
    services::kube::auth::Authenticator authenticator{
        tokens, clock, [this](std::string resource, std::string name_space, std::string name) {
            return find(&uids, resource + "/" + name_space + "/" + name);
        }};
};
