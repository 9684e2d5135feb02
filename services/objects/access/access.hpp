// Who may do what: the root user, users, service accounts, groups of policies attached to them, and the decision about
// a request. Users and policies are kept in one small file, replaced atomically by each change.
//
// Owns that file, keys in memory and nothing else: signatures are proven elsewhere (codec/s3/signature.hpp) with the
// secrets found here; bucket policies belong to buckets and come in as arguments. Used from the loop; a change is awaited
// and answered only when the file is durable, one change at a time. Bounded: users_max, policies_max, names.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hal/async/pool.hpp"
#include "hal/async/task.hpp"
#include "hal/base/clock.hpp"
#include "services/codec/s3/policy.hpp"

namespace services::objects::access {

namespace s3 = services::codec::s3;
using hal::async::Task;

inline constexpr std::size_t users_max = 1000;       // users and service accounts
inline constexpr std::size_t policies_max = 200;
inline constexpr std::size_t file_bytes_max = 8 * 1024 * 1024;
inline constexpr std::size_t access_key_characters_min = 3, access_key_characters_max = 20;
inline constexpr std::size_t secret_characters_min = 8, secret_characters_max = 40;

struct Root {
    std::string access_key;
    std::string secret;
};
// MINIO_ROOT_USER and MINIO_ROOT_PASSWORD (or _FILE, whose content loses its trailing newline; the older MINIO_ACCESS_KEY
// and MINIO_SECRET_KEY); `variable` reads the environment. Nullopt when none is set. Throws Error{invalid} with MinIO's
// sentence when one alone is set, or one is too short (3 and 8 characters).
std::optional<Root> root_from_environment(const std::function<std::optional<std::string>(const std::string&)>& variable);

// Who sent a request, once its signature has been proven.
struct Identity {
    std::string access_key;  // "" anonymous
    std::string user;        // the parent of a service account, else access_key
    bool is_root = false;    // or a service account of root that has no policy of its own
    bool is_service_account = false;
};

struct User {
    std::string secret;
    bool is_enabled = true;
    std::vector<std::string> policies;  // names
    std::string updated;                // RFC 3339
    // Service accounts:
    std::string parent;                 // access key of the user; "" for a user
    std::string policy;                 // JSON that limits it further; "" inherits all of the parent's
    std::string name, description;
    std::string expires;                // RFC 3339, "" never
};

class Access {
public:
    // Reads `folder`/access.json; a missing file is an empty one. Throws Error{corrupt}.
    Access(std::filesystem::path folder, Root root, hal::async::Executor executor, hal::async::Pool& pool, const hal::Clock& clock);
    ~Access();

    // The secret to prove a claim of `access_key` with; nullopt when there is none, it is disabled or has expired.
    [[nodiscard]] std::optional<std::string_view> secret_of(std::string_view access_key) const;
    [[nodiscard]] Identity identity_of(std::string_view access_key) const;
    [[nodiscard]] const Root& root() const { return root_; }

    // The decision. `bucket_policy` may be null. Root may everything; an explicit Deny anywhere wins.
    [[nodiscard]] bool may(const Identity& who, const s3::Ask& ask, const s3::Policy* bucket_policy) const;

    // Users and service accounts by access key; policies by name (MinIO's canned ones included).
    [[nodiscard]] const std::map<std::string, User, std::less<>>& users() const { return users_; }
    [[nodiscard]] std::vector<std::string> policy_names() const;
    [[nodiscard]] const s3::Policy* policy(std::string_view name) const;

    // Changes. Each throws Error: invalid, not_found, exists, exhausted, io (then nothing has changed).
    Task<> put_user(std::string access_key, std::string secret, bool is_enabled);
    Task<> set_enabled(std::string access_key, bool is_enabled);
    Task<> remove(std::string access_key);  // a user's service accounts too
    // Empty keys are generated; returns access key and secret.
    Task<Root> add_service_account(User account, std::string access_key);
    Task<> update_service_account(std::string access_key, User account);
    Task<> put_policy(std::string name, std::string json);
    Task<> remove_policy(std::string name);
    Task<> set_policies(std::string access_key, std::vector<std::string> names);

private:
    using Users = std::map<std::string, User, std::less<>>;
    using Policies = std::map<std::string, std::shared_ptr<const s3::Policy>, std::less<>>;  // shared by copies of the table while a change is written
    struct State;
    [[nodiscard]] s3::Verdict by_policies(const std::vector<std::string>& names, const s3::Ask& ask) const;
    [[nodiscard]] bool is_usable(const User& user) const;
    Task<> change(std::function<void(Users&, Policies&)> apply);

    std::filesystem::path file_;
    Root root_;
    hal::async::Pool& pool_;
    const hal::Clock& clock_;
    Users users_;
    Policies policies_;
    std::unique_ptr<State> state_;
};

}  // namespace services::objects::access
