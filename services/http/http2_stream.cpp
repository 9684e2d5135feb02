#include "services/http/http2_stream.hpp"

#include "hal/base/error.hpp"

namespace services::http {

using hal::Code;
using hal::Error;

Task<std::string> Http2Body::read() {
    const auto stream = stream_;
    if (stream->wants_continue && stream->session && stream->incoming.empty()) stream->session->send_continue(stream->id);
    stream->wants_continue = false;
    while (stream->incoming.empty() && !stream->has_whole_body) {
        if (stream->is_closed || !stream->session) throw Error(Code::unavailable, "the client went away within the request's body");
        stream->arrived.clear();
        if (!co_await stream->arrived.wait_for(stream->piece_time_max)) throw Error(Code::timed_out, "the request's body did not come in time");
    }
    auto piece = std::exchange(stream->incoming, {});
    if (stream->session && !piece.empty()) stream->session->took(stream->id, piece.size(), std::exchange(stream->owed, 0));
    co_return piece;
}

}  // namespace services::http
