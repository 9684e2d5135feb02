// What the decoders say of what is wrong, in the real server's words, and what they make of what is absent.
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <catch2/catch_test_macros.hpp>

#include <filesystem>
#include <fstream>
#include <string>

#include "services/kube/schema/schema.hpp"

using namespace services::kube::schema;

namespace {

const Type& pod() { return *type_of({"", "v1", "Pod"}); }

std::string error_of(std::string_view kind, std::string_view text) {
    const auto* type = type_of({kind == "Lease" ? "coordination.k8s.io" : "", "v1", std::string(kind)});
    const auto out = decode_json(*type, text);
    return out ? "" : out.error().message;
}

std::string nested(std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); }

}  // namespace

TEST_CASE("unknown and duplicate fields are named by their path, in the order found") {
    const auto out = decode_json(pod(), R"({"spec":{"containers":[{"name":"a","imagee":"x"}],"nope":1}})");
    REQUIRE(out);
    CHECK(out->unknown_fields == std::vector<std::string>{R"(unknown field "spec.containers[0].imagee")", R"(unknown field "spec.nope")"});
    const auto twice = decode_json(*type_of({"", "v1", "ConfigMap"}), R"({"metadata":{"name":"a","name":"b"},"data":{"a":"1","a":"2"}})");
    REQUIRE(twice);
    CHECK(twice->strict_errors == std::vector<std::string>{R"(duplicate field "metadata.name")", R"(duplicate field "data.a")"});
}

TEST_CASE("a wrong type is refused with the words of the real server") {
    CHECK(error_of("Pod", R"({"spec":{"containers":[{"env":[{"name":"a","value":1}]}]}})") ==
          "json: cannot unmarshal number into Go struct field EnvVar.spec.containers.env.value of type string");
    CHECK(error_of("Secret", R"({"data":{"a":"abc!"}})") == "illegal base64 data at input byte 3");
    CHECK(error_of("ConfigMap", R"({"metadata":{"creationTimestamp":"bad"}})") ==
          R"(parsing time "bad" as "2006-01-02T15:04:05Z07:00": cannot parse "bad" as "2006")");
    CHECK(error_of("Lease", R"({"spec":{"renewTime":"yesterday"}})") ==
          R"(parsing time "yesterday" as "2006-01-02T15:04:05.000000Z07:00": cannot parse "yesterday" as "2006")");
    CHECK(error_of("Pod", "{\"spec\":") == "unexpected end of JSON input");
    CHECK(error_of("Pod", "x") == "invalid character 'x' looking for beginning of value");
}

TEST_CASE("recorded refusals of bodies are worded alike") {
    const std::filesystem::path folder(RECORDINGS);
    if (!std::filesystem::is_directory(folder)) SKIP("the recordings are not beside the tests");
    std::size_t compared = 0;
    for (const char* theme : {"validation", "http-errors"}) {
        std::ifstream in(folder / (std::string(theme) + ".jsonl"));
        for (std::string line; std::getline(in, line);) {
            const auto step = json::parse(line);
            const auto& input = step.at("input").as_object();
            if (input.at("type") != "http" || !step.at("expect").as_object().contains("body")) continue;
            const auto* message = step.at("expect").at("body").is_object() ? step.at("expect").at("body").as_object().if_contains("message") : nullptr;
            const auto* body = input.at("request").as_object().if_contains("body");
            if (message == nullptr || body == nullptr || !message->is_string()) continue;
            const std::string_view said = message->get_string();
            const auto cut = said.find(" cannot be handled as a ");
            if (cut == said.npos || said.contains("unknown conversion")) continue;  // the latter is found after decoding
            std::string want(said.substr(said.find(": ", cut) + 2));
            // The recordings' placeholders swallow the head of Go's time layout.
            for (const auto& [placeholder, layout] : {std::pair{"<time>07:00", "2006-01-02T15:04:05Z07:00"}, {"<microtime>07:00", "2006-01-02T15:04:05.000000Z07:00"}})
                if (const auto at = want.find(placeholder); at != want.npos) want.replace(at, std::string_view(placeholder).size(), layout);
            const std::string text = body->is_string() ? std::string(body->get_string()) : json::serialize(*body);
            const auto head = parse_json(text);
            if (!head || !head->is_object()) continue;
            const std::string api_version(head->at("apiVersion").as_string());
            const auto slash = api_version.find('/');
            const Type* type = type_of({slash == api_version.npos ? "" : api_version.substr(0, slash),
                                        slash == api_version.npos ? api_version : api_version.substr(slash + 1), std::string(head->at("kind").as_string())});
            if (type == nullptr) continue;
            INFO(step.at("id"));
            const auto decoded = decode_json(*type, text);
            std::string have;
            if (!decoded) {
                have = decoded.error().message;
            } else {
                for (const auto& error : decoded->strict_errors) have += (have.empty() ? "strict decoding error: " : ", ") + error;
            }
            CHECK(have == want);
            ++compared;
        }
    }
    CHECK(compared >= 12);
}

TEST_CASE("quantities are written in their canonical form") {
    for (const auto& [written, canonical] : {std::pair{"1000m", "1"}, {"0.5", "500m"}, {"1024Mi", "1Gi"}, {"1e3", "1e3"}, {"512", "512"},
                                            {"0.1Gi", "107374182400m"}, {"1.5Gi", "1536Mi"}, {"-1", "-1"}, {"0", "0"}, {"1000k", "1M"}})
        CHECK(canonical_quantity(written) == canonical);
    CHECK(canonical_quantity("1x").error().message.starts_with("quantities must match the regular expression"));
    CHECK(canonical_quantity("1kk").error().message == "unable to parse quantity's suffix");
}

TEST_CASE("absent, null and empty fields become what Go writes, maps by their keys' order") {
    const auto out = decode_json(pod(), R"({"metadata":{"labels":{"b":"2","a":"1"}},"spec":{"containers":[{"name":"a","args":[],"command":null}],"hostNetwork":false}})");
    REQUIRE(out);
    const auto& spec = out->object.at("spec").as_object();
    CHECK_FALSE(spec.contains("hostNetwork"));
    const auto& container = spec.at("containers").at(0).as_object();
    CHECK_FALSE(container.contains("args"));
    CHECK(container.at("resources").as_object().empty());
    CHECK(json::serialize(out->object.at("metadata").at("labels")) == R"({"a":"1","b":"2"})");
}

TEST_CASE("an empty list of managedFields is not lost, for it ends the tracking") {
    const auto out = decode_json(pod(), R"({"metadata":{"managedFields":[]}})");
    REQUIRE(out);
    CHECK(json::serialize(out->object.at("metadata").at("managedFields")) == "[{}]");
    CHECK_FALSE(decode_json(pod(), R"({"metadata":{"managedFields":null}})")->object.at("metadata").as_object().contains("managedFields"));
}

TEST_CASE("YAML words are what YAML 1.1 says") {
    const auto out = parse_yaml("a: yes\nb: 'yes'\nc: 0777\nd: 1.50\ne: ~\n1: x\nf: &x {g: 1}\nh: {<<: *x, i: 2}\n");
    REQUIRE(out);
    CHECK(out->at("a") == true);
    CHECK(out->at("b") == "yes");
    CHECK(out->at("c") == 511);
    CHECK(out->at("d") == 1.5);
    CHECK(out->at("e").is_null());
    CHECK(out->at("1") == "x");
    CHECK(out->at("h").at("g") == 1);
}

TEST_CASE("nesting ends at ten thousand, as the real decoder's does") {
    const auto unknown = [](std::size_t depth) { return R"({"unknown":)" + nested(depth) + "}"; };
    CHECK(decode_json(pod(), unknown(9'999)).has_value());
    CHECK(decode_json(pod(), unknown(10'000)).error().message == "exceeded max depth");
    // What is kept as it is, and YAML, is walked by recursion and ends earlier.
    CHECK(parse_json(nested(1'000)).has_value());
    CHECK_FALSE(parse_json(nested(1'001)).has_value());
    CHECK(parse_yaml("a: " + nested(400)).has_value());
    CHECK_FALSE(parse_yaml("a: " + nested(1'000)).has_value());
    const auto around = [](std::string_view inner) { return std::string(400, '[') + std::string(inner) + std::string(400, ']'); };
    const std::string twice = "a: &a " + nested(400) + "\nb: &b " + around("*a") + "\n";
    CHECK(parse_yaml(twice).has_value());
    CHECK_FALSE(parse_yaml(twice + "c: " + around("*b") + "\n").has_value());
}

TEST_CASE("protobuf refuses a known member of another wire type, and skips unknown ones") {
    const auto& type = *type_of({"", "v1", "ConfigMap"});
    const auto stamped = [&](std::string_view time) {  // metadata = 1, creationTimestamp = 8
        const std::string metadata = std::string("\x42") + static_cast<char>(time.size()) + std::string(time);
        return decode_protobuf(type, std::string("\x0a") + static_cast<char>(metadata.size()) + metadata);
    };
    REQUIRE(stamped("\x08\x05").has_value());
    CHECK(stamped("\x08\x05")->object.at("metadata").at("creationTimestamp") == "1970-01-01T00:00:05Z");
    CHECK(stamped("\x08\x05\x1a\x01x").has_value());
    CHECK_FALSE(stamped("\x0a\x01x").has_value());
}

TEST_CASE("options are known in every group version") {
    for (const char* kind : {"CreateOptions", "DeleteOptions", "GetOptions", "ListOptions", "PatchOptions", "UpdateOptions", "Status"}) {
        CHECK(type_of({"apps", "v1", kind}) != nullptr);
        CHECK(type_of({"", "v1", kind}) != nullptr);
    }
}

TEST_CASE("OpenAPI documents inflate to JSON") {
    CHECK(parse_json(openapi_index()));
    const auto document = parse_json(openapi_document("api/v1"));
    REQUIRE(document);
    CHECK(document->at("components").at("schemas").as_object().contains("io.k8s.api.core.v1.Pod"));
    CHECK_FALSE(openapi_document("apis/autoscaling/v1").empty());
    CHECK(openapi_document("apis/none/v1").empty());
}
