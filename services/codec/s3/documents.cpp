#include "services/codec/s3/documents.hpp"

#include <algorithm>
#include <charconv>

#include "services/codec/s3/policy.hpp"
#include "services/codec/xml/writer.hpp"

namespace services::codec::s3 {

namespace {

constexpr std::string_view xmlns = "http://s3.amazonaws.com/doc/2006-03-01/";

std::string_view unquoted(std::string_view etag) {
    if (etag.size() >= 2 && etag.starts_with('"') && etag.ends_with('"')) return etag.substr(1, etag.size() - 2);
    return etag;
}

}  // namespace

Refusal malformed_xml() {
    return {"MalformedXML", 400, "The XML you provided was not well-formed or did not validate against our published schema."};
}

Expected<xml::Document> xml_document(std::string body, std::string_view root) {
    auto document = xml::Document::parse(std::move(body));
    if (!document || document->root().name() != root) return std::unexpected(malformed_xml());
    return std::move(*document);
}

Expected<DeleteRequest> delete_request(std::string body) {
    const auto document = xml_document(std::move(body), "Delete");
    if (!document) return std::unexpected(document.error());
    DeleteRequest request;
    for (auto element = document->root().first(); element; element = element.next()) {
        if (element.name() == "Quiet") request.is_quiet = element.text() == "true" || element.text() == "True" || element.text() == "1";
        if (element.name() != "Object") continue;
        if (!element.child("Key") || request.targets.size() >= delete_objects_max) return std::unexpected(malformed_xml());
        request.targets.push_back({std::string(element.child_text("Key")), std::string(element.child_text("VersionId"))});
    }
    if (request.targets.empty()) return std::unexpected(malformed_xml());
    return request;
}

Expected<std::vector<CompletedPart>> completed_parts(std::string body) {
    const auto document = xml_document(std::move(body), "CompleteMultipartUpload");
    if (!document) return std::unexpected(document.error());
    std::vector<CompletedPart> parts;
    for (auto element = document->root().first(); element; element = element.next()) {
        if (element.name() != "Part") continue;
        CompletedPart part;
        const auto number = element.child_text("PartNumber");
        const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), part.number);
        if (error != std::errc() || end != number.data() + number.size() || parts.size() >= part_number_max) return std::unexpected(malformed_xml());
        if (part.number < 1 || part.number > part_number_max)
            return refuse("InvalidArgument", 400, "Part number must be an integer between 1 and 10000, inclusive");
        if (!parts.empty() && part.number <= parts.back().number)
            return refuse("InvalidPartOrder", 400,
                          "The list of parts was not in ascending order. The parts list must be specified in order by part number.");
        part.etag = unquoted(element.child_text("ETag"));
        for (const auto& row : checksums()) {
            if (!element.child(row.element)) continue;
            part.checksum_algorithm = row.algorithm;
            part.checksum = element.child_text(row.element);
        }
        parts.push_back(std::move(part));
    }
    if (parts.empty()) return std::unexpected(malformed_xml());
    return parts;
}

bool VersioningConfiguration::excludes(std::string_view key) const {
    if (excludes_folders && key.ends_with('/')) return true;
    return std::ranges::any_of(excluded_prefixes, [&](const auto& prefix) { return wildcard_matches(prefix + "*", key); });
}

Expected<VersioningConfiguration> versioning_configuration(std::string body) {
    const auto document = xml_document(std::move(body), "VersioningConfiguration");
    if (!document) return std::unexpected(document.error());
    const auto refused = [](std::string message) { return refuse("IllegalVersioningConfigurationException", 400, std::move(message)); };
    VersioningConfiguration configuration;
    const auto root = document->root();
    const auto status = root.child_text("Status");
    if (status != "Enabled" && status != "Suspended") return refused("The versioning configuration specified in the request is invalid.");
    configuration.status = status == "Enabled" ? Versioning::enabled : Versioning::suspended;
    configuration.excludes_folders = root.child_text("ExcludeFolders") == "true";
    for (auto element = root.first(); element; element = element.next())
        if (element.name() == "ExcludedPrefixes")
            for (auto prefix = element.first(); prefix; prefix = prefix.next())
                if (prefix.name() == "Prefix") configuration.excluded_prefixes.emplace_back(prefix.text());
    if (configuration.status != Versioning::enabled && configuration.has_exclusions())
        return refused("excluded prefixes extension supported only when versioning is enabled");
    if (configuration.excluded_prefixes.size() > excluded_prefixes_max) return refused("too many excluded prefixes");
    return configuration;
}

std::string versioning_xml(const VersioningConfiguration& versioning) {
    xml::Writer writer;
    writer.open("VersioningConfiguration", "xmlns", xmlns);
    if (versioning.status != Versioning::never) writer.element("Status", versioning.status == Versioning::enabled ? "Enabled" : "Suspended");
    for (const auto& prefix : versioning.excluded_prefixes) {
        writer.open("ExcludedPrefixes");
        writer.element("Prefix", prefix);
        writer.close();
    }
    if (versioning.excludes_folders) writer.element("ExcludeFolders", true);
    writer.close();
    return writer.finish();
}

Expected<std::string> create_bucket_location(std::string body) {
    if (std::ranges::all_of(body, [](char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; })) return std::string();
    const auto document = xml_document(std::move(body), "CreateBucketConfiguration");
    if (!document) return std::unexpected(document.error());
    auto location = document->root().child("LocationConstraint");
    if (!location) location = document->root().child("Location");
    return std::string(location.text());
}

Expected<BucketEncryption> bucket_encryption(std::string body) {
    const auto document = xml_document(std::move(body), "ServerSideEncryptionConfiguration");
    if (!document) return std::unexpected(document.error());
    const auto rule = document->root().child("Rule");
    if (!rule || rule.next().name() == "Rule") return std::unexpected(malformed_xml());
    const auto by_default = rule.child("ApplyServerSideEncryptionByDefault");
    BucketEncryption encryption{std::string(by_default.child_text("SSEAlgorithm")), std::string(by_default.child_text("KMSMasterKeyID"))};
    const bool is_kms = encryption.algorithm == "aws:kms";
    if ((!is_kms && encryption.algorithm != "AES256") || (!is_kms && !encryption.kms_key_id.empty())) return std::unexpected(malformed_xml());
    return encryption;
}

std::string bucket_encryption_xml(const BucketEncryption& encryption) {
    xml::Writer writer;
    writer.open("ServerSideEncryptionConfiguration", "xmlns", xmlns);
    writer.open("Rule");
    writer.open("ApplyServerSideEncryptionByDefault");
    writer.element("SSEAlgorithm", encryption.algorithm);
    if (!encryption.kms_key_id.empty()) writer.element("KMSMasterKeyID", encryption.kms_key_id);
    writer.close();
    writer.close();
    writer.close();
    return writer.finish();
}

}  // namespace services::codec::s3
