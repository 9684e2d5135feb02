#include "services/uplink/uplink.hpp"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <format>

#include "hal/base/bytes.hpp"
#include "hal/base/log.hpp"
#include "hal/net/netlink.hpp"
#include "services/http/client.hpp"
#include "services/uplink/reach.hpp"

namespace services::uplink {

using hal::Code;
using hal::Error;
using hal::async::Task;
using http::Request;
using http::Response;

namespace {

constexpr auto area = "uplink";
constexpr std::size_t backlog_bytes_max = 4096;
// A cable that is out for less than this is no cut.
constexpr std::chrono::milliseconds down_rest{300};
constexpr std::chrono::seconds tell_pause{2};

std::chrono::seconds local_offset(hal::WallTime time) {
    const auto seconds = static_cast<time_t>(std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count());
    tm local{};
    ::localtime_r(&seconds, &local);
    return std::chrono::seconds(local.tm_gmtoff);
}

double random_below_one() {
    const auto bytes = hal::random_bytes(4);
    std::uint32_t value = 0;
    std::memcpy(&value, bytes.data(), sizeof value);
    return static_cast<double>(value) / 4294967296.0;
}

bool needs_curl(const Settings& settings) {
    return std::ranges::any_of(settings.destinations, [](const Destination& one) { return one.url.scheme.starts_with("http"); });
}

}  // namespace

// The lines of GET /v1/events: each change of state once, as long as the client listens.
class Uplink::Events : public http::BodyReader {
public:
    explicit Events(Uplink& uplink) : uplink_(uplink) { ++uplink_.subscribers_; }
    ~Events() override { --uplink_.subscribers_; }
    Task<std::string> read() override {
        while (seen_ == uplink_.version_ && !uplink_.is_ending_) co_await uplink_.changed_.wait();
        if (uplink_.is_ending_) co_return "";
        seen_ = uplink_.version_;
        co_return client::to_line(uplink_.destinations_.states(uplink_.service_.clock->steady()));
    }

private:
    Uplink& uplink_;
    std::optional<std::uint64_t> seen_;
};

// The answer's body on its way to the service.
class Uplink::Body : public http::BodyReader {
public:
    Body(Uplink& uplink, Destinations::State& state, std::unique_ptr<Transfer> transfer) : uplink_(uplink), state_(state), transfer_(std::move(transfer)) {}
    Task<std::string> read() override {
        std::optional<Transfer::Failure> failure;
        try {
            co_return co_await transfer_->read();
        } catch (const Transfer::Failure& broken) {
            failure = broken;
        }
        uplink_.failed(state_, *failure);
        throw std::move(*failure);
    }

private:
    Uplink& uplink_;
    Destinations::State& state_;
    std::unique_ptr<Transfer> transfer_;
};

Uplink::Uplink(config::Service& service, const Settings& settings)
    : service_(service),
      settings_(settings),
      shaper_(service.executor, *service.clock, settings.schedule, settings.shares, settings.caps, local_offset),
      destinations_(settings, [this] { changed(); }),
      relays_(service.executor, shaper_),
      changed_(service.executor),
      backlogs_changed_(service.executor) {
    if (!needs_curl(settings)) return;
    try {
        curl_ = Curl::load();
    } catch (const Error& failure) {
        curl_missing_ = failure.what();
        hal::log::error(area, "libcurl {}", curl_missing_);
    }
}

Uplink::~Uplink() = default;

void Uplink::changed() {
    ++version_;
    changed_.set();
    changed_.clear();  // who waited has been woken
    auto problems = settings_.problems;
    if (!curl_missing_.empty()) problems.push_back("upstream: libcurl " + curl_missing_);
    std::ranges::copy(destinations_.problems(), std::back_inserter(problems));
    if (problems == told_problems_ || !service_.report_problems) return;
    service_.report_problems(problems);
    told_problems_ = std::move(problems);
}

Transfers& Uplink::transfers_of(Class which) {
    auto& transfers = transfers_[static_cast<std::size_t>(which)];
    if (!transfers) transfers = std::make_unique<Transfers>(service_.executor, *curl_, relays_, which);
    return *transfers;
}

void Uplink::count(std::string_view upstream, Class which, std::string_view outcome) {
    ++requests_[std::format("upstream=\"{}\",class=\"{}\",outcome=\"{}\"", upstream, client::name_of(which), outcome)];
}

Response Uplink::refuse(const client::Refusal& why, const std::string& message, std::chrono::milliseconds retry) {
    auto response = http::text_response(why.status, message + "\n");
    response.headers.set(std::string(client::error_field), std::string(why.name));
    if (retry.count() > 0) response.headers.set("Retry-After", std::to_string(std::chrono::ceil<std::chrono::seconds>(retry).count()));
    return response;
}

Task<Response> Uplink::handle(Request request) {
    const auto own_user = ::geteuid();
    const auto& users = service_.peer_users;
    if (request.peer.uid && *request.peer.uid != 0 && *request.peer.uid != own_user && std::ranges::find(users, *request.peer.uid) == users.end())
        co_return http::text_response(403, "the uplink serves this box's services alone\n");
    if (request.target.starts_with('/')) co_return co_await own(std::move(request));
    const auto* name = request.headers.find(client::class_field);
    const auto which = name ? client::class_of(*name) : Class::bulk;
    if (!which) co_return refuse(client::refused_request, std::string(client::class_field) + ": there is no class '" + *name + "'");
    if (request.method == "CONNECT") co_return co_await tunnel(std::move(request), *which);
    co_return co_await forward(std::move(request), *which);
}

Task<Response> Uplink::own(Request request) {
    if (request.path == client::events_path && request.method == "GET") {
        if (subscribers_ >= subscribers_max) co_return http::text_response(503, "too many listen already\n");
        Response response;
        response.headers.set("Content-Type", "application/x-ndjson");
        response.stream = std::make_unique<Events>(*this);
        co_return response;
    }
    if (request.path == client::backlogs_path && request.method == "PUT") co_return co_await put_backlog(std::move(request));
    co_return http::text_response(404, "the uplink has " + std::string(client::events_path) + " and " + std::string(client::backlogs_path) + "\n");
}

// --- backlogs -------------------------------------------------------------------------------------------------------

std::vector<std::optional<std::chrono::seconds>> Uplink::forecasts() const {
    std::vector<Waiting> waiting;
    for (const auto& one : backlogs_) waiting.push_back({one.urgency, one.bytes});
    return forecast(waiting, shaper_.shares(), shaper_.schedule(), shaper_.seen(), shaper_.local_now());
}

Task<Response> Uplink::put_backlog(Request request) {
    std::string text = std::move(request.body);
    if (request.stream) text = co_await request.stream->read_all(backlog_bytes_max);
    auto backlog = client::backlog_of(text);
    if (!backlog) co_return http::text_response(400, "no backlog\n");
    if (std::ranges::none_of(settings_.destinations, [&](const Destination& one) { return one.name == backlog->upstream; }))
        co_return http::text_response(404, "the configuration has no upstream '" + backlog->upstream + "'\n");
    auto it = std::ranges::find_if(backlogs_, [&](const client::Backlog& one) { return one.upstream == backlog->upstream && one.urgency == backlog->urgency; });
    boost::json::object answer{{"seconds", nullptr}};
    if (backlog->count == 0) {
        if (it != backlogs_.end()) backlogs_.erase(it);
        answer["seconds"] = 0;
    } else {
        if (it == backlogs_.end()) it = backlogs_.insert(backlogs_.end(), client::Backlog{});
        *it = *std::move(backlog);
        if (const auto time = forecasts().at(static_cast<std::size_t>(it - backlogs_.begin()))) answer["seconds"] = time->count();
    }
    backlogs_changed_.set();
    co_return http::json_response(200, boost::json::serialize(answer));
}

Task<> Uplink::tell_backlogs() {
    for (;;) {
        co_await backlogs_changed_.wait();
        backlogs_changed_.clear();
        if (!service_.report_backlogs) continue;
        const auto times = forecasts();
        std::vector<config::Backlog> told;
        for (std::size_t i = 0; i < backlogs_.size(); ++i) {
            const auto& one = backlogs_[i];
            told.push_back({one.upstream, std::string(client::name_of(one.urgency)), one.count, one.bytes, one.oldest, {}});
            if (times[i]) told.back().empty_at = service_.clock->wall() + *times[i];
        }
        service_.report_backlogs(told);
        co_await hal::async::sleep_for(tell_pause);  // a service that reports often is told of now and then
    }
}

// --- requests -------------------------------------------------------------------------------------------------------

std::optional<Response> Uplink::refused(const Destinations::State& state, Class which) {
    const auto now = service_.clock->steady();
    const auto& name = state.destination->name;
    if (const auto* why = destinations_.refusal(state, which, now)) {
        count(name, which, why->name);
        const auto retry = std::chrono::ceil<std::chrono::milliseconds>(std::max(state.retry_at - now, hal::SteadyTime::duration::zero()));
        return refuse(*why, why == &client::no_link ? name + ": there is no way to " + state.way : name + ": left alone after a failure: " + state.reason, retry);
    }
    if (const auto wait = shaper_.over_cap(); wait && which != Class::alerts) {
        count(name, which, client::over_cap.name);
        return refuse(client::over_cap, "the byte cap of this line is reached", *wait);
    }
    return std::nullopt;
}

void Uplink::failed(Destinations::State& state, const Transfer::Failure& failure) {
    destinations_.failed(state, *failure.refusal, failure.what(), random_below_one(), service_.clock->steady());
}

Task<Response> Uplink::forward(Request request, Class which) {
    auto url = config::parse_url(request.target);
    if (!url) co_return refuse(client::refused_request, "'" + request.target + "' is no address of a destination");
    const auto* destination = destination_for(settings_.destinations, *url);
    if (!destination || !url->scheme.starts_with("http")) {
        count("", which, client::refused_destination.name);
        co_return refuse(client::refused_destination, url->scheme + "://" + url->authority() + " is no destination of the configuration's section 'upstream'");
    }
    auto& state = destinations_.of(*destination);
    if (auto refusal = refused(state, which)) co_return std::move(*refusal);
    if (!curl_) co_return refuse(client::no_library, "libcurl " + curl_missing_);

    Outgoing outgoing;
    outgoing.method = request.method;
    outgoing.url = std::move(*url);
    outgoing.destination = destination;
    outgoing.proxy = settings_.proxy ? &*settings_.proxy : nullptr;
    request.headers.erase(client::class_field);
    outgoing.fields = request.headers.all();
    if (!destination->credentials.authorization.empty() && !request.headers.find("Authorization"))
        outgoing.fields.emplace_back("Authorization", destination->credentials.authorization);
    const auto* length = request.headers.find("Content-Length");
    outgoing.has_body = request.stream || length || request.method == "POST" || request.method == "PUT" || request.method == "PATCH";
    if (length) {
        std::uint64_t bytes = 0;
        if (std::from_chars(length->data(), length->data() + length->size(), bytes).ec == std::errc{}) outgoing.body_bytes = bytes;
    } else if (!request.stream) {
        outgoing.body_bytes = 0;
    }
    co_return co_await exchange(std::move(request), which, state, std::move(outgoing));
}

Task<Response> Uplink::exchange(Request request, Class which, Destinations::State& state, Outgoing outgoing) {
    const auto method = outgoing.method;
    std::optional<Transfer::Failure> failure;
    try {
        auto transfer = std::make_unique<Transfer>(transfers_of(which), std::move(outgoing));
        bool is_whole = true;
        while (request.stream) {
            auto piece = co_await request.stream->read();
            if (piece.empty()) break;
            if (transfer->is_settled()) {
                is_whole = false;  // refused before all of it was sent
                break;
            }
            co_await transfer->offer(std::move(piece));
        }
        if (is_whole) transfer->end_body();
        const auto answer = co_await transfer->head();
        destinations_.answered(state, answer.status);
        count(state.destination->name, which, std::format("{}xx", answer.status / 100));
        Response response;
        response.status = answer.status;
        for (const auto& [name, value] : answer.fields) response.headers.add(name, value);
        if (method == "HEAD" || answer.status == 204 || answer.status == 304) {
            while (!(co_await transfer->read()).empty()) {
            }
        } else {
            response.stream = std::make_unique<Body>(*this, state, std::move(transfer));
        }
        co_return response;
    } catch (const Transfer::Failure& broken) {
        failure = broken;
    }
    failed(state, *failure);
    count(state.destination->name, which, failure->refusal->name);
    co_return refuse(*failure->refusal, failure->what());
}

// --- tunnels --------------------------------------------------------------------------------------------------------

Task<Relays::Side> Uplink::dial_far(const Destination& destination) {
    const auto& url = destination.url;
    if (!settings_.proxy) {
        Relays::Side side;
        side.stream = co_await hal::net::dial_paced({url.host, url.port}, dial_time_max, far_pace);
        co_return side;
    }
    const auto& proxy = *settings_.proxy;
    http::Client client(service_.executor, {.origin = {proxy.url.host, proxy.url.port}, .tls = nullptr, .server_name = "", .limits = {}});
    Request request;
    request.method = "CONNECT";
    request.target = (url.host.contains(':') ? "[" + url.host + "]" : url.host) + ":" + std::to_string(url.port);
    request.headers.set("Host", request.target);
    if (!proxy.user.empty()) request.headers.set("Proxy-Authorization", "Basic " + hal::base64(proxy.user + ":" + proxy.password));
    auto upgraded = co_await client.upgrade(std::move(request));
    const auto status = upgraded.response.status;
    if (upgraded.stream) co_return Relays::Side{std::move(upgraded.stream), std::move(upgraded.early)};
    const auto& why = status == 407 || status == 403 ? client::proxy_refused : client::unreachable;
    throw Transfer::Failure(why, destination.name + ": the office proxy answers " + std::to_string(status));
}

Task<Response> Uplink::tunnel(Request request, Class which) {
    const auto where = config::parse_host_port(request.target);
    if (!where) co_return refuse(client::refused_request, "'" + request.target + "' is no HOST:PORT");
    const auto* destination = destination_for(settings_.destinations, *where);
    if (!destination) {
        count("", which, client::refused_destination.name);
        co_return refuse(client::refused_destination, request.target + " is no destination of the configuration's section 'upstream'");
    }
    auto& state = destinations_.of(*destination);
    if (auto refusal = refused(state, which)) co_return std::move(*refusal);
    std::optional<Transfer::Failure> failure;
    auto far = std::make_shared<Relays::Side>();  // shared by the copies of the function below
    try {
        *far = co_await dial_far(*destination);
    } catch (const Transfer::Failure& refusal) {
        failure = refusal;
    } catch (const Error& broken) {
        if (broken.code() == Code::cancelled) throw;
        failure = Transfer::Failure(client::unreachable, destination->name + ": " + broken.what());
    }
    if (failure) {
        failed(state, *failure);
        count(destination->name, which, failure->refusal->name);
        co_return refuse(*failure->refusal, failure->what());
    }
    destinations_.answered(state, 200);
    count(destination->name, which, "tunnel");
    auto connection = std::make_shared<Connection>(Connection{state.way, {}, true});
    Response response;
    response.upgrade = [this, which, far, connection](hal::net::StreamPtr near, std::string early) {
        return relays_.carry({std::move(near), std::move(early)}, std::move(*far), which, connection);
    };
    co_return response;
}

// --- the line -------------------------------------------------------------------------------------------------------

Task<std::vector<bool>> Uplink::look() {
    std::vector<std::string> hosts;
    for (const auto& one : destinations_.all()) hosts.push_back(one.way);
    co_return co_await hal::async::offload(*service_.pool, [hosts] {
        hal::net::Netlink netlink;
        const auto links = netlink.links();
        const auto routes = netlink.routes();
        std::vector<bool> ways;
        for (const auto& host : hosts) ways.push_back(has_way(host, links, routes));
        return ways;
    });
}

Task<> Uplink::follow_links() {
    hal::net::NetlinkWatch watch(service_.executor);
    changed();
    for (;;) {
        auto ways = co_await look();
        const auto& all = destinations_.all();
        const auto goes = [&](std::size_t i) { return all[i].is_reachable && !ways[i]; };
        bool has_gone = false;
        for (std::size_t i = 0; i < ways.size(); ++i) has_gone = has_gone || goes(i);
        if (has_gone) {
            co_await hal::async::sleep_for(down_rest);
            ways = co_await look();
        }
        const auto gone = destinations_.set_ways([&](const std::string& host) {
            const auto it = std::ranges::find(all, host, &Destinations::State::way);
            return static_cast<bool>(ways[static_cast<std::size_t>(it - all.begin())]);
        });
        if (!gone.empty()) relays_.cut([&](const std::string& host) { return std::ranges::find(gone, host) != gone.end(); });
        co_await watch.changed();
    }
}

void Uplink::end_events() {
    is_ending_ = true;
    changed();
}

Task<> Uplink::stop() {
    co_await relays_.stop();
    for (auto& one : transfers_) one.reset();
}

std::string Uplink::metrics() const {
    std::string text;
    const auto head = [&](std::string_view name, std::string_view type) { text += std::format("# TYPE {} {}\n", name, type); };
    head("branchbox_uplink_sent_bytes_total", "counter");
    for (std::size_t i = 0; i < class_count; ++i) text += std::format("branchbox_uplink_sent_bytes_total{{class=\"{}\"}} {}\n", client::class_names[i], shaper_.counts()[i].sent);
    head("branchbox_uplink_received_bytes_total", "counter");
    for (std::size_t i = 0; i < class_count; ++i)
        text += std::format("branchbox_uplink_received_bytes_total{{class=\"{}\"}} {}\n", client::class_names[i], shaper_.counts()[i].received);
    head("branchbox_uplink_requests_total", "counter");
    for (const auto& [labels, number] : requests_) text += std::format("branchbox_uplink_requests_total{{{}}} {}\n", labels, number);
    head("branchbox_uplink_reachable", "gauge");
    for (const auto& one : destinations_.all()) text += std::format("branchbox_uplink_reachable{{upstream=\"{}\"}} {}\n", one.destination->name, one.is_reachable ? 1 : 0);
    head("branchbox_uplink_failures_total", "counter");
    for (const auto& one : destinations_.all()) text += std::format("branchbox_uplink_failures_total{{upstream=\"{}\"}} {}\n", one.destination->name, one.failures);
    head("branchbox_uplink_backlog_bytes", "gauge");
    for (const auto& one : backlogs_)
        text += std::format("branchbox_uplink_backlog_bytes{{upstream=\"{}\",class=\"{}\"}} {}\n", one.upstream, client::name_of(one.urgency), one.bytes);
    head("branchbox_uplink_connections", "gauge");
    text += std::format("branchbox_uplink_connections {}\n", relays_.size());
    if (const auto rate = shaper_.rate()) {
        head("branchbox_uplink_budget_bytes_per_second", "gauge");
        text += std::format("branchbox_uplink_budget_bytes_per_second {}\n", *rate);
    }
    return text;
}

}  // namespace services::uplink
