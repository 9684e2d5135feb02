// Frames are the same however the bytes are cut; none is over its bound.
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "services/kubelet/streams/spdy.hpp"

namespace streams = services::kubelet::streams;

namespace {

struct Read {
    std::vector<streams::SpdyFrame> frames;
    bool is_refused = false;
};

Read read_in(std::string_view bytes, std::size_t piece) {
    streams::SpdyReader reader;
    Read read;
    for (std::size_t at = 0; at < bytes.size() && !read.is_refused; at += piece) {
        reader.feed(bytes.substr(at, piece));
        for (;;) {
            auto frame = reader.next();
            read.is_refused = !frame;
            if (!frame || !*frame) break;
            read.frames.push_back(std::move(**frame));
        }
    }
    return read;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size);
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    const std::string_view given(reinterpret_cast<const char*>(bytes), size);
    const auto whole = read_in(given, size + 1), cut = read_in(given, 7);
    if (whole.frames.size() != cut.frames.size() || whole.is_refused != cut.is_refused) std::abort();
    for (std::size_t n = 0; n < whole.frames.size(); ++n) {
        if (whole.frames[n].headers != cut.frames[n].headers || whole.frames[n].bytes != cut.frames[n].bytes) std::abort();
        if (whole.frames[n].bytes.size() > streams::frame_bytes_max) std::abort();
    }
    return 0;
}
