#include "services/kube/kinds/pod_spec_diff.hpp"

#include <algorithm>
#include <format>
#include <unordered_map>
#include <vector>

namespace services::kube::kinds {

namespace {

constexpr std::size_t context_lines = 3;
constexpr std::size_t popular_from_lines = 200;
constexpr std::size_t steps_max = 4'000'000;  // of the search; what it has not found by then counts as changed

using Lines = std::vector<std::string_view>;

Lines split_lines(std::string_view text) {
    Lines lines;
    while (true) {
        const auto end = text.find('\n');
        lines.push_back(text.substr(0, end));
        if (end == std::string_view::npos) return lines;
        text.remove_prefix(end + 1);
    }
}

// `size` equal lines from `a` and from `b` on.
struct Match {
    std::size_t a, b, size;
};

// A stretch of both texts: equal, or replaced (either side may be empty).
struct Change {
    bool is_equal;
    std::size_t a_begin, a_end, b_begin, b_end;
};

class Matcher {
public:
    Matcher(const Lines& a, const Lines& b) : a_(a), b_(b) {
        for (std::size_t at = 0; at < b.size(); ++at) places_[b[at]].push_back(at);
        if (b.size() >= popular_from_lines)
            std::erase_if(places_, [&](const auto& entry) { return entry.second.size() > b.size() / 100 + 1; });
    }

    std::vector<Change> changes() {
        find_matches(0, a_.size(), 0, b_.size());
        std::vector<Change> out;
        std::size_t a = 0, b = 0;
        matches_.push_back({a_.size(), b_.size(), 0});
        for (const auto& match : matches_) {
            if (a < match.a || b < match.b) out.push_back({false, a, match.a, b, match.b});
            a = match.a + match.size, b = match.b + match.size;
            if (match.size == 0) continue;
            if (!out.empty() && out.back().is_equal) out.back().a_end = a, out.back().b_end = b;
            else out.push_back({true, match.a, a, match.b, b});
        }
        return out;
    }

private:
    // The longest stretch of equal lines, the earliest in a, then in b, of those.
    Match longest(std::size_t a_begin, std::size_t a_end, std::size_t b_begin, std::size_t b_end) {
        Match best{a_begin, b_begin, 0};
        std::unordered_map<std::size_t, std::size_t> lengths;  // of the match that ends at b's line
        for (auto a = a_begin; a < a_end && steps_ < steps_max; ++a) {
            ++steps_;
            std::unordered_map<std::size_t, std::size_t> next;
            if (const auto found = places_.find(a_[a]); found != places_.end()) {
                steps_ += found->second.size();
                for (const auto b : found->second) {
                    if (b < b_begin) continue;
                    if (b >= b_end) break;
                    const auto before = b == 0 ? lengths.end() : lengths.find(b - 1);
                    const auto size = next[b] = (before == lengths.end() ? 0 : before->second) + 1;
                    if (size > best.size) best = {a + 1 - size, b + 1 - size, size};
                }
            }
            lengths = std::move(next);
        }
        while (best.a > a_begin && best.b > b_begin && a_[best.a - 1] == b_[best.b - 1]) --best.a, --best.b, ++best.size;
        while (best.a + best.size < a_end && best.b + best.size < b_end && a_[best.a + best.size] == b_[best.b + best.size])
            ++best.size;
        return best;
    }

    // Left of each longest match, the match, right of it: by a list of work, for the recursion could go as deep as lines.
    void find_matches(std::size_t a_begin, std::size_t a_end, std::size_t b_begin, std::size_t b_end) {
        struct Range {
            std::size_t a_begin, a_end, b_begin, b_end;
        };
        std::vector<Range> work{{a_begin, a_end, b_begin, b_end}};
        while (!work.empty() && steps_ < steps_max) {
            const auto range = work.back();
            work.pop_back();
            const auto match = longest(range.a_begin, range.a_end, range.b_begin, range.b_end);
            if (match.size == 0) continue;
            matches_.push_back(match);
            if (range.a_begin < match.a && range.b_begin < match.b)
                work.push_back({range.a_begin, match.a, range.b_begin, match.b});
            if (match.a + match.size < range.a_end && match.b + match.size < range.b_end)
                work.push_back({match.a + match.size, range.a_end, match.b + match.size, range.b_end});
        }
        std::ranges::sort(matches_, {}, &Match::a);
    }

    const Lines& a_;
    const Lines& b_;
    std::unordered_map<std::string_view, std::vector<std::size_t>> places_;
    std::vector<Match> matches_;
    std::size_t steps_ = 0;
};

// Hunks: changes with their context; equal stretches longer than both contexts part them.
std::vector<std::vector<Change>> hunks_of(std::vector<Change> changes) {
    std::vector<std::vector<Change>> hunks;
    if (std::ranges::all_of(changes, &Change::is_equal)) return hunks;
    const auto keep_end = [](Change& change) {
        const auto size = std::min(context_lines, change.a_end - change.a_begin);
        change.a_begin = change.a_end - size, change.b_begin = change.b_end - size;
    };
    const auto keep_begin = [](Change& change) {
        const auto size = std::min(context_lines, change.a_end - change.a_begin);
        change.a_end = change.a_begin + size, change.b_end = change.b_begin + size;
    };
    if (changes.front().is_equal) keep_end(changes.front());
    if (changes.back().is_equal) keep_begin(changes.back());
    std::vector<Change> hunk;
    for (auto change : changes) {
        if (change.is_equal && change.a_end - change.a_begin > 2 * context_lines) {
            auto head = change;
            keep_begin(head);
            hunk.push_back(head);
            hunks.push_back(std::move(hunk));
            hunk.clear();
            keep_end(change);
        }
        hunk.push_back(change);
    }
    if (!(hunk.size() == 1 && hunk.front().is_equal)) hunks.push_back(std::move(hunk));
    return hunks;
}

std::string range_text(std::size_t begin, std::size_t end) {
    const auto size = end - begin;
    if (size == 1) return std::to_string(begin + 1);
    return std::format("{},{}", size == 0 ? begin : begin + 1, size);
}

void append_lines(std::string& out, char mark, const Lines& lines, std::size_t begin, std::size_t end) {
    for (auto at = begin; at < end; ++at) out.append(1, mark).append(lines[at]).append("\n");
}

}  // namespace

std::string unified_diff(std::string_view before, std::string_view after) {
    const auto a = split_lines(before), b = split_lines(after);
    if (a.size() > diff_lines_max || b.size() > diff_lines_max) return "the texts are too long for a diff\n";
    std::string out;
    for (const auto& hunk : hunks_of(Matcher(a, b).changes())) {
        out += std::format("@@ -{} +{} @@\n", range_text(hunk.front().a_begin, hunk.back().a_end),
                           range_text(hunk.front().b_begin, hunk.back().b_end));
        for (const auto& change : hunk) {
            append_lines(out, change.is_equal ? ' ' : '-', a, change.a_begin, change.a_end);
            if (!change.is_equal) append_lines(out, '+', b, change.b_begin, change.b_end);
        }
    }
    return out;
}

}  // namespace services::kube::kinds
