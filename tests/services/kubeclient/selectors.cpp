#include "services/kubeclient/selectors.hpp"

#include <boost/json/parse.hpp>
#include <catch2/catch_test_macros.hpp>

using services::kubeclient::LabelSelector;
namespace json = boost::json;

TEST_CASE("a selector's query form matches labels as apimachinery does") {
    const json::object labels{{"app", "web"}, {"tier", ""}, {"rank", "5"}};
    const auto matches = [&](std::string_view text) { return LabelSelector::parse(text).value().matches(labels); };
    CHECK(matches(""));
    CHECK(matches("app=web"));
    CHECK(matches("app == web , tier="));
    CHECK_FALSE(matches("app!=web"));
    CHECK(matches("other!=web"));
    CHECK(matches("app in (db, web),!gone"));
    CHECK_FALSE(matches("app notin (db,web)"));
    CHECK(matches("rank>4"));
    CHECK_FALSE(matches("rank>5"));
    CHECK_FALSE(matches("missing"));
}

TEST_CASE("a selector that does not parse is an error, not a wide selection") {
    for (const auto text : {"a in b", "a b", ",", "a=b,", "!", "a in (b", "a>x"}) {
        INFO(text);
        CHECK_FALSE(LabelSelector::parse(text).has_value());
    }
}

TEST_CASE("an absent LabelSelector matches nothing and an empty one everything") {
    CHECK_FALSE(LabelSelector::from_object(nullptr).matches({}));
    CHECK(LabelSelector::from_object(json::object()).matches({}));
    const auto both = json::parse(R"({"matchLabels":{"a":"b"},"matchExpressions":[{"key":"c","operator":"In","values":["y","x"]}]})");
    CHECK(LabelSelector::from_object(both.get_object()).to_string() == "a=b,c in (x,y)");
}
