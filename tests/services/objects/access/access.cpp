#include "services/objects/access/access.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <catch2/catch_test_macros.hpp>

#include <fstream>

#include "hal/base/error.hpp"

namespace asio = boost::asio;
namespace s3 = services::codec::s3;
using namespace services::objects::access;
using namespace std::chrono_literals;

namespace {

struct Lab {
    Lab() {
        std::string name = (std::filesystem::temp_directory_path() / "branchbox-access.XXXXXX").string();
        REQUIRE(mkdtemp(name.data()) != nullptr);
        folder = name;
        open();
    }
    ~Lab() { std::filesystem::remove_all(folder); }

    // As after a restart: what was acknowledged is read back.
    void open() { access = std::make_unique<Access>(folder, Root{"admin", "adminsecret"}, loop.get_executor(), pool, clock); }

    // "ok", or the name of the Error's code.
    std::string run(Task<> task) {
        std::string outcome;
        loop.restart();
        asio::co_spawn(loop, std::move(task), [&](std::exception_ptr failure) {
            try {
                if (failure) std::rethrow_exception(failure);
                outcome = "ok";
            } catch (const hal::Error& error) {
                outcome = hal::name_of(error.code());
            }
        });
        loop.run();
        return outcome;
    }
    Root add_account(User account, std::string key) {
        Root made;
        loop.restart();
        asio::co_spawn(loop, access->add_service_account(std::move(account), std::move(key)), [&](std::exception_ptr failure, Root root) {
            if (failure) std::rethrow_exception(failure);
            made = std::move(root);
        });
        loop.run();
        return made;
    }
    [[nodiscard]] bool may(std::string_view key, std::string_view action, std::string_view bucket, std::string_view object = "k",
                           const s3::Policy* bucket_policy = nullptr) const {
        return access->may(access->identity_of(key), {action, bucket, object, {}, {}}, bucket_policy);
    }

    asio::io_context loop{1};
    hal::async::Pool pool{1};
    hal::ManualClock clock{hal::WallTime(1'800'000'000s)};
    std::filesystem::path folder;
    std::unique_ptr<Access> access;
};

s3::Policy bucket_policy(const std::string& effect, const std::string& principal) {
    auto policy = s3::Policy::of_bucket(R"({"Version":"2012-10-17","Statement":[{"Effect":")" + effect + R"(","Principal":{"AWS":[")" + principal +
                                            R"("]},"Action":["s3:GetObject"],"Resource":["arn:aws:s3:::b/*"]}]})",
                                        "b");
    REQUIRE(policy);
    return std::move(*policy);
}

}  // namespace

TEST_CASE("root may everything, a stranger and anonymous nothing") {
    const Lab lab;
    CHECK(*lab.access->secret_of("admin") == "adminsecret");
    CHECK_FALSE(lab.access->secret_of("nobody"));
    CHECK_FALSE(lab.access->secret_of(""));
    CHECK(lab.may("admin", "s3:DeleteBucket", "b"));
    CHECK_FALSE(lab.may("nobody", "s3:GetObject", "b"));
    CHECK_FALSE(lab.may("", "s3:GetObject", "b"));
}

TEST_CASE("a user may what its policies say, also after a restart") {
    Lab lab;
    CHECK(lab.run(lab.access->put_user("alice", "alicesecret", true)) == "ok");
    CHECK_FALSE(lab.may("alice", "s3:GetObject", "b"));
    CHECK(lab.run(lab.access->set_policies("alice", {"readonly"})) == "ok");
    lab.open();
    CHECK(*lab.access->secret_of("alice") == "alicesecret");
    CHECK(lab.may("alice", "s3:GetObject", "b"));
    CHECK_FALSE(lab.may("alice", "s3:PutObject", "b"));
    CHECK(lab.run(lab.access->set_enabled("alice", false)) == "ok");
    CHECK_FALSE(lab.access->secret_of("alice"));
    CHECK(lab.run(lab.access->remove("alice")) == "ok");
    CHECK(lab.run(lab.access->remove("alice")) == "not found");
    lab.open();
    CHECK(lab.access->users().empty());
}

TEST_CASE("a bucket's policy lets anonymous in, and its Deny stands above a user's policies") {
    Lab lab;
    CHECK(lab.run(lab.access->put_user("alice", "alicesecret", true)) == "ok");
    CHECK(lab.run(lab.access->set_policies("alice", {"readwrite"})) == "ok");
    const auto open = bucket_policy("Allow", "*"), closed = bucket_policy("Deny", "alice");
    CHECK(lab.may("", "s3:GetObject", "b", "k", &open));
    CHECK_FALSE(lab.may("", "s3:PutObject", "b", "k", &open));
    CHECK_FALSE(lab.may("", "s3:GetObject", "b", "k", &closed));
    CHECK(lab.may("alice", "s3:PutObject", "b", "k", &closed));
    CHECK_FALSE(lab.may("alice", "s3:GetObject", "b", "k", &closed));
    CHECK(lab.may("admin", "s3:GetObject", "b", "k", &closed));
}

TEST_CASE("a service account is its parent, narrowed by its own policy, until it expires") {
    Lab lab;
    CHECK(lab.run(lab.access->put_user("alice", "alicesecret", true)) == "ok");
    CHECK(lab.run(lab.access->set_policies("alice", {"readwrite"})) == "ok");
    User account;
    account.parent = "alice";
    const auto whole = lab.add_account(account, "");
    CHECK(whole.access_key.size() == 20);
    CHECK(whole.secret.size() == 40);
    CHECK(lab.may(whole.access_key, "s3:PutObject", "b"));

    account.policy = R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:GetObject","admin:*"],"Resource":["arn:aws:s3:::b/*"]}]})";
    account.expires = hal::rfc3339(lab.clock.wall() + 60s);
    CHECK(lab.add_account(account, "narrow").access_key == "narrow");
    lab.open();
    CHECK(lab.may("narrow", "s3:GetObject", "b"));
    CHECK_FALSE(lab.may("narrow", "s3:GetObject", "c"));
    CHECK_FALSE(lab.may("narrow", "s3:PutObject", "b"));
    CHECK_FALSE(lab.may("narrow", "admin:ServerInfo", "", ""));  // its own policy allows what its parent may not
    CHECK(lab.access->secret_of("narrow"));
    lab.clock.advance(60s);
    CHECK_FALSE(lab.access->secret_of("narrow"));

    CHECK(lab.run(lab.access->set_enabled("alice", false)) == "ok");
    CHECK_FALSE(lab.access->secret_of(whole.access_key));
    CHECK(lab.run(lab.access->remove("alice")) == "ok");
    CHECK(lab.access->users().empty());

    account.parent = "admin";
    account.expires.clear();
    CHECK(lab.add_account(account, "ofroot").access_key == "ofroot");
    CHECK(lab.may("ofroot", "s3:GetObject", "b"));
    CHECK_FALSE(lab.may("ofroot", "s3:PutObject", "b"));
    account.policy.clear();
    CHECK(lab.run(lab.access->update_service_account("ofroot", account)) == "ok");
    CHECK(lab.may("ofroot", "s3:PutObject", "b"));
}

TEST_CASE("policies are checked, kept and not removed while they are used") {
    Lab lab;
    const std::string json = R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:PutObject"],"Resource":["arn:aws:s3:::in/*"]}]})";
    CHECK(lab.run(lab.access->put_policy("in", json)) == "ok");
    CHECK(lab.run(lab.access->put_policy("bad", "{")) == "invalid");
    CHECK(lab.run(lab.access->put_policy("a/b", json)) == "invalid");
    CHECK(lab.run(lab.access->put_user("till", "tillsecret", true)) == "ok");
    CHECK(lab.run(lab.access->set_policies("till", {"in", "missing"})) == "not found");
    CHECK(lab.run(lab.access->set_policies("till", {"in"})) == "ok");
    lab.open();
    CHECK(lab.may("till", "s3:PutObject", "in"));
    CHECK(lab.access->policy_names().size() == 6);
    CHECK(lab.run(lab.access->remove_policy("in")) == "conflict");
    CHECK(lab.run(lab.access->set_policies("till", {})) == "ok");
    CHECK(lab.run(lab.access->remove_policy("in")) == "ok");
    CHECK(lab.run(lab.access->remove_policy("in")) == "not found");
    CHECK(lab.run(lab.access->remove_policy("readonly")) == "invalid");
    CHECK(lab.access->policy("in") == nullptr);
    CHECK(lab.access->policy("readonly") != nullptr);
}

TEST_CASE("keys are bounded on both sides and root's is its own") {
    Lab lab;
    CHECK(lab.run(lab.access->put_user("ab", "12345678", true)) == "invalid");
    CHECK(lab.run(lab.access->put_user("abc", "1234567", true)) == "invalid");
    CHECK(lab.run(lab.access->put_user("abc", "12345678", true)) == "ok");
    CHECK(lab.run(lab.access->put_user(std::string(20, 'a'), std::string(40, 's'), true)) == "ok");
    CHECK(lab.run(lab.access->put_user(std::string(21, 'a'), "12345678", true)) == "invalid");
    CHECK(lab.run(lab.access->put_user("abc", std::string(41, 's'), true)) == "invalid");
    CHECK(lab.run(lab.access->put_user("admin", "12345678", true)) == "invalid");
}

TEST_CASE("changes asked for at once are made one after the other, and a refused one changes nothing") {
    Lab lab;
    lab.loop.restart();
    int done = 0, refused = 0;
    for (int i = 0; i < 20; ++i)
        asio::co_spawn(lab.loop, lab.access->put_user("user" + std::to_string(i), i == 7 ? "short" : "longenough", true),
                       [&](std::exception_ptr failure) { ++(failure ? refused : done); });
    lab.loop.run();
    CHECK(done == 19);
    CHECK(refused == 1);
    lab.open();
    CHECK(lab.access->users().size() == 19);
}

TEST_CASE("a file that cannot be written refuses the change, one that cannot be read the start") {
    Lab lab;
    CHECK(lab.run(lab.access->put_user("alice", "alicesecret", true)) == "ok");
    std::ofstream(lab.folder / "access.json", std::ios::trunc) << "{\"version\":2}";
    CHECK_THROWS_AS(lab.open(), hal::Error);
    std::ofstream(lab.folder / "access.json", std::ios::trunc) << "{";
    CHECK_THROWS_AS(lab.open(), hal::Error);
    std::filesystem::remove(lab.folder / "access.json");
    lab.open();
    std::filesystem::create_directories(lab.folder / "access.json" / "in the way");
    CHECK(lab.run(lab.access->put_user("bob", "bobssecret", true)) != "ok");
    CHECK_FALSE(lab.access->secret_of("bob"));
}

TEST_CASE("root comes from MinIO's variables, whole or not at all") {
    std::map<std::string, std::string> variables;
    const auto variable = [&](const std::string& name) -> std::optional<std::string> {
        const auto found = variables.find(name);
        return found == variables.end() ? std::nullopt : std::optional(found->second);
    };
    CHECK_FALSE(root_from_environment(variable));
    variables["MINIO_ROOT_USER"] = "minio";
    CHECK_THROWS_AS(root_from_environment(variable), hal::Error);
    variables["MINIO_ROOT_PASSWORD"] = "1234567";
    CHECK_THROWS_AS(root_from_environment(variable), hal::Error);
    variables["MINIO_ROOT_PASSWORD"] = "12345678";
    CHECK(root_from_environment(variable)->secret == "12345678");

    const Lab lab;
    std::ofstream(lab.folder / "password") << "fromfile1\n";
    variables["MINIO_ROOT_PASSWORD_FILE"] = (lab.folder / "password").string();
    CHECK(root_from_environment(variable)->secret == "fromfile1");
    variables["MINIO_ROOT_PASSWORD_FILE"] = (lab.folder / "none").string();
    CHECK_THROWS_AS(root_from_environment(variable), hal::Error);
}
