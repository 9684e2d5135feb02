#include "services/kube/store/reopen.hpp"

#include <fstream>

#include "tests/services/kube/store/fixture.hpp"

using namespace store_test;

namespace {

// Opens, lets `body` run, closes; the sentence that was told.
std::string reopen(const Folder& folder, const std::function<Task<>(Store&)>& body, hal::WallTime now) {
    boost::asio::io_context loop(1);
    const hal::ManualClock clock(now);
    Options options;
    options.file = (folder.path / "state.db");
    std::string told;
    auto store = open_or_begin_anew(loop.get_executor(), options, clock, [&](std::string text) { told = std::move(text); });
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
    return told;
}

Task<> add(Store& store) { co_await store.put(pod("a"), text("{}"), 0, Durability::durable); }
Task<> expect_none(Store& store) { CHECK_FALSE(co_await store.get(pod("a"))); }

const hal::WallTime noon = std::chrono::sys_days{std::chrono::year{2026} / 11 / 24} + std::chrono::hours(12);

}  // namespace

TEST_CASE("a store whose file is damaged is set aside, begins anew, and says so until the file is removed") {
    Folder folder;
    CHECK(reopen(folder, add, noon).empty());
    const auto aside = (folder.path / "state.db").string() + ".corrupt-20261124T120000Z";
    SECTION("all of it") { std::ofstream((folder.path / "state.db")) << std::string(8192, 'x'); }
    SECTION("a page in its middle") {
        std::fstream file((folder.path / "state.db"), std::ios::in | std::ios::out | std::ios::binary);
        file.seekp(4096);
        file << std::string(4096, 'x');
    }
    CHECK(reopen(folder, expect_none, noon).find(aside) != std::string::npos);
    CHECK(std::filesystem::exists(aside));
    CHECK(reopen(folder, add, noon).find(aside) != std::string::npos);
    std::filesystem::remove(aside);
    CHECK(reopen(folder, [](Store&) -> Task<> { co_return; }, noon).empty());
}

TEST_CASE("of damaged files only the last two are kept") {
    Folder folder;
    for (int day = 0; day < 4; ++day) {
        std::ofstream((folder.path / "state.db")) << std::string(8192, 'x');
        reopen(folder, expect_none, noon + std::chrono::days(day));
    }
    CHECK_FALSE(std::filesystem::exists((folder.path / "state.db").string() + ".corrupt-20261125T120000Z"));
    CHECK(std::filesystem::exists((folder.path / "state.db").string() + ".corrupt-20261126T120000Z"));
    CHECK(std::filesystem::exists((folder.path / "state.db").string() + ".corrupt-20261127T120000Z"));
}
