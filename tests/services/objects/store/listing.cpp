// Listings and uploads.
#include "fixture.hpp"

using namespace objects_test;

namespace {

Task<> list(Store& store) {
    co_await store.create_bucket("b");
    for (const auto* key : {"a", "b/1", "b/2", "b0", "c/d/1", "c/e", "\xc3\xa9", "\xff"}) co_await put(store, "b", key, "x");
    CHECK(co_await keys(store, {.bucket = "b"}) == "a b/1 b/2 b0 c/d/1 c/e \xc3\xa9 \xff ");
    CHECK(co_await keys(store, {.bucket = "b", .delimiter = "/"}) == "a b0 \xc3\xa9 \xff [b/] [c/] ");
    CHECK(co_await keys(store, {.bucket = "b", .prefix = "b"}) == "b/1 b/2 b0 ");
    CHECK(co_await keys(store, {.bucket = "b", .prefix = "b/", .delimiter = "/"}) == "b/1 b/2 ");
    CHECK(co_await keys(store, {.bucket = "b", .prefix = "c/", .delimiter = "/"}) == "c/e [c/d/] ");
    CHECK(co_await keys(store, {.bucket = "b", .prefix = "\xff"}) == "\xff ");
    CHECK(co_await keys(store, {.bucket = "b", .after = "b/1"}) == "b/2 b0 c/d/1 c/e \xc3\xa9 \xff ");
    // A marker before the prefix leaves nothing out; one behind all of it leaves nothing.
    CHECK(co_await keys(store, {.bucket = "b", .prefix = "b", .after = "a"}) == "b/1 b/2 b0 ");
    CHECK(co_await keys(store, {.bucket = "b", .prefix = "b", .after = "c"}) == "");
    CHECK(co_await keys(store, {.bucket = "b", .delimiter = "/", .after = "b/"}) == "b0 \xc3\xa9 \xff [c/] ");
    CHECK(co_await keys(store, {.bucket = "b", .after = "a", .keys_max = 2}) == "b/1 b/2 ... b/2");
    CHECK(co_await keys(store, {.bucket = "b", .delimiter = "/", .keys_max = 2}) == "a [b/] ... b/");
    CHECK(co_await keys(store, {.bucket = "b", .delimiter = "/", .after = "b/", .keys_max = 2}) == "b0 [c/] ... c/");
    CHECK(co_await keys(store, {.bucket = "b", .after = "c/e", .keys_max = 2}) == "\xc3\xa9 \xff ");
    CHECK(co_await keys(store, {.bucket = "none"}) == "!no such bucket");
    CHECK(co_await keys(store, {.bucket = "b", .keys_max = 0}) == "");
}

Task<> list_versions(Store& store) {
    co_await store.create_bucket("v");
    co_await store.set_versioning("v", Versioning::enabled);
    for (int i = 0; i < 20; ++i) co_await put(store, "v", "many", "x");
    co_await put(store, "v", "next", "x");
    co_await remove(store, "v", "d/marked");
    CHECK(co_await keys(store, {.bucket = "v"}) == "many next ");
    CHECK(co_await keys(store, {.bucket = "v", .delimiter = "/"}) == "many next ");
    CHECK(co_await keys(store, {.bucket = "v", .delimiter = "/", .with_versions = true}) == std::string("many many many many many many many many many many many many many many many many many many many many next [d/] "));
    // Page by page every version comes once, newest first.
    ListRequest request{.bucket = "v", .keys_max = 3, .with_versions = true};
    std::vector<std::string> seen;
    std::uint64_t last = UINT64_MAX;
    for (bool more = true; more;) {
        const auto page = co_await store.list(request);
        for (const auto& object : page->objects) {
            CHECK(std::find(seen.begin(), seen.end(), object.version) == seen.end());
            seen.push_back(object.version);
            if (object.key == "many") {
                CHECK(object.sequence < last);
                last = object.sequence;
            }
        }
        more = page->is_truncated;
        request.after = page->next;
        request.after_version = page->next_version;
    }
    CHECK(seen.size() == 22);
}

Task<Result<Part>> put_part(Store& store, std::string id, unsigned number, std::string content, std::string etag) {
    auto body = store.body({.bytes = content.size()});
    co_await body->write(content);
    co_return co_await store.put_part("b", "k", std::move(id), number, std::move(*body), std::move(etag));
}

CompleteRequest completion(std::string id, std::vector<CompletePart> parts, std::uint64_t part_bytes_min) {
    CompleteRequest request;
    request.bucket = "b";
    request.key = "k";
    request.upload = std::move(id);
    request.parts = std::move(parts);
    request.etag = "whole-2";
    request.part_bytes_min = part_bytes_min;
    return request;
}

Task<> upload(Store& store) {
    co_await store.create_bucket("b");
    UploadRequest begin;
    begin.bucket = "b";
    begin.key = "k";
    begin.metadata.user = {{"who", "me"}};
    const auto id = *(co_await store.create_upload(begin));
    const auto other = *(co_await store.create_upload(begin));
    CHECK((co_await put_part(store, id, 2, "tail", "e2")).has_value());
    CHECK((co_await put_part(store, id, 1, "old", "e0")).has_value());
    CHECK((co_await put_part(store, id, 1, std::string(600'000, 'h'), "e1")).has_value());
    CHECK((co_await put_part(store, std::string(32, '0'), 1, "x", "e")).error() == Refusal::no_such_upload);
    const auto parts = co_await store.parts("b", "k", id);
    REQUIRE(parts->size() == 2);
    CHECK((*parts)[0].etag == "e1");
    CHECK((*parts)[0].bytes == 600'000);
    CHECK(co_await get(store, "b", "k") == "!no such key");
    CHECK((co_await store.complete(completion(id, {{1, "e0"}, {2, "e2"}}, 0))).error() == Refusal::invalid_part);
    CHECK((co_await store.complete(completion(id, {{2, "e2"}, {1, "e1"}}, 0))).error() == Refusal::invalid_part_order);
    CHECK((co_await store.complete(completion(id, {{1, "e1"}, {2, "e2"}}, 600'001))).error() == Refusal::entity_too_small);
    CHECK((co_await store.complete(completion(id, {}, 0))).error() == Refusal::invalid_part);
    auto listed = co_await store.uploads({.bucket = "b"});
    REQUIRE(listed->uploads.size() == 2);
    CHECK(listed->uploads[0].id == id);
    listed = co_await store.uploads({.bucket = "b", .after_key = "k", .after_upload = id});
    REQUIRE(listed->uploads.size() == 1);
    CHECK(listed->uploads[0].id == other);
    const auto made = co_await store.complete(completion(id, {{1, "e1"}, {2, "e2"}}, 600'000));
    REQUIRE(made.has_value());
    CHECK(made->parts.size() == 2);
    CHECK((co_await store.complete(completion(id, {{1, "e1"}, {2, "e2"}}, 0))).error() == Refusal::no_such_upload);
    CHECK((co_await store.abort("b", "k", other)).has_value());
    CHECK((co_await store.abort("b", "k", other)).error() == Refusal::no_such_upload);
    CHECK((co_await store.uploads({.bucket = "b"}))->uploads.empty());
}

Task<> expect_upload(Store& store) {
    CHECK(co_await get(store, "b", "k") == std::string(600'000, 'h') + "tail");
    const auto object = co_await store.stat("b", "k");
    CHECK(object->etag == "whole-2");
    CHECK(object->metadata.user == Fields{{"who", "me"}});
    CHECK(object->parts.size() == 2);
    CHECK((co_await store.uploads({.bucket = "b"}))->uploads.empty());
}

std::size_t part_files(const std::filesystem::path& folder) {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder / "parts"))
        if (entry.is_regular_file()) ++count;
    return count;
}

}  // namespace

TEST_CASE("a listing is in byte order, and a common prefix stands for all under it") {
    Folder folder;
    with_store(folder.path, list);
}

TEST_CASE("versions are listed page by page, none twice and none missing") {
    Folder folder;
    with_store(folder.path, list_versions);
}

TEST_CASE("a multipart upload becomes an object at once, or leaves nothing") {
    Folder folder;
    with_store(folder.path, upload);
    CHECK(part_files(folder.path) == 2);
    with_store(folder.path, expect_upload);
    for (const auto* name : {"index.db", "index.db-wal", "index.db-shm"}) std::filesystem::remove(folder.path / name);
    with_store(folder.path, expect_upload);
    CHECK(part_files(folder.path) == 2);
}
