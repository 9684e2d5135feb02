// What a metered line was used for: bytes of this day and of this month of local time, sent and received together as a
// provider counts them, against the caps of the configuration.
//
// Pure: who owns the file writes text() there when is_worth_saving(). The format, one line of JSON:
//   {"version":1,"day":20780,"day_bytes":123456,"month":24311,"month_bytes":7654321}
// day: days since 1970-01-01, month: months since year 0.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "services/uplink/schedule.hpp"

namespace services::uplink {

struct Caps {
    std::optional<std::uint64_t> day_bytes, month_bytes;
};

class Usage {
public:
    explicit Usage(Caps caps) : caps_(caps) {}
    // What an earlier process counted. False when the text is none of ours.
    bool restore(std::string_view text);
    [[nodiscard]] std::string text() const;

    void add(std::uint64_t bytes, LocalTime now);
    [[nodiscard]] bool is_over(LocalTime now);
    // When the cap that is reached ends.
    [[nodiscard]] LocalTime over_until(LocalTime now) const;
    // What may still be sent in this period; none: as much as there is.
    [[nodiscard]] std::optional<std::uint64_t> left(LocalTime now);
    [[nodiscard]] std::uint64_t day_bytes() const { return day_bytes_; }
    [[nodiscard]] std::uint64_t month_bytes() const { return month_bytes_; }
    // True once a hundredth of a cap was counted since the last saved().
    [[nodiscard]] bool is_worth_saving() const;
    void saved() { unsaved_ = 0; }
    [[nodiscard]] bool has_unsaved() const { return unsaved_ > 0; }

private:
    void turn(LocalTime now);

    Caps caps_;
    std::int64_t day_ = 0, month_ = 0;
    std::uint64_t day_bytes_ = 0, month_bytes_ = 0, unsaved_ = 0;
};

}  // namespace services::uplink
