// Patches that the real server was sent, applied to what it answered before them.
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <catch2/catch_test_macros.hpp>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>

#include "services/kube/schema/patch.hpp"
#include "services/kube/schema/strategic_merge.hpp"

using namespace services::kube::schema;

namespace {

// What the server itself writes beside a patch.
json::object comparable(json::object object) {
    object.erase("status");
    auto& metadata = object.at("metadata").as_object();
    for (const char* key : {"managedFields", "resourceVersion", "generation", "uid", "creationTimestamp"}) metadata.erase(key);
    if (auto* annotations = metadata.if_contains("annotations")) {
        annotations->as_object().erase("deployment.kubernetes.io/revision");
        if (annotations->as_object().empty()) metadata.erase("annotations");
    }
    return object;
}

// Placeholders that stand where the table wants a time.
std::string with_values(std::string line) {
    for (std::size_t at = 0; (at = line.find("\"<time>\"", at)) != std::string::npos;) line.replace(at, 8, "\"2026-01-01T00:00:00Z\"");
    return line;
}

std::string text_of(const json::value& body) { return body.is_string() ? std::string(body.get_string()) : json::serialize(body); }

}  // namespace

// Where the server did more than patch: it defaulted, a controller wrote in between, or the write was to a subresource.
const std::set<std::string> others{
    "apply/managedfields-misc/14", "apply/managedfields-misc/15", "crud/lease/6", "crud/lease/7", "updates/hpa/4", "updates/pod/7",
    "updates/pod/11", "updates/pod/14", "updates/pod/15", "updates/pod/16", "updates/service/4", "updates/service/6", "updates/service/7",
    "updates/service/10", "apply/strategic-service/5"};

TEST_CASE("recorded patches give what the real server answered") {
    const std::filesystem::path folder(RECORDINGS);
    if (!std::filesystem::is_directory(folder)) SKIP("the recordings are not beside the tests");
    std::map<std::string, json::object> last;
    std::map<std::string, std::size_t> compared;
    for (const char* theme : {"crud", "updates", "apply"}) {
        std::ifstream in(folder / (std::string(theme) + ".jsonl"));
        for (std::string line; std::getline(in, line);) {
            const auto step = json::parse(with_values(line));
            const auto& input = step.at("input").as_object();
            if (input.at("type") != "http") continue;
            const auto& request = input.at("request").as_object();
            const auto& expect = step.at("expect").as_object();
            const auto* body = expect.if_contains("body");
            if (body == nullptr || !body->is_object() || !body->as_object().contains("metadata")) continue;
            const auto* uid = body->at("metadata").as_object().if_contains("uid");
            if (uid == nullptr || line.find("\"loose\"") != std::string::npos) continue;
            const std::string kind(body->at("kind").as_string()), api_version(body->at("apiVersion").as_string());
            const std::string name = std::string(step.at("ns").as_string()) + kind + std::string(uid->as_string());
            const std::string path(request.at("path").as_string());
            const bool is_dry = path.find("dryRun") != std::string::npos;
            const auto slash = api_version.find('/');
            const Type* type = slash == std::string::npos ? type_of({"", api_version, kind})
                                                          : type_of({api_version.substr(0, slash), api_version.substr(slash + 1), kind});
            const auto* headers = request.if_contains("headers");
            const auto* media = headers == nullptr ? nullptr : headers->as_object().if_contains("Content-Type");
            if (type != nullptr && request.at("method") == "PATCH" && media != nullptr && media->is_string() && last.contains(name) &&
                line.find("${") == std::string::npos) {
                const std::string text = text_of(request.at("body"));
                const std::string_view form = media->get_string();
                std::expected<json::object, PatchError> result;
                if (form == "application/json-patch+json") result = json_patch(last.at(name), text);
                else if (form == "application/merge-patch+json") result = json_merge_patch(last.at(name), text);
                else if (form == "application/strategic-merge-patch+json") result = strategic_merge(*type, last.at(name), json::parse(text).as_object());
                else result = std::unexpected(PatchError{});
                INFO(step.at("id"));
                if (form.find("apply") == form.npos && !others.contains(std::string(step.at("id").as_string()))) {
                    REQUIRE(result.has_value());
                    CHECK(normalise(*type, *result).empty());
                    CHECK(json::serialize(comparable(*result)) == json::serialize(comparable(body->as_object())));
                    ++compared[std::string(form)];
                }
            }
            if (!is_dry && type != nullptr) last[name] = body->as_object();
        }
    }
    CHECK(compared["application/merge-patch+json"] > 80);
    CHECK(compared["application/strategic-merge-patch+json"] >= 3);
}
