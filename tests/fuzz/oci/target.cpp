// What an archive says it holds: its documents, each introduced by a line "path\n" and ended by a zero byte.
#include <cstdint>

#include "hal/base/error.hpp"
#include "services/codec/oci/manifest.hpp"
#include "services/codec/oci/reference.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    namespace oci = services::codec::oci;
    std::string_view rest(reinterpret_cast<const char*>(data), size);
    std::map<std::string, std::string> documents;
    while (!rest.empty()) {
        const auto end = rest.find('\0');
        const auto document = rest.substr(0, end);
        const auto line = document.find('\n');
        if (line != std::string_view::npos) documents[std::string(document.substr(0, line))] = document.substr(line + 1);
        rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    }
    try {
        for (const auto& image : oci::images_of(documents, "amd64", 127))
            for (const auto& name : image.references) oci::normalise_reference(oci::normalise_reference(name));
    } catch (const hal::Error&) {
        // What it refuses is refused; what matters is that nothing else happens.
    }
    return 0;
}
