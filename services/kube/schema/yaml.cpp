// YAML as sigs.k8s.io/yaml reads it: the first document, YAML 1.1 words for booleans and null, keys turned into strings,
// aliases and merge keys (<<) resolved. yaml-cpp scans and composes events; what a plain scalar is, is decided here.
//
// Bounded: value_nesting_max, nodes_max (aliases count as often as they are used).
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <format>
#include <map>
#include <sstream>

#include "services/kube/schema/node.hpp"

namespace services::kube::schema {

namespace {

struct Refused {
    DecodeError error;
};

bool is_one_of(std::string_view text, std::initializer_list<std::string_view> words) {
    for (const auto word : words)
        if (text == word) return true;
    return false;
}

// go-yaml v2's resolver for a plain scalar.
void resolve_plain(Node& node) {
    const std::string& text = node.text;
    if (is_one_of(text, {"", "~", "null", "Null", "NULL"})) {
        node.kind = Node::Kind::null;
        return;
    }
    if (is_one_of(text, {"y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"})) {
        node.kind = Node::Kind::boolean;
        node.truth = true;
        return;
    }
    if (is_one_of(text, {"n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"})) {
        node.kind = Node::Kind::boolean;
        return;
    }
    std::string digits;
    for (const char c : text)
        if (c != '_') digits += c;
    if (digits.empty() || digits.find_first_of("0123456789") == digits.npos) return;
    std::string_view body = digits;
    const bool negative = body[0] == '-';
    if (negative || body[0] == '+') body.remove_prefix(1);
    if (body.empty() || !((body[0] >= '0' && body[0] <= '9') || body[0] == '.')) return;
    int base = 10;
    std::string_view whole = body;
    if (body.starts_with("0x")) base = 16, whole = body.substr(2);
    else if (body.starts_with("0b")) base = 2, whole = body.substr(2);
    else if (body.starts_with("0o")) base = 8, whole = body.substr(2);
    else if (body.size() > 1 && body[0] == '0') base = 8, whole = body.substr(1);
    std::uint64_t value = 0;
    if (const auto [to, code] = std::from_chars(whole.data(), whole.data() + whole.size(), value, base);
        code == std::errc{} && to == whole.data() + whole.size() && !whole.empty()) {
        node.kind = Node::Kind::number;
        node.text = (negative && value != 0 ? "-" : "") + std::to_string(value);
        return;
    }
    double real = 0;
    if (const auto [to, code] = std::from_chars(body.data(), body.data() + body.size(), real);
        code == std::errc{} && to == body.data() + body.size() && std::isfinite(real)) {
        node.kind = Node::Kind::number;
        real = negative ? -real : real;
        node.text = std::abs(real) < 1e15 && real == std::floor(real) ? std::format("{:.0f}", real) : std::format("{}", real);
    }
}

class Composer : public YAML::EventHandler {
public:
    Node root;

    void OnDocumentStart(const YAML::Mark&) override {}
    void OnDocumentEnd() override {}
    void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
        Node node;
        finish(mark, std::move(node), anchor);
    }
    void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
        const auto found = anchors_.find(anchor);
        if (found == anchors_.end()) throw Refused{{"yaml: anchor contains itself", line(mark), 0}};
        if (is_deeper_than(found->second, value_nesting_max - std::min(open_.size(), value_nesting_max)))
            throw Refused{{"yaml: exceeded max depth", line(mark), 0}};
        count(mark, size_of(found->second));
        finish(mark, Node(found->second), 0);
    }
    void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, const std::string& value) override {
        Node node;
        node.kind = Node::Kind::string;
        node.text = value;
        if (tag == "?" || tag.empty() || tag == "tag:yaml.org,2002:bool" || tag == "tag:yaml.org,2002:int" ||
            tag == "tag:yaml.org,2002:float" || tag == "tag:yaml.org,2002:null")
            resolve_plain(node);
        finish(mark, std::move(node), anchor);
    }
    void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor, YAML::EmitterStyle::value) override {
        open(mark, Node::Kind::array, anchor);
    }
    void OnSequenceEnd() override { close(); }
    void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor, YAML::EmitterStyle::value) override {
        open(mark, Node::Kind::object, anchor);
    }
    void OnMapEnd() override { close(); }

private:
    struct Level {
        Node node;
        YAML::anchor_t anchor = 0;
        YAML::Mark mark;
        bool has_key = false;
        std::string key;
        std::vector<Node> merged;
    };
    std::vector<Level> open_;
    std::map<YAML::anchor_t, Node> anchors_;
    std::size_t nodes_ = 0;

    static std::size_t line(const YAML::Mark& mark) { return static_cast<std::size_t>(mark.line + 1); }
    static std::size_t size_of(const Node& node) {
        std::size_t out = 1;
        for (const auto& child : node.children) out += size_of(child);
        return out;
    }
    void count(const YAML::Mark& mark, std::size_t more) {
        if ((nodes_ += more) > nodes_max) throw Refused{{"yaml: document contains excessive aliasing", line(mark), 0}};
    }
    void open(const YAML::Mark& mark, Node::Kind kind, YAML::anchor_t anchor) {
        if (open_.size() >= value_nesting_max) throw Refused{{"yaml: exceeded max depth", line(mark), 0}};
        count(mark, 1);
        Level level;
        level.node.kind = kind;
        level.anchor = anchor;
        level.mark = mark;
        open_.push_back(std::move(level));
    }
    void close() {
        Level level = std::move(open_.back());
        open_.pop_back();
        // A merge key gives what the map does not say itself.
        for (auto& source : level.merged)
            for (auto& member : source.children) {
                bool said = false;
                for (const auto& own : level.node.children) said = said || own.key == member.key;
                if (!said) level.node.children.push_back(std::move(member));
            }
        finish(level.mark, std::move(level.node), level.anchor, false);
    }
    void finish(const YAML::Mark& mark, Node node, YAML::anchor_t anchor, bool counts = true) {
        if (counts) count(mark, 1);
        if (anchor != 0) anchors_[anchor] = node;
        if (open_.empty()) {
            root = std::move(node);
            return;
        }
        Level& level = open_.back();
        if (level.node.kind == Node::Kind::array) {
            level.node.children.push_back(std::move(node));
        } else if (!level.has_key) {
            if (node.kind == Node::Kind::array || node.kind == Node::Kind::object)
                throw Refused{{std::format("yaml: invalid map key: {}", text_of(node)), line(mark), 0}};
            level.key = node.kind == Node::Kind::boolean ? (node.truth ? "true" : "false")
                        : node.kind == Node::Kind::null  ? "null"
                                                         : std::move(node.text);
            level.has_key = true;
        } else {
            level.has_key = false;
            if (level.key == "<<" && node.kind == Node::Kind::object) {
                level.merged.push_back(std::move(node));
                return;
            }
            if (level.key == "<<" && node.kind == Node::Kind::array) {
                for (auto& source : node.children) level.merged.push_back(std::move(source));
                return;
            }
            node.key = std::move(level.key);
            level.node.children.push_back(std::move(node));
        }
    }
};

}  // namespace

std::expected<Node, DecodeError> node_from_yaml(std::string_view text) {
    // JSON is nearly YAML, and its own reader is strict and fast.
    if (const auto first = text.find_first_not_of(" \t\r\n"); first != text.npos && text[first] == '{')
        if (auto node = node_from_json(text)) return node;
    std::istringstream stream{std::string(text)};
    Composer composer;
    try {
        YAML::Parser parser(stream);
        parser.HandleNextDocument(composer);
    } catch (const Refused& refused) {
        return std::unexpected(refused.error);
    } catch (const YAML::Exception& failure) {
        DecodeError error;
        error.line = static_cast<std::size_t>(failure.mark.line + 1);
        error.column = static_cast<std::size_t>(failure.mark.column + 1);
        error.message = std::format("yaml: line {}: {}", error.line, failure.msg);
        return std::unexpected(std::move(error));
    }
    return std::move(composer.root);
}

std::expected<json::value, DecodeError> parse_yaml(std::string_view text) {
    auto node = node_from_yaml(text);
    if (!node) return std::unexpected(std::move(node.error()));
    if (is_deeper_than(*node, value_nesting_max)) return std::unexpected(DecodeError{"exceeded max depth"});
    return value_from_node(*node);
}

}  // namespace services::kube::schema
