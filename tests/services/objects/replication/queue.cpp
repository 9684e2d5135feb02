// The order of sending and what a refusal costs, without a store and without waiting.
#include "services/objects/replication/queue.hpp"

#include <catch2/catch_test_macros.hpp>

#include "services/objects/replication/answer.hpp"
#include "services/objects/replication/settings.hpp"

using namespace services::objects;
using namespace services::objects::replication;
using namespace std::chrono_literals;

namespace {

const hal::SteadyTime noon{};

store::OutboxEntry change(std::uint64_t sequence, std::string key) {
    store::OutboxEntry entry;
    entry.sequence = sequence;
    entry.bucket = "documents";
    entry.key = std::move(key);
    return entry;
}

std::uint64_t next(Queue& queue, hal::SteadyTime now = noon) {
    const auto entry = queue.next(now);
    return entry ? entry->sequence : 0;
}

}  // namespace

TEST_CASE("changes of one key go one after the other, those of others beside them") {
    Queue queue;
    queue.add(change(1, "a"));
    queue.add(change(2, "a"));
    queue.add(change(3, "b"));
    CHECK(next(queue) == 1);
    CHECK(next(queue) == 3);
    CHECK(next(queue) == 0);
    queue.done(1);
    CHECK(next(queue) == 2);
    queue.put_back(2);
    CHECK(next(queue) == 2);
}

TEST_CASE("a change that is refused again and again is dead, and the next of its key goes on") {
    Queue queue;
    queue.add(change(1, "a"));
    queue.add(change(2, "a"));
    auto now = noon;
    for (unsigned tries = 1; tries < Queue::tries_max; ++tries) {
        REQUIRE(next(queue, now) == 1);
        CHECK_FALSE(queue.refused(1, Queue::Blame::change, 0.5, now));
        CHECK(next(queue, now) == 0);
        REQUIRE(queue.next_time());
        CHECK(next(queue, *queue.next_time() - 1ms) == 0);
        now = *queue.next_time();
    }
    REQUIRE(next(queue, now) == 1);
    CHECK(queue.refused(1, Queue::Blame::change, 0.5, now));
    CHECK(next(queue, now) == 2);
}

TEST_CASE("a refusal that may be the destination's doing counts only after it has taken something else") {
    Queue queue;
    queue.add(change(1, "a"));
    auto now = noon;
    std::uint64_t other = 1;
    for (unsigned tries = 0; tries < 3 * Queue::tries_max; ++tries) {
        REQUIRE(next(queue, now) == 1);
        REQUIRE_FALSE(queue.refused(1, Queue::Blame::unclear, 0, now));
        now += 1s;
    }
    for (unsigned tries = 1; tries <= Queue::tries_max; ++tries) {
        queue.add(change(++other, "b"));
        REQUIRE(next(queue, now) == 1);
        REQUIRE(next(queue, now) == other);
        queue.done(other);
        CHECK(queue.refused(1, Queue::Blame::unclear, 0, now) == (tries == Queue::tries_max));
    }
}

TEST_CASE("a bucket that is full there buries nothing, and the waits have a bound") {
    Queue queue;
    queue.add(change(1, "a"));
    auto now = noon;
    for (int tries = 0; tries < 100; ++tries) {
        REQUIRE(next(queue, now) == 1);
        REQUIRE_FALSE(queue.refused(1, Queue::Blame::nobody, 0.999, now));
        CHECK(*queue.next_time() - now < Queue::retry_bound_max);
        now = *queue.next_time();
    }
}

TEST_CASE("a dead letter that comes back is read again, what is here is not doubled") {
    Queue queue;
    queue.add(change(5, "a"));
    CHECK(queue.last_sequence() == 5);
    queue.go_back_to(2);
    CHECK(queue.last_sequence() == 2);
    queue.add(change(3, "b"));
    queue.add(change(5, "a"));
    CHECK(queue.size() == 2);
    CHECK(queue.last_sequence() == 5);
}

TEST_CASE("an answer means what its code says before what its status says") {
    const auto error = [](std::string_view code) { return "<?xml version=\"1.0\"?><Error><Code>" + std::string(code) + "</Code><Message>m</Message></Error>"; };
    CHECK(answer_of(200, "").meaning == Meaning::taken);
    CHECK(answer_of(404, error("NoSuchBucket")).meaning == Meaning::no_bucket);
    CHECK(answer_of(404, "").meaning == Meaning::absent);
    CHECK(answer_of(403, error("AccessDenied")).meaning == Meaning::denied);
    CHECK(answer_of(403, error("SignatureDoesNotMatch")).meaning == Meaning::not_now);
    CHECK(answer_of(403, "<html>").meaning == Meaning::denied);
    CHECK(answer_of(400, error("KeyTooLongError")).meaning == Meaning::refused);
    CHECK(answer_of(503, error("SlowDown")).meaning == Meaning::not_now);
    CHECK(answer_of(507, error("XMinioStorageFull")).meaning == Meaning::not_now);
    CHECK(answer_of(200, error("InternalError")).meaning == Meaning::not_now);
    CHECK(answer_of(503, error("SlowDown")).reason == "503 SlowDown: m");
}

TEST_CASE("buckets and keys have their names there, and what is missing is said") {
    const std::map<std::string, std::string> files{{"upstream.objects.secret_key_file", "secret\n"}};
    const boost::json::object section{{"endpoint", "https://minio.hq.example:443"}, {"access_key", "branch"}, {"bucket_name", "branches"}, {"key_prefix", "{site}/"}};
    const auto found = read_settings(section, files, "berlin-03");
    REQUIRE(found.settings);
    CHECK(found.settings->host == "minio.hq.example");
    CHECK(found.settings->credentials.secret == "secret");
    CHECK(found.settings->bucket_there("documents") == "branches");
    CHECK(found.settings->key_there("documents", "a/b") == "berlin-03/documents/a/b");
    CHECK(found.settings->dispatch("documents"));

    const auto none = read_settings({}, files, "berlin-03");
    CHECK_FALSE(none.settings);
    CHECK(none.problems.empty());
    const auto wrong = read_settings({{"endpoint", "https://minio.hq.example/s3"}, {"versions", "all"}}, {}, "berlin-03");
    CHECK_FALSE(wrong.settings);
    CHECK(wrong.problems.size() == 3);
}
