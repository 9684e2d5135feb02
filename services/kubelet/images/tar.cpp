#include "services/kubelet/images/tar.hpp"

#include <archive.h>
#include <archive_entry.h>

#include <array>

#include "hal/base/error.hpp"

namespace services::kubelet::images {

using hal::Code;
using hal::Error;

namespace {

constexpr std::size_t block_bytes = 64 * 1024;

struct Free {
    void operator()(archive* a) const { archive_read_free(a); }
};
using Handle = std::unique_ptr<archive, Free>;

[[noreturn]] void fail(archive* a) {
    const char* text = archive_error_string(a);
    throw Error(Code::corrupt, text != nullptr ? text : "it cannot be read");
}

// A ByteSource as libarchive reads it. An exception must not cross C code: it is kept and thrown on the way out.
struct Feed {
    ByteSource source;
    std::array<char, block_bytes> block;
    std::exception_ptr failure;

    static la_ssize_t read(archive* a, void* self, const void** block) {
        auto& feed = *static_cast<Feed*>(self);
        try {
            *block = feed.block.data();
            return static_cast<la_ssize_t>(feed.source(feed.block));
        } catch (...) {
            feed.failure = std::current_exception();
            archive_set_error(a, EIO, "its bytes could not be read");
            return -1;
        }
    }
};

std::string text(const char* value) { return value != nullptr ? value : ""; }

class Reader : public TarReader {
public:
    Reader(bool with_filters, std::unique_ptr<Feed> feed) : feed_(std::move(feed)), archive_(archive_read_new()) {
        archive_read_support_format_tar(archive_.get());
        if (!with_filters) return;
        archive_read_support_filter_gzip(archive_.get());
        archive_read_support_filter_zstd(archive_.get());
    }
    archive* get() { return archive_.get(); }
    void check(int result) {
        if (result >= ARCHIVE_WARN) return;
        if (feed_ && feed_->failure) std::rethrow_exception(feed_->failure);
        fail(archive_.get());
    }
    Feed* feed() { return feed_.get(); }

    std::optional<TarEntry> next() override {
        archive_entry* found = nullptr;
        const int result = archive_read_next_header(archive_.get(), &found);
        if (result == ARCHIVE_EOF) return std::nullopt;
        check(result);
        TarEntry entry;
        entry.path = text(archive_entry_pathname(found));
        entry.mode = archive_entry_mode(found);
        entry.uid = static_cast<uid_t>(archive_entry_uid(found));
        entry.gid = static_cast<gid_t>(archive_entry_gid(found));
        entry.size = static_cast<std::uint64_t>(archive_entry_size(found));
        entry.modified_seconds = archive_entry_mtime(found);
        entry.modified_nanoseconds = archive_entry_mtime_nsec(found);
        entry.device = archive_entry_rdev(found);
        entry.hard_link = text(archive_entry_hardlink(found));
        entry.symbolic_link = text(archive_entry_symlink(found));
        archive_entry_xattr_reset(found);
        const char* name = nullptr;
        const void* value = nullptr;
        std::size_t size = 0;
        while (archive_entry_xattr_next(found, &name, &value, &size) == ARCHIVE_OK)
            entry.xattrs.emplace_back(text(name), std::string(static_cast<const char*>(value), size));
        return entry;
    }

    std::size_t read(std::span<char> into) override {
        const auto count = archive_read_data(archive_.get(), into.data(), into.size());
        if (count < 0) check(static_cast<int>(count));
        return count < 0 ? 0 : static_cast<std::size_t>(count);
    }

private:
    std::unique_ptr<Feed> feed_;  // before the archive, which reads from it until it is freed
    Handle archive_;
};

}  // namespace

std::unique_ptr<TarReader> TarReader::open_file(const std::string& path) {
    auto reader = std::make_unique<Reader>(true, nullptr);
    reader->check(archive_read_open_filename(reader->get(), path.c_str(), block_bytes));
    return reader;
}

std::unique_ptr<TarReader> TarReader::open_source(ByteSource source) {
    auto feed = std::make_unique<Feed>();
    feed->source = std::move(source);
    auto reader = std::make_unique<Reader>(false, std::move(feed));
    reader->check(archive_read_open(reader->get(), reader->feed(), nullptr, &Feed::read, nullptr));
    return reader;
}

ByteSource decompressed(ByteSource source) {
    struct State {
        Feed feed;
        Handle handle{archive_read_new()};
        bool is_empty = false;
    };
    const auto state = std::make_shared<State>();  // a std::function is copyable, its state is not
    state->feed.source = std::move(source);
    auto* a = state->handle.get();
    archive_read_support_format_raw(a);
    archive_read_support_format_empty(a);
    archive_read_support_filter_gzip(a);
    archive_read_support_filter_zstd(a);
    archive_entry* entry = nullptr;
    int result = archive_read_open(a, &state->feed, nullptr, &Feed::read, nullptr);
    if (result >= ARCHIVE_WARN) result = archive_read_next_header(a, &entry);
    if (result == ARCHIVE_EOF)
        state->is_empty = true;
    else if (result < ARCHIVE_WARN) {
        if (state->feed.failure) std::rethrow_exception(state->feed.failure);
        fail(a);
    }
    return [state](std::span<char> into) -> std::size_t {
        if (state->is_empty) return 0;
        const auto count = archive_read_data(state->handle.get(), into.data(), into.size());
        if (count >= 0) return static_cast<std::size_t>(count);
        if (state->feed.failure) std::rethrow_exception(state->feed.failure);
        fail(state->handle.get());
    };
}

}  // namespace services::kubelet::images
