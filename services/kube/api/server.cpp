#include "services/kube/api/server.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <array>
#include <format>

#include "hal/base/bytes.hpp"
#include "hal/base/log.hpp"
#include "services/kube/api/compress.hpp"
#include "services/kube/api/decode.hpp"
#include "services/kube/api/delete.hpp"
#include "services/kube/api/list.hpp"
#include "services/kube/api/negotiate.hpp"
#include "services/kube/api/patch.hpp"
#include "services/kube/api/request.hpp"
#include "services/kube/api/status.hpp"
#include "services/kube/api/subresources.hpp"
#include "services/kube/api/watch.hpp"
#include "services/kube/api/write.hpp"
#include "services/kube/auth/authentication.hpp"
#include "services/kube/auth/authorization.hpp"
#include "services/kube/discovery/routes.hpp"

namespace services::kube::api {
namespace {

Task<http::Response> get(Api& api, ResourceRequest& request) {
    asked_revision(api, request);
    auto found = co_await load_object(api, *request.kind, request.name_space, request.name);
    co_return object_response(api, request, 200, request.kind->gvk, std::move(found.object));
}

Handler handler_of(const Target& target) {
    const auto* part = target.kind->find_subresource(target.subresource);
    if (!target.subresource.empty() && target.subresource != "status" && !(part && part->is_part()))
        return find_subresource(*target.kind, target.subresource);
    constexpr auto verbs = std::to_array<std::pair<std::string_view, Handler>>({{"get", get},
                                                                                {"list", list},
                                                                                {"watch", watch},
                                                                                {"create", create},
                                                                                {"update", update},
                                                                                {"patch", patch},
                                                                                {"delete", remove},
                                                                                {"deletecollection", remove_collection}});
    const auto found = std::ranges::find(verbs, std::string_view(target.verb), &std::pair<std::string_view, Handler>::first);
    return found == verbs.end() ? nullptr : found->second;
}

bool is_long_running(const http::Request& request) {
    const auto watch = request.query_value("watch");
    const auto follow = request.query_value("follow");
    if ((watch && *watch != "0" && *watch != "false") || (follow && *follow != "0" && *follow != "false")) return true;
    for (const std::string_view stream : {"/exec", "/attach", "/portforward", "/proxy"})
        if (request.path.ends_with(stream) || request.path.contains(std::string(stream) + "/")) return true;
    return request.path.contains("/watch/");
}

// net.NewWarningHeader: 299, no agent, the text quoted.
std::string warning_header(std::string_view text) {
    std::string out = "299 - \"";
    for (const char c : text) {
        if (c == '"' || c == '\\') out += '\\';
        out += c == '\n' || c == '\r' ? ' ' : c;
    }
    return out + '"';
}

http::Response plain_response(unsigned status, std::string text) {
    auto response = http::text_response(status, std::move(text));
    response.headers.set("X-Content-Type-Options", "nosniff");
    return response;
}

http::Response no_such_path() { return plain_response(404, "404 page not found\n"); }

std::string lower(std::string text) {
    std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return text;
}

// The real server marks these answers alone against being read as another type than they say.
class Refusal : public StatusError {
public:
    using StatusError::StatusError;
};

http::Response failed(const Status& status, bool is_refusal) {
    auto response = status_response(status);
    if (is_refusal) response.headers.set("X-Content-Type-Options", "nosniff");
    return response;
}

Status forbidden_to(const auth::User& user, const auth::Attributes& asked) {
    auto details = json::object();
    if (asked.path.empty()) {
        if (!asked.name.empty()) details["name"] = asked.name;
        if (!asked.group.empty()) details["group"] = asked.group;
        details["kind"] = asked.resource;
    }
    return {403, "Forbidden", auth::forbidden_message(user, asked), std::move(details), {}};
}

// Reads the body, so that handlers find it whole.
Task<> read_body(http::Request& request) {
    if (!request.stream) co_return;
    std::optional<Status> failure;
    try {
        request.body = co_await request.stream->read_all(body_bytes_max);
    } catch (const hal::Error& error) {
        if (error.code() != hal::Code::too_large) throw;
        failure = too_large(std::format("Request entity too large: limit is {}", body_bytes_max));
    }
    if (failure) throw StatusError(*std::move(failure));
    request.stream.reset();
}

}  // namespace

Server::Server(Api& api) : api_(api) { discovery::add_routes(documents_); }

Server::~Server() = default;

http::Handler Server::handler() {
    return [this](http::Request request) { return handle(std::move(request)); };
}

Task<http::Response> Server::handle(http::Request request) {
    const bool is_counted = !is_long_running(request);
    auto audit_id = request.headers.get("Audit-ID");
    if (audit_id.empty()) audit_id = hal::random_uuid();
    // What stood in the queue before this request is how long the loop makes others wait.
    const auto came = std::chrono::steady_clock::now();
    co_await hal::async::asio::post(api_.executor, hal::async::asio::use_awaitable);
    lag_max_ = std::max(lag_max_, std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - came));
    http::Response response;
    if (is_counted && running_ >= requests_max) {
        response = plain_response(429, "Too many requests, please try again later.\n");
        response.headers.set("Retry-After", "1");
    } else {
        struct Running {
            std::size_t* count;
            explicit Running(std::size_t* c) : count(c) {
                if (count) ++*count;
            }
            ~Running() {
                if (count) --*count;
            }
            Running(const Running&) = delete;
            Running& operator=(const Running&) = delete;
        } running(is_counted ? &running_ : nullptr);
        const bool takes_gzip = request.headers.get("Accept-Encoding").contains("gzip");
        response = co_await answer(std::move(request));
        if (takes_gzip && is_counted) response = co_await compressed(api_.pool, std::move(response));
    }
    response.headers.set("Audit-Id", audit_id);
    if (!response.headers.find("Cache-Control")) response.headers.set("Cache-Control", "no-cache, private");
    co_return response;
}

Task<http::Response> Server::answer(http::Request request) {
    std::optional<Status> failure;
    bool is_refusal = false;
    try {
        auto user = co_await api_.authenticator.authenticate(request.peer, request.headers);
        if (!user) {
            hal::log::debug("api", "{} {}: {}", request.method, request.path, user.error());
            throw StatusError(unauthorized());
        }
        auto wanted = auth::impersonated(request.headers);
        if (!wanted) throw Refusal(bad_request(wanted.error()));
        if (*wanted) {
            for (const auto& need : auth::impersonation_needs(**wanted))
                if (!api_.authorizer.allows(*user, need)) throw Refusal(forbidden_to(*user, need));
            auth::complete_impersonated(**wanted);
            user = std::move(**wanted);
        }
        const auto target = target_of(request);
        if (target && (target->kind || find_review(target->group, target->version, target->resource)))
            co_return co_await answer_resource(std::move(request), *std::move(user));
        auth::Attributes asked;
        if (target) {
            asked = {target->verb, target->group, target->resource, target->subresource, target->name_space, target->name, ""};
        } else {
            asked.verb = lower(request.method);
            asked.path = request.path;
        }
        if (!api_.authorizer.allows(*user, asked)) throw Refusal(forbidden_to(*user, asked));
        if (target && serves_group_version(target->group, target->version)) throw StatusError(unknown_path());
        co_return co_await answer_path(std::move(request));
    } catch (const Refusal& error) {
        failure = error.status;
        is_refusal = true;
    } catch (const StatusError& error) {
        failure = error.status;
    } catch (const hal::Error& error) {
        if (error.code() == hal::Code::cancelled) throw;
        failure = status_of(error);
        if (failure->code == 500) hal::log::error("api", "{}", error.what());
    }
    co_return failed(*failure, is_refusal);
}

Task<http::Response> Server::answer_resource(http::Request http_request, auth::User user) {
    auto target = *target_of(http_request);
    const auth::Attributes asked{target.verb, target.group, target.resource, target.subresource, target.name_space, target.name, ""};
    ResourceRequest request;
    std::optional<Status> failure;
    bool is_refusal = false;
    http::Response response;
    try {
        if (!api_.authorizer.allows(user, asked)) throw Refusal(forbidden_to(user, asked));
        const auto method = http_request.method;
        Handler handler = nullptr;
        if (target.kind) {
            check_target(target, method);
            handler = handler_of(target);
        } else if (method == "POST" && target.name.empty()) {
            handler = find_review(target.group, target.version, target.resource);
        } else {
            throw StatusError(method_not_allowed());
        }
        if (!handler) throw StatusError(unknown_path());
        if (target.kind && !target.kind->deprecation.empty()) request.warnings.emplace_back(target.kind->deprecation);
        request.kind = target.kind;
        request.name_space = target.kind && !target.kind->is_namespaced ? "" : target.name_space;
        request.name = target.name;
        request.subresource = target.subresource;
        request.subpath = target.subpath;
        request.verb = target.verb;
        request.user = std::move(user);
        request.http = std::move(http_request);
        if (target.subresource.empty() || !is_streamed(target.subresource)) {
            // Writes, too, are refused before they are made when their answer could not be read.
            negotiate(request.http, target.verb == "list", true);
            co_await read_body(request.http);
        }
        response = co_await handler(api_, request);
    } catch (const Refusal& error) {
        failure = error.status;
        is_refusal = true;
    } catch (const StatusError& error) {
        failure = error.status;
    } catch (const hal::Error& error) {
        if (error.code() == hal::Code::cancelled) throw;
        failure = status_of(error);
        if (failure->code == 500) hal::log::error("api", "{} {}: {}", asked.verb, asked.resource, error.what());
    }
    if (failure) response = failed(*failure, is_refusal);
    // Each is said once.
    for (auto one = request.warnings.begin(); one != request.warnings.end(); ++one)
        if (std::find(request.warnings.begin(), one, *one) == one) response.headers.add("Warning", warning_header(*one));
    ++seen_[{asked.verb, asked.resource, response.status}];
    co_return response;
}

Task<http::Response> Server::answer_path(http::Request request) {
    const auto& path = request.path;
    if (path == "/metrics") co_return metrics();
    if (path == "/healthz" || path == "/livez" || path == "/readyz" || path.starts_with("/healthz/") || path.starts_with("/livez/") || path.starts_with("/readyz/"))
        co_return health(request);
    if (const auto review = find_review("", "", path)) {  // /openid/v1/jwks and its like are plain documents
        ResourceRequest plain;
        plain.http = std::move(request);
        co_return co_await review(api_, plain);
    }
    auto response = co_await documents_.handle(std::move(request));
    if (response.status == 405) co_return status_response(method_not_allowed());
    // Discovery words what a group version lacks by itself; the router only knows that there is no route.
    if (response.status == 404 && response.headers.get("Content-Type") != "application/json") co_return no_such_path();
    co_return response;
}

Task<http::Response> Server::handle_control(http::Request request) {
    if (request.path == "/metrics") co_return metrics();
    if (request.path == "/healthz" || request.path == "/livez" || request.path == "/readyz") co_return health(request);
    co_return no_such_path();
}

// The checks of the real server that this one has, by the real names; the store's goes by `etcd`.
http::Response Server::health(const http::Request& request) const {
    const auto path = std::string_view(request.path).substr(1);
    const auto what = path.substr(0, path.find('/'));
    struct Check {
        std::string_view name;
        bool is_well;
    };
    const auto failure = api_.store.health().failure;
    std::vector<Check> checks{{"ping", true}, {"log", true}, {"etcd", failure.empty()}};
    if (what == "readyz") checks.push_back({"shutdown", is_ready_});
    if (path != what) {
        const auto name = path.substr(what.size() + 1);
        const auto found = std::ranges::find(checks, name, &Check::name);
        if (found == checks.end()) return no_such_path();
        return found->is_well ? http::text_response(200, "ok") : plain_response(500, std::format("internal server error: {} failed: reason withheld\n", name));
    }
    std::string text;
    bool all_well = true;
    for (const auto& [name, is_well] : checks) {
        if (const auto* excluded = request.query_value("exclude"); excluded && *excluded == name) {
            text += std::format("[+]{} excluded: ok\n", name);
            continue;
        }
        all_well &= is_well;
        text += is_well ? std::format("[+]{} ok\n", name) : std::format("[-]{} failed: reason withheld\n", name);
    }
    if (!all_well) return plain_response(500, text + std::format("{} check failed\n", what));
    return plain_response(200, request.query_value("verbose") ? text + std::format("{} check passed\n", what) : "ok");
}

http::Response Server::metrics() const {
    std::string text = "# TYPE apiserver_request_total counter\n";
    for (const auto& [seen, count] : seen_)
        text += std::format("apiserver_request_total{{verb=\"{}\",resource=\"{}\",code=\"{}\"}} {}\n", seen.verb, seen.resource, seen.code, count);
    const auto add = [&](std::string_view name, std::string_view type, auto value) { text += std::format("# TYPE {0} {1}\n{0} {2}\n", name, type, value); };
    const auto health = api_.store.health();
    add("apiserver_current_inflight_requests", "gauge", running_);
    add("branchbox_loop_lag_seconds_max", "gauge", std::chrono::duration<double>(lag_max_).count());
    add("branchbox_store_bytes", "gauge", health.file_bytes);
    add("branchbox_store_commits_total", "counter", health.commits);
    add("branchbox_store_changes_total", "counter", health.changes);
    add("branchbox_store_watches", "gauge", health.watches);
    add("branchbox_store_revision", "gauge", api_.store.revision());
    add("branchbox_store_failed", "gauge", health.failure.empty() ? 0 : 1);
    return http::text_response(200, std::move(text), "text/plain; version=0.0.4; charset=utf-8");
}

}  // namespace services::kube::api
