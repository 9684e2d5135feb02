// What the store costs, beside the plain way on the same disk in the same run (tests/bench/objects_store runs it; hidden
// from the ordinary tests). Prints `NAME VALUE` lines.
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <print>
#include <thread>

#include "fixture.hpp"

using namespace objects_test;

namespace {

using Watch = std::chrono::steady_clock;

constexpr int clients = 16;
const std::string content(4096, 'x');

double seconds_since(Watch::time_point begin) { return std::chrono::duration<double>(Watch::now() - begin).count(); }

double cpu_seconds() {
    rusage used{};
    ::getrusage(RUSAGE_SELF, &used);
    const auto of = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6; };
    return of(used.ru_utime) + of(used.ru_stime);
}

double pss_mib() {
    std::ifstream file("/proc/self/smaps_rollup");
    std::string word;
    while (file >> word)
        if (word == "Pss:") {
            double kib = 0;
            file >> kib;
            return kib / 1024;
        }
    return 0;
}

int count_from(const char* name, int usual) {
    const char* given = std::getenv(name);
    return given ? std::atoi(given) : usual;
}

// tmp + fsync + rename + fsync(dir), the careful way to put a file.
double plain_puts(const std::filesystem::path& folder, double seconds) {
    std::atomic<int> done = 0;
    const auto begin = Watch::now();
    std::vector<std::thread> threads;
    for (int t = 0; t < clients; ++t)
        threads.emplace_back([&, t] {
            const int directory = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY);
            for (int i = 0; seconds_since(begin) < seconds; ++i) {
                const auto name = (folder / (std::to_string(t) + "-" + std::to_string(i))).string();
                const auto temporary = name + ".tmp";
                const int file = ::open(temporary.c_str(), O_CREAT | O_WRONLY, 0644);
                if (::write(file, content.data(), content.size()) < 0 || ::fsync(file) != 0 || ::rename(temporary.c_str(), name.c_str()) != 0 ||
                    ::fsync(directory) != 0)
                    std::abort();
                ::close(file);
                ++done;
            }
            ::close(directory);
        });
    for (auto& thread : threads) thread.join();
    return done / seconds_since(begin);
}

Task<> put_some(Store* store, int client, int count, double seconds, int* done) {
    const auto begin = Watch::now();
    for (int i = 0; i < count && seconds_since(begin) < seconds; ++i) {
        auto body = store->body({.bytes = content.size()});
        co_await body->write(content);
        PutRequest request;
        request.bucket = "b";
        request.key = "folder/" + std::to_string(client) + "/" + std::to_string(i * 7919 % 1'000'003);
        request.etag = "0123456789abcdef0123456789abcdef";
        request.metadata.headers = {{"content-type", "application/octet-stream"}};
        if (!(co_await store->put(std::move(request), std::move(*body)))) co_return;
        ++*done;
    }
}

Task<> put_many(Store* store, int many_clients, int each, double seconds, int* done) {
    hal::async::TaskGroup group(co_await boost::asio::this_coro::executor, "bench");
    for (int i = 0; i < many_clients; ++i) group.spawn("client", put_some(store, i, each, seconds, done));
    co_await group.join();
}

Task<> measure_puts(Store& store) {
    co_await store.create_bucket("b");
    std::println("idle_pss_mib {:.1f}", pss_mib());
    int done = 0;
    const auto cpu = cpu_seconds();
    const auto begin = Watch::now();
    co_await put_many(&store, clients, 1'000'000, 4, &done);
    co_await store.flush_index();
    const auto took = seconds_since(begin);
    std::println("put_4k_per_second {:.0f}", done / took);
    std::println("put_4k_cpu_us {:.1f}", (cpu_seconds() - cpu) / done * 1e6);
    std::println("puts_per_sync {:.1f}", static_cast<double>(done) / static_cast<double>(store.statistics().log.groups));
    // Reads of what was just written.
    const int reads = 20'000;
    const auto read_cpu = cpu_seconds();
    const auto read_begin = Watch::now();
    for (int i = 0; i < reads; ++i) {
        auto reader = co_await store.open_object("b", "folder/" + std::to_string(i % clients) + "/0");
        if (!reader || !reader->inline_bytes()) co_return;
    }
    std::println("get_4k_per_second_one_client {:.0f}", reads / seconds_since(read_begin));
    std::println("get_4k_cpu_us {:.1f}", (cpu_seconds() - read_cpu) / reads * 1e6);
}

Task<> fill(Store& store) {
    co_await store.create_bucket("b");
    int done = 0;
    co_await put_many(&store, 64, count_from("BRANCHBOX_OBJECTS", 100'000) / 64 + 1, 1e9, &done);
    std::println("objects {}", done);
    std::println("loaded_pss_mib {:.1f}", pss_mib());
}

Task<> list_all(Store& store) {
    const auto begin = Watch::now();
    ListRequest request;
    request.bucket = "b";
    std::size_t count = 0;
    for (bool more = true; more;) {
        const auto page = co_await store.list(request);
        count += page->objects.size();
        more = page->is_truncated;
        request.after = page->next;
    }
    std::println("list_seconds {:.3f} of {} keys", seconds_since(begin), count);
}

}  // namespace

TEST_CASE("figures of the object store", "[.measure]") {
    Folder folder;
    std::filesystem::create_directories(folder.path / "plain");
    const auto plain = plain_puts(folder.path / "plain", 4);
    std::println("plain_put_per_second {:.0f}", plain);
    Options options;
    options.scrub_every = 0s;
    with_store(folder.path / "a", measure_puts, options);
    with_store(folder.path / "b", fill, options);
    const auto begin = Watch::now();
    with_store(
        folder.path / "b",
        [begin](Store& store) {
            std::println("start_seconds {:.3f}", seconds_since(begin));
            return list_all(store);
        },
        options);
    for (const auto* name : {"index.db", "index.db-wal", "index.db-shm"}) std::filesystem::remove(folder.path / "b" / name);
    const auto again = Watch::now();
    with_store(
        folder.path / "b",
        [again](Store& store) {
            std::println("rebuild_seconds {:.3f}", seconds_since(again));
            return list_all(store);
        },
        options);
}
