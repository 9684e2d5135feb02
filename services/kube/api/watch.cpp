#include "services/kube/api/watch.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <format>

#include "hal/base/bytes.hpp"
#include "hal/base/log.hpp"
#include "services/kube/api/list.hpp"
#include "services/kube/api/negotiate.hpp"
#include "services/kube/api/request.hpp"
#include "services/kube/api/status.hpp"
#include "services/kube/api/table.hpp"
#include "services/kube/api/write.hpp"
#include "services/kube/kinds/report.hpp"

namespace services::kube::api {
namespace {

using Steady = std::chrono::steady_clock;

constexpr std::chrono::seconds bookmark_every{60};
constexpr std::chrono::seconds time_min{1800};  // without timeoutSeconds: this to twice this
constexpr std::string_view initial_events_end = "k8s.io/initial-events-end";

std::chrono::seconds random_time() {
    const auto bytes = hal::random_bytes(2);
    const auto part = (static_cast<unsigned char>(bytes[0]) * 256 + static_cast<unsigned char>(bytes[1])) / 65536.0;
    return time_min + std::chrono::seconds(static_cast<std::int64_t>(part * static_cast<double>(time_min.count())));
}

struct Plan {
    const kinds::Kind* kind;
    Selection selection;
    Accepted accepted;
    TableForm table;
    store::Revision from = 0;          // 0: begins with what is there now
    bool sends_initial_events = false;
    bool marks_initial_end = false;    // sendInitialEvents
    bool sends_bookmarks = false;
    Steady::time_point end;
};

class WatchStream : public http::BodyReader {
public:
    WatchStream(Api& api, Plan plan) : api_(api), plan_(std::move(plan)), next_bookmark_(Steady::now() + bookmark_every) {
        if (plan_.sends_initial_events) initial_.emplace(api_, *plan_.kind, plan_.selection, 0, 0, "");
        if (initial_ && needs_object()) initial_->expect_reading();
    }

    Task<std::string> read() override {
        if (is_ended_) co_return "";
        while (initial_) {
            auto text = co_await initial_piece();
            if (!text.empty()) co_return text;
        }
        std::optional<Status> failure;
        try {
            if (!watch_) watch_ = api_.store.watch(plan_.selection.scope, plan_.from);
            for (;;) {
                const auto now = Steady::now();
                if (now >= plan_.end) break;
                const auto until = plan_.sends_bookmarks ? std::min(plan_.end, next_bookmark_) : plan_.end;
                if (auto change = co_await watch_->next_within(std::max(until - now, Steady::duration::zero()))) {
                    if (auto text = event_of(*change); !text.empty()) co_return text;
                } else if (plan_.sends_bookmarks && Steady::now() >= next_bookmark_) {
                    next_bookmark_ = Steady::now() + bookmark_every;
                    co_return bookmark(watch_->seen(), false);
                }
            }
        } catch (const hal::Error& error) {
            // Cancelled: the store closes; the client watches again elsewhere or later.
            if (error.code() == hal::Code::gone)
                failure = expired(std::format("too old resource version: {} ({})", plan_.from, api_.store.compacted() + 1));
            else if (error.code() != hal::Code::cancelled) failure = status_of(error);
        }
        is_ended_ = true;
        if (failure) co_return event("ERROR", json::serialize(status_object(*failure)));
        co_return "";
    }

private:
    Task<std::string> initial_piece() {
        auto items = co_await initial_->next();
        std::string out;
        for (auto& item : items) {
            if (item.object || needs_object()) {
                if (!item.object) item.object = read_value(*plan_.kind, *item.record.value);
                out += event("ADDED", object_text(*item.object));
            } else {
                out += event("ADDED", plain_text(*item.record.value));
            }
        }
        if (initial_->is_done()) {
            plan_.from = initial_->revision();
            initial_.reset();
            if (plan_.marks_initial_end) out += bookmark(plan_.from, true);
        }
        co_return out;
    }

    [[nodiscard]] bool needs_object() const { return plan_.accepted.form != Accepted::Form::object || plan_.kind->from_stored; }

    static std::string event(std::string_view type, std::string_view object) { return std::format("{{\"type\":\"{}\",\"object\":{}}}\n", type, object); }

    // A stored text with its type before it: nothing is parsed.
    [[nodiscard]] std::string plain_text(const std::string& stored) const {
        return std::format("{{\"kind\":\"{}\",\"apiVersion\":\"{}\",{}", plan_.kind->gvk.kind, plan_.kind->gvk.api_version(),
                           std::string_view(stored).substr(1));
    }

    std::string object_text(const json::object& object) {
        switch (plan_.accepted.form) {
            case Accepted::Form::table:
                return table_of(table_shape(*plan_.kind), plan_.table, plan_.kind->gvk, object, api_.clock.wall(), std::exchange(with_columns_, false));
            case Accepted::Form::partial: return partial_of(object, plan_.accepted.version);
            case Accepted::Form::object: break;
        }
        return plain_text(json::serialize(object));
    }

    std::string event_of(const store::Change& change) {
        using Kind = store::Change::Kind;
        if (!plan_.selection.reads_objects() && !needs_object()) {
            const auto* type = change.kind == Kind::created ? "ADDED" : change.kind == Kind::updated ? "MODIFIED" : "DELETED";
            return event(type, plain_text(*change.value));
        }
        auto object = read_value(*plan_.kind, *change.value);
        if (change.kind == Kind::deleted) return plan_.selection.matches(*plan_.kind, object) ? event("DELETED", object_text(object)) : "";
        const bool is_in = plan_.selection.matches(*plan_.kind, object);
        if (!change.before) return is_in ? event("ADDED", object_text(object)) : "";
        if (!plan_.selection.reads_objects()) return event("MODIFIED", object_text(object));
        auto before = read_value(*plan_.kind, *change.before);
        const bool was_in = plan_.selection.matches(*plan_.kind, before);
        if (is_in) return event(was_in ? "MODIFIED" : "ADDED", object_text(object));
        if (!was_in) return "";
        // What left is shown as it was last seen, at the revision at which it left.
        metadata_of(before)["resourceVersion"] = std::to_string(change.revision);
        return event("DELETED", object_text(before));
    }

    [[nodiscard]] std::string bookmark(store::Revision revision, bool is_end) const {
        json::object metadata{{"resourceVersion", std::to_string(revision)}};
        if (is_end) metadata["annotations"] = json::object{{initial_events_end, "true"}};
        if (plan_.accepted.form == Accepted::Form::table)
            return event("BOOKMARK", table_head(table_shape(*plan_.kind), plan_.table, metadata, false) + std::string(table_tail));
        if (plan_.accepted.form == Accepted::Form::partial)
            return event("BOOKMARK", partial_of(json::object{{"metadata", metadata}}, plan_.accepted.version));
        return event("BOOKMARK", std::format("{{\"kind\":\"{}\",\"apiVersion\":\"{}\",\"metadata\":{}}}", plan_.kind->gvk.kind,
                                             plan_.kind->gvk.api_version(), json::serialize(metadata)));
    }

    Api& api_;
    Plan plan_;
    std::optional<Lister> initial_;
    std::unique_ptr<store::Watch> watch_;
    Steady::time_point next_bookmark_;
    bool with_columns_ = true, is_ended_ = false;
};

// metainternalversion validation.ValidateListOptions for a watch.
void check_options(const ResourceRequest& request) {
    kinds::Report report;
    const auto match = request.query("resourceVersionMatch");
    const kinds::Path match_path("resourceVersionMatch");
    const bool has_initial = request.http.query_value("sendInitialEvents") != nullptr;
    if (has_initial && match != "NotOlderThan")
        report.forbidden(match_path, "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
    if (!match.empty()) {
        if (!has_initial) report.forbidden(match_path, "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided");
        if (match != "NotOlderThan") report.not_supported(match_path, match, {"NotOlderThan"});
    }
    if (!report.is_empty()) throw StatusError(invalid(schema::GroupVersionKind{"meta.k8s.io", "v1", "ListOptions"}, "", report.take()));
}

}  // namespace

Task<http::Response> watch(Api& api, ResourceRequest& request) {
    Plan plan{.kind = request.kind, .selection = {}, .accepted = negotiate(request.http, false), .table = {}, .end = {}};
    plan.table.version = plan.accepted.version == "v1" ? "v1" : "v1beta1";
    if (plan.accepted.form == Accepted::Form::table) plan.table.include = included(request.query("includeObject"));
    const auto seconds = integer_option(request.http, "timeoutSeconds").value_or(0);
    check_options(request);
    plan.selection = selection_of(request);
    const auto text = request.query("resourceVersion");
    if (!std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; })) {
        const auto quoted = kinds::go_quoted(text);
        throw StatusError(Status{500, "", std::format("resourceVersion: Invalid value: {0}: strconv.ParseUint: parsing {0}: invalid syntax", quoted), {}, {}});
    }
    plan.from = asked_revision(api, request);
    plan.sends_bookmarks = flag_option(request.http, "allowWatchBookmarks");
    const bool has_initial = request.http.query_value("sendInitialEvents") != nullptr;
    const bool asks_initial = flag_option(request.http, "sendInitialEvents");
    plan.sends_initial_events = has_initial ? asks_initial : plan.from == 0;
    plan.marks_initial_end = asks_initial && plan.sends_bookmarks;
    if (!plan.sends_initial_events && plan.from == 0) plan.from = api.store.revision();
    plan.end = Steady::now() + (seconds > 0 ? std::chrono::seconds(seconds) : random_time());
    auto response = http::json_response(200, "");
    response.stream = std::make_unique<WatchStream>(api, std::move(plan));
    co_return response;
}

}  // namespace services::kube::api
