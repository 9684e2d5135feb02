// What is sent upstream, where to and under which names: `upstream.objects` of the configuration, whose forms were checked when it
// was read. Pure; what does not fit together is told as sentences, and nothing is sent then.
#pragma once

#include <boost/json/object.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "services/codec/s3/signature.hpp"
#include "services/objects/store/types.hpp"

namespace services::objects::replication {

// The one destination there is, as the outbox names it.
inline constexpr std::string_view destination = "upstream";

enum class Deletes : std::uint8_t { follow, keep };   // keep: what was once sent stays there
enum class Versions : std::uint8_t { latest, all };   // latest: a version that was overwritten before its turn is left out

struct Settings {
    std::string endpoint;                 // "https://minio.hq.example:9000", without a path
    std::string host;                     // its Host field: the port only where it is not the scheme's own
    codec::s3::Credentials credentials;
    std::vector<std::string> buckets;     // that are sent; empty: all
    std::string bucket_name = "{bucket}"; // of the bucket there; {bucket} and {site} stand for themselves
    std::string key_prefix;               // put before each key there; the same stand-ins
    Deletes deletes = Deletes::follow;
    Versions versions = Versions::latest;

    [[nodiscard]] bool sends(std::string_view bucket) const;
    [[nodiscard]] std::string bucket_there(std::string_view bucket) const;
    [[nodiscard]] std::string key_there(std::string_view bucket, std::string_view key) const;
    // What a change of `bucket` must carry to be sent; none: it is not sent.
    [[nodiscard]] std::optional<store::Dispatch> dispatch(std::string_view bucket) const;
};

struct Found {
    std::optional<Settings> settings;     // none: nothing is to be sent
    std::vector<std::string> problems;
};
// `section`: upstream.objects; `files`: the texts of the files it names, under their setting's path
// ("upstream.objects.secret_key_file").
Found read_settings(const boost::json::object& section, const std::map<std::string, std::string>& files, std::string_view site);

}  // namespace services::objects::replication
