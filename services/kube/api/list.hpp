// Lists: pages of the store at one revision, streamed. Without selectors the stored texts are joined as they are.
//
// Bounded: one page (`page_max` records) is in memory at a time, whatever the list's length.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "services/kube/api/objects.hpp"
#include "services/kube/api/selection.hpp"
#include "services/kube/api/status.hpp"

namespace services::kube::api {

inline constexpr std::size_t page_max = 500;
// Records that are parsed in one go: 20 ms of the loop at most.
inline constexpr std::size_t parsed_page_max = 100;

// Reads the records that a selection picks, page by page, at one revision.
class Lister {
public:
    // `at` 0: now. `limit` 0: all. `after`: "namespace/name", the place a continue token names.
    Lister(Api& api, const kinds::Kind& kind, Selection selection, std::size_t limit, store::Revision at, std::string after);

    struct Item {
        store::Record record;
        std::optional<json::object> object;  // in the kind's form, when it had to be read
    };
    // The caller reads each object, so that a page must be short for the loop's sake.
    void expect_reading() { page_ = parsed_page_max; }
    // The next items; may be empty although there are more. Error{gone}.
    Task<std::vector<Item>> next();
    [[nodiscard]] bool is_done() const { return is_done_; }
    // Once something was read:
    [[nodiscard]] store::Revision revision() const { return at_; }
    [[nodiscard]] bool has_more() const { return has_more_; }  // done, but the limit cut it
    [[nodiscard]] std::int64_t remaining() const { return remaining_; }
    [[nodiscard]] const store::Key& last() const { return last_; }
    [[nodiscard]] const Selection& selection() const { return selection_; }

private:
    Api& api_;
    const kinds::Kind& kind_;
    Selection selection_;
    std::size_t limit_, taken_ = 0, page_ = page_max;
    store::Revision at_;
    store::Key last_;
    bool is_done_ = false, has_more_ = false;
    std::int64_t remaining_ = 0;
};

Task<http::Response> list(Api& api, ResourceRequest& request);

// A list's options, checked (limit, continue, resourceVersion and its match) and made a Lister. StatusError 400, 410, 422, 504.
Lister lister_of(Api& api, const ResourceRequest& request);
// metadata of the answer once `lister` is done, or before its end without a limit.
json::object list_metadata(const Lister& lister);
// 410 for a continue token whose revision is gone, with one that goes on inconsistently.
Status expired_continue(const Lister& lister, const ResourceRequest& request);

// resourceVersion of the query, checked to be one that this store has reached.
store::Revision asked_revision(const Api& api, const ResourceRequest& request);

}  // namespace services::kube::api
