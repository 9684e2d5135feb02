// The images that pods run from: archives (docker save or OCI layout; plain, gzip, zstd) are imported into a store whose
// layers are unpacked once each into folders that overlayfs takes as lowerdir, shared by every image that has them.
//
// Owns DATA/images: index.json (which images there are; replaced atomically) and layers/ (one folder per diff
// id). An import that fails changes nothing. Nothing here pulls from a registry: every image is pinned. Used from
// the loop's thread; reading and unpacking run on the pool. Bounded: see ImageLimits.
#pragma once

#include <boost/json/object.hpp>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "hal/async/pool.hpp"
#include "hal/async/task.hpp"
#include "hal/base/clock.hpp"
#include "services/codec/oci/reference.hpp"

namespace services::kubelet::images {

using hal::async::Task;

// What the image's config says about running it (OCI image-spec config.md); unset lists are empty.
struct ImageConfig {
    std::vector<std::string> entrypoint;
    std::vector<std::string> command;  // "Cmd"
    std::vector<std::string> environment;  // "NAME=value"
    std::string user;              // "", "1000", "postgres", "1000:1000", "name:group"
    std::string working_directory;
    std::string stop_signal;       // "", "SIGTERM", "15"
    std::vector<std::string> volumes;
    std::map<std::string, std::string> labels;
};

struct Image {
    std::string id;                       // "sha256:..." of the config: what imageID and crictl show
    std::vector<std::string> references;  // normalised, sorted: "docker.io/library/redis:7", "...@sha256:..."
    std::uint64_t size_bytes = 0;         // of the layers as archived, and the config
    std::string architecture;
    bool is_pinned = true;                // imported: never collected, never replaced by a pull
    hal::WallTime imported;
    ImageConfig config;
    // Absolute, the TOPMOST layer first: joined by ':' this is overlayfs' lowerdir. Mount with userxattr off.
    std::vector<std::filesystem::path> layers;
};

struct ImageLimits {
    std::uint64_t archive_bytes_max = std::uint64_t{16} << 30;   // of the archive as a file
    std::uint64_t unpacked_bytes_max = std::uint64_t{32} << 30;  // of one archive's layers together
    std::uint64_t entries_max = 2'000'000;        // in one layer, and blobs in one archive
    std::size_t manifest_bytes_max = 4 << 20;     // each JSON document of an archive
    std::size_t documents_bytes_max = 64 << 20;   // all of them
    std::size_t layers_max = 127;                 // as Docker's own bound
    std::size_t path_bytes_max = 4096;
    std::size_t images_max = 1024;
};

using codec::oci::normalise_reference;

class ImageStore {
public:
    // `folder` is DATA/images. The pool must outlive the store.
    ImageStore(std::filesystem::path folder, hal::async::Pool& pool, const hal::Clock& clock, ImageLimits limits = {});
    ~ImageStore();
    ImageStore(const ImageStore&) = delete;
    ImageStore& operator=(const ImageStore&) = delete;

    // Reads the index; layers that were half unpacked are removed. An index that cannot be read is set aside, said in
    // the log, and the store starts empty. Call once before anything else.
    Task<> open();

    // By reference (normalised here) or by id ("sha256:..."). No I/O.
    [[nodiscard]] std::optional<Image> find(std::string_view reference) const;
    // Sorted by first reference.
    [[nodiscard]] std::vector<Image> list() const;

    // Imports every image of the archive; the references then point to it (one that an older image had moves over).
    // Returns what it holds. Imports run one after another. Throws Error{invalid|corrupt|too_large|exhausted} that names
    // the archive and what is wrong with it; then nothing has changed.
    Task<std::vector<Image>> import_archive(std::filesystem::path archive);
    // The same for an archive that may have no reference of its own: then it is known as `reference`.
    Task<std::vector<Image>> import_archive(std::filesystem::path archive, std::string reference);

    // Takes the reference (or, given an id, all of the image's references) away; the image goes with its last reference
    // and its layers with the last image or holder that has them. False if there is none.
    Task<bool> remove(std::string reference);

    // Keeps layer folders on disk while a container's root lies on them, whatever happens to the image. Holders are not
    // stored: after a start, hold() for each adopted container comes before the first sweep().
    void hold(std::string holder, std::vector<std::filesystem::path> layers);
    void release(const std::string& holder);
    // Removes layers that no image and no holder has.
    Task<> sweep();

    // Imports the archives in `folder` (*.tar, *.tar.gz, *.tgz, *.tar.zst) now, those that were not yet, and again when
    // one appears or changes (inotify). A bad one is logged and left alone until it changes. Runs until cancelled.
    Task<> watch_folder(std::filesystem::path folder);
    // Rises with each change of the list: for those who report it (Node status).
    [[nodiscard]] std::uint64_t revision() const;
    // Called on the loop after each change of the list. One callback; it must not block.
    void on_change(std::function<void()> callback);

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace services::kubelet::images
