#include "services/kubelet/images/routes.hpp"

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value_from.hpp>

#include <filesystem>

#include "hal/base/error.hpp"

namespace services::kubelet::images {
namespace {

namespace json = boost::json;

http::Response list_response(const std::vector<Image>& images) {
    json::array list;
    for (const auto& image : images)
        list.push_back({{"references", json::value_from(image.references)},
                        {"id", image.id},
                        {"size_bytes", image.size_bytes},
                        {"architecture", image.architecture}});
    return http::json_response(200, json::serialize(json::object{{"images", std::move(list)}}));
}

http::Response error_response(unsigned status, const std::string& message) {
    return http::json_response(status, json::serialize(json::object{{"error", message}}));
}

unsigned status_of(hal::Code code) {
    switch (code) {
        case hal::Code::invalid:
        case hal::Code::corrupt:
        case hal::Code::too_large:
        case hal::Code::unsupported: return 400;
        case hal::Code::not_found: return 404;
        case hal::Code::exhausted: return 507;
        default: return 500;
    }
}

// One catch for all of them: a failure is an answer.
Task<http::Response> answered(Task<http::Response> work) {
    unsigned status = 500;
    std::string message;
    try {
        co_return co_await std::move(work);
    } catch (const hal::Error& failure) {
        if (failure.code() == hal::Code::cancelled) throw;
        status = status_of(failure.code());
        message = failure.what();
    }
    co_return error_response(status, message);
}

Task<http::Response> list(ImageStore& store) { co_return list_response(store.list()); }

Task<http::Response> import(ImageStore& store, http::Request request) {
    const auto* archive = request.query_value("archive");
    if (!archive || !std::filesystem::path(*archive).is_absolute()) throw hal::Error(hal::Code::invalid, "archive=PATH is needed, from the root");
    const auto* name = request.query_value("name");
    co_return list_response(name ? co_await store.import_archive(*archive, *name) : co_await store.import_archive(*archive));
}

Task<http::Response> remove(ImageStore& store, http::Request request) {
    const auto* reference = request.query_value("reference");
    if (!reference) throw hal::Error(hal::Code::invalid, "reference=REFERENCE is needed");
    if (!co_await store.remove(*reference)) throw hal::Error(hal::Code::not_found, "image \"" + *reference + "\": not found");
    co_await store.sweep();
    co_return http::json_response(200, "{}");
}

}  // namespace

void add_routes(http::Router& router, ImageStore& store) {
    router.add("GET", "/images", [&store](http::Request) { return answered(list(store)); });
    router.add("POST", "/images", [&store](http::Request request) { return answered(import(store, std::move(request))); });
    router.add("DELETE", "/images", [&store](http::Request request) { return answered(remove(store, std::move(request))); });
}

}  // namespace services::kubelet::images
