// access.json: {"version":1,"users":{KEY:{"secret":..,"enabled":..,"policies":[..],"updated":..,"parent":..,...}},
// "policies":{NAME:{policy}}}. A release that does not know a member ignores it; a higher version is refused.
#include "services/objects/access/access.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <fstream>
#include <iterator>

#include "hal/base/bytes.hpp"
#include "hal/base/error.hpp"
#include "hal/disk/file.hpp"

namespace services::objects::access {

namespace json = boost::json;
using hal::Code;
using hal::Error;

namespace {

constexpr std::int64_t format_version = 1;
constexpr mode_t file_mode = 0600;
constexpr std::size_t policies_of_user_max = 20;
constexpr std::size_t name_characters_max = 128;

bool is_name(std::string_view text) {
    return !text.empty() && text.size() <= name_characters_max &&
           std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) > 0x20 && c != '/' && c != '=' && c != ',' && c != 0x7f; });
}

void check_access_key(std::string_view key) {
    if (key.size() < access_key_characters_min || key.size() > access_key_characters_max || !is_name(key))
        throw Error(Code::invalid, "access key length should be between 3 and 20");
}

void check_secret(std::string_view secret) {
    if (secret.size() < secret_characters_min || secret.size() > secret_characters_max)
        throw Error(Code::invalid, "secret key length should be between 8 and 40");
}

// `count` characters of an alphabet without look-alikes.
std::string random_text(std::size_t count, std::string_view alphabet) {
    std::string text;
    while (text.size() < count)
        for (const char c : hal::random_bytes(count)) {
            // Bytes past the last whole run of the alphabet would favour its beginning.
            const auto byte = static_cast<unsigned char>(c);
            if (byte < 256 / alphabet.size() * alphabet.size() && text.size() < count) text += alphabet[byte % alphabet.size()];
        }
    return text;
}

std::string text_in(const json::object& object, std::string_view name) {
    const auto* value = object.if_contains(name);
    return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

User user_of(const json::object& object) {
    User user;
    user.secret = text_in(object, "secret");
    const auto* enabled = object.if_contains("enabled");
    user.is_enabled = enabled == nullptr || !enabled->is_bool() || enabled->get_bool();
    if (const auto* policies = object.if_contains("policies"); policies != nullptr && policies->is_array())
        for (const auto& name : policies->get_array())
            if (name.is_string()) user.policies.emplace_back(name.get_string());
    user.updated = text_in(object, "updated");
    user.parent = text_in(object, "parent");
    user.policy = text_in(object, "policy");
    user.name = text_in(object, "name");
    user.description = text_in(object, "description");
    user.expires = text_in(object, "expires");
    return user;
}

json::object object_of(const User& user) {
    json::object object{{"secret", user.secret}, {"enabled", user.is_enabled}, {"updated", user.updated}};
    if (!user.policies.empty()) object["policies"] = json::array(user.policies.begin(), user.policies.end());
    for (const auto& [name, value] : {std::pair("parent", &user.parent), std::pair("policy", &user.policy), std::pair("name", &user.name),
                                      std::pair("description", &user.description), std::pair("expires", &user.expires)})
        if (!value->empty()) object[name] = *value;
    return object;
}

std::shared_ptr<const s3::Policy> parsed(std::string_view text) {
    auto policy = s3::Policy::identity(text);
    if (!policy) throw Error(Code::invalid, policy.error().message);
    return std::make_shared<const s3::Policy>(std::move(*policy));
}

void check_account(const User& account) {
    if (account.name.size() > name_characters_max || account.description.size() > 256)
        throw Error(Code::invalid, "service account: name is at most 128 bytes and description 256");
    if (!account.expires.empty()) hal::parse_rfc3339(account.expires);
    if (!account.policy.empty()) parsed(account.policy);
}

}  // namespace

std::optional<Root> root_from_environment(const std::function<std::optional<std::string>(const std::string&)>& variable) {
    const auto value = [&](std::initializer_list<const char*> names) -> std::optional<std::string> {
        for (const char* name : names) {
            if (const auto path = variable(std::string(name) + "_FILE"); path && !path->empty()) {
                auto content = hal::disk::read_file(*path, 4096);
                if (!content) throw Error(Code::not_found, std::string(name) + "_FILE: there is no " + *path);
                while (content->ends_with('\n') || content->ends_with('\r')) content->pop_back();
                return content;
            }
            if (auto text = variable(name); text && !text->empty()) return text;
        }
        return std::nullopt;
    };
    auto user = value({"MINIO_ROOT_USER", "MINIO_ACCESS_KEY"});
    auto password = value({"MINIO_ROOT_PASSWORD", "MINIO_SECRET_KEY"});
    if (!user && !password) return std::nullopt;
    if (!user || !password)
        throw Error(Code::invalid, "Missing credential environment variable, \"" + std::string(user ? "MINIO_ROOT_PASSWORD" : "MINIO_ROOT_USER") + "\"");
    if (user->size() < access_key_characters_min || password->size() < secret_characters_min)
        throw Error(Code::invalid,
                    "MINIO_ROOT_USER should be at least 3 characters long and MINIO_ROOT_PASSWORD at least 8 characters long");
    return Root{std::move(*user), std::move(*password)};
}

// One change at a time: a later one waits for the one that is being written.
struct Access::State {
    explicit State(hal::async::Executor executor) : idle(executor) { idle.set(); }
    hal::async::Event idle;
    std::map<std::string, std::shared_ptr<const s3::Policy>, std::less<>> account_policies;  // of service accounts, by access key
};

Access::Access(std::filesystem::path folder, Root root, hal::async::Executor executor, hal::async::Pool& pool, const hal::Clock& clock)
    : file_(std::move(folder) / "access.json"), root_(std::move(root)), pool_(pool), clock_(clock), state_(std::make_unique<State>(executor)) {
    for (const auto& canned : s3::canned_policies()) policies_[std::string(canned.name)] = parsed(canned.json);
    const auto text = hal::disk::read_file(file_, file_bytes_max);
    if (!text) return;
    boost::system::error_code error;
    const auto value = json::parse(*text, error);
    const auto corrupt = [&](const std::string& what) { return Error(Code::corrupt, file_.string() + ": " + what); };
    if (error || !value.is_object()) throw corrupt("is no JSON object");
    const auto& object = value.get_object();
    const auto* version = object.if_contains("version");
    if (version == nullptr || !version->is_int64() || version->get_int64() > format_version)
        throw corrupt("has a version that is not known here, at most " + std::to_string(format_version) + " is");
    if (const auto* policies = object.if_contains("policies"); policies != nullptr && policies->is_object())
        for (const auto& [name, policy] : policies->get_object()) policies_[name] = parsed(json::serialize(policy));
    if (const auto* users = object.if_contains("users"); users != nullptr && users->is_object())
        for (const auto& [name, user] : users->get_object())
            if (user.is_object()) users_[name] = user_of(user.get_object());
    for (const auto& [key, user] : users_)
        if (!user.policy.empty()) state_->account_policies[key] = parsed(user.policy);
}

Access::~Access() = default;

bool Access::is_usable(const User& user) const {
    if (!user.is_enabled) return false;
    if (!user.expires.empty() && hal::parse_rfc3339(user.expires) <= clock_.wall()) return false;
    if (user.parent.empty() || user.parent == root_.access_key) return true;
    const auto parent = users_.find(user.parent);
    return parent != users_.end() && parent->second.is_enabled;
}

std::optional<std::string_view> Access::secret_of(std::string_view access_key) const {
    if (access_key == root_.access_key) return root_.secret;
    const auto found = users_.find(access_key);
    if (found == users_.end() || !is_usable(found->second)) return std::nullopt;
    return found->second.secret;
}

Identity Access::identity_of(std::string_view access_key) const {
    Identity identity;
    identity.access_key = identity.user = access_key;
    if (!access_key.empty() && access_key == root_.access_key) {
        identity.is_root = true;
    } else if (const auto found = users_.find(access_key); found != users_.end() && !found->second.parent.empty()) {
        identity.user = found->second.parent;
        identity.is_service_account = true;
        // One without a policy of its own is its parent in every respect.
        identity.is_root = found->second.parent == root_.access_key && found->second.policy.empty();
    }
    return identity;
}

s3::Verdict Access::by_policies(const std::vector<std::string>& names, const s3::Ask& ask) const {
    auto verdict = s3::Verdict::none;
    for (const auto& name : names) {
        const auto found = policies_.find(name);
        if (found == policies_.end()) continue;
        const auto one = found->second->evaluate(ask);
        if (one == s3::Verdict::deny) return one;
        if (one == s3::Verdict::allow) verdict = one;
    }
    return verdict;
}

bool Access::may(const Identity& who, const s3::Ask& ask, const s3::Policy* bucket_policy) const {
    if (who.is_root) return true;
    auto asked = ask;
    asked.principal = who.user;
    const auto by_bucket = bucket_policy != nullptr ? bucket_policy->evaluate(asked) : s3::Verdict::none;
    if (by_bucket == s3::Verdict::deny) return false;
    if (who.access_key.empty()) return by_bucket == s3::Verdict::allow;

    const auto account = users_.find(who.access_key);
    if (account == users_.end()) return false;
    if (who.is_service_account && !account->second.policy.empty()) {
        // What an account's own policy does not allow, nothing else allows.
        const auto limit = state_->account_policies.find(who.access_key);
        if (limit == state_->account_policies.end() || limit->second->evaluate(asked) != s3::Verdict::allow) return false;
        if (who.user == root_.access_key) return true;
    }
    const auto user = users_.find(who.user);
    if (user == users_.end()) return false;
    const auto verdict = by_policies(user->second.policies, asked);
    if (verdict == s3::Verdict::deny) return false;
    return verdict == s3::Verdict::allow || by_bucket == s3::Verdict::allow;
}

std::vector<std::string> Access::policy_names() const {
    std::vector<std::string> names;
    for (const auto& [name, policy] : policies_) names.push_back(name);
    return names;
}

const s3::Policy* Access::policy(std::string_view name) const {
    const auto found = policies_.find(name);
    return found == policies_.end() ? nullptr : found->second.get();
}

namespace {

bool is_canned(std::string_view name, const s3::Policy& policy) {
    return std::ranges::any_of(s3::canned_policies(), [&](const auto& canned) { return canned.name == name && canned.json == policy.text(); });
}

}  // namespace

Task<> Access::change(std::function<void(Users&, Policies&)> apply) {
    while (!state_->idle.is_set()) co_await state_->idle.wait();
    state_->idle.clear();
    struct Finished {
        hal::async::Event& idle;
        ~Finished() { idle.set(); }
    } finished{state_->idle};

    auto users = users_;
    auto policies = policies_;
    apply(users, policies);
    if (users.size() > users_max) throw Error(Code::exhausted, "there are " + std::to_string(users_max) + " users and service accounts, the most there may be");
    if (policies.size() > policies_max) throw Error(Code::exhausted, "there are " + std::to_string(policies_max) + " policies, the most there may be");
    std::map<std::string, std::shared_ptr<const s3::Policy>, std::less<>> account_policies;
    json::object by_key, by_name;
    for (const auto& [key, user] : users) {
        by_key[key] = object_of(user);
        if (!user.policy.empty()) account_policies[key] = parsed(user.policy);
    }
    for (const auto& [name, policy] : policies)
        if (!is_canned(name, *policy)) by_name[name] = json::parse(policy->text());
    auto text = json::serialize(json::object{{"version", format_version}, {"users", std::move(by_key)}, {"policies", std::move(by_name)}});
    co_await hal::async::offload(pool_, [path = file_, text = std::move(text)] {
        std::filesystem::create_directories(path.parent_path());
        hal::disk::replace_file(path, text, file_mode);
    });
    users_ = std::move(users);
    policies_ = std::move(policies);
    state_->account_policies = std::move(account_policies);
}

Task<> Access::put_user(std::string access_key, std::string secret, bool is_enabled) {
    check_access_key(access_key);
    check_secret(secret);
    if (access_key == root_.access_key) throw Error(Code::invalid, "the root user is not changed here");
    co_await change([&, updated = hal::rfc3339(clock_.wall())](Users& users, Policies&) {
        auto& user = users[access_key];
        if (!user.parent.empty()) throw Error(Code::invalid, "'" + access_key + "' is a service account");
        user.secret = secret;
        user.is_enabled = is_enabled;
        user.updated = updated;
    });
}

Task<> Access::set_enabled(std::string access_key, bool is_enabled) {
    co_await change([&](Users& users, Policies&) {
        const auto found = users.find(access_key);
        if (found == users.end()) throw Error(Code::not_found, "The specified user does not exist.");
        found->second.is_enabled = is_enabled;
    });
}

Task<> Access::remove(std::string access_key) {
    co_await change([&](Users& users, Policies&) {
        if (users.erase(access_key) == 0) throw Error(Code::not_found, "The specified user does not exist.");
        std::erase_if(users, [&](const auto& entry) { return entry.second.parent == access_key; });
    });
}

Task<Root> Access::add_service_account(User account, std::string access_key) {
    constexpr std::string_view capitals = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    constexpr std::string_view letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    if (access_key.empty()) access_key = random_text(access_key_characters_max, capitals);
    if (account.secret.empty()) account.secret = random_text(secret_characters_max, letters);
    check_access_key(access_key);
    check_secret(account.secret);
    check_account(account);
    account.updated = hal::rfc3339(clock_.wall());
    Root made{access_key, account.secret};
    co_await change([&](Users& users, Policies&) {
        const auto parent = users.find(account.parent);
        const bool has_parent = account.parent == root_.access_key || (parent != users.end() && parent->second.parent.empty());
        if (!has_parent) throw Error(Code::not_found, "The specified user does not exist.");
        if (access_key == root_.access_key || users.contains(access_key))
            throw Error(Code::exists, "The specified service account access key '" + access_key + "' is in use");
        users[access_key] = account;
    });
    co_return made;
}

Task<> Access::update_service_account(std::string access_key, User account) {
    if (!account.secret.empty()) check_secret(account.secret);
    check_account(account);
    account.updated = hal::rfc3339(clock_.wall());
    co_await change([&](Users& users, Policies&) {
        const auto found = users.find(access_key);
        if (found == users.end() || found->second.parent.empty())
            throw Error(Code::not_found, "The specified service account is not found.");
        account.parent = found->second.parent;
        if (account.secret.empty()) account.secret = found->second.secret;
        found->second = account;
    });
}

Task<> Access::put_policy(std::string name, std::string json) {
    if (!is_name(name)) throw Error(Code::invalid, "policy name '" + name + "' is not valid");
    const auto policy = parsed(json);
    if (policy->is_empty()) throw Error(Code::invalid, "Empty policy is not allowed");
    co_await change([&](Users&, Policies& policies) { policies[name] = policy; });
}

Task<> Access::remove_policy(std::string name) {
    co_await change([&](Users& users, Policies& policies) {
        const auto found = policies.find(name);
        if (found == policies.end()) throw Error(Code::not_found, "The canned policy does not exist.");
        const bool is_used = std::ranges::any_of(users, [&](const auto& entry) { return std::ranges::contains(entry.second.policies, name); });
        if (is_used) throw Error(Code::conflict, "The policy '" + name + "' is attached to users: detach it first.");
        if (is_canned(name, *found->second)) throw Error(Code::invalid, "The policy '" + name + "' is built in.");
        policies.erase(found);
        for (const auto& canned : s3::canned_policies())
            if (canned.name == name) policies[name] = parsed(canned.json);
    });
}

Task<> Access::set_policies(std::string access_key, std::vector<std::string> names) {
    if (names.size() > policies_of_user_max) throw Error(Code::exhausted, "a user has at most 20 policies");
    co_await change([&](Users& users, Policies& policies) {
        const auto found = users.find(access_key);
        if (found == users.end() || !found->second.parent.empty()) throw Error(Code::not_found, "The specified user does not exist.");
        for (const auto& name : names)
            if (!policies.contains(name)) throw Error(Code::not_found, "The canned policy does not exist.");
        found->second.policies = names;
    });
}

}  // namespace services::objects::access
