// Buckets and objects as their callers see them, before and after a restart, with the index and without.
#include "fixture.hpp"

using namespace objects_test;

namespace {

Task<> fill(Store& store) {
    CHECK((co_await store.create_bucket("b")).has_value());
    CHECK((co_await store.create_bucket("b")).error() == Refusal::bucket_exists);
    CHECK((co_await put(store, "b", "small", "hello")).has_value());
    CHECK((co_await put(store, "b", "large", std::string(1'000'000, 'x'))).has_value());
    CHECK((co_await put(store, "b", "empty", "")).has_value());
    CHECK((co_await put(store, "none", "k", "x")).error() == Refusal::no_such_bucket);
    CHECK((co_await put(store, "b", "gone", "x")).has_value());
    CHECK((co_await remove(store, "b", "gone"))->changed);
    CHECK(!(co_await remove(store, "b", "gone"))->changed);
    CHECK((co_await put(store, "b", "small", "hello again")).has_value());
}

Task<> expect_filled(Store& store) {
    CHECK(co_await get(store, "b", "small") == "hello again");
    CHECK(co_await get(store, "b", "large") == std::string(1'000'000, 'x'));
    CHECK(co_await get(store, "b", "empty") == "");
    CHECK(co_await get(store, "b", "gone") == "!no such key");
    CHECK(co_await get(store, "b", "never") == "!no such key");
    CHECK(co_await keys(store, {.bucket = "b"}) == "empty large small ");
    const auto* bucket = store.bucket("b");
    REQUIRE(bucket);
    CHECK(bucket->statistics.objects == 3);
    CHECK(bucket->statistics.versions == 3);
    CHECK(bucket->statistics.bytes == 1'000'011);
    const auto object = co_await store.stat("b", "small");
    REQUIRE(object.has_value());
    CHECK(object->metadata.headers == Fields{{"content-type", "text/plain"}});
    CHECK((co_await store.delete_bucket("b")).error() == Refusal::bucket_not_empty);
}

void remove_index(const std::filesystem::path& folder) {
    for (const auto* name : {"index.db", "index.db-wal", "index.db-shm"}) std::filesystem::remove(folder / name);
}

Task<> versions(Store& store) {
    co_await store.create_bucket("v");
    co_await put(store, "v", "k", "null");
    co_await store.set_versioning("v", Versioning::enabled);
    const auto one = co_await put(store, "v", "k", "one");
    const auto two = co_await put(store, "v", "k", "two");
    CHECK(one->version != two->version);
    CHECK(co_await get(store, "v", "k") == "two");
    CHECK(co_await get(store, "v", "k", one->version) == "one");
    CHECK(co_await get(store, "v", "k", "null") == "null");
    CHECK(!(co_await store.stat("v", "k", one->version))->is_latest);
    CHECK((co_await store.stat("v", "k", two->version))->is_latest);
    const auto marker = co_await remove(store, "v", "k");
    CHECK(marker->is_delete_marker);
    CHECK(co_await get(store, "v", "k") == "!no such key");
    CHECK(co_await get(store, "v", "k", marker->version) == "!delete marker");
    CHECK(co_await keys(store, {.bucket = "v"}) == "");
    CHECK(co_await keys(store, {.bucket = "v", .with_versions = true}) == "k- k k k ");
    CHECK(store.bucket("v")->statistics.objects == 0);
    CHECK(store.bucket("v")->statistics.delete_markers == 1);
    // A tag changes a version in its place.
    CHECK((co_await store.set_tags("v", "k", one->version, {{"a", "b"}})).has_value());
    CHECK((co_await store.stat("v", "k", one->version))->metadata.tags == Fields{{"a", "b"}});
    // Without the marker the newest version shows again.
    CHECK((co_await remove(store, "v", "k", marker->version))->is_delete_marker);
    CHECK(co_await get(store, "v", "k") == "two");
    CHECK((co_await remove(store, "v", "k", two->version))->changed);
    CHECK(co_await get(store, "v", "k") == "one");
    CHECK(co_await get(store, "v", "k", two->version) == "!no such version");
    // Suspended: the null version is replaced, and stands in front.
    co_await store.set_versioning("v", Versioning::suspended);
    co_await put(store, "v", "k", "null again");
    CHECK(co_await get(store, "v", "k") == "null again");
    CHECK(co_await keys(store, {.bucket = "v", .with_versions = true}) == "k k ");
    const auto null_marker = co_await remove(store, "v", "k");
    CHECK(null_marker->version == "null");
    CHECK(co_await keys(store, {.bucket = "v", .with_versions = true}) == "k- k ");
    CHECK(store.bucket("v")->statistics.versions == 1);
}

Task<> expect_versions(Store& store) {
    CHECK(co_await get(store, "v", "k") == "!no such key");
    CHECK(co_await keys(store, {.bucket = "v", .with_versions = true}) == "k- k ");
    CHECK(store.bucket("v")->versioning == Versioning::suspended);
    CHECK(store.bucket("v")->statistics.versions == 1);
    CHECK(store.bucket("v")->statistics.objects == 0);
}

Task<> excluded(Store& store) {
    co_await store.create_bucket("x");
    co_await store.set_versioning("x", Versioning::enabled);
    co_await store.configure("x", "versioning",
                             "<VersioningConfiguration><Status>Enabled</Status><ExcludedPrefixes><Prefix>tmp/</Prefix></ExcludedPrefixes></VersioningConfiguration>");
    co_await put(store, "x", "tmp/k", "one");
}

Task<> expect_excluded(Store& store) {
    CHECK((co_await put(store, "x", "tmp/k", "two"))->version == "null");
    CHECK((co_await put(store, "x", "k", "one"))->version != "null");
    CHECK(co_await keys(store, {.bucket = "x", .prefix = "tmp/", .with_versions = true}) == "tmp/k ");
    co_await store.configure("x", "versioning", "");
    CHECK((co_await put(store, "x", "tmp/k", "three"))->version != "null");
}

Task<> conditions(Store& store) {
    co_await store.create_bucket("b");
    Put fresh{.etag = "1", .conditions = {.if_none_match_any = true}};
    CHECK((co_await put(store, "b", "lock", "a", fresh)).has_value());
    CHECK((co_await put(store, "b", "lock", "b", fresh)).error() == Refusal::precondition_failed);
    CHECK((co_await put(store, "b", "lock", "c", {.etag = "2", .conditions = {.if_match = "1"}})).has_value());
    CHECK((co_await put(store, "b", "lock", "d", {.etag = "3", .conditions = {.if_match = "1"}})).error() == Refusal::precondition_failed);
    CHECK((co_await put(store, "b", "none", "d", {.etag = "3", .conditions = {.if_match = "1"}})).error() == Refusal::no_such_key);
    CHECK(co_await get(store, "b", "lock") == "c");
    co_await store.flush_index();
    CHECK((co_await put(store, "b", "lock", "b", fresh)).error() == Refusal::precondition_failed);
    co_await remove(store, "b", "lock");
    CHECK((co_await put(store, "b", "lock", "e", fresh)).has_value());
}

Task<> contend(Store* store, int* winners) {
    const auto made = co_await put(*store, "b", "lock", "x", {.etag = "1", .conditions = {.if_none_match_any = true}});
    if (made) ++*winners;
}

Task<> race(Store& store) {
    co_await store.create_bucket("b");
    int winners = 0;
    hal::async::TaskGroup group(co_await boost::asio::this_coro::executor, "race");
    for (int i = 0; i < 16; ++i) group.spawn("contend", contend(&store, &winners));
    co_await group.join();
    CHECK(winners == 1);
}

Task<> ranges(Store& store) {
    co_await store.create_bucket("b");
    std::string content(700'000, 0);
    for (std::size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>(i * 7 + i / 251);
    co_await put(store, "b", "k", content);
    for (const auto& [at, size] : {std::pair{0uz, 1uz}, {262'143uz, 2uz}, {262'144uz, 300'000uz}, {699'999uz, 1uz}, {0uz, 700'000uz}, {5uz, 0uz}}) {
        auto reader = co_await store.open_object("b", "k");
        reader->select(at, size);
        std::string got;
        while (const auto bytes = co_await reader->next_bytes()) got += *bytes;
        CHECK(got == content.substr(at, size));
    }
    auto reader = co_await store.open_object("b", "k");
    std::uint64_t sent = 0;
    while (const auto piece = co_await reader->next()) sent += std::get<FilePiece>(*piece).bytes;
    CHECK(sent == content.size());
    // What was opened can be read on after it is gone.
    auto still = co_await store.open_object("b", "k");
    (void)co_await still->next_bytes();
    co_await remove(store, "b", "k");
    co_await store.flush_index();
    std::string rest;
    while (const auto bytes = co_await still->next_bytes()) rest += *bytes;
    CHECK(rest == content.substr(content.size() - rest.size()));
}

Task<> copies(Store& store) {
    co_await store.create_bucket("b");
    for (const std::size_t size : {10uz, 500'000uz}) {
        const std::string content(size, 'c');
        co_await put(store, "b", "from", content);
        auto reader = co_await store.open_object("b", "from");
        auto body = co_await store.body_of(*reader, {});
        REQUIRE(body.has_value());
        PutRequest request;
        request.bucket = "b";
        request.key = "to";
        request.etag = "e";
        CHECK((co_await store.put(std::move(request), std::move(*body))).has_value());
        co_await remove(store, "b", "from");
        co_await store.flush_index();
        CHECK(co_await get(store, "b", "to") == content);
    }
}

Task<> force(Store& store) {
    co_await store.create_bucket("b");
    co_await put(store, "b", "k", "x");
    co_await put(store, "b", "large", std::string(100'000, 'x'));
    CHECK((co_await store.delete_bucket("b", true)).has_value());
    CHECK(store.bucket("b") == nullptr);
    CHECK(co_await get(store, "b", "k") == "!no such bucket");
    co_await store.create_bucket("b");
    CHECK(co_await get(store, "b", "k") == "!no such key");
    CHECK(co_await keys(store, {.bucket = "b"}) == "");
    CHECK((co_await store.configure("b", "policy", "{}")).has_value());
    CHECK((co_await store.set_quota("b", 100)).has_value());
    CHECK((co_await put(store, "b", "k", std::string(101, 'x'))).error() == Refusal::quota_exceeded);
    CHECK((co_await put(store, "b", "k", std::string(100, 'x'))).has_value());
    CHECK((co_await put(store, "b", "l", "x")).error() == Refusal::quota_exceeded);
}

Task<> expect_forced(Store& store) {
    CHECK(co_await keys(store, {.bucket = "b"}) == "k ");
    CHECK(store.bucket("b")->configuration.find("policy")->second == "{}");
    CHECK(store.bucket("b")->quota_bytes == 100);
}

}  // namespace

TEST_CASE("objects are there after a restart, with the index and without") {
    Folder folder;
    with_store(folder.path, fill);
    with_store(folder.path, expect_filled);
    remove_index(folder.path);
    with_store(folder.path, expect_filled);
}

TEST_CASE("versions, delete markers and the null version behave as S3's") {
    Folder folder;
    with_store(folder.path, versions);
    with_store(folder.path, expect_versions);
    remove_index(folder.path);
    with_store(folder.path, expect_versions);
}

TEST_CASE("keys left out of versioning have one version, also after a restart") {
    Folder folder;
    with_store(folder.path, excluded);
    with_store(folder.path, expect_excluded);
}

TEST_CASE("conditions hold for what was acknowledged, indexed or not") {
    Folder folder;
    with_store(folder.path, conditions);
}

TEST_CASE("of many who create a key at once one wins") {
    Folder folder;
    with_store(folder.path, race);
}

TEST_CASE("ranges are read across pieces, and an opened version outlives its removal") {
    Folder folder;
    with_store(folder.path, ranges);
}

TEST_CASE("a copy does not need its source any more") {
    Folder folder;
    with_store(folder.path, copies);
}

TEST_CASE("a bucket made again under its name is another bucket") {
    Folder folder;
    with_store(folder.path, force);
    with_store(folder.path, expect_forced);
    remove_index(folder.path);
    with_store(folder.path, expect_forced);
}
