// A small strict XML 1.0 reader for request bodies: elements, attributes, character data, CDATA and the five predefined
// entities. No DTD (a document with `<!DOCTYPE` is refused, so no entity can grow), no external anything; processing
// instructions and comments are skipped. Names are local names: a prefix before ':' is dropped, namespaces are not checked.
//
// Owns the text it was given and decodes in place; elements are views of it, valid while the Document lives. Bounded by
// Limits. Input must be UTF-8.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace services::codec::xml {

struct Limits {
    std::size_t elements_max = 100'000;
    std::size_t depth_max = 32;
    std::size_t attributes_max = 1'000;  // in the whole document
};

struct Malformed {
    std::size_t offset;
    std::string message;
};

struct Node;

class Element {
public:
    [[nodiscard]] std::string_view name() const;
    // The character data of an element without children, entities resolved, white space as it came; "" beside children.
    [[nodiscard]] std::string_view text() const;
    [[nodiscard]] bool has_children() const;
    // Null-like when there is none: test with operator bool.
    [[nodiscard]] Element first() const;
    [[nodiscard]] Element next() const;  // the following sibling
    [[nodiscard]] Element child(std::string_view name) const;
    // The text of child `name`, "" when there is none.
    [[nodiscard]] std::string_view child_text(std::string_view name) const;
    [[nodiscard]] std::string_view attribute(std::string_view name) const;
    explicit operator bool() const { return index_ != 0; }

private:
    friend class Document;
    const class Document* document_ = nullptr;
    std::uint32_t index_ = 0;  // 0: none
};

class Document {
public:
    static std::expected<Document, Malformed> parse(std::string text, Limits limits = {});
    [[nodiscard]] Element root() const;
    Document(Document&&) noexcept;
    Document& operator=(Document&&) noexcept;
    ~Document();

private:
    friend class Element;
    friend class Parser;
    Document();
    std::unique_ptr<std::string> text_;  // behind a pointer: views survive a move
    std::vector<Node> nodes_;            // [0] stands for none, [1] is the root
    std::vector<std::pair<std::string_view, std::string_view>> attributes_;
};

}  // namespace services::codec::xml
