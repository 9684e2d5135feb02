// The diff that a refused pod update shows.
#include <catch2/catch_test_macros.hpp>

#include <format>
#include <string>

#include "services/kube/kinds/pod_spec_diff.hpp"

using services::kube::kinds::diff_lines_max;
using services::kube::kinds::unified_diff;

namespace {

std::string numbered(int count, int changed = -1) {
    std::string out;
    for (int at = 0; at < count; ++at) out += std::format("{}{}{}", at == 0 ? "" : "\n", at, at == changed ? " changed" : "");
    return out;
}

}  // namespace

TEST_CASE("texts that are equal have no diff") {
    CHECK(unified_diff("", "").empty());
    CHECK(unified_diff("a\nb", "a\nb").empty());
}

TEST_CASE("a changed line is shown between three lines of context") {
    CHECK(unified_diff(numbered(20), numbered(20, 10)) == "@@ -8,7 +8,7 @@\n 7\n 8\n 9\n-10\n+10 changed\n 11\n 12\n 13\n");
    CHECK(unified_diff(numbered(20), numbered(20, 0)) == "@@ -1,4 +1,4 @@\n-0\n+0 changed\n 1\n 2\n 3\n");
    CHECK(unified_diff(numbered(20), numbered(20, 19)) == "@@ -17,4 +17,4 @@\n 16\n 17\n 18\n-19\n+19 changed\n");
}

TEST_CASE("changes that share context are one hunk, others are two") {
    const std::string before = numbered(30);
    const auto with = [&](int one, int other) {
        auto lines = numbered(30, one);
        const auto at = lines.find(std::format("\n{}\n", other));
        return lines.replace(at, std::to_string(other).size() + 1, std::format("\n{} too", other));
    };
    const auto hunks = [&](const std::string& after) {
        const auto diff = unified_diff(before, after);
        std::size_t count = 0;
        for (auto at = diff.find("@@ -"); at != diff.npos; at = diff.find("@@ -", at + 1)) ++count;
        return count;
    };
    CHECK(hunks(with(10, 17)) == 1);
    CHECK(hunks(with(10, 18)) == 2);
}

TEST_CASE("added and removed lines count in the hunk's ranges") {
    CHECK(unified_diff("a", "a\nb") == "@@ -1 +1,2 @@\n a\n+b\n");
    CHECK(unified_diff("a\nb", "b") == "@@ -1,2 +1 @@\n-a\n b\n");
    CHECK(unified_diff("x", "y") == "@@ -1 +1 @@\n-x\n+y\n");
}

TEST_CASE("no text keeps the server busy: long ones are not compared, and hard ones are compared less closely") {
    const auto lines = static_cast<int>(diff_lines_max);
    CHECK(unified_diff(numbered(lines + 1), "a") == "the texts are too long for a diff\n");
    std::string before, after;
    for (int at = 0; at < lines - 1; ++at) {
        before += std::format("{}\n", at % 110);
        after += std::format("{}\n", (at * 37 + at / 110) % 110);
    }
    CHECK(!unified_diff(before, after).empty());  // compared to the end it would take hours
}
