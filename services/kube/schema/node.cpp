#include "services/kube/schema/node.hpp"

#include <boost/json/serialize.hpp>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <format>

namespace services::kube::schema {

namespace {

// encoding/json's scanner words.
std::string quote(unsigned char c) {
    if (c == '\'') return R"('\'')";
    if (c == '"') return "'\"'";
    if (c == '\\') return R"('\\')";
    switch (c) {
        case '\a': return R"('\a')";
        case '\b': return R"('\b')";
        case '\f': return R"('\f')";
        case '\n': return R"('\n')";
        case '\r': return R"('\r')";
        case '\t': return R"('\t')";
        case '\v': return R"('\v')";
        default: break;
    }
    if (c < 0x20 || c == 0x7f) return std::format("'\\x{:02x}'", c);
    if (c < 0x80) return std::format("'{}'", static_cast<char>(c));
    if (c < 0xa0 || c == 0xad) return std::format("'\\u{:04x}'", c);  // Go reads the byte as a code point
    return std::string("'") + static_cast<char>(0xc0 | (c >> 6)) + static_cast<char>(0x80 | (c & 0x3f)) + "'";
}

void append_utf8(std::string& out, char32_t c) {
    if (c < 0x80) out += static_cast<char>(c);
    else if (c < 0x800) (out += static_cast<char>(0xc0 | (c >> 6))) += static_cast<char>(0x80 | (c & 0x3f));
    else if (c < 0x10000)
        ((out += static_cast<char>(0xe0 | (c >> 12))) += static_cast<char>(0x80 | ((c >> 6) & 0x3f))) += static_cast<char>(0x80 | (c & 0x3f));
    else
        (((out += static_cast<char>(0xf0 | (c >> 18))) += static_cast<char>(0x80 | ((c >> 12) & 0x3f))) +=
         static_cast<char>(0x80 | ((c >> 6) & 0x3f))) += static_cast<char>(0x80 | (c & 0x3f));
}

// Length of the valid UTF-8 sequence at `at`, 0 when it is none.
std::size_t sequence(std::string_view text, std::size_t at) {
    const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
    const auto tail = [&](std::size_t i) { return (byte(i) & 0xc0) == 0x80; };
    const unsigned c = byte(at);
    if (c < 0x80) return 1;
    if (c >= 0xc2 && c < 0xe0) return tail(at + 1) ? 2 : 0;
    if (c >= 0xe0 && c < 0xf0) {
        const unsigned d = byte(at + 1);
        if ((c == 0xe0 && d < 0xa0) || (c == 0xed && d > 0x9f)) return 0;
        return tail(at + 1) && tail(at + 2) ? 3 : 0;
    }
    if (c >= 0xf0 && c < 0xf5) {
        const unsigned d = byte(at + 1);
        if ((c == 0xf0 && d < 0x90) || (c == 0xf4 && d > 0x8f)) return 0;
        return tail(at + 1) && tail(at + 2) && tail(at + 3) ? 4 : 0;
    }
    return 0;
}

class JsonReader {
public:
    explicit JsonReader(std::string_view text) : text_(text) {}

    std::expected<Node, DecodeError> read() {
        Node root;
        if (read_tree(root)) {
            skip_space();
            if (at_ < text_.size()) fail("after top-level value");
        }
        if (!error_.empty()) return std::unexpected(DecodeError{error_});
        return root;
    }

private:
    std::string_view text_;
    std::size_t at_ = 0, nodes_ = 0;
    std::string error_;

    bool fail(std::string_view where) {
        if (error_.empty())
            error_ = at_ >= text_.size() ? "unexpected end of JSON input"
                                         : std::format("invalid character {} {}", quote(static_cast<unsigned char>(text_[at_])), where);
        return false;
    }
    void skip_space() {
        while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\r' || text_[at_] == '\n')) ++at_;
    }
    [[nodiscard]] char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

    // Without recursion: ten thousand levels are legal and would cost megabytes of stack.
    bool read_tree(Node& root) {
        std::vector<Node*> open;
        Node* node = &root;
        while (true) {
            if (++nodes_ > nodes_max) return error_ = std::format("more than {} values", nodes_max), false;
            skip_space();
            if (peek() == '{' || peek() == '[') {
                if (open.size() >= nesting_max) return error_ = "exceeded max depth", false;
                node->kind = peek() == '{' ? Node::Kind::object : Node::Kind::array;
                ++at_;
                skip_space();
                if (peek() != closing(*node)) {
                    open.push_back(node);
                    if ((node = next_child(*node)) == nullptr) return false;
                    continue;
                }
                ++at_;
            } else if (!read_scalar(*node)) {
                return false;
            }
            for (node = nullptr; node == nullptr;) {
                if (open.empty()) return true;
                Node& parent = *open.back();
                skip_space();
                if (peek() == closing(parent)) {
                    ++at_;
                    open.pop_back();
                    continue;
                }
                if (peek() != ',') return fail(parent.kind == Node::Kind::array ? "after array element" : "after object key:value pair");
                ++at_;
                if ((node = next_child(parent)) == nullptr) return false;
            }
        }
    }

    static char closing(const Node& node) { return node.kind == Node::Kind::array ? ']' : '}'; }

    // The place for what follows, its key read when it is a member.
    Node* next_child(Node& parent) {
        Node& child = parent.children.emplace_back();
        if (parent.kind == Node::Kind::array) return &child;
        skip_space();
        if (peek() != '"') return fail("looking for beginning of object key string"), nullptr;
        if (!read_string(child.key)) return nullptr;
        skip_space();
        if (peek() != ':') return fail("after object key"), nullptr;
        ++at_;
        return &child;
    }

    bool read_scalar(Node& node) {
        switch (peek()) {
            case '"': node.kind = Node::Kind::string; return read_string(node.text);
            case 't': node.truth = true; node.kind = Node::Kind::boolean; return read_word("true");
            case 'f': node.kind = Node::Kind::boolean; return read_word("false");
            case 'n': return read_word("null");
            default:
                if (peek() == '-' || (peek() >= '0' && peek() <= '9')) return read_number(node);
                return fail("looking for beginning of value");
        }
    }

    bool read_word(std::string_view word) {
        for (std::size_t i = 0; i < word.size(); ++i, ++at_)
            if (at_ >= text_.size() || text_[at_] != word[i]) return fail(std::format("in literal {} (expecting '{}')", word, word[i]));
        return true;
    }

    bool digits(std::string_view where) {
        if (at_ >= text_.size() || peek() < '0' || peek() > '9') return fail(where);
        while (peek() >= '0' && peek() <= '9') ++at_;
        return true;
    }

    bool read_number(Node& node) {
        node.kind = Node::Kind::number;
        const std::size_t start = at_;
        if (peek() == '-') ++at_;
        if (peek() == '0') ++at_;
        else if (!digits("in numeric literal")) return false;
        if (peek() == '.' && (++at_, !digits("after decimal point in numeric literal"))) return false;
        if (peek() == 'e' || peek() == 'E') {
            ++at_;
            if (peek() == '+' || peek() == '-') ++at_;
            if (!digits("in exponent of numeric literal")) return false;
        }
        node.text = text_.substr(start, at_ - start);
        return true;
    }

    bool read_hex(char32_t& out) {
        out = 0;
        for (int i = 0; i < 4; ++i, ++at_) {
            const char c = peek();
            unsigned digit = 0;
            if (c >= '0' && c <= '9') digit = static_cast<unsigned>(c - '0');
            else if (c >= 'a' && c <= 'f') digit = static_cast<unsigned>(c - 'a' + 10);
            else if (c >= 'A' && c <= 'F') digit = static_cast<unsigned>(c - 'A' + 10);
            else return fail("in \\u hexadecimal character escape");
            out = out * 16 + digit;
        }
        return true;
    }

    bool read_string(std::string& out) {
        ++at_;
        while (true) {
            if (at_ >= text_.size()) return fail("");
            const auto c = static_cast<unsigned char>(text_[at_]);
            if (c == '"') return ++at_, true;
            if (c < 0x20) return fail("in string literal");
            if (c == '\\') {
                ++at_;
                if (!read_escape(out)) return false;
                continue;
            }
            const std::size_t length = sequence(text_, at_);
            if (length == 0) {
                append_utf8(out, 0xfffd);  // as Go replaces what is no UTF-8
                ++at_;
            } else {
                out += text_.substr(at_, length);
                at_ += length;
            }
        }
    }

    bool read_escape(std::string& out) {
        static constexpr std::string_view names = "\"\\/bfnrt", values = "\"\\/\b\f\n\r\t";
        if (at_ >= text_.size()) return fail("");
        if (const auto found = names.find(text_[at_]); found != names.npos) return out += values[found], ++at_, true;
        if (text_[at_] != 'u') return fail("in string escape code");
        ++at_;
        char32_t c = 0;
        if (!read_hex(c)) return false;
        if (c >= 0xd800 && c < 0xe000) {
            const std::size_t after = at_;
            char32_t low = 0;
            if (c < 0xdc00 && text_.substr(at_, 2) == "\\u") {
                at_ += 2;
                if (!read_hex(low)) return false;
            }
            if (low >= 0xdc00 && low < 0xe000) c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
            else c = 0xfffd, at_ = after;
        }
        append_utf8(out, c);
        return true;
    }
};

}  // namespace

std::expected<Node, DecodeError> node_from_json(std::string_view text) { return JsonReader(text).read(); }

Node node_from_value(const json::value& value) {
    Node node;
    switch (value.kind()) {
        case json::kind::null: break;
        case json::kind::bool_:
            node.kind = Node::Kind::boolean;
            node.truth = value.get_bool();
            break;
        case json::kind::int64:
        case json::kind::uint64:
        case json::kind::double_:
            node.kind = Node::Kind::number;
            node.text = json::serialize(value);
            break;
        case json::kind::string:
            node.kind = Node::Kind::string;
            node.text = value.get_string();
            break;
        case json::kind::array:
            node.kind = Node::Kind::array;
            node.children.reserve(value.get_array().size());
            for (const auto& element : value.get_array()) node.children.push_back(node_from_value(element));
            break;
        case json::kind::object:
            node.kind = Node::Kind::object;
            node.children.reserve(value.get_object().size());
            for (const auto& member : value.get_object()) {
                node.children.push_back(node_from_value(member.value()));
                node.children.back().key = member.key();
            }
            break;
    }
    return node;
}

bool is_deeper_than(const Node& node, std::size_t levels) {
    if (node.kind != Node::Kind::array && node.kind != Node::Kind::object) return false;
    return levels == 0 || std::ranges::any_of(node.children, [&](const Node& child) { return is_deeper_than(child, levels - 1); });
}

json::value value_from_node(const Node& node, std::size_t depth) {
    if (depth > value_nesting_max) return nullptr;
    switch (node.kind) {
        case Node::Kind::null: return nullptr;
        case Node::Kind::boolean: return node.truth;
        case Node::Kind::string: return json::value(node.text);
        case Node::Kind::number: {
            std::int64_t whole = 0;
            const char* end = node.text.data() + node.text.size();
            if (const auto [to, code] = std::from_chars(node.text.data(), end, whole); code == std::errc{} && to == end) return whole;
            return std::strtod(node.text.c_str(), nullptr);
        }
        case Node::Kind::array: {
            json::array out;
            out.reserve(node.children.size());
            for (const auto& child : node.children) out.push_back(value_from_node(child, depth + 1));
            return out;
        }
        case Node::Kind::object: {
            json::object out;
            for (const auto& child : node.children) out.insert_or_assign(child.key, value_from_node(child, depth + 1));
            return out;
        }
    }
    return nullptr;
}

void sort_keys(json::object& object) {
    const auto key_of = [](const json::key_value_pair& member) { return std::string_view(member.key()); };
    if (std::ranges::is_sorted(object, {}, key_of)) return;
    std::vector<json::key_value_pair*> members;
    members.reserve(object.size());
    for (auto& member : object) members.push_back(&member);
    std::ranges::sort(members, {}, [&](const auto* member) { return key_of(*member); });
    json::object out(object.storage());
    out.reserve(members.size());
    for (auto* member : members) out.emplace(member->key(), std::move(member->value()));
    object = std::move(out);
}

std::string text_of(const Node& node) {
    return node.kind == Node::Kind::number ? node.text : json::serialize(value_from_node(node));
}

std::expected<json::value, DecodeError> parse_json(std::string_view text) {
    auto node = node_from_json(text);
    if (!node) return std::unexpected(std::move(node.error()));
    if (is_deeper_than(*node, value_nesting_max)) return std::unexpected(DecodeError{"exceeded max depth"});
    return value_from_node(*node);
}

}  // namespace services::kube::schema
