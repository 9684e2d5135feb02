// A folder of its own and a loop to run store coroutines on, for one test.
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <catch2/catch_test_macros.hpp>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>

#include "hal/base/error.hpp"
#include "services/kube/store/store.hpp"
#include "tests/folder.hpp"

namespace store_test {

using namespace services::kube::store;
using hal::Code;
using hal::Error;

// Opens the store, runs `body`, closes it (unless `body` did).
inline void with_store(const Options& options, const std::function<Task<>(Store&)>& body) {
    boost::asio::io_context loop(1);
    hal::SystemClock clock;
    auto store = Store::open(loop.get_executor(), options, clock);
    std::exception_ptr failure;
    const auto keep = [&failure](std::exception_ptr thrown) {
        if (thrown && !failure) failure = thrown;
    };
    boost::asio::co_spawn(loop, body(*store), [&](std::exception_ptr thrown) {
        keep(thrown);
        boost::asio::co_spawn(loop, store->close(), keep);
    });
    loop.run();
    if (failure) std::rethrow_exception(failure);
}

inline Store::ValueFor text(std::string value) {
    return [value](Revision) { return value; };
}

inline Key pod(std::string name, std::string name_space = "default") { return {"pods", std::move(name_space), std::move(name)}; }
inline Key lease(std::string name) { return {"leases.coordination.k8s.io", "kube-node-lease", std::move(name)}; }

// What a coroutine throws, or nothing.
template <class T>
Task<std::optional<Code>> code_thrown(Task<T> task) {
    try {
        co_await std::move(task);
    } catch (const Error& error) {
        co_return error.code();
    }
    co_return std::nullopt;
}

}  // namespace store_test
