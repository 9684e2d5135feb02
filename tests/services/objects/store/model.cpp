// Random histories against a disk that loses power, tears, fails syncs and fills up, and an index that is lost or falls
// back. What was acknowledged is there, what was removed stays away. BRANCHBOX_OBJECTS_SEEDS=FIRST:COUNT runs others.
#include <algorithm>
#include <cstring>
#include <random>
#include <set>

#include "fixture.hpp"
#include "hal/disk/fake_disk.hpp"

using namespace objects_test;

namespace {

constexpr int keys_of_model = 12;
constexpr int lives = 6;
constexpr int steps_of_life = 30;
const std::string absent = "!no such key";

struct Known {
    std::string acknowledged = absent;
    std::vector<std::string> possible{};  // of changes that failed: they may show after the next start, once and for all
};

struct Model {
    std::uint64_t seed;
    std::mt19937_64 random;
    hal::disk::FakeDisk disk;
    hal::ManualClock clock{hal::WallTime(std::chrono::hours(24 * 20'000))};
    std::filesystem::path folder;
    std::map<std::string, Known> known;
    int made = 0;
    bool is_bucket_made = false;
    std::optional<std::filesystem::path> old_index;  // a copy to fall back to
    std::vector<std::string> old_segments{};         // that the log had then; when one is gone the index was made durable

    Model(std::uint64_t s, std::filesystem::path f) : seed(s), random(s), disk(s), folder(std::move(f)) {}
    std::uint64_t below(std::uint64_t n) { return random() % n; }
    std::string next_content() {
        const std::size_t sizes[] = {10, 1000, 4000, 5000, 300'000};
        auto text = std::to_string(++made) + ":";
        return text + std::string(sizes[below(5)], static_cast<char>('a' + made % 26));
    }
    std::vector<std::string> segments() {
        std::vector<std::string> names;
        try {
            for (const auto& entry : disk.list(folder / "log")) names.push_back(entry.name);
        } catch (const Error&) {
        }
        return names;
    }
    void copy_index(const std::filesystem::path& from, const std::filesystem::path& to) const {
        for (const auto* name : {"index.db", "index.db-wal", "index.db-shm"}) {
            std::filesystem::remove(to / name);
            if (std::filesystem::exists(from / name)) std::filesystem::copy_file(from / name, to / name);
        }
    }
};

Task<> change(Model* model, Store* store, std::string key, std::string content, unsigned how) {
    auto& known = model->known[key];
    std::string after = content;
    bool is_done = false;
    bool has_begun = false;
    try {
        if (how == 0) {
            after = absent;
            has_begun = true;
            const auto removed = co_await remove(*store, "b", key);
            is_done = removed.has_value();
        } else if (how == 1) {
            UploadRequest begin;
            begin.bucket = "b";
            begin.key = key;
            const auto id = co_await store->create_upload(begin);
            if (id) {
                CompleteRequest finish;
                finish.bucket = "b";
                finish.key = key;
                finish.upload = *id;
                finish.etag = "m-2";
                finish.part_bytes_min = 0;
                bool is_good = true;
                for (unsigned part = 1; part <= 2 && is_good; ++part) {
                    auto body = store->body({});
                    is_good = body.has_value();
                    if (!is_good) break;
                    const auto half = content.size() / 2;
                    const auto piece = part == 1 ? content.substr(0, half) : content.substr(half);
                    co_await body->write(piece);
                    is_good = (co_await store->put_part("b", key, *id, part, std::move(*body), "p" + std::to_string(part))).has_value();
                    finish.parts.push_back({part, "p" + std::to_string(part)});
                }
                has_begun = is_good;
                if (is_good) is_done = (co_await store->complete(std::move(finish))).has_value();
            }
        } else if (how == 2) {
            after = known.acknowledged;
            const auto tagged = co_await store->set_tags("b", key, {}, {{"n", "v"}});
            is_done = tagged.has_value();
        } else {
            has_begun = true;
            is_done = (co_await put(*store, "b", key, content)).has_value();
            if (!is_done) has_begun = false;
        }
    } catch (const Error&) {
        if (has_begun) known.possible.push_back(after);
        co_return;
    }
    if (is_done) known.acknowledged = after;
}

// One life of the store: opened, checked, changed until its end.
Task<> life(Model* model) {
    auto& m = *model;
    std::unique_ptr<Store> store;
    auto options = small_options();
    options.index_after = 1h;
    options.unindexed_max = 64;
    store = co_await Store::open(m.disk, m.clock, m.folder, options);
    if (!m.is_bucket_made) m.is_bucket_made = (co_await store->create_bucket("b")).has_value();
    std::string wrong;  // looked at once the store is closed
    for (auto& [key, known] : m.known) {
        std::string found;
        try {
            found = co_await get(*store, "b", key);
        } catch (const Error& e) {
            found = std::string("failed: ") + e.what();
        }
        const bool is_known = found == known.acknowledged ||
                              std::find(known.possible.begin(), known.possible.end(), found) != known.possible.end();
        if (!is_known) wrong += key + ": found " + found.substr(0, 120) + ", acknowledged " + known.acknowledged.substr(0, 20) + "; ";
        known.acknowledged = found;
        known.possible.clear();
    }
    bool is_hurt = false;
    for (int step = 0; step < steps_of_life; ++step) {
        hal::async::TaskGroup group(co_await boost::asio::this_coro::executor, "model");
        std::set<std::string> used;
        for (int i = 0; i < 4; ++i) {
            auto key = "k" + std::to_string(m.below(keys_of_model));
            if (!used.insert(key).second) continue;
            group.spawn("change", change(&m, store.get(), key, m.next_content(), static_cast<unsigned>(m.below(8))));
        }
        switch (m.below(24)) {
            case 0: m.disk.fail_syncs(1); break;
            case 1: m.disk.fail_writes(1); break;
            case 2: co_await store->flush_index(); break;
            case 3: m.disk.set_capacity(m.disk.used_bytes() + m.below(200'000)); break;
            case 4:
                if (step > steps_of_life / 2) {
                    m.disk.cut_power_after(1 + m.below(12));
                    is_hurt = true;
                }
                break;
            case 5:
                (void)co_await code_thrown(store->compact(1.1));
                m.old_index.reset();
                break;
            default: break;
        }
        co_await group.join();
        m.disk.set_capacity(UINT64_MAX);
        if (!wrong.empty() || !m.disk.has_power()) break;
        if (m.below(12) == 0) {
            co_await store->flush_index();
            const auto copy = m.folder / "old";
            std::filesystem::create_directories(copy);
            m.copy_index(m.folder, copy);
            m.old_index = copy;
            m.old_segments = m.segments();
        }
        // What the running store shows is what it acknowledged.
        for (const auto& key : used) {
            if (!m.disk.has_power()) break;
            std::string found;
            try {
                found = co_await get(*store, "b", key);
            } catch (const Error&) {
                continue;
            }
            if (found != m.known[key].acknowledged)
                wrong += key + " at step " + std::to_string(step) + ": shows " + found.substr(0, 20) + ", acknowledged " +
                         m.known[key].acknowledged.substr(0, 20) + "; ";
        }
    }
    const bool is_cut = is_hurt || m.below(3) != 0;
    if (is_cut && m.disk.has_power()) m.disk.cut_power_after(1);
    (void)co_await code_thrown(store->close());
    store.reset();
    INFO("seed " << m.seed);
    REQUIRE(wrong == "");
    if (is_cut) m.disk.crash();
    m.disk.fail_syncs(0);
    m.disk.fail_writes(0);
    switch (m.below(4)) {
        case 0:
            for (const auto* name : {"index.db", "index.db-wal", "index.db-shm"}) std::filesystem::remove(m.folder / name);
            m.old_index.reset();
            break;
        case 1:
            if (m.old_index && std::ranges::includes(m.segments(), m.old_segments)) m.copy_index(*m.old_index, m.folder);
            break;
        default: break;
    }
}

}  // namespace

TEST_CASE("no acknowledged change is lost or undone by any fault of the disk") {
    std::uint64_t first = 1;
    std::uint64_t count = 12;
    if (const char* given = std::getenv("BRANCHBOX_OBJECTS_SEEDS")) {
        first = std::strtoull(given, nullptr, 10);
        if (const char* colon = std::strchr(given, ':')) count = std::strtoull(colon + 1, nullptr, 10);
    }
    for (auto seed = first; seed < first + count; ++seed) {
        INFO("seed " << seed);
        Folder folder;
        Model model(seed, folder.path);
        for (int i = 0; i < lives; ++i) run([&model] { return life(&model); });
    }
}
