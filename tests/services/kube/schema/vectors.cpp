// Kubernetes' own round-trip vectors (k8s.io/api testdata): every kind with every field filled, as JSON, YAML and protobuf.
#include <catch2/catch_test_macros.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "services/kube/schema/schema.hpp"

using namespace services::kube::schema;
namespace json = boost::json;

namespace {

std::string read(const std::filesystem::path& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

TEST_CASE("every vector decodes to the same object from JSON, YAML and protobuf") {
    const char* cache = std::getenv("GOMODCACHE");
    const std::filesystem::path folder = std::filesystem::path(cache ? cache : "") / "k8s.io/api@v0.37.2/testdata/HEAD";
    if (!cache || !std::filesystem::is_directory(folder)) SKIP("the module k8s.io/api v0.37.2 is not in the Go module cache");
    std::size_t compared = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
        if (entry.path().extension() != ".json") continue;
        const std::string text = read(entry.path());
        const auto head = parse_json(text);
        REQUIRE(head.has_value());
        if (!head->as_object().contains("apiVersion")) continue;  // WatchEvent has no TypeMeta
        const std::string api_version(head->at("apiVersion").as_string());
        const auto slash = api_version.find('/');
        GroupVersionKind kind{slash == api_version.npos ? "" : api_version.substr(0, slash),
                              slash == api_version.npos ? api_version : api_version.substr(slash + 1),
                              std::string(head->at("kind").as_string())};
        const Type* type = type_of(kind);
        if (!type) continue;  // a group version that 1.37 does not serve
        INFO(entry.path().filename().string());
        const auto from_json = decode_json(*type, text);
        CHECK(from_json.has_value());
        const auto from_yaml = decode_yaml(*type, read(std::filesystem::path(entry.path()).replace_extension(".yaml")));
        CHECK(from_yaml.has_value());
        const std::string bytes = read(std::filesystem::path(entry.path()).replace_extension(".pb"));
        const auto envelope = open_envelope(bytes);
        CHECK(envelope.has_value());
        if (!from_json || !from_yaml || !envelope) continue;
        CHECK(from_json->unknown_fields.empty());
        CHECK((from_json->object == from_yaml->object));
        auto from_protobuf = decode_protobuf(*type, envelope->raw);
        CHECK(from_protobuf.has_value());
        if (!from_protobuf) continue;
        auto expected = from_json->object;
        for (const char* key : {"apiVersion", "kind"}) {
            expected.erase(key);
            from_protobuf->object.erase(key);
        }
        CHECK((from_protobuf->object == expected));
        ++compared;
    }
    CHECK(compared == 192);
}
