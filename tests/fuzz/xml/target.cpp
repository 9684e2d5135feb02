// A body given to the XML reader and to every reader of S3's documents; what the reader accepts is walked whole, and what
// the writers write from it must read back.
#include <cstdint>
#include <cstdlib>

#include "services/codec/s3/cors.hpp"
#include "services/codec/s3/documents.hpp"
#include "services/codec/s3/lifecycle.hpp"
#include "services/codec/s3/notification.hpp"
#include "services/codec/s3/tagging.hpp"
#include "services/codec/xml/reader.hpp"
#include "services/codec/xml/writer.hpp"

namespace {

std::size_t walked(services::codec::xml::Element element) {
    std::size_t bytes = element.name().size() + element.text().size() + element.attribute("a").size();
    for (auto child = element.first(); child; child = child.next()) bytes += walked(child);
    return bytes;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace services::codec::s3;
    namespace xml = services::codec::xml;
    const std::string body(reinterpret_cast<const char*>(data), size);
    if (const auto document = xml::Document::parse(body)) {
        (void)walked(document->root());
        xml::Writer writer;
        writer.open("a");
        writer.element("b", document->root().text());
        writer.close();
        const auto again = xml::Document::parse(writer.finish());
        if (!again || again->root().child_text("b") != document->root().text()) std::abort();
    }
    (void)delete_request(body);
    (void)completed_parts(body);
    if (const auto versioning = versioning_configuration(body)) {
        (void)versioning->excludes("a/b/");
        if (!versioning_configuration(versioning_xml(*versioning))) std::abort();
    }
    (void)create_bucket_location(body);
    (void)bucket_encryption(body);
    if (const auto tags = tags_from_xml(body, bucket_tags_max))
        if (tags_from_xml(tags_xml(*tags), bucket_tags_max).value_or(Tags()) != *tags) std::abort();
    if (const auto rules = cors_rules(body))
        if (!cors_rules(cors_xml(*rules))) std::abort();
    if (const auto rules = lifecycle_rules(body))
        if (!lifecycle_rules(lifecycle_xml(*rules))) std::abort();
    const std::string arns[] = {"arn:minio:sqs::primary:webhook"};
    if (const auto rules = notification_rules(body, arns))
        if (!notification_rules(notification_xml(*rules), arns)) std::abort();
    return 0;
}
