#include "services/objects/api/tar.hpp"

#include <catch2/catch_test_macros.hpp>

#include <cstring>
#include <format>
#include <map>

using services::objects::api::TarReader;

namespace {

std::string entry(const std::string& name, char type, const std::string& content) {
    std::string block(512, '\0');
    name.copy(block.data(), 100);
    const auto put = [&](std::size_t at, const std::string& text) { text.copy(block.data() + at, text.size()); };
    put(100, "0000644");
    put(124, std::format("{:011o}", content.size()));
    block[156] = type;
    put(257, "ustar");
    put(148, "        ");
    unsigned sum = 0;
    for (const char c : block) sum += static_cast<unsigned char>(c);
    put(148, std::format("{:06o}", sum) + '\0' + ' ');
    return block + content + std::string((512 - content.size() % 512) % 512, '\0');
}

struct Unpacked {
    std::map<std::string, std::string> files;
    std::string problem;
    bool may_end = false;
};

Unpacked unpacked(std::string_view archive, std::size_t piece) {
    TarReader tar;
    Unpacked out;
    std::string content;
    while (!archive.empty()) {
        const auto step = tar.feed(archive.substr(0, piece));
        if (!step) {
            out.problem = step.error();
            return out;
        }
        archive.remove_prefix(step->consumed);
        if (step->file_began) content.clear();
        content += step->data;
        if (step->file_ended) out.files[tar.name()] = content;
    }
    out.may_end = tar.may_end();
    return out;
}

}  // namespace

TEST_CASE("an archive gives the same files however it is cut") {
    const auto archive = entry("folder/", '5', "") + entry("folder/empty", '0', "") + entry("folder/full", '0', std::string(1000, 'x')) +
                         entry("PaxHeader", 'x', "18 path=long/name\n") + entry("short", '0', "y") + std::string(1024, '\0');
    for (const std::size_t piece : {1UZ, 511UZ, 512UZ, 513UZ, 100'000UZ}) {
        const auto out = unpacked(archive, piece);
        CHECK(out.problem.empty());
        CHECK(out.may_end);
        CHECK(out.files == std::map<std::string, std::string>{{"folder/empty", ""}, {"folder/full", std::string(1000, 'x')}, {"long/name", "y"}});
    }
}

TEST_CASE("an archive that is cut off within a file has not ended") {
    const auto archive = entry("a", '0', std::string(600, 'x'));
    CHECK_FALSE(unpacked(std::string_view(archive).substr(0, 1000), 512).may_end);
    CHECK(unpacked(archive, 512).may_end);
}

TEST_CASE("what is no archive is refused by its checksum") {
    CHECK_FALSE(unpacked(std::string(512, 'x'), 512).problem.empty());
}
