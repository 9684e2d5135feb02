// What the API did since it started, for /metrics and MinIO's own metric names. Bounded by the number of operations.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace services::objects::api {

class Counters {
public:
    struct Row {
        std::uint64_t requests = 0;
        std::uint64_t refused = 0;  // 4xx
        std::uint64_t failed = 0;   // 5xx
    };

    // Counts a request as running while the result lives.
    class Running {
    public:
        explicit Running(Counters& counters) : counters_(counters) { ++counters_.running; }
        ~Running() { --counters_.running; }
        Running(const Running&) = delete;
        Running& operator=(const Running&) = delete;

    private:
        Counters& counters_;
    };
    [[nodiscard]] Running begin() { return Running(*this); }
    // `name` is a literal of the operation table.
    void count(std::string_view name, unsigned status) {
        auto& row = rows_[name];
        ++row.requests;
        if (status >= 500) ++row.failed;
        else if (status >= 400) ++row.refused;
    }
    [[nodiscard]] const std::map<std::string_view, Row>& rows() const { return rows_; }

    std::uint64_t running = 0;
    std::uint64_t received = 0;  // bytes of objects
    std::uint64_t sent = 0;

private:
    std::map<std::string_view, Row> rows_;
};

}  // namespace services::objects::api
