// What the kubelet of a pod's node does for clients: logs, exec, attach and port-forward.
#include <boost/json/object.hpp>

#include <algorithm>
#include <charconv>

#include "hal/base/error.hpp"
#include "services/kube/api/objects.hpp"
#include "services/kube/api/proxy_backend.hpp"
#include "services/kube/api/status.hpp"
#include "services/kube/api/subresources_table.hpp"
#include "services/kube/kinds/report.hpp"
#include "services/kubeclient/object.hpp"

namespace services::kube::api {
namespace {

using kubeclient::text;

constexpr std::size_t failure_bytes_max = 64 * 1024;

std::vector<std::string> names_in(const json::object& pod, std::string_view list) {
    std::vector<std::string> names;
    for (const auto& container : kubeclient::array_at(pod, "spec." + std::string(list))) names.emplace_back(text(kubeclient::as_object(container), "name"));
    return names;
}

std::string listed(const std::vector<std::string>& names) {
    std::string out;
    for (const auto& name : names) out += (out.empty() ? "" : " ") + name;
    return "[" + out + "]";
}

// The container that is meant: the one named, or the only one.
std::string container_of(const json::object& pod, const std::string& asked) {
    const auto containers = names_in(pod, "containers"), inits = names_in(pod, "initContainers"), ephemerals = names_in(pod, "ephemeralContainers");
    const std::string name(kubeclient::name_of(pod));
    if (asked.empty()) {
        if (containers.size() == 1) return containers.front();
        auto why = "a container name must be specified for pod " + name + ", choose one of: " + listed(containers);
        if (!inits.empty()) why += " or one of the init containers: " + listed(inits);
        if (!ephemerals.empty()) why += " or one of the ephemeral containers: " + listed(ephemerals);
        throw StatusError(bad_request(why));
    }
    for (const auto* list : {&containers, &inits, &ephemerals})
        if (std::ranges::contains(*list, asked)) return asked;
    throw StatusError(bad_request("container " + asked + " is not valid for pod " + name));
}

class Query {
public:
    void add(std::string_view name, std::string_view value) {
        text_ += text_.empty() ? '?' : '&';
        text_ += http::percent_encode(name) + "=" + http::percent_encode(value);
    }
    [[nodiscard]] const std::string& text() const { return text_; }

private:
    std::string text_;
};

struct LogNumber {
    std::string_view name;
    std::int64_t min;
    std::string_view why;
};
constexpr LogNumber log_numbers[] = {
    {"limitBytes", 1, "must be greater than 0"},
    {"sinceSeconds", 1, "must be greater than 0"},
    {"tailLines", 0, "must be greater than or equal to 0"},
};
constexpr std::string_view log_options[] = {"follow", "previous", "timestamps", "sinceSeconds", "sinceTime", "tailLines", "limitBytes", "stream"};

// ValidatePodLogOptions.
void check_log_options(const ResourceRequest& request) {
    static const schema::GroupVersionKind options_kind{"", "v1", "PodLogOptions"};
    kinds::Report report;
    for (const auto& [name, min, why] : log_numbers) {
        const auto given = request.query(name);
        if (given.empty()) continue;
        std::int64_t number = 0;
        const auto [end, error] = std::from_chars(given.data(), given.data() + given.size(), number);
        if (error != std::errc{} || end != given.data() + given.size())
            throw StatusError(bad_request("unable to decode query: strconv.ParseInt: parsing \"" + given + "\": invalid syntax"));
        if (number < min) report.invalid(kinds::Path(std::string(name)), number, why);
    }
    if (!request.query("sinceSeconds").empty() && !request.query("sinceTime").empty())
        report.forbidden(kinds::Path(""), "at most one of `sinceTime` or `sinceSeconds` may be specified");
    if (!report.is_empty()) throw StatusError(invalid(options_kind, request.name, report.take()));
}

// What the kubelet said against it, as a Status: its text is the message (genericregistry's response checker).
Task<http::Response> refusal(const ResourceRequest& request, http::Response answer, std::string subresource) {
    auto body = std::move(answer.body);
    if (answer.stream) body = co_await answer.stream->read_all(failure_bytes_max);
    while (body.ends_with('\n')) body.pop_back();
    if (answer.status == 400) co_return status_response(bad_request(body));
    if (answer.status == 500) co_return status_response(internal_error(body));
    const json::object details{{"name", request.name}, {"kind", "pods/" + subresource}};
    if (answer.status == 404)
        co_return status_response({404, "NotFound", "the server could not find the requested resource ( pods/" + subresource + " " + request.name + ")", details, ""});
    co_return status_response({answer.status, "", body, details, ""});
}

Task<http::Response> send_to_kubelet(Api& api, ResourceRequest& request, Backend backend, std::string target, std::string subresource) {
    std::optional<std::string> failure;
    const auto url = "https://" + backend.endpoint.to_string() + target;
    try {
        auto answer = co_await forward(api, request, backend, std::move(target));
        if (answer.status == 101 || answer.status / 100 == 2) co_return answer;
        co_return co_await refusal(request, std::move(answer), std::move(subresource));
    } catch (const hal::Error& error) {
        if (error.code() == hal::Code::cancelled) throw;
        failure = error.what();
    }
    throw StatusError(internal_error("error dialing backend: " + *failure + " (" + url + ")"));
}

Task<json::object> pod_with_host(Api& api, const ResourceRequest& request) {
    auto pod = (co_await load_object(api, *request.kind, request.name_space, request.name)).object;
    if (text(pod, "spec.nodeName").empty()) throw StatusError(bad_request("pod " + request.name + " does not have a host assigned"));
    co_return pod;
}

std::string kubelet_path(std::string_view verb, const ResourceRequest& request, const std::string& container) {
    auto path = "/" + std::string(verb) + "/" + request.name_space + "/" + request.name;
    if (!container.empty()) path += "/" + container;
    return path;
}

// The kubelet's names for what the API calls stdin, stdout, stderr and ports. The client's own are passed on beside them.
constexpr std::pair<std::string_view, std::string_view> kubelet_names[] = {{"stdin", "input"}, {"stdout", "output"}, {"stderr", "error"}, {"ports", "port"}};

std::string streaming_query(const ResourceRequest& request) {
    Query query;
    for (const auto& [name, value] : request.http.query) {
        if (name == "container") continue;
        query.add(name, value);
        for (const auto& [ours, theirs] : kubelet_names)
            if (name == ours && value != "false" && value != "0") query.add(theirs, ours == "ports" ? std::string_view(value) : std::string_view("1"));
    }
    return query.text();
}

Task<http::Response> stream_from_kubelet(Api& api, ResourceRequest& request, std::string verb, bool has_container) {
    const auto pod = co_await pod_with_host(api, request);
    const auto container = has_container ? container_of(pod, request.query("container")) : std::string();
    if (!is_upgrade(request.http)) throw StatusError(bad_request("Upgrade request required"));
    auto backend = co_await kubelet_of(api, std::string(text(pod, "spec.nodeName")));
    co_return co_await send_to_kubelet(api, request, std::move(backend), kubelet_path(verb, request, container) + streaming_query(request), request.subresource);
}

}  // namespace

Task<http::Response> pod_exec(Api& api, ResourceRequest& request) { return stream_from_kubelet(api, request, "exec", true); }
Task<http::Response> pod_attach(Api& api, ResourceRequest& request) { return stream_from_kubelet(api, request, "attach", true); }
Task<http::Response> pod_port_forward(Api& api, ResourceRequest& request) { return stream_from_kubelet(api, request, "portForward", false); }

Task<http::Response> pod_log(Api& api, ResourceRequest& request) {
    check_log_options(request);
    const auto pod = (co_await load_object(api, *request.kind, request.name_space, request.name)).object;
    const auto container = container_of(pod, request.query("container"));
    const std::string node(text(pod, "spec.nodeName"));
    if (node.empty()) {
        http::Response nothing;
        nothing.status = 204;
        co_return nothing;
    }
    Query query;
    for (const auto& [name, value] : request.http.query)
        if (std::ranges::contains(log_options, std::string_view(name))) query.add(name, value);
    auto backend = co_await kubelet_of(api, node);
    auto answer = co_await send_to_kubelet(api, request, std::move(backend), kubelet_path("containerLogs", request, container) + query.text(), "log");
    if (answer.status == 200) answer.headers.set("Content-Type", "text/plain");
    co_return answer;
}

}  // namespace services::kube::api
