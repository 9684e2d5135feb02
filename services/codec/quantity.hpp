// Kubernetes quantities ("500m", "1Gi", "1e3"): parse, canonical form, compare, add.
//
// Pure and without state. A value is an unbounded-looking decimal held as sign, 128-bit mantissa and power of ten; the
// finest unit is one nano, as in the real parser, and finer amounts round away from zero. What does not fit in 128 bits
// is capped at the largest value (the real parser caps binary ones at 2^63-1).
// Bounded: a text is at most `quantity_text_max` bytes.
#pragma once

#include <compare>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace services::codec {

inline constexpr std::size_t quantity_text_max = 256;

class Quantity {
public:
    enum class Format : std::uint8_t { decimal_si, binary_si, decimal_exponent };

    Quantity() = default;
    // `value` whole units.
    explicit Quantity(std::int64_t value, Format format = Format::decimal_si) : mantissa_(value), format_(format) {}
    static Quantity milli(std::int64_t value) {
        Quantity quantity(value);
        quantity.exponent_ = value == 0 ? 0 : -3;
        return quantity;
    }

    // The real parser's error text when `text` is no quantity.
    static std::expected<Quantity, std::string> parse(std::string_view text);

    // "1000m" reads "1", "1024Mi" "1Gi", "0.5Gi" "512Mi".
    [[nodiscard]] std::string canonical() const;
    // Whole units and thousandths, rounded up (away from zero), capped at the ends of int64.
    [[nodiscard]] std::int64_t value() const { return scaled(0); }
    [[nodiscard]] std::int64_t milli_value() const { return scaled(-3); }
    [[nodiscard]] int sign() const { return mantissa_ < 0 ? -1 : mantissa_ > 0 ? 1 : 0; }
    [[nodiscard]] bool is_zero() const { return mantissa_ == 0; }
    // True when the amount is a whole number of units.
    [[nodiscard]] bool is_whole() const;
    [[nodiscard]] Format format() const { return format_; }

    // The left format stays, unless the left is zero.
    Quantity& operator+=(const Quantity& other);
    Quantity& operator-=(const Quantity& other);
    friend Quantity operator+(Quantity left, const Quantity& right) { return left += right; }
    friend Quantity operator-(Quantity left, const Quantity& right) { return left -= right; }
    friend std::strong_ordering operator<=>(const Quantity& left, const Quantity& right);
    friend bool operator==(const Quantity& left, const Quantity& right) { return (left <=> right) == 0; }

private:
    using Wide = __int128;
    [[nodiscard]] std::int64_t scaled(int exponent) const;
    void trim();

    Wide mantissa_ = 0;
    int exponent_ = 0;  // value = mantissa * 10^exponent, -9 <= exponent
    Format format_ = Format::decimal_si;
};

}  // namespace services::codec
