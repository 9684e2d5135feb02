#include <algorithm>
#include <string_view>

#include "services/http/server.hpp"

namespace services::http {

namespace {

std::vector<std::string> segments_of(std::string_view path) {
    std::vector<std::string> segments;
    if (path.starts_with('/')) path.remove_prefix(1);
    for (;;) {
        const auto slash = path.find('/');
        segments.emplace_back(path.substr(0, slash));
        if (slash == std::string_view::npos) return segments;
        path = path.substr(slash + 1);
    }
}

bool is_capture(std::string_view segment) { return segment.size() > 2 && segment.front() == '{' && segment.back() == '}'; }

std::optional<std::map<std::string, std::string>> match(const std::vector<std::string>& pattern,
                                                        const std::vector<std::string>& path) {
    std::map<std::string, std::string> captures;
    for (std::size_t i = 0; i < pattern.size(); ++i) {
        const std::string_view segment = pattern[i];
        if (is_capture(segment) && segment.ends_with("...}")) {
            std::string rest;
            for (std::size_t j = i; j < path.size(); ++j) rest += (j > i ? "/" : "") + path[j];
            captures[std::string(segment.substr(1, segment.size() - 5))] = std::move(rest);
            return captures;
        }
        if (i >= path.size()) return std::nullopt;
        if (!is_capture(segment)) {
            if (segment != path[i]) return std::nullopt;
            continue;
        }
        if (path[i].empty()) return std::nullopt;
        captures[std::string(segment.substr(1, segment.size() - 2))] = path[i];
    }
    if (path.size() != pattern.size()) return std::nullopt;
    return captures;
}

}  // namespace

void Router::add(std::string method, std::string pattern, Handler handler) {
    routes_.push_back({std::move(method), segments_of(pattern), std::move(handler)});
}

Task<Response> Router::handle(Request request) const {
    const auto path = segments_of(request.path);
    std::vector<std::string> allowed;
    const Route* found = nullptr;
    for (const auto& route : routes_) {
        auto captures = match(route.segments, path);
        if (!captures) continue;
        const bool is_exact = route.method == "*" || route.method == request.method;
        // HEAD is GET without its body (RFC 9110 9.3.2), which the server leaves out.
        if (!is_exact && !(request.method == "HEAD" && route.method == "GET")) {
            if (!std::ranges::contains(allowed, route.method)) allowed.push_back(route.method);
            continue;
        }
        request.captures = std::move(*captures);
        found = &route;
        break;
    }
    if (found != nullptr) co_return co_await found->handler(std::move(request));
    if (allowed.empty()) co_return text_response(404, "404 page not found\n");
    auto response = text_response(405, "Method Not Allowed\n");
    std::string list;
    for (const auto& method : allowed) list += (list.empty() ? "" : ", ") + method;
    response.headers.set("Allow", list);
    co_return response;
}

Handler Router::handler() const {
    return [this](Request request) { return handle(std::move(request)); };
}

}  // namespace services::http
