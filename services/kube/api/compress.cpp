#include "services/kube/api/compress.hpp"

#include <zlib.h>

#include <memory>

#include "hal/base/error.hpp"

namespace services::kube::api {
namespace {

constexpr int level = 4;  // as the real server: bigger is slower and hardly smaller
constexpr int gzip_window = 15 + 16;
constexpr int memory_level = 8;
constexpr std::size_t output_bytes = 64 * 1024;

class Gzip {
public:
    Gzip() {
        if (deflateInit2(&state_, level, Z_DEFLATED, gzip_window, memory_level, Z_DEFAULT_STRATEGY) != Z_OK)
            throw hal::Error(hal::Code::exhausted, "no memory for a compressed answer");
    }
    ~Gzip() { deflateEnd(&state_); }
    Gzip(const Gzip&) = delete;
    Gzip& operator=(const Gzip&) = delete;

    std::string add(std::string_view piece, bool is_last) {
        std::string out;
        state_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(piece.data()));
        state_.avail_in = static_cast<uInt>(piece.size());
        do {
            const auto size = out.size();
            out.resize(size + output_bytes);
            state_.next_out = reinterpret_cast<Bytef*>(out.data() + size);
            state_.avail_out = output_bytes;
            deflate(&state_, is_last ? Z_FINISH : Z_NO_FLUSH);
            out.resize(size + output_bytes - state_.avail_out);
        } while (state_.avail_out == 0);
        return out;
    }

private:
    z_stream state_{};
};

class GzipReader : public http::BodyReader {
public:
    GzipReader(hal::async::Pool& pool, std::unique_ptr<http::BodyReader> plain) : pool_(pool), plain_(std::move(plain)) {}

    hal::async::Task<std::string> read() override {
        while (!is_ended_) {
            const auto piece = co_await plain_->read();
            is_ended_ = piece.empty();
            const bool is_last = is_ended_;
            auto out = co_await hal::async::offload(pool_, [&] { return gzip_.add(piece, is_last); });
            if (!out.empty()) co_return out;
        }
        co_return "";
    }

private:
    hal::async::Pool& pool_;
    std::unique_ptr<http::BodyReader> plain_;
    Gzip gzip_;
    bool is_ended_ = false;
};

}  // namespace

hal::async::Task<http::Response> compressed(hal::async::Pool& pool, http::Response response) {
    const bool is_plain = !response.upgrade && !response.websocket && !response.headers.find("Content-Encoding");
    if (!is_plain || (!response.stream && response.body.size() < compress_bytes_min)) co_return response;
    response.headers.set("Content-Encoding", "gzip");
    response.headers.add("Vary", "Accept-Encoding");
    if (response.stream) response.stream = std::make_unique<GzipReader>(pool, std::move(response.stream));
    else {
        response.body = co_await hal::async::offload(pool, [&] { return Gzip().add(response.body, true); });
    }
    co_return response;
}

}  // namespace services::kube::api
