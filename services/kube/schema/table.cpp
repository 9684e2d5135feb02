// The blocks that generate.py wrote (its head documents the layout), as read-only data of the executable.
#include <zlib.h>

#include <algorithm>
#include <cstring>

#include "services/kube/schema/schema.hpp"

// Linked as bytes: no initialiser to compile, no relocation to apply.
asm(R"(
    .pushsection .rodata.branchbox_schema, "a"
    .balign 8
    .hidden branchbox_schema_table
    .globl branchbox_schema_table
branchbox_schema_table:
    .incbin ")" BRANCHBOX_SCHEMA_DATA R"(/table.bin"
    .balign 8
    .hidden branchbox_schema_openapi
    .globl branchbox_schema_openapi
branchbox_schema_openapi:
    .incbin ")" BRANCHBOX_SCHEMA_DATA R"(/openapi.bin"
    .balign 8
    .popsection
)");
extern "C" {
extern const char branchbox_schema_table[];
extern const char branchbox_schema_openapi[];
}

namespace services::kube::schema {

namespace {

static_assert(sizeof(Field) == 24 && sizeof(Type) == 16);

const char* follow(const std::int32_t& reference) {
    return reference == 0 ? nullptr : reinterpret_cast<const char*>(&reference) + reference;
}

std::string_view string_at(const std::int32_t& reference) {
    const char* place = follow(reference);
    if (place == nullptr) return {};
    std::uint16_t length = 0;
    std::memcpy(&length, place, 2);
    return {place + 2, length};
}

struct Header {
    char magic[8];
    std::uint32_t type_count, kind_count;
    std::int32_t types, kinds;
};
struct KindEntry {
    std::int32_t api_version, kind, type;
};
struct Rare {
    std::int32_t list_keys, merge_key, patch_strategy, schema_default, container_type;
};

const Header& header() { return *reinterpret_cast<const Header*>(branchbox_schema_table); }

std::string_view rare_string(const std::int32_t& reference, std::int32_t Rare::* member) {
    const auto* rare = reinterpret_cast<const Rare*>(follow(reference));
    return rare == nullptr ? std::string_view{} : string_at(rare->*member);
}

const Type* find_kind(std::string_view api_version, std::string_view kind) {
    const std::span kinds(reinterpret_cast<const KindEntry*>(follow(header().kinds)), header().kind_count);
    const auto* found = std::ranges::lower_bound(
        kinds.data(), kinds.data() + kinds.size(), std::pair(api_version, kind), {},
        [](const KindEntry& entry) { return std::pair(string_at(entry.api_version), string_at(entry.kind)); });
    if (found == kinds.data() + kinds.size() || string_at(found->api_version) != api_version || string_at(found->kind) != kind)
        return nullptr;
    return reinterpret_cast<const Type*>(follow(found->type));
}

struct Document {
    std::string_view name, data, hash;
    std::size_t size = 0;
};

Document document(std::size_t index) {
    std::uint32_t numbers[5];
    const char* entry = branchbox_schema_openapi + 12 + index * 84;
    std::memcpy(numbers, entry, sizeof numbers);
    return {{branchbox_schema_openapi + numbers[0], numbers[1]}, {branchbox_schema_openapi + numbers[2], numbers[3]},
            {entry + 20, 64}, numbers[4]};
}

std::size_t document_count() {
    std::uint32_t count = 0;
    std::memcpy(&count, branchbox_schema_openapi + 8, 4);
    return count;
}

}  // namespace

std::string_view Field::name() const { return string_at(name_); }
const Type* Field::type() const { return reinterpret_cast<const Type*>(follow(type_)); }
std::string_view Field::go_type() const { return string_at(go_type_); }
std::string_view Field::list_keys() const { return rare_string(rare_, &Rare::list_keys); }
std::string_view Field::merge_key() const { return rare_string(rare_, &Rare::merge_key); }
std::string_view Field::patch_strategy() const { return rare_string(rare_, &Rare::patch_strategy); }
std::string_view Field::schema_default() const { return rare_string(rare_, &Rare::schema_default); }

std::string Field::go_container() const {
    if (const auto named = rare_string(rare_, &Rare::container_type); !named.empty()) return std::string(named);
    return (shape() == Shape::list ? "[]" : "map[string]") + std::string(go_type());
}

std::string_view Type::name() const { return string_at(name_); }
std::string_view Type::go_name() const { return string_at(go_name_); }
std::span<const Field> Type::fields() const { return {reinterpret_cast<const Field*>(follow(fields_)), count_}; }

const Field* Type::find(std::string_view field) const {
    if (field.empty()) return nullptr;
    const auto all = fields();
    const Field* end = all.data() + all.size();
    const Field* found = std::lower_bound(all.data(), end, field, [](const Field& f, std::string_view n) { return f.name() < n; });
    return found != end && found->name() == field ? found : nullptr;
}

const Field* Type::find_number(std::uint32_t number) const {
    for (const Field& field : fields())
        if (field.number_ == number && number != 0) return &field;
    return nullptr;
}

const Type* type_of(const GroupVersionKind& kind) {
    if (const Type* type = find_kind(kind.api_version(), kind.kind)) return type;
    // Options and Status are registered in every group version.
    for (const std::string_view shared : {"CreateOptions", "DeleteOptions", "GetOptions", "ListOptions", "PatchOptions", "UpdateOptions", "Status"})
        if (kind.kind == shared) return type_named("io.k8s.apimachinery.pkg.apis.meta.v1." + kind.kind);
    return nullptr;
}

const Type* type_named(std::string_view name) {
    const auto* begin = reinterpret_cast<const Type*>(follow(header().types));
    const auto* end = begin + header().type_count;
    const auto* found = std::lower_bound(begin, end, name, [](const Type& t, std::string_view n) { return t.name() < n; });
    return found != end && found->name() == name ? found : nullptr;
}

std::string openapi_index() {
    std::string out = R"({"paths":{)";
    for (std::size_t i = 0; i < document_count(); ++i) {
        const Document entry = document(i);
        if (i != 0) out += ',';
        out += '"';
        out += entry.name;
        out += R"(":{"serverRelativeURL":"/openapi/v3/)";
        out += entry.name;
        out += "?hash=";
        out += entry.hash;
        out += "\"}";
    }
    return out + "}}";
}

std::string_view openapi_gzip(std::string_view path) {
    for (std::size_t i = 0; i < document_count(); ++i)
        if (document(i).name == path) return document(i).data;
    return {};
}

std::string_view openapi_hash(std::string_view path) {
    for (std::size_t i = 0; i < document_count(); ++i)
        if (document(i).name == path) return document(i).hash;
    return {};
}

std::string openapi_document(std::string_view path) {
    for (std::size_t i = 0; i < document_count(); ++i) {
        const Document entry = document(i);
        if (entry.name != path) continue;
        std::string out(entry.size, '\0');
        z_stream stream{};
        if (inflateInit2(&stream, 15 + 16) != Z_OK) return {};
        stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(entry.data.data()));
        stream.avail_in = static_cast<uInt>(entry.data.size());
        stream.next_out = reinterpret_cast<Bytef*>(out.data());
        stream.avail_out = static_cast<uInt>(out.size());
        const int result = inflate(&stream, Z_FINISH);
        inflateEnd(&stream);
        return result == Z_STREAM_END ? out : std::string{};
    }
    return {};
}

}  // namespace services::kube::schema
