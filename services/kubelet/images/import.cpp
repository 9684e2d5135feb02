// SHA-256 by OpenSSL's function of that name, deprecated though it is: EVP would link every cipher and curve, 3 MiB.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "services/kubelet/images/import.hpp"

#include <boost/json/parse.hpp>
#include <openssl/sha.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include <algorithm>
#include <array>
#include <map>

#include "hal/base/bytes.hpp"
#include "hal/base/error.hpp"
#include "hal/disk/file.hpp"
#include "services/codec/oci/manifest.hpp"
#include "services/kubelet/images/layer.hpp"
#include "services/kubelet/images/tar.hpp"

namespace services::kubelet::images {

using codec::oci::ArchivedImage;
using hal::Code;
using hal::Error;
namespace json = boost::json;

namespace {

class Sha256 {
public:
    Sha256() { SHA256_Init(&context_); }
    void add(std::string_view bytes) { SHA256_Update(&context_, bytes.data(), bytes.size()); }
    std::string digest() {
        std::array<unsigned char, SHA256_DIGEST_LENGTH> out;
        SHA256_Final(out.data(), &context_);
        return "sha256:" + hal::hex({reinterpret_cast<const char*>(out.data()), out.size()});
    }

private:
    SHA256_CTX context_;
};

std::string digest_of(std::string_view bytes) {
    Sha256 hash;
    hash.add(bytes);
    return hash.digest();
}

ByteSource hashed(ByteSource source, Sha256& hash) {
    return [source = std::move(source), &hash](std::span<char> into) {
        const auto count = source(into);
        hash.add({into.data(), count});
        return count;
    };
}

void drain(const ByteSource& source) {
    std::array<char, 64 * 1024> unused;
    while (source(unused) > 0) {}
}

// As Go names them.
std::string this_architecture() {
    utsname system{};
    ::uname(&system);
    const std::string_view machine = system.machine;
    return machine == "x86_64" ? "amd64" : machine == "aarch64" ? "arm64" : std::string(machine);
}

std::string plain_path(std::string_view path) {
    return std::filesystem::path(path).lexically_normal().relative_path().generic_string();
}

// What the first reading finds.
struct Contents {
    std::map<std::string, std::string> documents;
    std::map<std::string, std::uint64_t> sizes;
    std::map<std::string, std::string> aliases;  // docker save stores a layer that repeats as a link

    [[nodiscard]] std::string resolved(const std::string& path) const {
        auto at = plain_path(path);
        for (int hops = 0; hops < 8; ++hops) {
            const auto alias = aliases.find(at);
            if (alias == aliases.end()) break;
            at = alias->second;
        }
        return at;
    }
};

Contents survey(const std::filesystem::path& archive, const ImageLimits& limits) {
    Contents contents;
    const auto tar = TarReader::open_file(archive);
    std::uint64_t entries = 0;
    std::size_t document_bytes = 0;
    while (const auto entry = tar->next()) {
        if (++entries > limits.entries_max) throw Error(Code::too_large, "it has too many entries");
        const auto path = plain_path(entry->path);
        if (S_ISLNK(entry->mode)) {
            contents.aliases[path] = plain_path((std::filesystem::path(path).parent_path() / entry->symbolic_link).generic_string());
            continue;
        }
        if (!entry->hard_link.empty()) {
            contents.aliases[path] = plain_path(entry->hard_link);
            continue;
        }
        if (!S_ISREG(entry->mode)) continue;
        contents.sizes[path] = entry->size;
        if (entry->size > limits.manifest_bytes_max) continue;
        // Blobs carry no type: what begins like JSON may be a manifest or a config.
        std::string text;
        std::array<char, 16 * 1024> piece;
        while (const auto count = tar->read(piece)) {
            text.append(piece.data(), count);
            if (text.front() != '{' && text.front() != '[') break;
        }
        if (text.empty() || (text.front() != '{' && text.front() != '[')) continue;
        document_bytes += text.size();
        if (document_bytes > limits.documents_bytes_max) throw Error(Code::too_large, "its documents are too long");
        contents.documents[path] = std::move(text);
    }
    return contents;
}

struct Wanted {
    std::string diff_id;
    std::string digest;
};

// Reads the layer at the archive's present entry into `folder`, and checks both its digests.
std::uint64_t unpack_one(TarReader& archive, const Wanted& wanted, const std::filesystem::path& folder, const LayerLimits& limits) {
    Sha256 packed;
    Sha256 unpacked;
    const ByteSource raw = hashed([&archive](std::span<char> into) { return archive.read(into); }, packed);
    const ByteSource plain = hashed(decompressed(raw), unpacked);
    std::uint64_t bytes = 0;
    {
        const auto tar = TarReader::open_source(plain);
        bytes = unpack_layer(*tar, folder, limits);
    }
    drain(plain);
    drain(raw);
    const auto found = unpacked.digest();
    if (found != wanted.diff_id) throw Error(Code::corrupt, "its bytes have the digest " + found + " instead of " + wanted.diff_id);
    if (const auto digest = packed.digest(); !wanted.digest.empty() && digest != wanted.digest)
        throw Error(Code::corrupt, "its bytes have the digest " + digest + " instead of " + wanted.digest);
    return bytes;
}

Record record_of(const ArchivedImage& image, const Contents& contents, const std::string& reference) {
    Record record;
    const auto& config = contents.documents.at(image.config_path);
    record.id = digest_of(config);
    if (!image.config_digest.empty() && record.id != image.config_digest)
        throw Error(Code::corrupt, image.config_path + " has the digest " + record.id + " instead of " + image.config_digest);
    record.architecture = image.architecture;
    record.size_bytes = config.size();
    for (const auto& layer : image.layers) {
        record.diff_ids.push_back(layer.diff_id);
        const auto size = contents.sizes.find(contents.resolved(layer.path));
        if (size == contents.sizes.end()) throw Error(Code::invalid, "layer " + layer.path + " is missing");
        record.size_bytes += size->second;
    }
    const auto value = json::parse(config);
    if (const auto* section = value.as_object().if_contains("config"); section != nullptr && section->is_object())
        record.config = section->get_object();
    for (const auto& name : image.references) record.references.push_back(normalise_reference(name));
    if (!reference.empty()) record.references.push_back(normalise_reference(reference));
    if (record.references.empty()) record.references.push_back(normalise_reference("import@" + record.id));
    if (!image.manifest_digest.empty()) {
        // Known by its content, too, under each of its names.
        const auto names = record.references;
        for (const auto& name : names)
            record.references.push_back(name.substr(0, name.find_last_of(name.contains('@') ? '@' : ':')) + "@" + image.manifest_digest);
    }
    std::ranges::sort(record.references);
    const auto repeated = std::ranges::unique(record.references);
    record.references.erase(repeated.begin(), repeated.end());
    return record;
}

std::vector<Record> import_all(const std::filesystem::path& archive, const std::string& reference,
                               const std::filesystem::path& layers, const std::filesystem::path& staging,
                               const ImageLimits& limits) {
    std::error_code failure;
    const auto archive_bytes = std::filesystem::file_size(archive, failure);
    if (failure) throw Error(failure == std::errc::no_such_file_or_directory ? Code::not_found : Code::io, failure.message());
    if (archive_bytes > limits.archive_bytes_max)
        throw Error(Code::too_large, "it has " + std::to_string(archive_bytes) + " bytes, at most " + std::to_string(limits.archive_bytes_max) + " are read");
    const auto contents = survey(archive, limits);
    const auto images = codec::oci::images_of(contents.documents, this_architecture(), limits.layers_max);
    std::vector<Record> records;
    std::map<std::string, Wanted> wanted;
    for (const auto& image : images) {
        records.push_back(record_of(image, contents, reference));
        for (const auto& layer : image.layers)
            if (!std::filesystem::exists(layer_folder(layers, layer.diff_id)))
                wanted[contents.resolved(layer.path)] = {.diff_id = layer.diff_id, .digest = layer.digest};
    }
    std::vector<std::string> unpacked;
    LayerLimits left{.bytes_max = limits.unpacked_bytes_max, .entries_max = limits.entries_max, .path_bytes_max = limits.path_bytes_max};
    const auto tar = TarReader::open_file(archive);
    while (!wanted.empty()) {
        const auto entry = tar->next();
        if (!entry) throw Error(Code::corrupt, "layer " + wanted.begin()->first + " is missing");
        const auto found = S_ISREG(entry->mode) ? wanted.find(plain_path(entry->path)) : wanted.end();
        if (found == wanted.end()) continue;
        try {
            const auto folder = layer_folder(staging, found->second.diff_id);
            // The same layer may lie in the archive twice.
            if (std::filesystem::create_directories(folder)) {
                left.bytes_max -= unpack_one(*tar, found->second, folder, left);
                unpacked.push_back(found->second.diff_id);
            }
        } catch (const Error& e) {
            throw Error(e.code(), "layer " + found->first + ": " + e.what());
        }
        wanted.erase(found);
    }
    if (!unpacked.empty()) {
        hal::disk::sync_file_system(staging);
        for (const auto& diff_id : unpacked) std::filesystem::rename(layer_folder(staging, diff_id), layer_folder(layers, diff_id));
        hal::disk::sync_folder(layers);
    }
    return records;
}

}  // namespace

std::filesystem::path layer_folder(const std::filesystem::path& layers, const std::string& diff_id) {
    return layers / ("sha256-" + diff_id.substr(diff_id.find(':') + 1));
}

std::vector<Record> import_layers(const std::filesystem::path& archive, const std::string& reference,
                                  const std::filesystem::path& layers, const std::filesystem::path& staging,
                                  const ImageLimits& limits) {
    const auto clean = [&staging] {
        std::error_code ignored;
        std::filesystem::remove_all(staging, ignored);
    };
    try {
        clean();
        std::filesystem::create_directories(staging);
        auto records = import_all(archive, reference, layers, staging, limits);
        clean();
        return records;
    } catch (const Error& e) {
        clean();
        throw Error(e.code(), "image archive " + archive.string() + ": " + e.what());
    } catch (const std::filesystem::filesystem_error& e) {
        clean();
        throw Error(e.code() == std::errc::no_space_on_device ? Code::exhausted : Code::io,
                    "image archive " + archive.string() + ": " + e.what());
    } catch (const std::exception& e) {
        clean();
        throw Error(Code::invalid, "image archive " + archive.string() + ": " + e.what());
    }
}

}  // namespace services::kubelet::images
