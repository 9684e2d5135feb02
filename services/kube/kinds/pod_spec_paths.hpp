// Warnings about files of one volume that lie in each other's way: two keys projected to one path, or one below another.
#pragma once

#include <boost/json/array.hpp>

#include <string>
#include <vector>

namespace services::kube::kinds {

namespace json = boost::json;

std::vector<std::string> overlapping_path_warnings(const json::array& volumes);

}  // namespace services::kube::kinds
