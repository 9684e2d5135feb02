// The HTTP/1.1 parser, as a server and as a client feed it: in pieces whose size the first byte chooses.
#include <cstdint>
#include <cstdlib>

#include "services/http/parser.hpp"

using namespace services::http;

namespace {

void feed(Parser::Kind kind, std::string_view bytes, std::size_t step) {
    Limits limits;
    limits.header_bytes_max = 2048;
    limits.target_bytes_max = 512;
    const auto parser = Parser::make(kind, limits);
    std::string buffer;
    bool has_head = false;
    while (!bytes.empty()) {
        const auto piece = bytes.substr(0, step);
        bytes.remove_prefix(piece.size());
        buffer += piece;
        if (!has_head) {
            const auto done = parser->parse_head(buffer);
            if (!done) return;
            has_head = *done;
            if (!has_head) continue;
            Request request;
            request.target = parser->take_head().target;
            if (request.target.size() > limits.target_bytes_max) std::abort();
            if (request.split_target() && request.path.empty()) std::abort();
        }
        std::string body;
        if (!parser->parse_body(buffer, body)) return;
        if (parser->is_done()) return;
    }
    parser->finish();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
    const std::size_t step = 1 + data[0];
    feed(Parser::Kind::request, bytes, step);
    feed(Parser::Kind::response, bytes, step);
    feed(Parser::Kind::response_to_head, bytes, step);
    return 0;
}
