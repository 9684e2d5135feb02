#include "services/kube/api/list.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <charconv>
#include <format>

#include "hal/base/bytes.hpp"
#include "services/kube/api/negotiate.hpp"
#include "services/kube/api/request.hpp"
#include "services/kube/api/status.hpp"
#include "services/kube/api/table.hpp"
#include "services/kube/kinds/report.hpp"
#include "services/kubeclient/object.hpp"

namespace services::kube::api {
namespace {

constexpr store::Revision inconsistent = -1;

std::string make_token(store::Revision revision, const std::string& after) {
    return hal::base64url(json::serialize(json::object{{"v", "meta.k8s.io/v1"}, {"rv", revision}, {"start", after + std::string(1, '\0')}}));
}

struct Token {
    store::Revision revision = 0;
    std::string after;
};

Token read_token(const std::string& text) {
    constexpr std::string_view prefix = "invalid continue token: ";
    const auto decoded = hal::base64url_decoded(text);
    if (!decoded) throw StatusError(bad_request(std::format("{}continue key is not valid: illegal base64 data", prefix)));
    const auto parsed = schema::parse_json(*decoded);
    if (!parsed || !parsed->is_object())
        throw StatusError(bad_request(std::format("{}continue key is not valid: {}", prefix,
                                                  parsed ? "json: cannot unmarshal into Go value of type storage.continueToken" : parsed.error().message)));
    const auto& token = parsed->get_object();
    if (kubeclient::text(token, "v") != "meta.k8s.io/v1")
        throw StatusError(bad_request(std::format("{}continue key is not valid: server does not recognize this encoded version \"{}\"", prefix,
                                                  kubeclient::text(token, "v"))));
    Token out{kubeclient::number(token, "rv"), std::string(kubeclient::text(token, "start"))};
    if (out.revision == 0) throw StatusError(bad_request(std::format("{}continue key is not valid: incorrect encoded start resourceVersion (version meta.k8s.io/v1)", prefix)));
    if (out.after.ends_with('\0')) out.after.pop_back();
    if (out.after.empty()) throw StatusError(bad_request(std::format("{}continue key is not valid: encoded start key empty (version meta.k8s.io/v1)", prefix)));
    return out;
}

[[noreturn]] void refuse_options(kinds::Report& report) {
    throw StatusError(invalid(schema::GroupVersionKind{"meta.k8s.io", "v1", "ListOptions"}, "", report.take()));
}

// metainternalversion validation.ValidateListOptions for a list.
void check_options(const ResourceRequest& request) {
    kinds::Report report;
    const kinds::Path match_path("resourceVersionMatch");
    const auto match = request.query("resourceVersionMatch"), revision = request.query("resourceVersion");
    if (!match.empty()) {
        if (revision.empty()) report.forbidden(match_path, "resourceVersionMatch is forbidden unless resourceVersion is provided");
        if (!request.query("continue").empty()) report.forbidden(match_path, "resourceVersionMatch is forbidden when continue is provided");
        if (match != "Exact" && match != "NotOlderThan") report.not_supported(match_path, match, {"Exact", "NotOlderThan", ""});
        if (match == "Exact" && revision == "0") report.forbidden(match_path, "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"");
    }
    if (request.http.query_value("sendInitialEvents"))
        report.forbidden(kinds::Path("sendInitialEvents"), "sendInitialEvents is forbidden for list");
    if (!report.is_empty()) refuse_options(report);
}

struct Look {
    Accepted accepted;
    TableForm table;
    const kinds::Kind* kind;
    hal::WallTime now;
};

std::string item_text(const Look& look, Lister::Item& item) {
    const bool is_plain = look.accepted.form == Accepted::Form::object && !look.kind->from_stored;
    if (is_plain) return *item.record.value;
    if (!item.object) item.object = read_value(*look.kind, *item.record.value);
    switch (look.accepted.form) {
        case Accepted::Form::table: return table_row(table_shape(*look.kind), look.table, look.kind->gvk, *item.object, look.now);
        case Accepted::Form::partial: return partial_of(*item.object, look.accepted.version);
        case Accepted::Form::object: break;
    }
    return json::serialize(*item.object);
}

std::string head_text(const Look& look, const json::object& metadata) {
    switch (look.accepted.form) {
        case Accepted::Form::table: return table_head(table_shape(*look.kind), look.table, metadata);
        case Accepted::Form::partial:
            return std::format("{{\"kind\":\"PartialObjectMetadataList\",\"apiVersion\":\"meta.k8s.io/{}\",\"metadata\":{},\"items\":[",
                               look.accepted.version, json::serialize(metadata));
        case Accepted::Form::object: break;
    }
    return std::format("{{\"kind\":\"{}\",\"apiVersion\":\"{}\",\"metadata\":{},\"items\":[", look.kind->list_kind, look.kind->gvk.api_version(),
                       json::serialize(metadata));
}

// The rest of a list that did not fit into its first page.
class ListStream : public http::BodyReader {
public:
    ListStream(Look look, Lister lister, std::string begun) : look_(look), lister_(std::move(lister)), begun_(std::move(begun)) {}

    Task<std::string> read() override {
        if (!begun_.empty()) co_return std::exchange(begun_, {});
        std::string piece;
        while (piece.empty() && !lister_.is_done()) {
            auto items = co_await lister_.next();
            for (auto& item : items) piece += "," + item_text(look_, item);
        }
        if (lister_.is_done() && !std::exchange(is_closed_, true)) piece += "]}\n";
        co_return piece;
    }

private:
    Look look_;
    Lister lister_;
    std::string begun_;
    bool is_closed_ = false;
};

}  // namespace

Lister::Lister(Api& api, const kinds::Kind& kind, Selection selection, std::size_t limit, store::Revision at, std::string after)
    : api_(api), kind_(kind), selection_(std::move(selection)), limit_(limit), at_(at) {
    if (selection_.reads_objects()) expect_reading();
    const auto slash = after.find('/');
    if (slash != std::string::npos) last_ = {selection_.scope.resource, after.substr(0, slash), after.substr(slash + 1)};
}

Task<std::vector<Lister::Item>> Lister::next() {
    std::vector<Item> items;
    auto size = page_;
    if (limit_ > 0 && !selection_.reads_objects()) size = std::min(size, limit_ - taken_);
    auto page = co_await api_.store.list(selection_.scope, size, at_, last_.name_space, last_.name);
    at_ = page.revision;
    std::size_t read = 0;
    for (auto& record : page.records) {
        ++read;
        Item item{std::move(record), std::nullopt};
        last_ = item.record.key;
        if (selection_.reads_objects()) {
            item.object = read_value(kind_, *item.record.value);
            if (!selection_.matches(kind_, *item.object)) continue;
        }
        items.push_back(std::move(item));
        if (limit_ > 0 && ++taken_ == limit_) break;
    }
    const auto left = static_cast<std::int64_t>(page.records.size() - read) + page.remaining;
    const bool is_cut = limit_ > 0 && taken_ == limit_;
    is_done_ = is_cut || !page.has_more;
    if (is_cut) {
        has_more_ = read < page.records.size() || page.has_more;
        remaining_ = left;
    }
    co_return items;
}

store::Revision asked_revision(const Api& api, const ResourceRequest& request) {
    const auto text = request.query("resourceVersion");
    if (text.empty()) return 0;
    store::Revision revision = 0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), revision);
    if (failure != std::errc() || end != text.data() + text.size() || revision < 0)
        throw StatusError(bad_request(std::format("invalid resource version: resourceVersion: Invalid value: {0}: strconv.ParseUint: parsing {0}: invalid syntax",
                                                  kinds::go_quoted(text))));
    if (revision > api.store.revision()) throw StatusError(revision_too_large(revision, api.store.revision()));
    return revision;
}

Lister lister_of(Api& api, const ResourceRequest& request) {
    integer_option(request.http, "timeoutSeconds");
    const auto wanted = integer_option(request.http, "limit").value_or(0);
    check_options(request);
    auto selection = selection_of(request);
    auto limit = static_cast<std::size_t>(std::max<std::int64_t>(wanted, 0));
    if (const auto text = request.query("continue"); !text.empty()) {
        const auto token = read_token(text);
        const auto revision = request.query("resourceVersion");
        if (!revision.empty() && revision != "0")
            throw StatusError(bad_request("specifying resource version is not allowed when using continue"));
        return {api, *request.kind, std::move(selection), limit, token.revision == inconsistent ? 0 : token.revision, token.after};
    }
    const auto revision = asked_revision(api, request);
    const auto match = request.query("resourceVersionMatch");
    // Any state will do: the whole list at once, as from the real server's cache.
    if (request.query("resourceVersion") == "0") limit = 0;
    const bool is_exact = revision > 0 && (match == "Exact" || (match.empty() && limit > 0));
    return {api, *request.kind, std::move(selection), limit, is_exact ? revision : 0, ""};
}

json::object list_metadata(const Lister& lister) {
    json::object metadata{{"resourceVersion", std::to_string(lister.revision())}};
    if (!lister.has_more()) return metadata;
    metadata["continue"] = make_token(lister.revision(), lister.last().name_space + "/" + lister.last().name);
    if (!lister.selection().reads_objects() && lister.remaining() > 0) metadata["remainingItemCount"] = lister.remaining();
    return metadata;
}

Status expired_continue(const Lister& lister, const ResourceRequest& request) {
    if (request.query("continue").empty()) return expired("The resourceVersion for the provided list is too old.");
    auto status = expired("The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue "
                          "parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token "
                          "results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and "
                          "now may show up in the list.");
    status.continue_token = make_token(inconsistent, lister.last().name_space + "/" + lister.last().name);
    return status;
}

Task<http::Response> list(Api& api, ResourceRequest& request) {
    Look look{negotiate(request.http, true), {}, request.kind, api.clock.wall()};
    look.table.version = look.accepted.version;
    if (look.accepted.form == Accepted::Form::table) look.table.include = included(request.query("includeObject"));
    auto lister = lister_of(api, request);
    if (look.accepted.form != Accepted::Form::object || request.kind->from_stored) lister.expect_reading();
    std::vector<std::string> texts;
    std::optional<Status> gone;
    try {
        // A list with a limit says in its head whether there is more, so it is read first; it is as short as its client wants.
        const bool has_limit = integer_option(request.http, "limit").value_or(0) > 0;
        do {
            auto items = co_await lister.next();
            for (auto& item : items) texts.push_back(item_text(look, item));
        } while (!lister.is_done() && (has_limit || texts.empty()));
    } catch (const hal::Error& error) {
        if (error.code() != hal::Code::gone) throw;
        gone = expired_continue(lister, request);
    }
    if (gone) throw StatusError(*std::move(gone));
    auto begun = head_text(look, list_metadata(lister));
    for (std::size_t i = 0; i < texts.size(); ++i) {
        if (i > 0) begun += ',';
        begun += std::exchange(texts[i], {});
    }
    auto response = http::text_response(200, "", media_of(look.accepted));
    if (lister.is_done()) response.body = std::move(begun) + "]}\n";
    else response.stream = std::make_unique<ListStream>(look, std::move(lister), std::move(begun));
    co_return response;
}

}  // namespace services::kube::api
