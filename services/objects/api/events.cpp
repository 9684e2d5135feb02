#include "services/objects/api/events.hpp"

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <format>

#include "hal/base/error.hpp"
#include "hal/base/log.hpp"
#include "services/http/client.hpp"
#include "services/objects/api/fields.hpp"
#include "services/objects/api/handlers.hpp"

namespace services::objects::api {
namespace {

namespace json = boost::json;

constexpr auto area = "objects";
constexpr std::chrono::seconds webhook_answer_time_max{30};
// A target that is away is asked again after 1 s, then twice as long each time, up to this.
constexpr std::chrono::seconds webhook_pause_max{60};
constexpr std::size_t webhook_batch = 64;
// A line of white space now and then: a client that went away is noticed, as MinIO does it.
constexpr std::chrono::seconds ping_every{5};

std::string member(const json::object& object, std::string_view name) {
    const auto* value = object.if_contains(name);
    return value && value->is_string() ? std::string(value->get_string()) : std::string();
}

s3::EventRecord record_from(const Api& api, const store::Object& object, std::string_view bucket) {
    s3::EventRecord record;
    record.region = api.options.region;
    record.deployment_id = api.options.deployment_id;
    record.bucket = bucket;
    record.key = object.key;
    record.bytes = object.bytes;
    record.etag = object.etag;
    record.version_id = object.version == store::null_version ? "" : object.version;
    record.sequencer = std::format("{:016X}", object.sequence);
    for (const auto& [name, value] : object.metadata.headers)
        if (name == "content-type") record.content_type = value;
    for (const auto& [name, value] : object.metadata.user) record.metadata.emplace_back("X-Amz-Meta-" + name, value);
    return record;
}

}  // namespace

Events::Events(Api& api) : api_(api), more_(api.executor) {
    for (const auto& [arn, address] : api.options.webhooks) {
        arns_.push_back(arn);
        targets_[arn];
    }
}

Events::~Events() = default;

std::string Events::note(const Call& call, std::string_view event_name, const s3::NotificationRule& rule) const {
    const auto* agent = call.header("user-agent");
    const auto* host = call.header("host");
    return json::serialize(json::object{{"name", event_name}, {"principal", call.who.access_key}, {"source", call.request.peer.remote.address},
                                        {"agent", agent ? agent->substr(0, 512) : ""}, {"request", call.request_id}, {"rule", rule.id},
                                        {"host", host ? *host : ""}});
}

void Events::publish(const Call& call, std::string_view event_name, std::string_view bucket, const store::Object& object) {
    if (listeners_.empty()) return;
    std::string line;
    for (auto* listener : listeners_) {
        const auto& filter = listener->filter_;
        if (!filter.bucket.empty() && filter.bucket != bucket) continue;
        if (!object.key.starts_with(filter.prefix) || !object.key.ends_with(filter.suffix)) continue;
        if (std::ranges::none_of(filter.names, [&](const auto& name) { return s3::event_matches(name, event_name); })) continue;
        if (line.empty()) {
            auto record = record_from(api_, object, bucket);
            record.name = event_name;
            record.time = call.now;
            record.principal = call.who.access_key;
            record.source_ip = call.request.peer.remote.address;
            record.request_id = call.request_id;
            if (const auto* agent = call.header("user-agent")) record.user_agent = *agent;
            if (const auto* host = call.header("host")) record.endpoint = (call.request.peer.is_tls ? "https://" : "http://") + *host;
            line = "{\"Records\":[" + s3::event_record_json(record) + "]}\n";
        }
        if (listener->lines_.size() >= lines_max)
            listener->is_cut_ = true;
        else
            listener->lines_.push_back(line);
        listener->arrived_.set();
    }
}

Events::Listener::Listener(Events& events, Filter filter) : events_(events), filter_(std::move(filter)), arrived_(events.api_.executor) {
    if (events_.listeners_.size() >= listeners_max) throw hal::Error(hal::Code::unavailable, "more clients listen than are allowed");
    place_ = events_.listeners_.insert(events_.listeners_.end(), this);
}

Events::Listener::~Listener() { events_.listeners_.erase(place_); }

Task<std::string> Events::Listener::next(std::chrono::steady_clock::duration limit) {
    if (lines_.empty()) {
        arrived_.clear();
        co_await arrived_.wait_for(limit);
    }
    if (is_cut_) throw hal::Error(hal::Code::exhausted, "a listening client is too slow for the events it asked for");
    std::string out;
    while (!lines_.empty()) {
        out += lines_.front();
        lines_.pop_front();
    }
    co_return out;
}

namespace {

class EventStream : public http::BodyReader {
public:
    EventStream(Events& events, Events::Filter filter) : listener_(events, std::move(filter)) {}
    Task<std::string> read() override {
        auto lines = co_await listener_.next(ping_every);
        co_return lines.empty() ? std::string(" ") : lines;
    }

private:
    Events::Listener listener_;
};

}  // namespace

Task<Answer> listen(Api& api, Call& call) {
    Events::Filter filter;
    filter.bucket = call.address.bucket;
    filter.prefix = call.query("prefix");
    filter.suffix = call.query("suffix");
    for (const auto& [name, value] : call.request.query) {
        if (name != "events") continue;
        if (!s3::is_event_name(value)) co_return invalid_argument("A specified event is not supported for notifications.");
        filter.names.push_back(value);
    }
    http::Response response;
    response.headers.set("Content-Type", "text/event-stream");
    response.stream = std::make_unique<EventStream>(api.events(), std::move(filter));
    co_return response;
}

Task<std::string> Events::record_of(std::string, std::string bucket, std::string key, std::string version, std::string text, std::uint64_t sequence,
                                    hal::WallTime time, std::uint64_t bytes) {
    boost::system::error_code broken;
    const auto value = json::parse(text, broken);
    const auto note = !broken && value.is_object() ? value.get_object() : json::object();
    store::Object object;
    object.key = key;
    object.version = version;
    object.bytes = bytes;
    object.sequence = sequence;
    // What the version carries is looked up now; it may be gone by the time the target is back.
    try {
        const auto found = co_await api_.store.stat(bucket, key, version.empty() ? std::nullopt : std::optional(version));
        if (found) object = *found;
    } catch (const hal::Error& failure) {
        // A damaged object is no reason to keep its event, and those behind it.
        if (failure.code() != hal::Code::corrupt) throw;
    }
    auto record = record_from(api_, object, bucket);
    const auto name = member(note, "name");
    record.name = name;
    record.time = time;
    record.principal = member(note, "principal");
    record.source_ip = member(note, "source");
    record.user_agent = member(note, "agent");
    record.request_id = member(note, "request");
    record.configuration_id = member(note, "rule");
    record.endpoint = "http://" + member(note, "host");
    record.sequencer = std::format("{:016X}", sequence);
    co_return s3::webhook_json(record);
}

Task<> Events::deliver_to(std::string arn, std::string address) {
    auto& target = targets_[arn];
    // "http://host:port/path"
    constexpr std::string_view scheme = "http://";
    const auto rest = std::string_view(address).substr(scheme.size());
    const auto slash = rest.find('/');
    auto authority = std::string(rest.substr(0, slash));
    const auto path = slash == std::string_view::npos ? std::string("/") : std::string(rest.substr(slash));
    if (authority.find(':') == std::string::npos) authority += ":80";
    http::ClientOptions options;
    options.origin = hal::net::Endpoint::parse(authority);
    options.server_name = authority;
    options.answer_time_max = webhook_answer_time_max;
    http::Client client(api_.executor, options);
    std::chrono::seconds pause{1};
    for (;;) {
        const auto seen = added_;
        const auto entries = co_await api_.store.outbox(destination(arn), 0, webhook_batch);
        if (entries.empty()) {
            if (added_ == seen) co_await more_.wait();
            continue;
        }
        std::vector<std::uint64_t> done;
        std::string problem;
        for (const auto& entry : entries) {
            http::Request request;
            request.method = "POST";
            request.target = path;
            request.headers.set("Content-Type", "application/json");
            request.headers.set("User-Agent", "MinIO (branchbox)");
            request.body = co_await record_of(arn, entry.bucket, entry.key, entry.version, entry.note, entry.sequence, entry.time, entry.bytes);
            try {
                auto response = co_await client.send(std::move(request));
                if (response.stream) co_await response.stream->read_all(64 * 1024);
                if (response.status < 200 || response.status > 299) problem = std::format("answered {}", response.status);
            } catch (const hal::Error& failure) {
                if (failure.code() == hal::Code::cancelled) throw;
                problem = failure.what();
            }
            if (!problem.empty()) break;
            ++target.delivered;
            done.push_back(entry.sequence);
        }
        if (!done.empty()) {
            co_await api_.store.outbox_done(destination(arn), done);
            pause = std::chrono::seconds(1);
        }
        if (problem != target.problem) {
            if (problem.empty())
                hal::log::info(area, "webhook {} takes events again", arn);
            else
                hal::log::warn(area, "webhook {} at {}: {}; its events are kept", arn, address, problem);
            target.problem = problem;
        }
        if (problem.empty()) continue;
        ++target.failed;
        co_await hal::async::sleep_for(pause);
        pause = std::min(pause * 2, webhook_pause_max);
    }
}

Task<> Events::deliver() {
    if (arns_.empty()) co_return;
    hal::async::TaskGroup group(api_.executor, "webhooks", arns_.size() + 1);
    for (const auto& [arn, address] : api_.options.webhooks) group.spawn(arn, deliver_to(arn, address));
    std::exception_ptr ended;
    try {
        for (;;) {
            co_await api_.store.outbox_more();
            // Counted, because a target that is just looking does not wait.
            ++added_;
            more_.set();
            more_.clear();
        }
    } catch (...) {
        ended = std::current_exception();
    }
    co_await hal::async::asio::this_coro::reset_cancellation_state();
    group.cancel();
    co_await group.join();
    std::rethrow_exception(ended);
}

}  // namespace services::objects::api
