#include "fixture.hpp"

using namespace store_test;

namespace {

Task<> versions(Store& store) {
    const auto made = co_await store.put(pod("a"), [](Revision r) { return "v" + std::to_string(r); }, 0, Durability::durable);
    CHECK(*made.value == "v" + std::to_string(made.revision));
    CHECK(co_await code_thrown(store.put(pod("a"), text("x"), 0, Durability::durable)) == Code::exists);
    CHECK(co_await code_thrown(store.put(pod("a"), text("x"), made.revision + 7, Durability::durable)) == Code::conflict);
    CHECK(co_await code_thrown(store.put(pod("b"), text("x"), made.revision, Durability::durable)) == Code::not_found);
    const auto second = co_await store.put(pod("a"), text("2"), made.revision, Durability::durable);
    CHECK(second.revision > made.revision);
    CHECK(*(co_await store.get(pod("a")))->value == "2");
    CHECK(co_await code_thrown(store.erase(pod("a"), text("x"), made.revision, Durability::durable)) == Code::conflict);
    co_await store.erase(pod("a"), text("last"), second.revision, Durability::durable);
    CHECK(!(co_await store.get(pod("a"))));
    CHECK(co_await code_thrown(store.erase(pod("a"), text("x"), second.revision, Durability::durable)) == Code::not_found);
    co_await store.put(pod("a"), text("again"), 0, Durability::durable);
}

Task<> pages(Store& store) {
    for (const auto* name : {"a", "b", "c", "d", "e"}) co_await store.put(pod(name), text(name), 0, Durability::durable);
    co_await store.put(pod("x", "other"), text("x"), 0, Durability::durable);
    auto page = co_await store.list({"pods", "default", ""}, 2, 0, "", "");
    CHECK(page.records.size() == 2);
    CHECK(page.has_more);
    CHECK(page.remaining == 3);
    const auto at = page.revision;
    const auto c = co_await store.get(pod("c"));
    co_await store.erase(pod("c"), text("c"), c->revision, Durability::durable);
    co_await store.put(pod("bb"), text("bb"), 0, Durability::durable);
    page = co_await store.list({"pods", "default", ""}, 10, at, "default", "b");
    REQUIRE(page.records.size() == 3);
    CHECK(page.records[0].key.name == "c");
    CHECK(!page.has_more);
    page = co_await store.list({"pods", "", ""}, 0, 0, "", "");
    CHECK(page.records.size() == 6);
    CHECK(page.records.back().key.name_space == "other");
    page = co_await store.list({"pods", "", "d"}, 0, 0, "", "");
    CHECK(page.records.size() == 1);
    CHECK(co_await code_thrown(store.list({"pods", "", ""}, 0, store.revision() + 1, "", "")) == Code::gone);
}

Task<> watching(Store& store) {
    auto watch = store.watch({"pods", "default", ""}, store.revision());
    const auto a = co_await store.put(pod("a"), text("1"), 0, Durability::durable);
    co_await store.put(pod("a", "other"), text("1"), 0, Durability::durable);
    co_await store.put({"configmaps", "default", "a"}, text("1"), 0, Durability::durable);
    const auto b = co_await store.put(pod("a"), text("2"), a.revision, Durability::durable);
    co_await store.erase(pod("a"), text("3"), b.revision, Durability::durable);
    auto change = co_await watch->next();
    CHECK(change.kind == Change::Kind::created);
    CHECK(!change.before);
    change = co_await watch->next();
    CHECK(change.kind == Change::Kind::updated);
    CHECK(*change.before == "1");
    change = co_await watch->next();
    CHECK(change.kind == Change::Kind::deleted);
    CHECK(*change.before == "2");
    CHECK(*change.value == "3");
    CHECK(!(co_await watch->next_within(std::chrono::milliseconds(0))));
    CHECK(watch->seen() == store.revision());
    // One that looks at something else is taken along.
    auto other = store.watch({"nodes", "", ""}, store.revision());
    CHECK(!(co_await other->next_within(std::chrono::milliseconds(0))));
    co_await store.put(pod("z"), text("1"), 0, Durability::durable);
    CHECK(other->seen() == store.revision());
}

Task<> catch_up(Store& store) {
    co_await store.put(pod("first"), text("1"), 0, Durability::durable);
    const auto start = store.revision();
    auto slow = store.watch({"pods", "", ""}, start);
    Revision revision = 0;
    for (int i = 0; i < 300; ++i)
        revision = (co_await store.put(pod("a"), text(std::to_string(i)), revision, Durability::durable)).revision;
    for (int i = 0; i < 300; ++i) {
        const auto change = co_await slow->next();
        CHECK(*change.value == std::to_string(i));
        CHECK((i == 0) == !change.before);
        if (change.before) CHECK(*change.before == std::to_string(i - 1));
    }
    CHECK(!(co_await slow->next_within(std::chrono::milliseconds(0))));
    auto again = store.watch({"pods", "", ""}, start);
    co_await store.compact(store.revision());
    CHECK(co_await code_thrown(again->next()) == Code::gone);
    try {
        store.watch({"pods", "", ""}, start);
        FAIL("a compacted place was accepted");
    } catch (const Error& error) {
        CHECK(error.code() == Code::gone);
    }
    CHECK(co_await code_thrown(store.list({"pods", "", ""}, 0, start, "", "")) == Code::gone);
    CHECK(*(co_await store.get(pod("a")))->value == "299");
}

Task<> chatter(Store& store) {
    co_await store.put(pod("a"), text("1"), 0, Durability::durable);
    const auto commits = store.health().commits;
    auto watch = store.watch({"leases.coordination.k8s.io", "", ""}, store.revision());
    auto record = co_await store.put(lease("n1"), text("1"), 0, Durability::relaxed);
    co_await store.put(lease("n2"), text("1"), 0, Durability::relaxed);
    CHECK(co_await code_thrown(store.put(lease("n1"), text("x"), 0, Durability::relaxed)) == Code::exists);
    for (int i = 2; i < 50; ++i)
        record = co_await store.put(lease("n1"), text(std::to_string(i)), record.revision, Durability::relaxed);
    CHECK(store.health().commits == commits);
    CHECK(*(co_await store.get(lease("n1")))->value == "49");
    const auto page = co_await store.list({"leases.coordination.k8s.io", "", ""}, 0, 0, "", "");
    REQUIRE(page.records.size() == 2);
    CHECK(*page.records[0].value == "49");
    CHECK((co_await watch->next()).kind == Change::Kind::created);
    co_await store.erase(lease("n2"), text("1"), (co_await store.get(lease("n2")))->revision, Durability::relaxed);
    CHECK((co_await store.list({"leases.coordination.k8s.io", "", ""}, 0, 0, "", "")).records.size() == 1);
    co_await store.put(pod("b"), text("1"), 0, Durability::durable);
    CHECK(store.health().commits == commits + 1);
    CHECK(*(co_await store.get(lease("n1")))->value == "49");
    CHECK(!(co_await store.get(lease("n2"))));
    CHECK((co_await store.list({"leases.coordination.k8s.io", "", ""}, 0, 0, "", "")).records.size() == 1);
}

}  // namespace

TEST_CASE("a write needs the version it expects") {
    Folder folder;
    with_store({.file = (folder.path / "state.db")}, versions);
}

TEST_CASE("a list read in pages shows one moment") {
    Folder folder;
    with_store({.file = (folder.path / "state.db")}, pages);
}

TEST_CASE("a watch returns the changes of its scope in order with what they replaced") {
    Folder folder;
    with_store({.file = (folder.path / "state.db")}, watching);
}

TEST_CASE("a watch that fell behind the ring reads on from the disk until its place is compacted") {
    Folder folder;
    with_store({.file = (folder.path / "state.db"), .history_ring_max = 8}, catch_up);
}

TEST_CASE("relaxed writes are seen at once and go to the disk with the next commit") {
    Folder folder;
    with_store({.file = (folder.path / "state.db")}, chatter);
}
