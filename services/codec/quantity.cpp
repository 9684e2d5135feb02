#include "services/codec/quantity.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <optional>

namespace services::codec {

namespace {

using Wide = __int128;

constexpr int exponent_least = -9;                        // one nano is the finest unit
constexpr int digits_max = 38;                            // decimal digits that fit in 128 bits
constexpr Wide wide_max = static_cast<Wide>((~static_cast<unsigned __int128>(0)) >> 1);
constexpr std::int64_t int64_max = std::numeric_limits<std::int64_t>::max();

constexpr std::string_view format_wrong =
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
constexpr std::string_view numeric_wrong = "unable to parse numeric part of quantity";
constexpr std::string_view suffix_wrong = "unable to parse quantity's suffix";

struct Suffix {
    std::string_view text;
    int base, exponent;
};
constexpr std::array suffixes{
    Suffix{"", 10, 0},   Suffix{"n", 10, -9}, Suffix{"u", 10, -6}, Suffix{"m", 10, -3},  Suffix{"k", 10, 3},
    Suffix{"M", 10, 6},  Suffix{"G", 10, 9},  Suffix{"T", 10, 12}, Suffix{"P", 10, 15},  Suffix{"E", 10, 18},
    Suffix{"Ki", 2, 10}, Suffix{"Mi", 2, 20}, Suffix{"Gi", 2, 30}, Suffix{"Ti", 2, 40},  Suffix{"Pi", 2, 50},
    Suffix{"Ei", 2, 60},
};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// mantissa * 10^power, or nothing when it does not fit.
std::optional<Wide> times_power(Wide value, int power) {
    for (; power > 0; --power) {
        if (value > wide_max / 10 || value < -wide_max / 10) return std::nullopt;
        value *= 10;
    }
    return value;
}

// value / 10^power, away from zero.
Wide over_power_up(Wide value, int power) {
    for (bool rest = false; power > 0; --power) {
        rest = rest || value % 10 != 0;
        value /= 10;
        if (power == 1 && rest) value += value < 0 ? -1 : 1;
        if (value == 0 && !rest) return 0;
    }
    return value;
}

std::string digits_of(Wide value) {
    if (value == 0) return "0";
    bool negative = value < 0;
    std::string out;
    for (; value != 0; value /= 10) out += static_cast<char>('0' + static_cast<int>(negative ? -(value % 10) : value % 10));
    if (negative) out += '-';
    std::ranges::reverse(out);
    return out;
}

// What a text says before it is weighed.
struct Parts {
    bool negative = false;
    std::string digits;  // numerator and fraction, no leading zeros
    int fraction = 0;    // how many of them are behind the point
    std::string_view suffix;
};

std::expected<Parts, std::string> split(std::string_view text) {
    Parts parts;
    std::size_t at = 0;
    if (text[0] == '-' || text[0] == '+') parts.negative = text[at++] == '-';
    while (at < text.size() && text[at] == '0') ++at;
    while (at < text.size() && is_digit(text[at])) parts.digits += text[at++];
    if (at < text.size() && text[at] == '.') {
        ++at;
        for (; at < text.size() && is_digit(text[at]); ++at, ++parts.fraction) parts.digits += text[at];
    }
    std::size_t start = at;
    while (at < text.size() && std::string_view("eEinumkKMGTP").contains(text[at])) ++at;
    if (at < text.size() && (text[at] == '-' || text[at] == '+')) ++at;
    while (at < text.size() && is_digit(text[at])) ++at;
    if (at != text.size()) return std::unexpected(std::string(format_wrong));
    parts.suffix = text.substr(start);
    return parts;
}

}  // namespace

std::expected<Quantity, std::string> Quantity::parse(std::string_view text) {
    if (text.empty() || text.size() > quantity_text_max) return std::unexpected(std::string(format_wrong));
    auto parts = split(text);
    if (!parts) return std::unexpected(parts.error());

    Quantity result;
    int base = 10, power = 0;
    auto known = std::ranges::find(suffixes, parts->suffix, &Suffix::text);
    if (known != suffixes.end()) {
        base = known->base;
        power = known->exponent;
        result.format_ = base == 2 ? Format::binary_si : Format::decimal_si;
    } else if (parts->suffix.size() > 1 && (parts->suffix[0] == 'e' || parts->suffix[0] == 'E')) {
        auto number = parts->suffix.substr(1);
        if (number[0] == '+') number.remove_prefix(1);
        auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), power);
        if (error != std::errc{} || end != number.data() + number.size()) return std::unexpected(std::string(suffix_wrong));
        result.format_ = Format::decimal_exponent;
    } else {
        return std::unexpected(std::string(suffix_wrong));
    }

    std::string& digits = parts->digits;
    auto first = digits.find_first_not_of('0');
    if (first == std::string::npos) {
        result.format_ = text == "0" ? Format::decimal_si : result.format_;
        return result;
    }
    digits.erase(0, first);
    int exponent = -parts->fraction;
    while (digits.size() > 1 && digits.back() == '0') {
        digits.pop_back();
        ++exponent;
    }
    if (static_cast<int>(digits.size()) > digits_max - 1) return std::unexpected(std::string(numeric_wrong));
    for (char digit : digits) result.mantissa_ = result.mantissa_ * 10 + (digit - '0');
    if (base == 10) {
        exponent += power;
    } else {
        Wide factor = static_cast<Wide>(1) << power;
        // A fraction of a binary unit may need more digits than fit: what is over is far below a nano, or capped.
        result.mantissa_ = result.mantissa_ > wide_max / factor ? wide_max : result.mantissa_ * factor;
    }
    if (exponent < exponent_least) {
        result.mantissa_ = over_power_up(result.mantissa_, std::min(exponent_least - exponent, digits_max + 2));
        exponent = exponent_least;
    } else if (exponent > digits_max) {
        result.mantissa_ = wide_max;
        exponent = 0;
    }
    result.exponent_ = exponent;
    result.trim();
    if (base == 2) {
        if (result > Quantity(int64_max)) result = Quantity(int64_max, Format::binary_si);
        else if (result < Quantity(1)) result.format_ = Format::decimal_si;
    }
    if (parts->negative) result.mantissa_ = -result.mantissa_;
    return result;
}

void Quantity::trim() {
    if (mantissa_ == 0) exponent_ = 0;
    while (mantissa_ != 0 && mantissa_ % 10 == 0) {
        mantissa_ /= 10;
        ++exponent_;
    }
}

bool Quantity::is_whole() const {
    Quantity copy = *this;
    copy.trim();
    return copy.exponent_ >= 0;
}

std::int64_t Quantity::scaled(int exponent) const {
    int power = exponent_ - exponent;
    std::optional<Wide> value = power >= 0 ? times_power(mantissa_, power) : over_power_up(mantissa_, -power);
    if (!value) return mantissa_ < 0 ? -int64_max - 1 : int64_max;
    return static_cast<std::int64_t>(std::clamp<Wide>(*value, -static_cast<Wide>(int64_max) - 1, int64_max));
}

std::string Quantity::canonical() const {
    if (mantissa_ == 0) return "0";
    Quantity copy = *this;
    copy.trim();
    if (format_ == Format::binary_si && copy.exponent_ >= 0 && (copy >= Quantity(1024) || copy <= Quantity(-1024))) {
        if (auto value = times_power(copy.mantissa_, copy.exponent_)) {
            int thousands = 0;
            for (; *value % 1024 == 0 && thousands < 6; ++thousands) *value /= 1024;
            constexpr std::array names{"", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"};
            return digits_of(*value) + names[static_cast<std::size_t>(thousands)];
        }
    }
    // The power of ten becomes a multiple of three, as suffixes are.
    int power = copy.exponent_;
    Wide value = copy.mantissa_;
    int extra = ((power % 3) + 3) % 3;
    value = times_power(value, extra).value_or(value);
    power -= extra;
    if (format_ == Format::decimal_exponent) return digits_of(value) + (power == 0 ? "" : "e" + std::to_string(power));
    for (; power > 18; power -= 3) value = times_power(value, 3).value_or(value);
    auto name = std::ranges::find_if(suffixes, [&](const Suffix& s) { return s.base == 10 && s.exponent == power; });
    return digits_of(value) + std::string(name->text);
}

Quantity& Quantity::operator+=(const Quantity& other) {
    if (mantissa_ == 0) format_ = other.format_;
    int common = std::min(exponent_, other.exponent_);
    auto left = times_power(mantissa_, exponent_ - common), right = times_power(other.mantissa_, other.exponent_ - common);
    Wide sum = 0;
    if (!left || !right || __builtin_add_overflow(*left, *right, &sum)) {
        bool negative = !left ? mantissa_ < 0 : other.mantissa_ < 0;
        sum = negative ? -wide_max : wide_max;
    }
    mantissa_ = sum;
    exponent_ = common;
    trim();
    return *this;
}

Quantity& Quantity::operator-=(const Quantity& other) {
    Quantity negated = other;
    negated.mantissa_ = -negated.mantissa_;
    return *this += negated;
}

std::strong_ordering operator<=>(const Quantity& left, const Quantity& right) {
    if (left.sign() != right.sign()) return left.sign() <=> right.sign();
    int common = std::min(left.exponent_, right.exponent_);
    auto a = times_power(left.mantissa_, left.exponent_ - common), b = times_power(right.mantissa_, right.exponent_ - common);
    // One that does not fit at the common scale is larger in size than one that does.
    if (!a) return left.sign() <=> 0;
    if (!b) return 0 <=> right.sign();
    return *a < *b ? std::strong_ordering::less : *a > *b ? std::strong_ordering::greater : std::strong_ordering::equal;
}

}  // namespace services::codec
