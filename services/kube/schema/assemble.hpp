// A typed object being put together: values by field, then written as Go's encoding/json writes the struct (its order,
// omitempty, omitzero, zero values of what is not left out). Used by the JSON and the protobuf decoders.
#pragma once

#include <boost/json/object.hpp>

#include <optional>
#include <vector>

#include "services/kube/schema/schema.hpp"

namespace services::kube::schema {

class Assembly {
public:
    explicit Assembly(const Type& type) : type_(type), slots_(type.fields().size()) {}
    // Empty until set. `field` is of this type.
    std::optional<json::value>& at(const Field& field) { return slots_[static_cast<std::size_t>(&field - type_.fields().data())]; }
    json::object finish() &&;

private:
    const Type& type_;
    std::vector<std::optional<json::value>> slots_;
};

// What Go's zero value of one element is written as.
json::value zero_of(const Field& field);

}  // namespace services::kube::schema
