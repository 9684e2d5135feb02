// Which images an archive holds: manifest.json of `docker save`, or index.json of an OCI layout (image-spec
// image-layout.md). Pure: works on the archive's JSON documents by path; bounded by what the caller put there.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace services::codec::oci {

struct ArchivedLayer {
    std::string path;     // in the archive
    std::string digest;   // of the bytes there, "" where the archive does not say
    std::string diff_id;  // "sha256:..." of the uncompressed tar
};

struct ArchivedImage {
    std::vector<std::string> references;  // as written
    std::string config_path;
    std::string config_digest;    // as the archive says, "" where it does not
    std::string manifest_digest;  // OCI layouts only
    std::string architecture;
    std::vector<ArchivedLayer> layers;  // lowest first
};

// `documents`: path -> text. `architecture` ("amd64") chooses from an index of several platforms.
// Throws Error{invalid} naming the document and what is wrong with it.
std::vector<ArchivedImage> images_of(const std::map<std::string, std::string>& documents, std::string_view architecture,
                                     std::size_t layers_max);

}  // namespace services::codec::oci
