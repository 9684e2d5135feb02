#include "firmware/guard/keeper.hpp"

#include <catch2/catch_test_macros.hpp>

using namespace firmware::guard;

TEST_CASE("each service has a user of its own, the same at each start, from the numbers kept for users without a name") {
    const auto rows = all_services();
    for (const std::string root : {"/", "/tmp/a", "/tmp/b"})
        for (const auto& row : rows) {
            const auto user = user_of(row, root);
            CHECK(user >= 61184);
            CHECK(user <= 65519);
            CHECK(user == user_of(row, root));
        }
    CHECK(user_of(rows[0], "/") == 61184);
    CHECK(user_of(rows[0], "/tmp/a") != user_of(rows[0], "/tmp/b"));
    CHECK(user_of(rows[0], "/") != user_of(rows[0], "/tmp/a"));
}

TEST_CASE("roots beside one another have control groups beside one another") {
    CHECK(control_group("/") == "/branchbox-services");
    CHECK(control_group("/tmp/a") == control_group("/tmp/./a"));
    CHECK(control_group("/tmp/a") != control_group("/tmp/b"));
}
