// Rules over a real store, with a clock that is turned by hand.
#include "services/objects/lifecycle/lifecycle.hpp"
#include "tests/folder.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <catch2/catch_test_macros.hpp>

#include <cstdlib>

using namespace services::objects;
using namespace services::objects::lifecycle;
using namespace std::chrono_literals;

namespace {

const hal::WallTime noon = hal::parse_rfc3339("2026-11-24T12:00:00Z");

struct Shop {
    Shop() { REQUIRE(run(storage->create_bucket("documents"))); }
    ~Shop() { run(storage->close()); }
    Shop(const Shop&) = delete;
    Shop& operator=(const Shop&) = delete;

    template <class T>
    T run(Task<T> task) {
        auto result = boost::asio::co_spawn(loop, std::move(task), boost::asio::use_future);
        while (result.wait_for(0s) != std::future_status::ready) {
            loop.restart();
            loop.run_one_for(20ms);
        }
        return result.get();
    }
    void rules(const std::string& rule) {
        REQUIRE(run(storage->configure("documents", "lifecycle", "<LifecycleConfiguration><Rule><ID>r</ID><Status>Enabled</Status>" + rule +
                                                                     "</Rule></LifecycleConfiguration>")));
    }
    void put(std::string key, store::Fields tags = {}) {
        auto body = storage->body({.bytes = 1});
        REQUIRE(body);
        body->adopt("x");
        store::PutRequest request;
        request.bucket = "documents";
        request.key = std::move(key);
        request.etag = "9dd4e461268c8034f5c8564e155c67a6";
        request.metadata.tags = std::move(tags);
        REQUIRE(run(storage->put(std::move(request), std::move(*body))));
    }
    std::vector<std::string> keys(bool with_versions = false) {
        store::ListRequest request;
        request.bucket = "documents";
        request.with_versions = with_versions;
        const auto listed = run(storage->list(request));
        REQUIRE(listed);
        std::vector<std::string> found;
        for (const auto& object : listed->objects) found.push_back(object.key + (object.is_delete_marker ? " (marker)" : ""));
        return found;
    }
    Swept sweep() {
        Lifecycle sweeper(loop.get_executor(), *storage, clock, [this](const std::string&, const std::string& key, std::string_view event) {
            told.push_back(key + " " + std::string(event));
            return std::vector<store::Dispatch>{};
        });
        return run(sweeper.sweep());
    }

    Folder folder;
    boost::asio::io_context loop{1};
    hal::ManualClock clock{noon};
    std::unique_ptr<store::Store> storage = run(store::Store::open(hal::disk::system_disk(), clock, folder.path));
    std::vector<std::string> told;
};

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("an object expires at the first midnight after its days, and not before") {
    Shop shop;
    shop.rules("<Filter><Prefix>log/</Prefix></Filter><Expiration><Days>1</Days></Expiration>");
    shop.put("log/a");
    shop.put("other");
    shop.clock.set_wall(hal::parse_rfc3339("2026-11-25T23:59:59Z"));
    CHECK(shop.sweep().removed_versions == 0);
    shop.clock.set_wall(hal::parse_rfc3339("2026-11-26T00:00:01Z"));
    CHECK(shop.sweep().removed_versions == 1);
    CHECK(shop.keys() == Names{"other"});
    CHECK(shop.told == Names{"log/a s3:LifecycleExpiration:Delete"});
}

TEST_CASE("a rule for a tag leaves what does not carry it") {
    Shop shop;
    shop.rules("<Filter><Tag><Key>keep</Key><Value>no</Value></Tag></Filter><Expiration><Days>1</Days></Expiration>");
    shop.put("a", {{"keep", "no"}});
    shop.put("b", {{"keep", "yes"}});
    shop.clock.advance(72h);
    CHECK(shop.sweep().removed_versions == 1);
    CHECK(shop.keys() == Names{"b"});
}

TEST_CASE("in a versioned bucket expiry leaves a marker, old versions go by their own days, and a marker alone goes last") {
    Shop shop;
    REQUIRE(shop.run(shop.storage->set_versioning("documents", store::Versioning::enabled)));
    shop.rules("<Filter/><Expiration><Days>2</Days></Expiration>"
               "<NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays></NoncurrentVersionExpiration>");
    shop.put("a");
    shop.clock.advance(1h);
    shop.put("a");
    shop.clock.set_wall(noon + 48h);
    CHECK(shop.sweep().removed_versions == 1);
    CHECK(shop.keys(true) == Names{"a"});
    shop.clock.set_wall(noon + 72h);
    CHECK(shop.sweep().made_markers == 1);
    CHECK(shop.keys(true) == Names{"a (marker)", "a"});
    shop.clock.set_wall(noon + 24h * 6);
    CHECK(shop.sweep().removed_versions == 1);
    CHECK(shop.keys(true) == Names{"a (marker)"});
    shop.rules("<Filter/><Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>");
    CHECK(shop.sweep().removed_versions == 1);
    CHECK(shop.keys(true).empty());
}

TEST_CASE("an upload that nobody completes is aborted after its days") {
    Shop shop;
    shop.rules("<Filter/><AbortIncompleteMultipartUpload><DaysAfterInitiation>1</DaysAfterInitiation></AbortIncompleteMultipartUpload>");
    store::UploadRequest upload;
    upload.bucket = "documents";
    upload.key = "a";
    REQUIRE(shop.run(shop.storage->create_upload(upload)));
    CHECK(shop.sweep().aborted_uploads == 0);
    shop.clock.advance(72h);
    CHECK(shop.sweep().aborted_uploads == 1);
}

TEST_CASE("the next look is shortly after midnight UTC") {
    CHECK(until_midnight(hal::parse_rfc3339("2026-11-24T23:59:00Z")) == 6min);
    CHECK(until_midnight(hal::parse_rfc3339("2026-11-24T00:00:00Z")) == 24h + 5min);
}
