// Collects the causes of an Invalid answer with the real server's texts (apimachinery pkg/util/validation/field): where a
// field lies, what is wrong with it, and how its value prints.
//
// Values: strings in Go's quotes, numbers and booleans plain, everything else as Go's compact JSON (null for an absent
// pointer). Objects print in the order given, so a caller whose real counterpart prints a Go struct lays it out first
// (go_form). Causes that the real server leaves to its declarative rules come after all others: `declared()`.
#pragma once

#include <boost/json/value.hpp>

#include <concepts>
#include <cstddef>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "services/kube/kinds/kind.hpp"

namespace services::kube::kinds {

class Path {
public:
    explicit Path(std::string text = {}) : text_(std::move(text)) {}
    // ".name", or "name" at the root.
    [[nodiscard]] Path child(std::string_view name) const;
    [[nodiscard]] Path index(std::size_t index) const;    // [3]
    [[nodiscard]] Path key(std::string_view key) const;   // [key]
    [[nodiscard]] const std::string& text() const { return text_; }

private:
    std::string text_;
};

// A string of a named Go type (core.Protocol): it prints as JSON, which differs from Go's quotes for < > & and controls.
struct TypedText {
    std::string_view text;
};

// A value as a cause shows it. Implicit, so that callers name what they have.
class Printed {
public:
    Printed(const json::value& value);  // NOLINT(google-explicit-constructor)
    Printed(const json::array& value);  // NOLINT(google-explicit-constructor)
    Printed(const json::object& value);  // NOLINT(google-explicit-constructor)
    Printed(TypedText value);  // NOLINT(google-explicit-constructor)
    Printed(std::nullptr_t) : text_("null") {}  // NOLINT(google-explicit-constructor)
    template <std::integral Number>
    Printed(Number value) : Printed(json::value(value)) {}  // NOLINT(google-explicit-constructor)
    template <typename Text>
        requires(std::convertible_to<const Text&, std::string_view> && !std::same_as<Text, json::value>)
    Printed(const Text& value) : text_(quoted(value)) {}  // NOLINT(google-explicit-constructor)
    [[nodiscard]] const std::string& text() const { return text_; }

private:
    std::string text_;
    static std::string quoted(std::string_view text);
};

class Report {
public:
    // `messages` as the functions of names.hpp return them: one cause each.
    void invalid(const Path& path, const Printed& value, std::string_view detail);
    void invalid(const Path& path, const Printed& value, std::span<const std::string> messages);
    void required(const Path& path, std::string_view detail = {});
    // `supported` in the order given (callers that mirror Go's sets sort them).
    void not_supported(const Path& path, const Printed& value, std::initializer_list<std::string_view> supported);
    void not_supported(const Path& path, const Printed& value, std::span<const std::string_view> supported);
    void forbidden(const Path& path, std::string_view detail = {});
    void duplicate(const Path& path, const Printed& value);
    void not_found(const Path& path, const Printed& value);
    void too_long(const Path& path, std::size_t bytes_max);
    void too_long_characters(const Path& path, std::size_t characters_max);
    void too_many(const Path& path, std::size_t actual, std::size_t items_max);
    void too_few(const Path& path, std::size_t actual, std::size_t items_min);
    void type_invalid(const Path& path, const Printed& value, std::string_view detail);
    void internal(const Path& path, std::string_view detail);

    // The same verbs for causes that come last.
    class Declared;
    [[nodiscard]] Declared declared();

    void add(Cause cause) { causes_.push_back(std::move(cause)); }
    void append(Causes causes);
    [[nodiscard]] bool is_empty() const { return causes_.empty() && declared_.empty(); }
    // Counts causes so far: what Go's `len(allErrs) == before` asks.
    [[nodiscard]] std::size_t size() const { return causes_.size() + declared_.size(); }
    // All causes, declared ones last, each once. Leaves the report empty.
    [[nodiscard]] Causes take();

private:
    Causes causes_, declared_;
    bool is_declaring_ = false;
    void put(std::string_view reason, std::string_view words, const Path& path, std::string value, std::string_view detail);
};

// A report whose causes come last while this lives on the line that makes it: report.declared()->required(path).
class Report::Declared {
public:
    explicit Declared(Report& report) : report_(report) { report_.is_declaring_ = true; }
    ~Declared() { report_.is_declaring_ = false; }
    Declared(const Declared&) = delete;
    Declared& operator=(const Declared&) = delete;
    Report* operator->() { return &report_; }

private:
    Report& report_;
};

// strconv.Quote.
std::string go_quoted(std::string_view text);
// encoding/json.Marshal: compact, with <, > and & as \u003c ...
std::string go_json(const json::value& value);

}  // namespace services::kube::kinds
