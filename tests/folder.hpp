// A folder of a test's own, gone with it. Header-only; used by every test that needs one and nothing more of it.
#pragma once

#include <catch2/catch_test_macros.hpp>

#include <cstdlib>
#include <filesystem>
#include <string>

struct Folder {
    Folder() {
        std::string pattern = (std::filesystem::temp_directory_path() / "branchbox-test-XXXXXX").string();
        REQUIRE(::mkdtemp(pattern.data()) != nullptr);
        path = pattern;
    }
    ~Folder() { std::filesystem::remove_all(path); }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;

    std::filesystem::path path;
};
