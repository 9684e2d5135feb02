#include "hal/disk/fake_disk.hpp"

#include <algorithm>
#include <utility>

#include "hal/base/error.hpp"

namespace hal::disk {

namespace {

constexpr std::uint64_t sector_bytes = 512;

std::string folder_of(const std::string& path) { return std::filesystem::path(path).parent_path().string(); }

Error no_such(const std::filesystem::path& path) { return {Code::not_found, path.string() + ": no such file"}; }

}  // namespace

class FakeDisk::OpenFile : public File {
public:
    OpenFile(FakeDisk& disk, std::shared_ptr<Inode> inode, bool is_writable)
        : disk_(disk), inode_(std::move(inode)), generation_(disk.generation_), is_writable_(is_writable) {}

    std::size_t read_at(std::uint64_t offset, char* into, std::size_t size) override {
        const std::lock_guard lock(disk_.mutex_);
        check(false);
        if (offset >= inode_->now.size()) return 0;
        size = std::min<std::uint64_t>(size, inode_->now.size() - offset);
        std::copy_n(inode_->now.data() + offset, size, into);
        return size;
    }
    void write_at(std::uint64_t offset, std::span<const std::string_view> parts) override {
        const std::lock_guard lock(disk_.mutex_);
        check(true);
        disk_.write(*inode_, offset, parts);
    }
    void sync_data() override {
        const std::lock_guard lock(disk_.mutex_);
        check(false);
        disk_.sync(*inode_);
    }
    void allocate(std::uint64_t bytes) override {
        const std::lock_guard lock(disk_.mutex_);
        check(true);
        if (bytes > inode_->now.size()) disk_.resize(*inode_, bytes, Change::Kind::grow);
    }
    void truncate(std::uint64_t bytes) override {
        const std::lock_guard lock(disk_.mutex_);
        check(true);
        disk_.resize(*inode_, bytes, Change::Kind::truncate);
    }
    std::uint64_t size() override {
        const std::lock_guard lock(disk_.mutex_);
        check(false);
        return inode_->now.size();
    }

private:
    void check(bool writes) const {
        if (!disk_.has_power_ || generation_ != disk_.generation_) throw Error(Code::io, "the power is off");
        if (writes && !is_writable_) throw Error(Code::io, "opened for reading alone");
    }

    FakeDisk& disk_;
    std::shared_ptr<Inode> inode_;
    std::uint64_t generation_;
    bool is_writable_;
};

FakeDisk::FakeDisk(std::uint64_t seed, std::uint64_t capacity_bytes) : random_(seed), capacity_(capacity_bytes) {}

std::uint64_t FakeDisk::below(std::uint64_t bound) { return random_() % bound; }

void FakeDisk::step() {
    if (has_power_ && --operations_left_ > 0) return;
    has_power_ = false;
    throw Error(Code::io, "the power is off");
}

void FakeDisk::apply(std::string& content, const Change& change, std::uint64_t bytes_max) {
    if (change.kind == Change::Kind::truncate || (change.kind == Change::Kind::grow && change.offset > content.size())) {
        content.resize(change.offset);
    } else if (change.kind == Change::Kind::write) {
        const auto size = std::min<std::uint64_t>(change.bytes.size(), bytes_max);
        if (size == 0) return;
        if (content.size() < change.offset + size) content.resize(change.offset + size);
        std::copy_n(change.bytes.data(), size, content.data() + change.offset);
    }
}

std::uint64_t FakeDisk::used() const {
    std::uint64_t bytes = 0;
    for (const auto& [path, inode] : names_)
        if (inode) bytes += inode->now.size();
    return bytes;
}

void FakeDisk::write(Inode& inode, std::uint64_t offset, std::span<const std::string_view> parts) {
    Change change{Change::Kind::write, offset, {}};
    for (const auto part : parts) change.bytes += part;
    const auto end = offset + change.bytes.size();
    if (end > inode.now.size() && used() + (end - inode.now.size()) > capacity_) throw Error(Code::exhausted, "write: No space left on device");
    // The write that the power goes within is seen by no one, but some of it may be on the disk.
    const bool is_last = operations_left_ == 1;
    if (failing_writes_ > 0) {
        --failing_writes_;
        change.bytes.resize(below(change.bytes.size() + 1));
        apply(inode.now, change);
        inode.changes.push_back(std::move(change));
        throw Error(Code::io, "write: Input/output error");
    }
    if (is_last) change.bytes.resize(below(change.bytes.size() + 1));
    apply(inode.now, change);
    inode.changes.push_back(std::move(change));
    step();
}

void FakeDisk::resize(Inode& inode, std::uint64_t bytes, Change::Kind kind) {
    step();
    if (bytes > inode.now.size() && used() + (bytes - inode.now.size()) > capacity_) throw Error(Code::exhausted, "allocate: No space left on device");
    Change change{kind, bytes, {}};
    apply(inode.now, change);
    inode.changes.push_back(std::move(change));
}

void FakeDisk::sync(Inode& inode) {
    step();
    if (failing_syncs_ > 0) {
        --failing_syncs_;
        const auto now = inode.now;
        keep_some(inode, Loss::any);
        inode.now = now;  // still in memory, but clean
        throw Error(Code::io, "sync: Input/output error");
    }
    for (const auto& change : inode.changes) apply(inode.synced, change);
    inode.changes.clear();
    ++syncs_;
}

void FakeDisk::keep_some(Inode& inode, Loss loss) {
    if (loss == Loss::any) loss = static_cast<Loss>(1 + below(4));
    if (loss == Loss::everything) inode.changes.clear();
    if (loss == Loss::torn && !inode.changes.empty()) {
        const auto kept = below(inode.changes.size());
        auto& torn = inode.changes[kept];
        if (torn.kind == Change::Kind::write) torn.bytes.resize(below(torn.bytes.size() + 1));
        inode.changes.resize(kept + 1);
    }
    if (loss == Loss::scattered) {
        scatter(inode);
    } else {
        for (const auto& change : inode.changes) apply(inode.synced, change);
    }
    inode.changes.clear();
    inode.now = inode.synced;
}

// Sizes are kept up to some moment, and each sector as it was at a moment of its own: never, always, or in between.
void FakeDisk::scatter(Inode& inode) {
    const auto sizes_kept = below(inode.changes.size() + 1);
    std::string result = inode.synced;
    for (std::size_t i = 0; i < inode.changes.size(); ++i) {
        const auto& change = inode.changes[i];
        if (change.kind != Change::Kind::write && i < sizes_kept) apply(result, change);
    }
    std::map<std::uint64_t, std::uint64_t> kept;  // changes, by sector
    for (std::size_t i = 0; i < inode.changes.size(); ++i) {
        const auto& change = inode.changes[i];
        if (change.kind != Change::Kind::write) continue;
        for (std::uint64_t at = 0; at < change.bytes.size();) {
            const auto sector = (change.offset + at) / sector_bytes;
            const auto size = std::min((sector + 1) * sector_bytes - (change.offset + at), change.bytes.size() - at);
            const auto [found, is_new] = kept.try_emplace(sector, 0);
            if (is_new) {
                const auto choice = below(5);
                found->second = choice < 2 ? 0 : choice < 4 ? inode.changes.size() : below(inode.changes.size() + 1);
            }
            if (i < found->second) apply(result, {Change::Kind::write, change.offset + at, change.bytes.substr(at, size)});
            at += size;
        }
    }
    inode.synced = std::move(result);
}

void FakeDisk::crash(Loss loss) {
    const std::lock_guard lock(mutex_);
    ++generation_;
    has_power_ = true;
    operations_left_ = UINT64_MAX;
    failing_syncs_ = failing_writes_ = 0;
    auto names_kept = name_changes_.size();
    if (loss == Loss::everything) names_kept = 0;
    if (loss != Loss::everything && loss != Loss::nothing) names_kept = below(names_kept + 1);
    for (std::size_t i = 0; i < names_kept; ++i)
        for (const auto& [path, inode] : name_changes_[i].names) {
            if (inode)
                synced_names_[path] = *inode;
            else
                synced_names_.erase(path);
        }
    name_changes_.clear();
    names_ = synced_names_;
    for (const auto& [path, inode] : names_)
        if (inode) keep_some(*inode, loss);
}

void FakeDisk::kill() {
    const std::lock_guard lock(mutex_);
    ++generation_;
}

void FakeDisk::cut_power_after(std::uint64_t operations) {
    const std::lock_guard lock(mutex_);
    operations_left_ = operations;
}

bool FakeDisk::has_power() const {
    const std::lock_guard lock(mutex_);
    return has_power_;
}

void FakeDisk::fail_syncs(std::uint64_t count) {
    const std::lock_guard lock(mutex_);
    failing_syncs_ = count;
}

void FakeDisk::fail_writes(std::uint64_t count) {
    const std::lock_guard lock(mutex_);
    failing_writes_ = count;
}

bool FakeDisk::flip(const std::filesystem::path& path, std::uint64_t offset, unsigned bit) {
    const std::lock_guard lock(mutex_);
    const auto found = names_.find(path.string());
    if (found == names_.end() || !found->second) return false;
    const auto mask = static_cast<char>(1U << (bit % 8));
    auto& inode = *found->second;
    if (offset < inode.synced.size()) inode.synced[offset] = static_cast<char>(inode.synced[offset] ^ mask);
    if (offset >= inode.now.size()) return false;
    inode.now[offset] = static_cast<char>(inode.now[offset] ^ mask);
    return true;
}

void FakeDisk::set_capacity(std::uint64_t bytes) {
    const std::lock_guard lock(mutex_);
    capacity_ = bytes;
}

std::uint64_t FakeDisk::used_bytes() const {
    const std::lock_guard lock(mutex_);
    return used();
}

std::uint64_t FakeDisk::syncs() const {
    const std::lock_guard lock(mutex_);
    return syncs_;
}

std::string FakeDisk::content(const std::filesystem::path& path) const {
    const std::lock_guard lock(mutex_);
    const auto found = names_.find(path.string());
    if (found == names_.end() || !found->second) throw no_such(path);
    return found->second->now;
}

void FakeDisk::put(const std::filesystem::path& path, std::string content) {
    const std::lock_guard lock(mutex_);
    const auto inode = std::make_shared<Inode>();
    inode->now = inode->synced = std::move(content);
    names_[path.string()] = synced_names_[path.string()] = inode;
}

void FakeDisk::note(const std::string& folder, std::vector<std::pair<std::string, std::optional<std::shared_ptr<Inode>>>> names) {
    for (const auto& [path, inode] : names) {
        if (inode)
            names_[path] = *inode;
        else
            names_.erase(path);
    }
    name_changes_.push_back({folder, std::move(names)});
}

std::unique_ptr<File> FakeDisk::open(const std::filesystem::path& path, Mode mode, mode_t) {
    const std::lock_guard lock(mutex_);
    if (!has_power_) throw Error(Code::io, "the power is off");
    auto found = names_.find(path.string());
    if (mode == Mode::create) {
        if (found != names_.end()) throw Error(Code::exists, path.string() + ": File exists");
        if (const auto folder = folder_of(path.string()); !folder.empty() && folder != "/" && !names_.contains(folder)) throw no_such(folder);
        step();
        note(folder_of(path.string()), {{path.string(), std::make_shared<Inode>()}});
        found = names_.find(path.string());
    }
    if (found == names_.end() || !found->second) throw no_such(path);
    return std::make_unique<OpenFile>(*this, found->second, mode != Mode::read);
}

void FakeDisk::rename(const std::filesystem::path& from, const std::filesystem::path& to) {
    const std::lock_guard lock(mutex_);
    step();
    const auto found = names_.find(from.string());
    if (found == names_.end()) throw no_such(from);
    const auto inode = found->second;
    note(folder_of(to.string()), {{from.string(), std::nullopt}, {to.string(), inode}});
}

void FakeDisk::link(const std::filesystem::path& from, const std::filesystem::path& to) {
    const std::lock_guard lock(mutex_);
    step();
    const auto found = names_.find(from.string());
    if (found == names_.end()) throw no_such(from);
    if (names_.contains(to.string())) throw Error(Code::exists, to.string() + ": File exists");
    note(folder_of(to.string()), {{to.string(), found->second}});
}

bool FakeDisk::remove(const std::filesystem::path& path) {
    const std::lock_guard lock(mutex_);
    step();
    if (!names_.contains(path.string())) return false;
    const auto below = names_.upper_bound(path.string() + "/");
    if (below != names_.end() && below->first.starts_with(path.string() + "/")) throw Error(Code::io, path.string() + ": Directory not empty");
    note(folder_of(path.string()), {{path.string(), std::nullopt}});
    return true;
}

void FakeDisk::make_folder(const std::filesystem::path& folder, mode_t) {
    const std::lock_guard lock(mutex_);
    if (!has_power_) throw Error(Code::io, "the power is off");
    std::filesystem::path path;
    for (const auto& part : folder) {
        path /= part;
        const auto name = path.string();
        if (name.empty() || name == "/" || names_.contains(name)) continue;
        step();
        note(folder_of(name), {{name, std::shared_ptr<Inode>()}});
    }
}

std::vector<Disk::Entry> FakeDisk::list(const std::filesystem::path& folder, std::size_t entries_max) {
    const std::lock_guard lock(mutex_);
    if (!has_power_) throw Error(Code::io, "the power is off");
    const auto name = folder.string();
    if (!names_.contains(name)) throw no_such(folder);
    std::vector<Entry> entries;
    for (auto at = names_.lower_bound(name + "/"); at != names_.end() && at->first.starts_with(name + "/"); ++at) {
        if (folder_of(at->first) != name) continue;
        if (entries.size() == entries_max) throw Error(Code::exhausted, name + " holds too many files");
        entries.push_back({std::filesystem::path(at->first).filename().string(), !at->second, at->second ? at->second->now.size() : 0});
    }
    return entries;
}

// A journal is written in order: what changed earlier elsewhere becomes durable with it.
void FakeDisk::sync_folder(const std::filesystem::path&) {
    const std::lock_guard lock(mutex_);
    step();
    synced_names_ = names_;
    name_changes_.clear();
}

std::uint64_t FakeDisk::free_bytes(const std::filesystem::path&) {
    const std::lock_guard lock(mutex_);
    const auto taken = used();
    return capacity_ > taken ? capacity_ - taken : 0;
}

}  // namespace hal::disk
