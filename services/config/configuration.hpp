// The box's one configuration file: /etc/branchbox/config.yaml and its drop-ins config.yaml.d/*.yaml, in the order of
// their names, last wins. Reading is strict: each problem says file, line, column, what was found and what is needed.
//
// The known keys are one table (settings.cpp), from which checks and did-you-mean follow. Bounded by `file_bytes_max`
// and `nesting_max`. Pure but for reading the files it is told to read.
#pragma once

#include <boost/json/object.hpp>

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace services::config {

inline constexpr std::size_t file_bytes_max = 1024 * 1024;
inline constexpr int nesting_max = 32;

// One thing that is wrong, where, and how to mend it.
struct Problem {
    std::string file;
    std::size_t line = 0;    // 1 and up; 0: the file as a whole
    std::size_t column = 0;
    std::string message;     // "unknown key 'obejcts', did you mean 'objects'?"
    // "config.yaml:3:1: unknown key ..."
    [[nodiscard]] std::string to_string() const;
};

struct Configuration {
    boost::json::object values;      // all keys, defaults not filled in
    std::vector<Problem> problems;   // empty: valid
    // "kube" -> its section, {} when absent.
    [[nodiscard]] boost::json::object section(std::string_view service) const;
    [[nodiscard]] std::string text(std::string_view key, std::string_view otherwise) const;
};

// Parses one text; `file` only names it in problems.
Configuration parse_configuration(const std::string& file, const std::string& text);
// The file and its drop-ins. A file that is absent is an empty one.
Configuration read_configuration(const std::filesystem::path& file);

// The nearest of `known` to `word` within an edit distance of a third of its length (at least 2); "" when none is near.
std::string nearest(std::string_view word, const std::vector<std::string>& known);

}  // namespace services::config
