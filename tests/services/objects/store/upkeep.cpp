// The outbox, compaction, scrub, and a disk that fills up.
#include <fstream>

#include "fixture.hpp"
#include "hal/disk/fake_disk.hpp"

using namespace objects_test;

namespace {

Task<Result<Object>> put_told(Store& store, std::string key, bool coalesces) {
    co_return co_await put(store, "b", std::move(key), "xyz", {.etag = "e", .conditions = {}, .dispatches = {{"hq", "note", coalesces}}});
}

Task<> tell(Store& store) {
    co_await store.create_bucket("b");
    const auto first = co_await put_told(store, "k", true);
    co_await put_told(store, "k", true);  // takes the first one's place
    co_await put_told(store, "event", false);
    co_await put_told(store, "event", false);
    auto waiting = co_await store.outbox("hq", 0, 10);
    REQUIRE(waiting.size() == 3);
    CHECK(waiting[0].sequence > first->sequence);
    CHECK(waiting[0].bucket == "b");
    CHECK(waiting[0].note == "note");
    auto backlog = co_await store.backlog("hq");
    CHECK(backlog.entries == 3);
    CHECK(backlog.bytes == 9);
    CHECK((co_await store.backlog("other")).entries == 0);
    co_await store.outbox_done("hq", {waiting[0].sequence});
    co_await store.outbox_dead("hq", waiting[1].sequence, "403 Forbidden", 5);
}

Task<> expect_told(Store& store) {
    CHECK((co_await store.outbox("hq", 0, 10)).size() == 1);
    const auto dead = co_await store.dead_letters("hq", 0, 10);
    REQUIRE(dead.size() == 1);
    CHECK(dead[0].reason == "403 Forbidden");
    CHECK(dead[0].tries == 5);
    CHECK(dead[0].key == "event");
    const auto backlog = co_await store.backlog("hq");
    CHECK(backlog.entries == 1);
    CHECK(backlog.dead == 1);
}

Task<> redrive(Store& store) {
    const auto dead = co_await store.dead_letters("hq", 0, 10);
    CHECK(co_await store.outbox_redrive("hq", dead[0].sequence));
    CHECK(!(co_await store.outbox_redrive("hq", dead[0].sequence)));
    CHECK((co_await store.outbox("hq", 0, 10)).size() == 2);
}

void remove_index(const std::filesystem::path& folder) {
    for (const auto* name : {"index.db", "index.db-wal", "index.db-shm"}) std::filesystem::remove(folder / name);
}

std::string content_of(int i) { return "object " + std::to_string(i) + std::string(3000, 'o'); }

Task<> churn(Store& store) {
    co_await store.create_bucket("b");
    co_await store.create_bucket("gone");
    co_await put(store, "gone", "k", "x");
    CHECK((co_await store.delete_bucket("gone", true)).has_value());
    co_await put_told(store, "told", false);
    co_await put_told(store, "told again", true);
    for (int round = 0; round < 4; ++round)
        for (int i = 0; i < 200; ++i) co_await put(store, "b", "k" + std::to_string(i), content_of(i + round));
    for (int i = 0; i < 200; i += 2) co_await remove(store, "b", "k" + std::to_string(i));
    const auto before = store.statistics().log_bytes;
    for (int i = 0; i < 4; ++i) co_await store.compact(0.9);
    CHECK(store.statistics().compacted_segments > 3);
    CHECK(store.statistics().log_bytes < before);
}

Task<> expect_churned(Store& store) {
    for (int i = 0; i < 200; ++i)
        CHECK(co_await get(store, "b", "k" + std::to_string(i)) == (i % 2 ? content_of(i + 3) : "!no such key"));
    CHECK(store.bucket("gone") == nullptr);
    CHECK(store.bucket("b")->statistics.objects == 102);
    CHECK((co_await store.outbox("hq", 0, 10)).size() == 2);
}

Task<> compact_more(Store& store) {
    for (int i = 0; i < 200; ++i) co_await put(store, "b", "filler", std::string(4000, 'f'));
    co_await remove(store, "b", "filler");
    for (int i = 0; i < 3; ++i) co_await store.compact(1.1);
}

Task<> make_two(Store& store) {
    co_await store.create_bucket("b");
    co_await put(store, "b", "good", std::string(600'000, 'g'));
    co_await put(store, "b", "bad", std::string(600'001, 'b'));
}

Task<> expect_damage(Store& store) {
    CHECK(co_await get(store, "b", "good") == std::string(600'000, 'g'));
    CHECK(co_await code_thrown(get(store, "b", "bad")) == Code::corrupt);
    CHECK(store.statistics().corrupt_objects == 1);
    CHECK(store.statistics().corrupt[0].starts_with("b/bad version null"));
    // The scrub reads everything again, good or not.
    CHECK(co_await store.scrub() > 600'000);
    CHECK(store.statistics().corrupt_objects == 2);
    co_await remove(store, "b", "bad");
    CHECK((co_await store.scrub()) > 600'000);
    CHECK(store.statistics().corrupt_objects == 2);
}

Task<> until_full(Store& store) {
    co_await store.create_bucket("b");
    std::optional<Refusal> refusal;
    int count = 0;
    for (; count < 1000 && !refusal; ++count) {
        const auto made = co_await put(store, "b", "k" + std::to_string(count), std::string(50'000, 'x'));
        if (!made) refusal = made.error();
    }
    CHECK(refusal == Refusal::storage_full);
    CHECK(count > 20);
    CHECK(store.statistics().is_full);
    for (int i = 0; i + 1 < count; ++i) CHECK((co_await get(store, "b", "k" + std::to_string(i))).size() == 50'000);
    for (int i = 0; i + 1 < count; ++i) CHECK((co_await remove(store, "b", "k" + std::to_string(i)))->changed);
    CHECK(co_await keys(store, {.bucket = "b"}) == "");
}

}  // namespace

TEST_CASE("what is to be told of changes waits in order, is done, dies and is driven again, over restarts") {
    Folder folder;
    with_store(folder.path, tell);
    with_store(folder.path, expect_told);
    remove_index(folder.path);
    with_store(folder.path, expect_told);
    with_store(folder.path, redrive);
}

TEST_CASE("compaction gives space back and loses and resurrects nothing, however the index is made") {
    Folder folder;
    with_store(folder.path, churn);
    with_store(folder.path, expect_churned);
    remove_index(folder.path);
    with_store(folder.path, expect_churned);
    with_store(folder.path, compact_more);
    with_store(folder.path, expect_churned);
    remove_index(folder.path);
    with_store(folder.path, expect_churned);
}

TEST_CASE("a damaged part is told for its object alone, by reading it and by the scrub") {
    Folder folder;
    with_store(folder.path, make_two);
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder.path / "parts"))
        if (entry.is_regular_file() && entry.file_size() > 600'000 && [&] {
                std::ifstream file(entry.path());
                return file.get() == 'b';
            }()) {
            std::fstream file(entry.path());
            file.seekp(400'000);
            file.put('x');
        }
    with_store(folder.path, expect_damage);
}

TEST_CASE("a nearly full disk takes no more objects, and gives and deletes those it has") {
    Folder folder;
    hal::disk::FakeDisk disk(1, 6 * 1024 * 1024);
    hal::ManualClock clock(hal::WallTime(std::chrono::hours(24 * 20'000)));
    auto options = small_options();
    options.reserve_bytes = 1024 * 1024;
    const std::function<Task<>(Store&)> body = until_full;
    run([&] { return use_store(&disk, &clock, folder.path, options, &body); });
}
