#include "services/objects/replication/settings.hpp"

#include <boost/json/array.hpp>

#include <algorithm>

namespace services::objects::replication {
namespace {

namespace json = boost::json;

std::string text_at(const json::object& section, std::string_view key) {
    const auto* value = section.if_contains(key);
    return value && value->is_string() ? std::string(value->get_string()) : std::string();
}

// A secret's file ends with a line's end more often than not.
std::string trimmed(std::string text) {
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
    return text;
}

std::string replaced(std::string text, std::string_view what, std::string_view by) {
    for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size())) text.replace(at, what.size(), by);
    return text;
}

// "https://HOST:443" is asked for as HOST.
std::string host_field(std::string_view endpoint) {
    const bool is_tls = endpoint.starts_with("https://");
    auto host = endpoint.substr(endpoint.find("://") + 3);
    const std::string_view usual = is_tls ? ":443" : ":80";
    if (host.ends_with(usual)) host.remove_suffix(usual.size());
    return std::string(host);
}

}  // namespace

bool Settings::sends(std::string_view bucket) const { return buckets.empty() || std::ranges::contains(buckets, bucket); }

std::string Settings::bucket_there(std::string_view bucket) const { return replaced(bucket_name, "{bucket}", bucket); }

std::string Settings::key_there(std::string_view bucket, std::string_view key) const {
    return replaced(key_prefix, "{bucket}", bucket) + std::string(key);
}

std::optional<store::Dispatch> Settings::dispatch(std::string_view bucket) const {
    if (!sends(bucket)) return std::nullopt;
    return store::Dispatch{std::string(destination), "", versions == Versions::latest};
}

Found read_settings(const json::object& section, const std::map<std::string, std::string>& files, std::string_view site) {
    Found found;
    Settings settings;
    settings.endpoint = text_at(section, "endpoint");
    if (settings.endpoint.empty()) return found;
    if (settings.endpoint.ends_with('/')) settings.endpoint.pop_back();
    const auto scheme = settings.endpoint.find("://");
    if (scheme == std::string::npos || settings.endpoint.find('/', scheme + 3) != std::string::npos)
        found.problems.push_back("upstream.objects.endpoint: '" + settings.endpoint + "' has a path; an S3 service is named by scheme, host and port alone");
    else
        settings.host = host_field(settings.endpoint);
    settings.credentials.access_key = text_at(section, "access_key");
    if (settings.credentials.access_key.empty()) found.problems.emplace_back("upstream.objects.access_key: missing, so nothing can be sent");
    const auto secret = files.find("upstream.objects.secret_key_file");
    if (secret == files.end() || trimmed(secret->second).empty())
        found.problems.emplace_back("upstream.objects.secret_key_file: missing or empty, so nothing can be sent");
    else
        settings.credentials.secret = trimmed(secret->second);
    if (auto region = text_at(section, "region"); !region.empty()) settings.credentials.region = std::move(region);
    if (const auto* buckets = section.if_contains("buckets"); buckets && buckets->is_array())
        for (const auto& bucket : buckets->get_array())
            if (bucket.is_string()) settings.buckets.emplace_back(bucket.get_string());
    if (auto name = text_at(section, "bucket_name"); !name.empty()) settings.bucket_name = std::move(name);
    settings.bucket_name = replaced(std::move(settings.bucket_name), "{site}", site);
    settings.key_prefix = replaced(text_at(section, "key_prefix"), "{site}", site);
    // One bucket for all of the branch's: their keys must not meet.
    if (!settings.bucket_name.contains("{bucket}") && settings.buckets.size() != 1) settings.key_prefix += "{bucket}/";
    if (text_at(section, "deletes") == "keep") settings.deletes = Deletes::keep;
    if (text_at(section, "versions") == "all") settings.versions = Versions::all;
    if (found.problems.empty()) found.settings = std::move(settings);
    return found;
}

}  // namespace services::objects::replication
