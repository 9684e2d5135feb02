#include "services/kubelet/streams/spdy.hpp"

#include <catch2/catch_test_macros.hpp>

using namespace services::kubelet::streams;

namespace {

SpdyFrame only(SpdyReader& reader, std::string_view bytes) {
    // One byte at a time: no frame before its last one.
    for (std::size_t n = 0; n < bytes.size(); ++n) {
        const auto none = reader.next();
        REQUIRE(none);
        REQUIRE_FALSE(*none);
        reader.feed(bytes.substr(n, 1));
    }
    auto frame = reader.next();
    REQUIRE(frame);
    REQUIRE(*frame);
    return **frame;
}

}  // namespace

TEST_CASE("the dictionary is SPDY's, to its length and ends") {
    CHECK(spdy_dictionary().size() == 1423);
    CHECK(spdy_dictionary().starts_with(std::string("\0\0\0\7options", 11)));
    CHECK(spdy_dictionary().ends_with(",enq=0."));
}

TEST_CASE("frames that are written are read, headers over one zlib stream") {
    SpdyWriter writer;
    SpdyReader reader;
    const std::map<std::string, std::string> headers{{"streamtype", "data"}, {"port", "8080"}, {"requestid", "0"}};
    for (const std::uint32_t stream : {1U, 3U, 5U}) {
        const auto frame = only(reader, writer.syn_stream(stream, headers, stream == 5));
        CHECK(frame.type == SpdyFrame::Type::syn_stream);
        CHECK(frame.stream == stream);
        CHECK(frame.headers == headers);
        CHECK(frame.is_last == (stream == 5));
    }
    CHECK(only(reader, writer.syn_reply(3)).type == SpdyFrame::Type::syn_reply);
    const auto data = only(reader, SpdyWriter::data(3, "bytes", true));
    CHECK(data.type == SpdyFrame::Type::data);
    CHECK(data.bytes == "bytes");
    CHECK(data.is_last);
    CHECK(only(reader, SpdyWriter::ping(7)).stream == 7);
    CHECK(SpdyWriter::ping(1) == std::string("\x80\x03\0\x06\0\0\0\x04\0\0\0\x01", 12));
    CHECK(only(reader, SpdyWriter::rst_stream(3, 5)).status == 5);
}

TEST_CASE("what is no SPDY/3 frame ends the reading") {
    const auto refused = [](std::string bytes) {
        SpdyReader reader;
        reader.feed(bytes);
        return !reader.next().has_value();
    };
    CHECK(refused(std::string("\x80\x02\0\x06\0\0\0\x04\0\0\0\x01", 12)));                  // version 2
    CHECK(refused(std::string("\x80\x03\0\x06\0\0\0\x03\0\0\0", 11)));                      // cut off
    CHECK(refused(std::string("\0\0\0\x01\0\x10\0\x01", 8)));                               // a byte over the limit
    CHECK_FALSE(refused(std::string("\0\0\0\x01\0\x10\0\0", 8)));                           // at the limit, not here yet
    CHECK(refused(std::string("\x80\x03\0\x02\0\0\0\x08\0\0\0\x01gzip", 16)));              // no zlib
}

TEST_CASE("an inflated header block is bounded") {
    SpdyWriter writer;
    SpdyReader reader;
    reader.feed(writer.syn_stream(1, {{"a", std::string(headers_bytes_max - 64, 'x')}}));
    CHECK(reader.next().has_value());
    reader.feed(writer.syn_stream(3, {{"a", std::string(headers_bytes_max, 'x')}}));
    CHECK_FALSE(reader.next().has_value());
}
