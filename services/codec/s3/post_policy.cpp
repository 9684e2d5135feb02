#include <boost/json/parse.hpp>

#include <algorithm>
#include <charconv>

#include "hal/base/bytes.hpp"
#include "hal/base/error.hpp"
#include "services/codec/s3/canonical.hpp"
#include "services/codec/s3/post_form.hpp"

namespace services::codec::s3 {

namespace json = boost::json;

namespace {

constexpr std::size_t policy_bytes_max = 20 * 1024;  // S3's
constexpr std::size_t conditions_max = 200;

auto invalid(std::string message) { return refuse("InvalidPolicyDocument", 400, "Invalid Policy: " + std::move(message)); }
auto condition_failed(std::string what) { return refuse("AccessDenied", 403, "Invalid according to Policy: " + std::move(what)); }

// Fields that starts-with is not for (S3 "Conditions").
constexpr std::string_view exact_only[] = {"bucket", "x-amz-algorithm", "x-amz-credential", "x-amz-date"};

// Fields of a form that no condition has to name.
bool is_free(std::string_view name) {
    constexpr std::string_view free_names[] = {"policy", "x-amz-signature", "signature", "awsaccesskeyid", "file", "content-encoding",
                                               "x-amz-checksum-algorithm", "x-amz-sdk-checksum-algorithm"};
    return std::ranges::contains(free_names, name) || name.starts_with("x-ignore-") || name.starts_with("x-amz-ignore-") ||
           name.starts_with("x-amz-checksum-") || name.starts_with("x-amz-server-side-encryption");
}

std::optional<std::uint64_t> length_of(const json::value& value) {
    if (const auto* integer = value.if_int64(); integer != nullptr && *integer >= 0) return static_cast<std::uint64_t>(*integer);
    if (const auto* integer = value.if_uint64()) return *integer;
    if (const auto* text = value.if_string()) {
        std::uint64_t number = 0;
        const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
        if (error == std::errc() && end == text->data() + text->size() && !text->empty()) return number;
    }
    return std::nullopt;
}

Expected<void> read_list(PostPolicy& policy, const json::array& list) {
    if (list.size() != 3 || !list[0].is_string()) return invalid("Invalid Condition");
    const auto kind = lower_case(std::string_view(list[0].get_string()));
    if (kind == "content-length-range") {
        const auto least = length_of(list[1]), most = length_of(list[2]);
        if (!least || !most) return invalid("Invalid content-length-range");
        policy.length_range = {*least, *most};
        return {};
    }
    if ((kind != "eq" && kind != "starts-with") || !list[1].is_string() || !list[2].is_string()) return invalid("Invalid Condition");
    const std::string_view field = list[1].get_string();
    if (!field.starts_with('$')) return invalid("Invalid Condition");
    policy.conditions.push_back({kind == "starts-with", lower_case(field.substr(1)), std::string(list[2].get_string())});
    return {};
}

bool holds(const PostPolicy::Condition& condition, std::string_view value) {
    if (!condition.is_prefix) return value == condition.value;
    // A list of content types must match in each entry (S3).
    if (condition.field != "content-type" || !value.contains(',')) return value.starts_with(condition.value);
    for (auto rest = value;;) {
        auto entry = rest.substr(0, rest.find(','));
        const bool is_last = entry.size() == rest.size();
        if (!is_last) rest.remove_prefix(entry.size() + 1);
        while (entry.starts_with(' ')) entry.remove_prefix(1);
        if (!entry.starts_with(condition.value)) return false;
        if (is_last) return true;
    }
}

}  // namespace

Expected<PostPolicy> post_policy(std::string_view base64) {
    if (base64.size() > policy_bytes_max) return invalid("Policy is too large.");
    const auto text = hal::base64_decoded(base64);
    if (!text) return invalid("Invalid Base64 encoding.");
    boost::system::error_code error;
    json::parse_options options;
    options.max_depth = 8;
    const auto value = json::parse(*text, error, {}, options);
    if (error || !value.is_object()) return invalid("Invalid JSON.");

    PostPolicy policy;
    bool has_expiration = false;
    for (const auto& [key, field] : value.get_object()) {
        if (key == "expiration" && field.is_string()) {
            try {
                policy.expiration = hal::parse_rfc3339(std::string(field.get_string()));
            } catch (const hal::Error&) {
                return invalid("Invalid 'expiration' value: '" + std::string(field.get_string()) + "'");
            }
            has_expiration = true;
        } else if (key == "conditions" && field.is_array()) {
            for (const auto& condition : field.get_array()) {
                Expected<void> read;
                if (const auto* list = condition.if_array()) {
                    read = read_list(policy, *list);
                } else if (const auto* object = condition.if_object()) {
                    for (const auto& [name, wanted] : *object) {
                        if (!wanted.is_string()) return invalid("Invalid Simple-Condition: value must be a string");
                        policy.conditions.push_back({false, lower_case(std::string_view(name)), std::string(wanted.get_string())});
                    }
                } else {
                    read = invalid("Invalid Condition");
                }
                if (!read) return std::unexpected(std::move(read.error()));
                if (policy.conditions.size() > conditions_max) return invalid("Too many conditions");
            }
        } else {
            return invalid("Unexpected: '" + std::string(key) + "'");
        }
    }
    if (!has_expiration) return invalid("Policy missing expiration.");
    return policy;
}

Expected<void> check_post_policy(const PostPolicy& policy, const Fields& fields, std::string_view bucket, hal::WallTime now) {
    if (policy.expiration <= now) return condition_failed("Policy expired.");
    const auto value_of = [&](std::string_view name) -> std::string_view {
        if (name == "bucket") return bucket;  // what the path says, whatever the form says
        const auto* value = find_field(fields, name);
        return value != nullptr ? std::string_view(*value) : std::string_view();
    };
    for (const auto& condition : policy.conditions) {
        const std::string text = std::string("[") + (condition.is_prefix ? "starts-with" : "eq") + ", $" + condition.field + ", " + condition.value + "]";
        const bool is_allowed = !condition.is_prefix || !std::ranges::contains(exact_only, std::string_view(condition.field));
        if (!is_allowed || !holds(condition, value_of(condition.field))) return condition_failed("Policy Condition failed: " + text);
    }
    const auto named = [&](std::string_view name) { return std::ranges::contains(policy.conditions, name, &PostPolicy::Condition::field); };
    for (std::size_t i = 0; i < fields.size(); ++i) {
        const auto& name = fields[i].first;
        if (is_free(name)) continue;
        if (!named(name)) return condition_failed("Extra input fields: " + name);
        if (std::ranges::count(fields, name, &Fields::value_type::first) > 1)
            return condition_failed("FormValues have multiple values: " + name);
    }
    if (!named("bucket")) return condition_failed("Extra input fields: bucket");
    return {};
}

Expected<void> check_post_length(const PostPolicy& policy, std::uint64_t bytes) {
    if (!policy.length_range) return {};
    if (bytes < policy.length_range->first)
        return refuse("EntityTooSmall", 400, "Your proposed upload is smaller than the minimum allowed object size.");
    if (bytes > policy.length_range->second) return refuse("EntityTooLarge", 400, "Your proposed upload exceeds the maximum allowed object size.");
    return {};
}

}  // namespace services::codec::s3
