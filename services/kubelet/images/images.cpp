#include "services/kubelet/images/images.hpp"

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <sys/inotify.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>

#include "hal/base/error.hpp"
#include "hal/base/log.hpp"
#include "hal/disk/file.hpp"
#include "services/kubelet/images/import.hpp"
#include "services/kubelet/images/index.hpp"

namespace services::kubelet::images {

using hal::Code;
using hal::Error;
namespace asio = boost::asio;

struct ImageStore::State {
    std::filesystem::path folder;
    hal::async::Pool& pool;
    const hal::Clock& clock;
    ImageLimits limits;
    Index index;
    std::map<std::string, std::vector<std::filesystem::path>> holders;
    std::map<std::string, std::string> refused;  // archives that did not hold: path -> version
    std::uint64_t revision = 0;
    std::function<void()> list_changed = nullptr;
    // One change at a time: who comes later waits for the event, made on the executor of the first caller.
    bool is_changing = false;
    std::unique_ptr<hal::async::Event> changed;

    [[nodiscard]] std::filesystem::path layers() const { return folder / "layers"; }

    [[nodiscard]] Image image_of(const Record& record) const {
        Image image{.id = record.id, .references = record.references, .size_bytes = record.size_bytes,
                    .architecture = record.architecture, .is_pinned = true, .imported = record.imported,
                    .config = config_of(record.config), .layers = {}};
        for (auto it = record.diff_ids.rbegin(); it != record.diff_ids.rend(); ++it) image.layers.push_back(layer_folder(layers(), *it));
        return image;
    }

    // Writes `next` and takes it over; if the disk refuses, the present index stands.
    Task<> replace_index(Index next) {
        auto text = to_text(next);
        if (text.size() > index_bytes_max) throw Error(Code::exhausted, "the list of images is full");
        const auto path = folder / "index.json";
        const auto write = [path, text = std::move(text)] { hal::disk::replace_file(path, text, 0600); };
        co_await hal::async::offload(pool, write);
        index = std::move(next);
        ++revision;
        if (list_changed) list_changed();
    }

    Task<> sweep();
    Task<std::vector<Image>> import_one(std::filesystem::path archive, std::string reference, std::string version);
};

namespace {

// While it lives no one else changes the store.
class Turn {
public:
    explicit Turn(bool& is_changing, hal::async::Event& changed) : is_changing_(is_changing), changed_(changed) {}
    ~Turn() {
        is_changing_ = false;
        changed_.set();
    }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

private:
    bool& is_changing_;
    hal::async::Event& changed_;
};

template <class State>
Task<std::unique_ptr<Turn>> turn(State& state) {
    if (!state.changed) state.changed = std::make_unique<hal::async::Event>(co_await asio::this_coro::executor);
    while (state.is_changing) {
        state.changed->clear();
        co_await state.changed->wait();
    }
    state.is_changing = true;
    co_return std::make_unique<Turn>(state.is_changing, *state.changed);
}

// Removes the folders below `layers` that are not kept; blocking.
void remove_layers(const std::filesystem::path& layers, const std::set<std::filesystem::path>& kept) {
    std::vector<std::filesystem::path> unused;
    for (const auto& entry : std::filesystem::directory_iterator(layers))
        if (!kept.contains(entry.path())) unused.push_back(entry.path());
    for (const auto& path : unused) std::filesystem::remove_all(path);
}

// Size and time, by which a changed archive is told from the one that was imported.
std::string version_of(const std::filesystem::path& path) {
    struct stat found{};
    if (::stat(path.c_str(), &found) != 0 || !S_ISREG(found.st_mode)) return "";
    return std::to_string(found.st_size) + "-" + std::to_string(found.st_mtim.tv_sec * 1'000'000'000 + found.st_mtim.tv_nsec);
}

bool is_archive_name(const std::string& name) {
    return std::ranges::any_of(std::array{".tar", ".tar.gz", ".tgz", ".tar.zst", ".tzst"}, [&](const char* end) { return name.ends_with(end); });
}

std::vector<std::filesystem::path> archives_in(const std::filesystem::path& folder) {
    std::vector<std::filesystem::path> archives;
    for (const auto& entry : std::filesystem::directory_iterator(folder))
        if (is_archive_name(entry.path().filename().string())) archives.push_back(entry.path());
    std::ranges::sort(archives);
    return archives;
}

// Takes the references away from every image but `id`; images without any are dropped.
void move_references(Index& index, const std::string& id, const std::vector<std::string>& references) {
    for (auto& image : index.images)
        if (image.id != id)
            std::erase_if(image.references, [&](const auto& name) { return std::ranges::contains(references, name); });
    std::erase_if(index.images, [](const auto& image) { return image.references.empty(); });
}

void add_record(Index& index, const Record& record) {
    move_references(index, record.id, record.references);
    const auto same = std::ranges::find(index.images, record.id, &Record::id);
    if (same == index.images.end()) {
        index.images.push_back(record);
        return;
    }
    for (const auto& name : record.references)
        if (!std::ranges::contains(same->references, name)) same->references.push_back(name);
    std::ranges::sort(same->references);
}

}  // namespace

Task<> ImageStore::State::sweep() {
    std::set<std::filesystem::path> kept;
    for (const auto& image : index.images)
        for (const auto& diff_id : image.diff_ids) kept.insert(layer_folder(layers(), diff_id));
    for (const auto& [holder, held] : holders) kept.insert(held.begin(), held.end());
    const auto work = [where = layers(), kept = std::move(kept)] { remove_layers(where, kept); };
    co_await hal::async::offload(pool, work);
}

Task<std::vector<Image>> ImageStore::State::import_one(std::filesystem::path archive, std::string reference, std::string version) {
    const auto held = co_await turn(*this);
    const auto work = [archive, reference, this] { return import_layers(archive, reference, layers(), folder / "staging", limits); };
    auto records = co_await hal::async::offload(pool, work);
    Index next = index;
    std::vector<Image> images;
    for (auto& record : records) {
        record.imported = clock.wall();
        add_record(next, record);
        images.push_back(image_of(record));
    }
    if (next.images.size() > limits.images_max)
        throw Error(Code::exhausted, "image archive " + archive.string() + ": " + std::to_string(limits.images_max) + " images are there already");
    if (!version.empty()) next.archives[archive.string()] = version;
    co_await replace_index(std::move(next));
    for (const auto& image : images) hal::log::info("images", "imported {} as {}", image.references.front(), image.id);
    co_return images;
}

ImageStore::ImageStore(std::filesystem::path folder, hal::async::Pool& pool, const hal::Clock& clock, ImageLimits limits)
    : state_(new State{.folder = std::move(folder), .pool = pool, .clock = clock, .limits = limits, .index = {}, .holders = {},
                       .refused = {}, .changed = nullptr}) {}
ImageStore::~ImageStore() = default;

Task<> ImageStore::open() {
    auto& state = *state_;
    const auto held = co_await turn(state);
    const auto work = [folder = state.folder, layers = state.layers()]() -> std::optional<std::string> {
        std::filesystem::create_directories(layers);
        std::filesystem::remove_all(folder / "staging");
        return hal::disk::read_file(folder / "index.json", index_bytes_max);
    };
    const auto text = co_await hal::async::offload(state.pool, work);
    if (!text) co_return;
    std::string problem;
    try {
        state.index = index_of(*text);
    } catch (const Error& e) {
        problem = e.what();
    }
    if (!problem.empty()) {
        hal::log::error("images", "{}; it is set aside as index.json.corrupt and the store starts empty", problem);
        std::filesystem::rename(state.folder / "index.json", state.folder / "index.json.corrupt");
    }
    // An image that lost a layer (a file system check) cannot run: better to say so than to mount half of it.
    std::erase_if(state.index.images, [&](const Record& image) {
        const bool is_whole = std::ranges::all_of(image.diff_ids, [&](const auto& id) { return std::filesystem::exists(layer_folder(state.layers(), id)); });
        if (is_whole) return false;
        hal::log::error("images", "{} has lost layers and must be imported again", image.references.front());
        state.index.archives.clear();
        return true;
    });
}

std::optional<Image> ImageStore::find(std::string_view reference) const {
    std::string name(reference);
    if (!codec::oci::is_sha256_digest(reference)) {
        try {
            name = normalise_reference(reference);
        } catch (const Error&) {
            return std::nullopt;  // what is no name is the name of no image
        }
    }
    for (const auto& image : state_->index.images)
        if (image.id == name || std::ranges::contains(image.references, name)) return state_->image_of(image);
    return std::nullopt;
}

std::vector<Image> ImageStore::list() const {
    std::vector<Image> images;
    for (const auto& record : state_->index.images) images.push_back(state_->image_of(record));
    std::ranges::sort(images, {}, [](const Image& image) { return image.references.front(); });
    return images;
}

Task<std::vector<Image>> ImageStore::import_archive(std::filesystem::path archive) { return import_archive(std::move(archive), ""); }

Task<std::vector<Image>> ImageStore::import_archive(std::filesystem::path archive, std::string reference) {
    return state_->import_one(std::move(archive), std::move(reference), "");
}

Task<bool> ImageStore::remove(std::string reference) {
    auto& state = *state_;
    const auto held = co_await turn(state);
    const auto image = find(reference);
    if (!image) co_return false;
    const auto gone = image->id == reference ? image->references : std::vector{normalise_reference(reference)};
    Index next = state.index;
    move_references(next, "", gone);
    co_await state.replace_index(std::move(next));
    co_await state.sweep();
    co_return true;
}

void ImageStore::hold(std::string holder, std::vector<std::filesystem::path> layers) {
    state_->holders[std::move(holder)] = std::move(layers);
}

void ImageStore::release(const std::string& holder) { state_->holders.erase(holder); }

Task<> ImageStore::sweep() {
    const auto held = co_await turn(*state_);
    co_await state_->sweep();
}

void ImageStore::on_change(std::function<void()> callback) { state_->list_changed = std::move(callback); }

std::uint64_t ImageStore::revision() const { return state_->revision; }

Task<> ImageStore::watch_folder(std::filesystem::path folder) {
    auto& state = *state_;
    std::filesystem::create_directories(folder);
    asio::posix::stream_descriptor notices(co_await asio::this_coro::executor, ::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    // Watched before it is read, so that nothing falls between.
    if (::inotify_add_watch(notices.native_handle(), folder.c_str(), IN_CLOSE_WRITE | IN_MOVED_TO) < 0)
        throw hal::system_error("watch " + folder.string());
    for (;;) {
        for (const auto& archive : archives_in(folder)) {
            const auto version = version_of(archive);
            const auto imported = state.index.archives.find(archive.string());
            const bool is_known = imported != state.index.archives.end() && imported->second == version;
            if (version.empty() || is_known || state.refused[archive.string()] == version) continue;
            try {
                co_await state.import_one(archive, "", version);
                state.refused.erase(archive.string());
            } catch (const Error& e) {
                if (e.code() == Code::cancelled) throw;
                hal::log::error("images", "{}", e.what());
                state.refused[archive.string()] = version;
            }
        }
        // Only that something changed matters: the folder is read again.
        std::array<char, 4096> unused;
        boost::system::error_code failure;
        co_await notices.async_read_some(asio::buffer(unused), asio::redirect_error(asio::use_awaitable, failure));
        if (failure) throw Error(Code::cancelled, "the watch of " + folder.string() + " ended");
    }
}

}  // namespace services::kubelet::images
