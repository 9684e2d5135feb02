#include "services/codec/xml/reader.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>

namespace services::codec::xml {

struct Node {
    std::string_view name;
    std::string_view text;
    std::uint32_t first = 0, last = 0, next = 0;
    std::uint32_t attributes_begin = 0, attributes_end = 0;
};

namespace {

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

bool is_name_byte(char c, bool is_first) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '_' || byte == ':' || byte >= 0x80) return true;
    return !is_first && ((byte >= '0' && byte <= '9') || byte == '-' || byte == '.');
}

// XML 1.0 2.2 [2]
bool is_character(std::uint32_t c) {
    return c == 9 || c == 10 || c == 13 || (c >= 0x20 && c <= 0xd7ff) || (c >= 0xe000 && c <= 0xfffd) || (c >= 0x10000 && c <= 0x10ffff);
}

// Where `text` first is not UTF-8 or no XML character; its size when nowhere.
std::size_t first_wrong(std::string_view text) {
    for (std::size_t i = 0; i < text.size();) {
        const auto lead = static_cast<unsigned char>(text[i]);
        if (lead < 0x80) {
            if (!is_character(lead)) return i;
            ++i;
            continue;
        }
        const unsigned length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
        if (lead < 0xc2 || lead > 0xf4 || text.size() - i < length) return i;
        std::uint32_t c = lead & (0xffU >> (length + 1));
        for (unsigned k = 1; k < length; ++k) {
            const auto byte = static_cast<unsigned char>(text[i + k]);
            if ((byte & 0xc0) != 0x80) return i;
            c = c << 6 | (byte & 0x3fU);
        }
        constexpr std::uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
        if (c < least[length] || !is_character(c)) return i;
        i += length;
    }
    return text.size();
}

std::size_t encode_utf8(std::uint32_t c, char* to) {
    if (c < 0x80) {
        to[0] = static_cast<char>(c);
        return 1;
    }
    const unsigned length = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (unsigned k = length; k-- > 1; c >>= 6) to[k] = static_cast<char>(0x80 | (c & 0x3f));
    to[0] = static_cast<char>((0xf00U >> length & 0xff) | c);
    return length;
}

std::string_view local_name(std::string_view name) {
    const auto colon = name.find(':');
    return colon == std::string_view::npos ? name : name.substr(colon + 1);
}

}  // namespace

// One walk over the text, an explicit stack of open elements. Decoded text is never longer than what it stands for, so it
// is written over it.
class Parser {
public:
    Parser(Document& document, Limits limits) : document_(document), limits_(limits), text_(document.text_->data()), size_(document.text_->size()) {}

    std::expected<void, Malformed> run() {
        if (const auto wrong = first_wrong({text_, size_}); wrong != size_) return at(wrong, "no UTF-8 or no XML character");
        if (std::string_view(text_, size_).starts_with("\xEF\xBB\xBF")) at_ = 3;
        if (!prologue()) return failure();
        while (!is_over_ && at_ < size_)
            if (!(text_[at_] == '<' ? markup() : characters())) return failure();
        if (!is_over_) return at(size_, "ends within an element");
        while (at_ < size_) {
            if (is_blank(text_[at_]))
                ++at_;
            else if (!skip_misc())
                return at(at_, "something follows the document");
        }
        return {};
    }

private:
    struct Open {
        std::uint32_t node;
        std::string_view name;  // with its prefix
        std::size_t text_begin, text_end;  // decoded so far
    };

    static std::unexpected<Malformed> at(std::size_t offset, std::string message) { return std::unexpected(Malformed{offset, std::move(message)}); }
    std::unexpected<Malformed> failure() const { return std::unexpected(failure_); }
    bool fail(std::string message) {
        failure_ = {at_, std::move(message)};
        return false;
    }
    [[nodiscard]] std::string_view rest() const { return {text_ + at_, size_ - at_}; }
    void skip_blanks() {
        while (at_ < size_ && is_blank(text_[at_])) ++at_;
    }

    bool skip_past(std::string_view what, std::string_view end) {
        const auto found = rest().find(end, what.size());
        if (found == std::string_view::npos) return fail("ends within " + std::string(what));
        at_ += found + end.size();
        return true;
    }

    // A comment or a processing instruction; false with nothing said when it is neither.
    bool skip_misc() {
        if (rest().starts_with("<!--")) return skip_past("<!--", "-->");
        if (rest().starts_with("<?")) return skip_past("<?", "?>");
        failure_ = {at_, "not expected here"};
        return false;
    }

    bool prologue() {
        skip_blanks();
        if (rest().starts_with("<?xml")) {
            const auto declaration = rest().substr(0, rest().find("?>"));
            if (const auto encoding = declaration.find("encoding="); encoding != std::string_view::npos) {
                auto name = declaration.substr(encoding + 9, 7);
                if (name.size() < 7) return fail("the XML declaration is not well-formed");
                constexpr std::string_view utf8 = "utf-8";
                for (std::size_t i = 0; i < utf8.size(); ++i)
                    if ((name[i + 1] | 0x20) != (utf8[i] | 0x20)) return fail("the encoding is not UTF-8");
            }
            if (!skip_past("<?xml", "?>")) return false;
        }
        for (;;) {
            skip_blanks();
            if (rest().starts_with("<!--") || rest().starts_with("<?")) {
                if (!skip_misc()) return false;
            } else {
                break;
            }
        }
        if (rest().starts_with("<!")) return fail("a document type is not accepted");
        if (!rest().starts_with('<')) return fail("no element");
        return open_element();
    }

    bool markup() {
        const auto left = rest();
        if (left.starts_with("</")) return close_element();
        if (left.starts_with("<![CDATA[")) return cdata();
        if (left.starts_with("<!--") || left.starts_with("<?")) return skip_misc();
        if (left.starts_with("<!")) return fail("a declaration is not accepted");
        return open_element();
    }

    bool read_name(std::string_view& name) {
        const auto begin = at_;
        while (at_ < size_ && is_name_byte(text_[at_], at_ == begin)) ++at_;
        name = {text_ + begin, at_ - begin};
        return !name.empty() || fail("a name is missing");
    }

    bool open_element() {
        ++at_;  // '<'
        Open open{};
        if (!read_name(open.name)) return false;
        auto& nodes = document_.nodes_;
        if (nodes.size() > limits_.elements_max) return fail("too many elements");
        if (stack_.size() >= limits_.depth_max) return fail("nested too deep");
        open.node = static_cast<std::uint32_t>(nodes.size());
        Node node;
        node.name = local_name(open.name);
        node.attributes_begin = static_cast<std::uint32_t>(document_.attributes_.size());
        if (!stack_.empty()) {
            auto& parent = nodes[stack_.back().node];
            if (parent.last != 0)
                nodes[parent.last].next = open.node;
            else
                parent.first = open.node;
            parent.last = open.node;
        }
        bool is_empty = false;
        for (;;) {
            const bool blank = at_ < size_ && is_blank(text_[at_]);
            skip_blanks();
            if (at_ >= size_) return fail("ends within a tag");
            if (text_[at_] == '>') {
                ++at_;
                break;
            }
            if (rest().starts_with("/>")) {
                at_ += 2;
                is_empty = true;
                break;
            }
            if (!blank) return fail("a tag is not well-formed");
            if (!attribute(node.attributes_begin)) return false;
        }
        node.attributes_end = static_cast<std::uint32_t>(document_.attributes_.size());
        nodes.push_back(node);
        if (is_empty) {
            is_over_ = stack_.empty();
            return true;
        }
        open.text_begin = open.text_end = at_;
        stack_.push_back(open);
        return true;
    }

    bool attribute(std::uint32_t element_begin) {
        std::string_view name;
        if (!read_name(name)) return false;
        skip_blanks();
        if (at_ >= size_ || text_[at_] != '=') return fail("an attribute without a value");
        ++at_;
        skip_blanks();
        if (at_ >= size_ || (text_[at_] != '"' && text_[at_] != '\'')) return fail("an attribute's value is not quoted");
        const char quote = text_[at_++];
        const auto begin = at_;
        auto end = at_;
        while (at_ < size_ && text_[at_] != quote) {
            if (text_[at_] == '<') return fail("'<' in an attribute");
            if (!decode_one(end)) return false;
        }
        if (at_ >= size_) return fail("ends within an attribute");
        ++at_;
        auto& attributes = document_.attributes_;
        if (attributes.size() >= limits_.attributes_max) return fail("too many attributes");
        for (std::size_t i = element_begin; i < attributes.size(); ++i)
            if (attributes[i].first == name) return fail("an attribute is there twice");
        attributes.emplace_back(name, std::string_view(text_ + begin, end - begin));
        return true;
    }

    // One character or entity at at_, written at `end`.
    bool decode_one(std::size_t& end) {
        const char c = text_[at_];
        if (c == '&') return entity(end);
        if (c == '\r') {  // XML 1.0 2.11
            text_[end++] = '\n';
            at_ += at_ + 1 < size_ && text_[at_ + 1] == '\n' ? 2 : 1;
            return true;
        }
        text_[end++] = c;
        ++at_;
        return true;
    }

    bool entity(std::size_t& end) {
        constexpr std::size_t entity_bytes_max = 12;
        const auto left = rest().substr(0, entity_bytes_max);
        const auto semicolon = left.find(';');
        if (semicolon == std::string_view::npos) return fail("an entity without ';'");
        const auto name = left.substr(1, semicolon - 1);
        std::uint32_t character = 0;
        if (name.starts_with('#')) {
            const bool is_hex = name.starts_with("#x");
            const auto digits = name.substr(is_hex ? 2 : 1);
            const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), character, is_hex ? 16 : 10);
            if (error != std::errc() || stop != digits.data() + digits.size() || !is_character(character)) return fail("no such character");
        } else {
            constexpr std::pair<std::string_view, char> known[] = {{"lt", '<'}, {"gt", '>'}, {"amp", '&'}, {"apos", '\''}, {"quot", '"'}};
            const auto* found = std::ranges::find(known, name, &std::pair<std::string_view, char>::first);
            if (found == std::end(known)) return fail("no such entity");
            character = static_cast<unsigned char>(found->second);
        }
        at_ += semicolon + 1;
        end += encode_utf8(character, text_ + end);
        return true;
    }

    bool characters() {
        auto& open = stack_.back();
        if (document_.nodes_[open.node].first != 0) {  // beside children: not kept
            std::size_t nowhere = at_;
            while (at_ < size_ && text_[at_] != '<')
                if (!decode_one(nowhere)) return false;
            return true;
        }
        while (at_ < size_ && text_[at_] != '<') {
            if (rest().starts_with("]]>")) return fail("']]>' in character data");
            if (!decode_one(open.text_end)) return false;
        }
        return true;
    }

    bool cdata() {
        constexpr std::size_t mark_bytes = 9;
        const auto end = rest().find("]]>", mark_bytes);
        if (end == std::string_view::npos) return fail("ends within CDATA");
        auto& open = stack_.back();
        const auto bytes = end - mark_bytes;
        if (document_.nodes_[open.node].first == 0) {
            std::memmove(text_ + open.text_end, text_ + at_ + mark_bytes, bytes);
            open.text_end += bytes;
        }
        at_ += end + 3;
        return true;
    }

    bool close_element() {
        at_ += 2;
        std::string_view name;
        if (!read_name(name)) return false;
        skip_blanks();
        if (at_ >= size_ || text_[at_] != '>') return fail("a closing tag is not well-formed");
        ++at_;
        const auto open = stack_.back();
        if (open.name != name) return fail("element " + std::string(open.name) + " closed by " + std::string(name));
        auto& node = document_.nodes_[open.node];
        if (node.first == 0) node.text = {text_ + open.text_begin, open.text_end - open.text_begin};
        stack_.pop_back();
        is_over_ = stack_.empty();
        return true;
    }

    Document& document_;
    Limits limits_;
    char* text_;
    std::size_t size_;
    std::size_t at_ = 0;
    std::vector<Open> stack_;
    bool is_over_ = false;
    Malformed failure_{};
};

Document::Document() = default;
Document::Document(Document&&) noexcept = default;
Document& Document::operator=(Document&&) noexcept = default;
Document::~Document() = default;

std::expected<Document, Malformed> Document::parse(std::string text, Limits limits) {
    Document document;
    document.text_ = std::make_unique<std::string>(std::move(text));
    document.nodes_.emplace_back();
    if (auto read = Parser(document, limits).run(); !read) return std::unexpected(std::move(read.error()));
    return document;
}

Element Document::root() const {
    Element element;
    element.document_ = this;
    element.index_ = 1;
    return element;
}

std::string_view Element::name() const { return index_ == 0 ? std::string_view() : document_->nodes_[index_].name; }
std::string_view Element::text() const { return index_ == 0 ? std::string_view() : document_->nodes_[index_].text; }
bool Element::has_children() const { return index_ != 0 && document_->nodes_[index_].first != 0; }

Element Element::first() const {
    Element element = *this;
    if (index_ != 0) element.index_ = document_->nodes_[index_].first;
    return element;
}

Element Element::next() const {
    Element element = *this;
    if (index_ != 0) element.index_ = document_->nodes_[index_].next;
    return element;
}

Element Element::child(std::string_view name) const {
    auto element = first();
    while (element && element.name() != name) element = element.next();
    return element;
}

std::string_view Element::child_text(std::string_view name) const { return child(name).text(); }

std::string_view Element::attribute(std::string_view name) const {
    if (index_ == 0) return {};
    const auto& node = document_->nodes_[index_];
    for (auto i = node.attributes_begin; i < node.attributes_end; ++i) {
        const auto& [key, value] = document_->attributes_[i];
        if (key == name || local_name(key) == name) return value;
    }
    return {};
}

}  // namespace services::codec::xml
