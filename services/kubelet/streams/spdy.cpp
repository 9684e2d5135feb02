#include "services/kubelet/streams/spdy.hpp"

#include <zlib.h>

#include <array>

namespace services::kubelet::streams {

namespace {

constexpr std::uint8_t flag_fin = 1;
constexpr std::uint16_t version = 3;
enum Control : std::uint16_t { syn_stream = 1, syn_reply = 2, rst_stream = 3, ping = 6, goaway = 7, headers = 8 };

std::uint32_t read_32(std::string_view bytes, std::size_t at) {
    std::uint32_t value = 0;
    for (std::size_t n = 0; n < 4; ++n) value = value << 8 | static_cast<unsigned char>(bytes[at + n]);
    return value;
}

void put_32(std::string& out, std::uint32_t value) {
    for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift & 0xff);
}

std::string control_frame(Control type, std::uint8_t flags, std::string_view body) {
    std::string out;
    put_32(out, 0x80000000U | std::uint32_t{version} << 16 | type);
    put_32(out, std::uint32_t{flags} << 24 | static_cast<std::uint32_t>(body.size()));
    return out.append(body);
}

std::expected<std::map<std::string, std::string>, std::string> parse_headers(std::string_view block) {
    const auto torn = std::unexpected(std::string("torn header block"));
    std::map<std::string, std::string> found;
    std::size_t at = 0;
    const auto take = [&]() -> std::optional<std::string> {
        if (block.size() - at < 4) return std::nullopt;
        const auto size = read_32(block, at);
        at += 4;
        if (size > block.size() - at) return std::nullopt;
        at += size;
        return std::string(block.substr(at - size, size));
    };
    if (block.size() < 4) return torn;
    const auto count = read_32(block, 0);
    at = 4;
    for (std::uint32_t n = 0; n < count; ++n) {
        auto name = take();
        auto value = name ? take() : std::nullopt;
        if (!value) return torn;
        found[std::move(*name)] = std::move(*value);
    }
    return found;
}

const Bytef* as_bytes(const std::string& text) { return reinterpret_cast<const Bytef*>(text.data()); }

}  // namespace

struct SpdyReader::Inflater {
    z_stream stream{};
    bool is_ready = inflateInit(&stream) == Z_OK;
    ~Inflater() { inflateEnd(&stream); }

    std::expected<std::string, std::string> inflate_all(std::string_view bytes) {
        std::string out;
        std::array<char, 4096> piece;
        stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
        stream.avail_in = static_cast<uInt>(bytes.size());
        while (is_ready) {
            stream.next_out = reinterpret_cast<Bytef*>(piece.data());
            stream.avail_out = piece.size();
            const auto result = inflate(&stream, Z_SYNC_FLUSH);
            out.append(piece.data(), piece.size() - stream.avail_out);
            if (out.size() > headers_bytes_max) return std::unexpected("a header block is over " + std::to_string(headers_bytes_max) + " bytes");
            if (result == Z_NEED_DICT) {
                const auto& dictionary = spdy_dictionary();
                if (inflateSetDictionary(&stream, as_bytes(dictionary), static_cast<uInt>(dictionary.size())) != Z_OK) break;
                continue;
            }
            // Nothing left to take and nothing held back.
            if (result == Z_BUF_ERROR || (result == Z_OK && stream.avail_in == 0 && stream.avail_out > 0)) return out;
            if (result != Z_OK) break;
        }
        return std::unexpected(std::string("a header block is not zlib's"));
    }
};

SpdyReader::SpdyReader() : inflater_(std::make_unique<Inflater>()) {}
SpdyReader::~SpdyReader() = default;

void SpdyReader::feed(std::string_view bytes) {
    buffer_.erase(0, start_);
    start_ = 0;
    buffer_ += bytes;
}

std::expected<std::optional<SpdyFrame>, std::string> SpdyReader::next() {
    const auto rest = std::string_view(buffer_).substr(start_);
    if (rest.size() < 8) return std::nullopt;
    const auto first = read_32(rest, 0), second = read_32(rest, 4);
    const std::size_t size = second & 0xffffff;
    const auto flags = static_cast<std::uint8_t>(second >> 24);
    if (size > frame_bytes_max) return std::unexpected("a frame of " + std::to_string(size) + " bytes, at most " + std::to_string(frame_bytes_max));
    if (rest.size() < 8 + size) return std::nullopt;
    const auto body = rest.substr(8, size);
    start_ += 8 + size;
    if (first & 0x80000000U) {
        if ((first >> 16 & 0x7fff) != version) return std::unexpected(std::string("not SPDY/3"));
        auto frame = control(static_cast<std::uint16_t>(first & 0xffff), flags, body);
        if (!frame) return std::unexpected(frame.error());
        return std::move(*frame);
    }
    SpdyFrame frame;
    frame.type = SpdyFrame::Type::data;
    frame.stream = first;
    frame.is_last = flags & flag_fin;
    frame.bytes = body;
    return frame;
}

std::expected<SpdyFrame, std::string> SpdyReader::control(std::uint16_t type, std::uint8_t flags, std::string_view body) {
    struct Shape {
        std::uint16_t type;
        SpdyFrame::Type shown;
        std::size_t fixed;  // bytes before the headers, or all
        bool has_headers;
    };
    static constexpr Shape shapes[] = {{syn_stream, SpdyFrame::Type::syn_stream, 10, true}, {syn_reply, SpdyFrame::Type::syn_reply, 4, true},
                                       {rst_stream, SpdyFrame::Type::rst_stream, 8, false}, {ping, SpdyFrame::Type::ping, 4, false},
                                       {goaway, SpdyFrame::Type::goaway, 8, false},         {headers, SpdyFrame::Type::headers, 4, true}};
    SpdyFrame frame;
    for (const auto& shape : shapes) {
        if (shape.type != type) continue;
        if (body.size() < shape.fixed) return std::unexpected("a control frame of type " + std::to_string(type) + " is cut off");
        frame.type = shape.shown;
        frame.stream = read_32(body, 0) & (type == ping ? 0xffffffffU : 0x7fffffffU);
        frame.is_last = shape.has_headers && (flags & flag_fin);
        if (type == rst_stream || type == goaway) frame.status = read_32(body, 4);
        if (!shape.has_headers) break;
        // Each block is inflated, wanted or not: the next one builds on it.
        const auto block = inflater_->inflate_all(body.substr(shape.fixed));
        if (!block) return std::unexpected(block.error());
        auto parsed = parse_headers(*block);
        if (!parsed) return std::unexpected(parsed.error());
        frame.headers = std::move(*parsed);
        break;
    }
    return frame;
}

struct SpdyWriter::Deflater {
    z_stream stream{};
    Deflater() {
        deflateInit(&stream, Z_BEST_SPEED);
        const auto& dictionary = spdy_dictionary();
        deflateSetDictionary(&stream, as_bytes(dictionary), static_cast<uInt>(dictionary.size()));
    }
    ~Deflater() { deflateEnd(&stream); }

    std::string deflated(const std::map<std::string, std::string>& given) {
        std::string block, out;
        put_32(block, static_cast<std::uint32_t>(given.size()));
        for (const auto& [name, value] : given) {
            put_32(block, static_cast<std::uint32_t>(name.size()));
            block += name;
            put_32(block, static_cast<std::uint32_t>(value.size()));
            block += value;
        }
        std::array<char, 4096> piece;
        stream.next_in = reinterpret_cast<Bytef*>(block.data());
        stream.avail_in = static_cast<uInt>(block.size());
        do {
            stream.next_out = reinterpret_cast<Bytef*>(piece.data());
            stream.avail_out = piece.size();
            deflate(&stream, Z_SYNC_FLUSH);
            out.append(piece.data(), piece.size() - stream.avail_out);
        } while (stream.avail_out == 0);
        return out;
    }
};

SpdyWriter::SpdyWriter() : deflater_(std::make_unique<Deflater>()) {}
SpdyWriter::~SpdyWriter() = default;

std::string SpdyWriter::syn_stream(std::uint32_t stream, const std::map<std::string, std::string>& given, bool is_last) {
    std::string body;
    put_32(body, stream);
    put_32(body, 0);
    body.append(2, '\0');
    return control_frame(Control::syn_stream, is_last ? flag_fin : 0, body + deflater_->deflated(given));
}

std::string SpdyWriter::syn_reply(std::uint32_t stream, const std::map<std::string, std::string>& given) {
    std::string body;
    put_32(body, stream);
    return control_frame(Control::syn_reply, 0, body + deflater_->deflated(given));
}

std::string SpdyWriter::data(std::uint32_t stream, std::string_view bytes, bool is_last) {
    std::string out;
    put_32(out, stream & 0x7fffffffU);
    put_32(out, (is_last ? std::uint32_t{flag_fin} << 24 : 0) | static_cast<std::uint32_t>(bytes.size()));
    return out.append(bytes);
}

std::string SpdyWriter::rst_stream(std::uint32_t stream, std::uint32_t status) {
    std::string body;
    put_32(body, stream);
    put_32(body, status);
    return control_frame(Control::rst_stream, 0, body);
}

std::string SpdyWriter::ping(std::uint32_t id) {
    std::string body;
    put_32(body, id);
    return control_frame(Control::ping, 0, body);
}

}  // namespace services::kubelet::streams
