#include "services/http/answer.hpp"

#include <charconv>
#include <chrono>
#include <format>

#include "hal/base/error.hpp"
#include "hal/base/log.hpp"

namespace services::http {

using hal::Code;
using hal::Error;

namespace {

unsigned status_of(Code code) {
    switch (code) {
        case Code::invalid: return 400;
        case Code::unauthenticated: return 401;
        case Code::forbidden: return 403;
        case Code::not_found: return 404;
        case Code::exists:
        case Code::conflict: return 409;
        case Code::gone: return 410;
        case Code::too_large: return 413;
        case Code::unsupported: return 501;
        case Code::exhausted:
        case Code::unavailable:
        case Code::cancelled: return 503;
        case Code::timed_out: return 504;
        case Code::corrupt:
        case Code::io:
        case Code::internal: return 500;
    }
    return 500;
}

}  // namespace

std::string date_now() {
    using namespace std::chrono;
    static sys_seconds last{};
    static std::string text;
    const auto now = floor<seconds>(system_clock::now());
    if (now != last || text.empty()) {
        last = now;
        text = std::format("{:%a, %d %b %Y %H:%M:%S} GMT", now);
    }
    return text;
}

bool has_no_body(unsigned status) { return status < 200 || status == 204 || status == 304; }

Task<Response> answer(const Handler& handler, Request request) {
    const auto method = request.method;
    const auto target = request.target;
    std::optional<Response> failure;
    try {
        co_return co_await handler(std::move(request));
    } catch (const Error& e) {
        if (e.code() == Code::internal || e.code() == Code::io) hal::log::error("http", "{} {}: {}", method, target, e.what());
        failure = text_response(status_of(e.code()), std::string(e.what()) + "\n");
    } catch (const std::exception& e) {
        hal::log::error("http", "{} {}: {}", method, target, e.what());
        failure = text_response(500, "Internal Server Error\n");
    }
    co_return *std::move(failure);
}

AnswerBody::AnswerBody(Response& response) : stream_(*response.stream) {
    const auto* text = response.headers.find("Content-Length");
    std::uint64_t length = 0;
    if (text && std::from_chars(text->data(), text->data() + text->size(), length).ec == std::errc()) left_ = length;
}

Task<bool> AnswerBody::next() {
    do file = co_await stream_.read_file();
    while (file && file->bytes == 0);
    bytes.clear();
    if (!file) bytes = co_await stream_.read();
    const auto count = file ? file->bytes : bytes.size();
    if (left_ && (count > *left_ || (count == 0 && *left_ > 0)))
        throw Error(Code::internal, std::format("an answer's body is {} than its Content-Length says", count > 0 ? "longer" : "shorter"));
    if (left_) *left_ -= count;
    co_return count > 0;
}

}  // namespace services::http
