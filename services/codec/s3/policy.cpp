#include "services/codec/s3/policy.hpp"

#include <boost/json/parse.hpp>

#include <algorithm>

#include "services/codec/s3/condition.hpp"

namespace services::codec::s3 {

namespace json = boost::json;

struct Statement {
    bool is_deny = false;
    bool has_principal = false;
    std::vector<std::string> principals;  // patterns: access keys, user ARNs, "*"
    std::vector<std::string> actions, not_actions;
    std::vector<std::string> resources, not_resources;  // without "arn:aws:s3:::"
    std::vector<Condition> conditions;
};

namespace {

constexpr std::string_view arn_prefix = "arn:aws:s3:::";
constexpr std::size_t entries_max = 1000;  // of a list in a statement
constexpr unsigned depth_max = 16;

// What an S3 action is asked about: decides which resources a statement must name. MinIO's list.
struct ActionRow {
    std::string_view name;
    bool is_about_object;
};
constexpr ActionRow actions[] = {
    {"s3:AbortMultipartUpload", true},
    {"s3:BypassGovernanceRetention", true},
    {"s3:CreateBucket", false},
    {"s3:DeleteBucket", false},
    {"s3:DeleteBucketCors", false},
    {"s3:DeleteBucketPolicy", false},
    {"s3:DeleteObject", true},
    {"s3:DeleteObjectTagging", true},
    {"s3:DeleteObjectVersion", true},
    {"s3:DeleteObjectVersionTagging", true},
    {"s3:ForceDeleteBucket", false},
    {"s3:GetBucketCORS", false},
    {"s3:GetBucketCors", false},
    {"s3:GetBucketLocation", false},
    {"s3:GetBucketNotification", false},
    {"s3:GetBucketObjectLockConfiguration", false},
    {"s3:GetBucketPolicy", false},
    {"s3:GetBucketPolicyStatus", false},
    {"s3:GetBucketTagging", false},
    {"s3:GetBucketVersioning", false},
    {"s3:GetEncryptionConfiguration", false},
    {"s3:GetLifecycleConfiguration", false},
    {"s3:GetObject", true},
    {"s3:GetObjectAttributes", true},
    {"s3:GetObjectLegalHold", true},
    {"s3:GetObjectRetention", true},
    {"s3:GetObjectTagging", true},
    {"s3:GetObjectVersion", true},
    {"s3:GetObjectVersionAttributes", true},
    {"s3:GetObjectVersionForReplication", true},
    {"s3:GetObjectVersionTagging", true},
    {"s3:GetReplicationConfiguration", false},
    {"s3:HeadBucket", false},
    {"s3:ListAllMyBuckets", false},
    {"s3:ListBucket", false},
    {"s3:ListBucketMultipartUploads", false},
    {"s3:ListBucketVersions", false},
    {"s3:ListenBucketNotification", false},
    {"s3:ListenNotification", false},
    {"s3:ListMultipartUploadParts", true},
    {"s3:PutBucketCORS", false},
    {"s3:PutBucketCors", false},
    {"s3:PutBucketNotification", false},
    {"s3:PutBucketObjectLockConfiguration", false},
    {"s3:PutBucketPolicy", false},
    {"s3:PutBucketTagging", false},
    {"s3:PutBucketVersioning", false},
    {"s3:PutEncryptionConfiguration", false},
    {"s3:PutLifecycleConfiguration", false},
    {"s3:PutObject", true},
    {"s3:PutObjectFanOut", true},
    {"s3:PutObjectLegalHold", true},
    {"s3:PutObjectRetention", true},
    {"s3:PutObjectTagging", true},
    {"s3:PutObjectVersionTagging", true},
    {"s3:PutReplicationConfiguration", false},
    {"s3:ReplicateDelete", true},
    {"s3:ReplicateObject", true},
    {"s3:ReplicateTags", true},
    {"s3:ResetBucketReplicationState", false},
    {"s3:RestoreObject", true},
};

auto malformed(std::string message) { return refuse("MalformedPolicy", 400, std::move(message)); }

// Actions of other services have no resources.
bool is_without_resource(std::string_view action) { return action.starts_with("admin:") || action.starts_with("kms:") || action.starts_with("sts:"); }

bool is_supported(std::string_view pattern) {
    if (pattern == "*" || is_without_resource(pattern)) return true;
    return std::ranges::any_of(actions, [&](const auto& row) { return wildcard_matches(pattern, row.name); });
}

// A string or a list of them.
std::optional<std::vector<std::string>> strings_of(const json::value& value) {
    std::vector<std::string> result;
    if (const auto* one = value.if_string()) {
        result.emplace_back(*one);
        return result;
    }
    const auto* list = value.if_array();
    if (list == nullptr || list->empty() || list->size() > entries_max) return std::nullopt;
    for (const auto& entry : *list) {
        const auto* text = entry.if_string();
        if (text == nullptr) return std::nullopt;
        result.emplace_back(*text);
    }
    return result;
}

Expected<void> read_principal(Statement& statement, const json::value& value) {
    statement.has_principal = true;
    const json::value* list = &value;
    if (const auto* object = value.if_object()) {
        list = object->if_contains("AWS");
        if (list == nullptr || object->size() != 1) return malformed("invalid principal");
    } else if (value.is_array()) {
        return malformed("invalid principal");
    }
    auto names = strings_of(*list);
    if (!names) return malformed("invalid principal");
    if (value.is_string() && names->front() != "*") return malformed("invalid principal");
    statement.principals = std::move(*names);
    return {};
}

Expected<void> read_actions(std::vector<std::string>& to, const json::value& value, std::string_view what) {
    auto names = strings_of(value);
    if (!names) return malformed(std::string(what) + " must not be empty");
    for (const auto& name : *names)
        if (!is_supported(name)) return malformed("unsupported action '" + name + "'");
    to = std::move(*names);
    return {};
}

Expected<void> read_resources(std::vector<std::string>& to, const json::value& value) {
    auto names = strings_of(value);
    if (!names) return malformed("Resource must not be empty");
    for (auto& name : *names) {
        if (name == "*") {
            to.push_back(name);
            continue;
        }
        if (!name.starts_with(arn_prefix) || name.size() == arn_prefix.size() || name[arn_prefix.size()] == '/')
            return malformed("invalid resource '" + name + "'");
        to.push_back(name.substr(arn_prefix.size()));
    }
    return {};
}

Expected<Statement> read_statement(const json::value& value) {
    const auto* object = value.if_object();
    if (object == nullptr) return malformed("Statement must be an object");
    Statement statement;
    bool has_effect = false;
    for (const auto& [key, field] : *object) {
        const std::string_view name = key;
        Expected<void> read;
        if (name == "Sid") {
            if (!field.is_string()) read = malformed("Sid must be a string");
        } else if (name == "Effect") {
            const auto* effect = field.if_string();
            if (effect == nullptr || (*effect != "Allow" && *effect != "Deny"))
                read = malformed("invalid Effect '" + (effect != nullptr ? std::string(*effect) : std::string()) + "'");
            has_effect = true;
            statement.is_deny = effect != nullptr && *effect == "Deny";
        } else if (name == "Principal") {
            read = read_principal(statement, field);
        } else if (name == "Action") {
            read = read_actions(statement.actions, field, "Action");
        } else if (name == "NotAction") {
            read = read_actions(statement.not_actions, field, "NotAction");
        } else if (name == "Resource") {
            read = read_resources(statement.resources, field);
        } else if (name == "NotResource") {
            read = read_resources(statement.not_resources, field);
        } else if (name == "Condition") {
            auto conditions = read_conditions(field);
            if (conditions)
                statement.conditions = std::move(*conditions);
            else
                read = malformed(std::move(conditions.error()));
        } else {
            read = malformed("json: unknown field \"" + std::string(name) + "\"");
        }
        if (!read) return std::unexpected(std::move(read.error()));
    }
    if (!has_effect) return malformed("invalid Effect ''");
    if (statement.actions.empty() == statement.not_actions.empty()) return malformed("Action must not be empty");
    if (!statement.resources.empty() && !statement.not_resources.empty()) return malformed("Resource and NotResource are mutually exclusive");
    return statement;
}

bool names_object(std::string_view resource) { return resource.contains('/') || resource.contains('*'); }
bool names_bucket(std::string_view resource) { return !resource.contains('/') || resource.find('*') < resource.find('/'); }

// Each action must find a resource of its kind (MinIO's rule, which catches "ListBucket on bucket/*").
Expected<void> check_resources(const Statement& statement) {
    const bool is_admin = std::ranges::all_of(statement.actions, is_without_resource) && !statement.actions.empty();
    if (statement.resources.empty() && statement.not_resources.empty()) {
        if (is_admin) return {};
        return malformed("Resource must not be empty");
    }
    if (statement.resources.empty()) return {};
    for (const auto& action : statement.actions) {
        if (action.contains('*') || action.contains('?') || is_without_resource(action)) continue;
        const auto* row = std::ranges::find(actions, std::string_view(action), &ActionRow::name);
        if (row == std::end(actions)) continue;
        const bool fits = std::ranges::any_of(statement.resources, row->is_about_object ? names_object : names_bucket);
        if (!fits) return malformed("unsupported Resource found " + std::string(arn_prefix) + statement.resources.front() + " for action " + action);
    }
    return {};
}

// The bucket part of each resource must be the bucket itself.
Expected<void> check_bucket(const Statement& statement, std::string_view bucket) {
    for (const auto* list : {&statement.resources, &statement.not_resources})
        for (const auto& resource : *list)
            if (!wildcard_matches(std::string_view(resource).substr(0, resource.find('/')), bucket)) return malformed("bucket name does not match");
    return {};
}

Expected<std::vector<Statement>> read_policy(std::string_view text) {
    if (text.size() > policy_bytes_max) return malformed("Policy exceeds the maximum allowed document size.");
    boost::system::error_code error;
    json::parse_options options;
    options.max_depth = depth_max;
    const auto value = json::parse(text, error, {}, options);
    if (error) return malformed("Policies must be valid JSON and the first byte must be '{'");
    const auto* object = value.if_object();
    if (object == nullptr) return malformed("Policies must be valid JSON and the first byte must be '{'");
    std::vector<Statement> statements;
    for (const auto& [key, field] : *object) {
        const std::string_view name = key;
        if (name == "Version") {
            const auto* version = field.if_string();
            if (version == nullptr || (*version != "2012-10-17" && *version != "2008-10-17" && !version->empty()))
                return malformed("invalid Version '" + (version != nullptr ? std::string(*version) : std::string()) + "'");
        } else if (name == "Statement") {
            const auto* list = field.if_array();
            const std::size_t count = list != nullptr ? list->size() : 1;
            if (count > policy_statements_max) return malformed("too many statements");
            for (std::size_t i = 0; i < count; ++i) {
                auto statement = read_statement(list != nullptr ? (*list)[i] : field);
                if (!statement) return std::unexpected(std::move(statement.error()));
                statements.push_back(std::move(*statement));
            }
        } else if (name != "Id" && name != "ID") {
            return malformed("json: unknown field \"" + std::string(name) + "\"");
        }
    }
    return statements;
}

bool names_user(std::string_view pattern, std::string_view user) {
    if (pattern == "*") return true;
    if (user.empty()) return false;  // anonymous is nobody else
    constexpr std::string_view arn = "arn:aws:iam:";
    if (pattern.starts_with(arn)) {
        const auto name = pattern.find(":user/");
        return name != std::string_view::npos && wildcard_matches(pattern.substr(name + 6), user);
    }
    return wildcard_matches(pattern, user);
}

bool names_action(const std::vector<std::string>& patterns, std::string_view action) {
    return std::ranges::any_of(patterns, [&](std::string_view pattern) {
        // Who may read any version may read the latest.
        return wildcard_matches(pattern, action) || (pattern == "s3:GetObjectVersion" && action == "s3:GetObject");
    });
}

bool names_resource(const std::vector<std::string>& patterns, const Ask& ask) {
    std::string resource(ask.bucket);
    resource += '/';
    resource += ask.key;
    return std::ranges::any_of(patterns, [&](std::string_view pattern) {
        // A bucket's own is "bucket" and, as in MinIO, also covered by "bucket/*".
        return pattern_matches(pattern, resource, ask) || (ask.key.empty() && pattern_matches(pattern, ask.bucket, ask));
    });
}

bool applies(const Statement& statement, const Ask& ask) {
    if (statement.has_principal && !std::ranges::any_of(statement.principals, [&](const auto& p) { return names_user(p, ask.principal); })) return false;
    if (statement.not_actions.empty() ? !names_action(statement.actions, ask.action) : names_action(statement.not_actions, ask.action)) return false;
    if (!is_without_resource(ask.action)) {
        if (!statement.resources.empty() && !names_resource(statement.resources, ask)) return false;
        if (!statement.not_resources.empty() && names_resource(statement.not_resources, ask)) return false;
        if (statement.resources.empty() && statement.not_resources.empty()) return false;
    }
    return std::ranges::all_of(statement.conditions, [&](const auto& condition) { return condition.holds(ask); });
}

constexpr CannedPolicy canned[] = {
    {"consoleAdmin",
     R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["admin:*"]},{"Effect":"Allow","Action":["kms:*"]},{"Effect":"Allow","Action":["s3:*"],"Resource":["arn:aws:s3:::*"]}]})"},
    {"diagnostics",
     R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["admin:BandwidthMonitor","admin:ConsoleLog","admin:OBDInfo","admin:Profiling","admin:Prometheus","admin:ServerInfo","admin:ServerTrace","admin:TopLocksInfo"],"Resource":["arn:aws:s3:::*"]}]})"},
    {"readonly",
     R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:GetBucketLocation","s3:GetObject"],"Resource":["arn:aws:s3:::*"]}]})"},
    {"readwrite", R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:*"],"Resource":["arn:aws:s3:::*"]}]})"},
    {"writeonly", R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:PutObject"],"Resource":["arn:aws:s3:::*"]}]})"},
};

}  // namespace

Policy::Policy() = default;
Policy::Policy(Policy&&) noexcept = default;
Policy& Policy::operator=(Policy&&) noexcept = default;
Policy::~Policy() = default;

Expected<Policy> Policy::identity(std::string_view text) {
    auto statements = read_policy(text);
    if (!statements) return std::unexpected(std::move(statements.error()));
    for (const auto& statement : *statements) {
        if (statement.has_principal) return malformed("json: unknown field \"Principal\"");
        if (auto checked = check_resources(statement); !checked) return std::unexpected(std::move(checked.error()));
    }
    Policy policy;
    policy.text_ = text;
    policy.statements_ = std::move(*statements);
    return policy;
}

Expected<Policy> Policy::of_bucket(std::string_view text, std::string_view bucket) {
    auto statements = read_policy(text);
    if (!statements) return std::unexpected(std::move(statements.error()));
    for (const auto& statement : *statements) {
        if (!statement.has_principal || statement.principals.empty()) return malformed("Principal must not be empty");
        if (auto checked = check_resources(statement); !checked) return std::unexpected(std::move(checked.error()));
        if (auto checked = check_bucket(statement, bucket); !checked) return std::unexpected(std::move(checked.error()));
    }
    Policy policy;
    policy.text_ = text;
    policy.statements_ = std::move(*statements);
    return policy;
}

Verdict Policy::evaluate(const Ask& ask) const {
    auto verdict = Verdict::none;
    for (const auto& statement : statements_) {
        if (!applies(statement, ask)) continue;
        if (statement.is_deny) return Verdict::deny;
        verdict = Verdict::allow;
    }
    return verdict;
}

bool Policy::is_empty() const { return statements_.empty(); }

std::span<const CannedPolicy> canned_policies() { return canned; }

}  // namespace services::codec::s3
