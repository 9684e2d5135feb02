// Secret: its type decides which keys it must hold; stringData becomes data; `immutable` freezes.
#include <array>
#include <string>

#include "hal/base/bytes.hpp"
#include "services/kube/kinds/keyed_data.hpp"
#include "services/kube/kinds/names.hpp"
#include "services/kube/kinds/rules.hpp"
#include "services/kubeclient/object.hpp"

namespace services::kube::kinds {
namespace {

using kubeclient::object_at;
using kubeclient::text;

constexpr std::string_view account_name = "kubernetes.io/service-account.name";

// What a type asks for. `one_of`: any of the keys is enough, and all are named when none is there.
struct TypeRule {
    std::string_view type;
    std::array<std::string_view, 2> keys;
    bool is_one_of = false, must_be_filled = false, is_json = false;
};
constexpr auto type_rules = std::to_array<TypeRule>({
    {.type = "kubernetes.io/dockercfg", .keys = {".dockercfg"}, .is_json = true},
    {.type = "kubernetes.io/dockerconfigjson", .keys = {".dockerconfigjson"}, .is_json = true},
    {.type = "kubernetes.io/basic-auth", .keys = {"username", "password"}, .is_one_of = true},
    {.type = "kubernetes.io/ssh-auth", .keys = {"ssh-privatekey"}, .must_be_filled = true},
    {.type = "kubernetes.io/tls", .keys = {"tls.crt", "tls.key"}},
});

void move_string_data(json::object& object) {
    if (const auto* texts = object.if_contains("stringData"); texts != nullptr && texts->is_object() && !texts->get_object().empty()) {
        auto& data = kubeclient::make_object(object, "data");
        for (const auto& [key, value] : texts->get_object()) data[key] = hal::base64(kubeclient::as_text(value));
    }
    object.erase("stringData");
}

void apply_defaults(json::object& object) {
    if (text(object, "type").empty()) object["type"] = "Opaque";
    move_string_data(object);
}

void prepare_update(json::object& object, const json::object& before) {
    if (text(object, "type").empty()) object["type"] = std::string(text(before, "type"));
}

void check_json(Report& report, const Path& path, const json::value& value) {
    const auto content = hal::base64_decoded(kubeclient::as_text(value)).value_or("");
    constexpr std::string_view redacted = "<secret contents redacted>";
    const auto parsed = schema::parse_json(content);
    if (!parsed) return report.invalid(path, redacted, parsed.error().message);
    if (parsed->is_object() || parsed->is_null()) return;
    const auto* kind = parsed->is_array() ? "array" : parsed->is_string() ? "string" : parsed->is_bool() ? "bool" : "number";
    report.invalid(path, redacted, std::string("json: cannot unmarshal ") + kind + " into Go value of type map[string]interface {}");
}

void check_type(Report& report, const TypeRule& rule, const json::object& data) {
    if (rule.is_one_of && (data.contains(rule.keys[0]) || data.contains(rule.keys[1]))) return;
    for (const auto key : rule.keys) {
        if (key.empty()) continue;
        const auto path = Path("data").key(key);
        const auto* value = data.if_contains(key);
        if (value == nullptr || (rule.must_be_filled && kubeclient::as_text(*value).empty())) report.required(path);
        else if (rule.is_json) check_json(report, path, *value);
    }
}

void check(Report& report, const json::object& object) {
    const auto& data = object_at(object, "data");
    std::size_t size = 0;
    for (const auto& [key, value] : data) {
        report.invalid(Path("data").key(key), key, check_config_key(key));
        size += bytes_in_base64(kubeclient::as_text(value));
    }
    if (size > data_bytes_max) report.too_long(Path("data"), data_bytes_max);
    const auto type = text(object, "type");
    if (type == "kubernetes.io/service-account-token" && kubeclient::annotation(object, account_name).empty())
        report.required(Path("metadata.annotations").key(account_name));
    for (const auto& rule : type_rules)
        if (rule.type == type) check_type(report, rule, data);
}

Causes validate(const json::object& object) {
    Report report;
    check(report, object);
    return report.take();
}

Causes validate_update(const json::object& object, const json::object& before) {
    Report report;
    if (text(object, "type") != text(before, "type")) report.invalid(Path("type"), TypedText{text(object, "type")}, immutable_message);
    check_frozen(report, object, before, std::to_array<std::string_view>({"data"}));
    check(report, object);
    return report.take();
}

// As far as the pair's PEM framing shows that it is none; what lies inside is the reader's to judge.
std::vector<std::string> warnings(const json::object& object) {
    if (text(object, "type") != "kubernetes.io/tls") return {};
    const auto& data = object_at(object, "data");
    const auto holds_pem = [&](std::string_view key) {
        const auto* value = data.if_contains(key);
        return value != nullptr && hal::base64_decoded(kubeclient::as_text(*value)).value_or("").contains("-----BEGIN ");
    };
    if (!holds_pem("tls.crt")) return {"tls: failed to find any PEM data in certificate input"};
    if (!holds_pem("tls.key")) return {"tls: failed to find any PEM data in key input"};
    return {};
}

}  // namespace

const Rules& secret_rules() {
    static constexpr Rules rules{.apply_defaults = apply_defaults,
                                 .prepare_update = prepare_update,
                                 .validate = validate,
                                 .validate_update = validate_update,
                                 .warnings = warnings};
    return rules;
}

}  // namespace services::kube::kinds
