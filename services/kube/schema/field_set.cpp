// FieldsV1, the form of a set in metadata.managedFields:
//
//     {"f:metadata": {"f:labels": {".": {}, "f:app": {}}},
//      "f:spec": {"f:ports": {".": {}, "k:{\"port\":80,\"protocol\":\"TCP\"}": {".": {}, "f:port": {}}},
//                 "f:finalizers": {"v:\"kubernetes\"": {}}}}
//
// An element with nothing below is a member; one with something below is a member if "." is there too.
#include "services/kube/schema/field_set.hpp"

#include <boost/json/parse.hpp>

#include <algorithm>
#include <charconv>
#include <format>

#include "services/kube/schema/node.hpp"

namespace services::kube::schema {

namespace {

int rank_of(const json::value& value) {
    if (value.is_number()) return 0;
    if (value.is_string()) return 1;
    if (value.is_bool()) return 2;
    if (value.is_array()) return 3;
    return value.is_object() ? 4 : 5;
}

std::weak_ordering order(const json::value& a, const json::value& b) {
    if (rank_of(a) != rank_of(b)) return rank_of(a) <=> rank_of(b);
    switch (rank_of(a)) {
        case 0:
            if (a.is_int64() && b.is_int64()) return a.get_int64() <=> b.get_int64();
            return std::weak_order(a.to_number<double>(), b.to_number<double>());
        case 1: return std::string_view(a.get_string()) <=> std::string_view(b.get_string());
        case 2: return a.get_bool() <=> b.get_bool();
        case 3: {
            const auto& x = a.get_array();
            const auto& y = b.get_array();
            for (std::size_t i = 0; i < x.size() && i < y.size(); ++i)
                if (const auto o = order(x[i], y[i]); o != 0) return o;
            return x.size() <=> y.size();
        }
        case 4: {  // members are sorted
            const auto& x = a.get_object();
            const auto& y = b.get_object();
            for (auto i = x.begin(), j = y.begin(); i != x.end() && j != y.end(); ++i, ++j) {
                if (const auto o = std::string_view(i->key()) <=> std::string_view(j->key()); o != 0) return o;
                if (const auto o = order(i->value(), j->value()); o != 0) return o;
            }
            return x.size() <=> y.size();
        }
        default: return std::weak_ordering::equivalent;
    }
}

// As Go writes a string: <, > and & are escaped too.
void write_string(std::string& out, std::string_view text) {
    out += '"';
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (c == '"' || c == '\\') (out += '\\') += c;
        else if (c == '\n') out += "\\n";
        else if (c == '\r') out += "\\r";
        else if (c == '\t') out += "\\t";
        else if (c == '<' || c == '>' || c == '&' || (static_cast<unsigned char>(c) < 0x20)) out += std::format("\\u{:04x}", c);
        else if (text.substr(i, 3) == "\u2028" || text.substr(i, 3) == "\u2029") {
            out += text[i + 2] == '\xa8' ? "\\u2028" : "\\u2029";
            i += 2;
        } else out += c;
    }
    out += '"';
}

void write_value(std::string& out, const json::value& value) {
    if (value.is_string()) return write_string(out, value.get_string());
    if (value.is_bool()) return void(out += value.get_bool() ? "true" : "false");
    if (value.is_int64()) return void(out += std::to_string(value.get_int64()));
    if (value.is_uint64()) return void(out += std::to_string(value.get_uint64()));
    if (value.is_double()) return void(out += std::format("{}", value.get_double()));
    if (value.is_null()) return void(out += "null");
    const bool is_list = value.is_array();
    out += is_list ? '[' : '{';
    bool first = true;
    const auto separate = [&] {
        if (!first) out += ',';
        first = false;
    };
    if (is_list) {
        for (const auto& item : value.get_array()) separate(), write_value(out, item);
    } else {
        for (const auto& member : value.get_object()) {
            separate();
            write_string(out, member.key());
            out += ':';
            write_value(out, member.value());
        }
    }
    out += is_list ? ']' : '}';
}

// False: not an element. An element of a kind unknown here is left empty.
bool read_element(std::string_view text, std::optional<Element>& out) {
    if (text.size() < 2 || text[1] != ':') return false;
    const std::string_view rest = text.substr(2);
    boost::system::error_code error;
    json::parse_options bounded;
    bounded.max_depth = 16;  // keys are flat
    switch (text[0]) {
        case 'f': out = Element::field(rest); return true;
        case 'v': out = {Element::Kind::value, {}, json::parse(rest, error, {}, bounded)}; return !error;
        case 'k': {
            auto key = json::parse(rest, error, {}, bounded);
            if (error || !key.is_object()) return false;
            sort_keys(key.get_object());
            out = {Element::Kind::key, {}, std::move(key)};
            return true;
        }
        case 'i': {
            std::int64_t index = 0;
            const auto [end, code] = std::from_chars(rest.data(), rest.data() + rest.size(), index);
            out = {Element::Kind::index, {}, index};
            return code == std::errc{} && end == rest.data() + rest.size();
        }
        default: return true;
    }
}

bool read_nodes(const json::object& fields, std::size_t depth, FieldSet& out) {
    if (depth > field_depth_max) return false;
    for (const auto& member : fields) {
        if (member.key() == ".") continue;
        std::optional<Element> element;
        if (!read_element(member.key(), element) || !member.value().is_object()) return false;
        if (!element) continue;
        FieldSet::Node node{*std::move(element), 0, {}};
        const auto& below = member.value().get_object();
        if (!read_nodes(below, depth + 1, node.children)) return false;
        if (node.children.empty() || below.contains(".")) node.marks = owned;
        out.nodes.push_back(std::move(node));
    }
    std::ranges::stable_sort(out.nodes, {}, &FieldSet::Node::element);
    const auto [first, last] = std::ranges::unique(out.nodes, {}, &FieldSet::Node::element);
    out.nodes.erase(first, last);
    return true;
}

// A copy of the members that bear one of `marks`.
FieldSet selected(const FieldSet& set, Marks marks) {
    FieldSet out;
    for (const auto& node : set.nodes) {
        FieldSet children = selected(node.children, marks);
        const Marks mark = (node.marks & marks) != 0 ? owned : Marks{0};
        if (mark != 0 || !children.empty()) out.nodes.push_back({node.element, mark, std::move(children)});
    }
    return out;
}

enum class Operation { unite, subtract, intersect };

FieldSet combine(FieldSet left, const FieldSet& right, Marks marks, Operation operation) {
    FieldSet out;
    out.nodes.reserve(left.nodes.size());
    auto l = left.nodes.begin();
    auto r = right.nodes.begin();
    while (l != left.nodes.end() || r != right.nodes.end()) {
        const auto o = l == left.nodes.end()    ? std::weak_ordering::greater
                       : r == right.nodes.end() ? std::weak_ordering::less
                                                : l->element <=> r->element;
        if (o < 0) {
            if (operation != Operation::intersect) out.nodes.push_back(std::move(*l));
            ++l;
            continue;
        }
        if (o > 0) {
            if (operation == Operation::unite) {
                FieldSet children = selected(r->children, marks);
                const Marks mark = (r->marks & marks) != 0 ? owned : Marks{0};
                if (mark != 0 || !children.empty()) out.nodes.push_back({r->element, mark, std::move(children)});
            }
            ++r;
            continue;
        }
        const bool is_left = l->marks != 0, is_right = (r->marks & marks) != 0;
        const bool is_member = operation == Operation::unite      ? is_left || is_right
                               : operation == Operation::subtract ? is_left && !is_right
                                                                  : is_left && is_right;
        FieldSet children = combine(std::move(l->children), r->children, marks, operation);
        if (is_member || !children.empty())
            out.nodes.push_back({std::move(l->element), is_member ? owned : Marks{0}, std::move(children)});
        ++l, ++r;
    }
    return out;
}

void visit_members(const FieldSet& set, std::vector<const Element*>& path,
                   const std::function<void(const std::vector<const Element*>&)>& visit) {
    // The real library names all members of a level before it goes below any.
    for (const auto& node : set.nodes) {
        if (node.marks == 0) continue;
        path.push_back(&node.element);
        visit(path);
        path.pop_back();
    }
    for (const auto& node : set.nodes) {
        path.push_back(&node.element);
        visit_members(node.children, path, visit);
        path.pop_back();
    }
}

}  // namespace

std::weak_ordering Element::operator<=>(const Element& other) const {
    if (kind != other.kind) return kind <=> other.kind;
    return kind == Kind::field ? std::weak_ordering(name <=> other.name) : order(value, other.value);
}

std::string Element::text() const {
    if (kind == Kind::field) return "f:" + name;
    std::string out = kind == Kind::key ? "k:" : kind == Kind::value ? "v:" : "i:";
    write_value(out, value);
    return out;
}

std::string Element::path() const {
    if (kind == Kind::field) return "." + name;
    std::string out = kind == Kind::value ? "[=" : "[";
    if (kind == Kind::key) {
        for (const auto& member : value.get_object()) {
            if (out.size() > 1) out += ',';
            (out += std::string_view(member.key())) += '=';
            write_value(out, member.value());
        }
    } else {
        write_value(out, value);
    }
    return out + "]";
}

bool FieldSet::has(const std::vector<Element>& path) const {
    const FieldSet* level = this;
    for (std::size_t i = 0; i < path.size(); ++i) {
        const auto found = std::ranges::lower_bound(level->nodes, path[i], {}, &Node::element);
        if (found == level->nodes.end() || found->element != path[i]) return false;
        if (i + 1 == path.size()) return found->marks != 0;
        level = &found->children;
    }
    return false;
}

void FieldSet::insert(const std::vector<Element>& path) {
    FieldSet* level = this;
    for (std::size_t i = 0; i < path.size(); ++i) {
        auto found = std::ranges::lower_bound(level->nodes, path[i], {}, &Node::element);
        if (found == level->nodes.end() || found->element != path[i]) found = level->nodes.insert(found, {path[i], 0, {}});
        if (i + 1 == path.size()) found->marks = owned;
        level = &found->children;
    }
}

FieldSet unite(FieldSet left, const FieldSet& right, Marks marks) { return combine(std::move(left), right, marks, Operation::unite); }
FieldSet subtract(FieldSet left, const FieldSet& right, Marks marks) { return combine(std::move(left), right, marks, Operation::subtract); }
FieldSet intersect(FieldSet left, const FieldSet& right, Marks marks) { return combine(std::move(left), right, marks, Operation::intersect); }

void erase_below(FieldSet& set, const std::vector<std::string_view>& path) {
    FieldSet* level = &set;
    for (std::size_t i = 0; i < path.size(); ++i) {
        const auto found = std::ranges::find_if(level->nodes, [&](const auto& node) {
            return node.element.kind == Element::Kind::field && node.element.name == path[i];
        });
        if (found == level->nodes.end()) return;
        if (i + 1 == path.size()) level->nodes.erase(found);
        else level = &found->children;
    }
}

void for_each_member(const FieldSet& set, const std::function<void(const std::vector<const Element*>&)>& visit) {
    std::vector<const Element*> path;
    visit_members(set, path, visit);
}

json::object fields_v1(const FieldSet& set) {
    json::object out;
    out.reserve(set.nodes.size());
    for (const auto& node : set.nodes) {
        json::object below;
        if (!node.children.empty()) {
            if (node.marks != 0) below.emplace(".", json::object());
            for (auto& member : fields_v1(node.children)) below.emplace(member.key(), std::move(member.value()));
        }
        out.emplace(node.element.text(), std::move(below));
    }
    return out;
}

std::optional<FieldSet> read_fields_v1(const json::object& fields) {
    FieldSet out;
    if (!read_nodes(fields, 0, out)) return std::nullopt;
    return out;
}

}  // namespace services::kube::schema
