// What the guard's tests share: a folder of their own that goes with them.
#pragma once

#include <catch2/catch_test_macros.hpp>

#include <cstdlib>
#include <filesystem>
#include <string>

struct Folder {
    std::filesystem::path path;
    Folder() {
        std::string made = std::filesystem::temp_directory_path() / "guard-XXXXXX";
        REQUIRE(::mkdtemp(made.data()) != nullptr);
        path = made;
    }
    ~Folder() { std::filesystem::remove_all(path); }
};
