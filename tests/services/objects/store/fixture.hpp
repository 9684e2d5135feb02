// A folder of its own and a loop to run the store's coroutines on, for one test.
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <catch2/catch_test_macros.hpp>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>

#include "hal/base/error.hpp"
#include "services/objects/store/store.hpp"
#include "tests/folder.hpp"

namespace objects_test {

using namespace services::objects::store;
using namespace std::chrono_literals;
using hal::Code;
using hal::Error;

inline Options small_options() {
    Options options;
    options.segment_bytes = 256 * 1024;
    options.inline_bytes_max = 4096;
    options.reserve_bytes = 0;
    options.scrub_every = 0s;
    return options;
}

inline void run(const std::function<Task<>()>& body) {
    boost::asio::io_context loop(1);
    std::exception_ptr failure;
    boost::asio::co_spawn(loop, body(), [&failure](std::exception_ptr thrown) { failure = thrown; });
    loop.run();
    if (failure) std::rethrow_exception(failure);
}

inline Task<> use_store(hal::disk::Disk* disk, const hal::Clock* clock, std::filesystem::path folder, Options options,
                        const std::function<Task<>(Store&)>* body) {
    auto store = co_await Store::open(*disk, *clock, std::move(folder), std::move(options));
    std::exception_ptr failure;
    try {
        co_await (*body)(*store);
    } catch (...) {
        failure = std::current_exception();
    }
    co_await store->close();
    if (failure) std::rethrow_exception(failure);
}

// Opens the store, runs `body`, closes it.
inline void with_store(const std::filesystem::path& folder, const std::function<Task<>(Store&)>& body, Options options = small_options()) {
    static hal::ManualClock clock(hal::WallTime(std::chrono::hours(24 * 20'000)));
    clock.advance(1s);
    run([&] { return use_store(&hal::disk::system_disk(), &clock, folder, options, &body); });
}

struct Put {
    std::string etag = "e";
    Conditions conditions{};
    std::vector<Dispatch> dispatches{};
};

inline Task<Result<Object>> put(Store& store, std::string bucket, std::string key, std::string content, Put how = {}) {
    auto body = store.body({.bytes = content.size()});
    if (!body) co_return std::unexpected(body.error());
    co_await body->write(content);
    PutRequest request;
    request.bucket = std::move(bucket);
    request.key = std::move(key);
    request.etag = how.etag;
    request.conditions = how.conditions;
    request.dispatches = how.dispatches;
    request.metadata.headers = {{"content-type", "text/plain"}};
    co_return co_await store.put(std::move(request), std::move(*body));
}

// The content, or "!" and why not.
inline Task<std::string> get(Store& store, std::string bucket, std::string key, std::optional<std::string> version = {}) {
    auto reader = co_await store.open_object(std::move(bucket), std::move(key), std::move(version));
    if (!reader) co_return "!" + std::string(name_of(reader.error()));
    std::string content;
    while (const auto bytes = co_await reader->next_bytes()) content += *bytes;
    co_return content;
}

inline Task<Result<DeleteOutcome>> remove(Store& store, std::string bucket, std::string key, std::optional<std::string> version = {}) {
    DeleteRequest request;
    request.bucket = std::move(bucket);
    request.key = std::move(key);
    request.version = std::move(version);
    co_return co_await store.remove(std::move(request));
}

inline Task<std::string> keys(Store& store, ListRequest request) {
    const auto result = co_await store.list(std::move(request));
    if (!result) co_return "!" + std::string(name_of(result.error()));
    std::string text;
    for (const auto& object : result->objects) text += object.key + (object.is_delete_marker ? "- " : " ");
    for (const auto& prefix : result->prefixes) text += "[" + prefix + "] ";
    if (result->is_truncated) text += "... " + result->next;
    co_return text;
}

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

}  // namespace objects_test
