// Writes XML answers: an element at a time into one string, escaped as Go's encoding/xml escapes (S3 clients of MinIO
// see the same bytes). Nesting is the caller's promise and asserted. Not bounded: answers are bounded by who writes them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace services::codec::xml {

// &, <, >, quotes, and the control characters XML has; what XML cannot hold at all (most of U+0000..001F, broken UTF-8)
// becomes U+FFFD.
void append_escaped(std::string& to, std::string_view text);

class Writer {
public:
    // Begins with the XML declaration.
    Writer() : text_("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n") {}

    // `name` must be a literal, or live until the element is closed.
    void open(std::string_view name);
    void open(std::string_view name, std::string_view attribute, std::string_view value);
    void close();
    void element(std::string_view name, std::string_view text);
    void element(std::string_view name, std::uint64_t number);
    void element(std::string_view name, bool value);
    void element(std::string_view name, const char* text) { element(name, std::string_view(text)); }
    void element(std::string_view name, const std::string& text) { element(name, std::string_view(text)); }
    void element(std::string_view name, int number);
    void element(std::string_view name, unsigned number) { element(name, static_cast<std::uint64_t>(number)); }

    [[nodiscard]] std::size_t size() const { return text_.size(); }
    // What was written since the last call (a long list streams in pieces).
    [[nodiscard]] std::string take();
    // Everything; all elements must be closed.
    [[nodiscard]] std::string finish();

private:
    std::string text_;
    std::vector<std::string_view> open_;
};

}  // namespace services::codec::xml
