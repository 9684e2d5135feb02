// What every version of HTTP does with a request and its answer: calls the handler, makes failures answers, gives the
// answer's body piece by piece. Internal to the server.
#pragma once

#include "services/http/message.hpp"

namespace services::http {

// The handler's answer, or what its failure becomes (one table of Code to status). Cancelled as the caller is.
Task<Response> answer(const Handler& handler, Request request);

// "Tue, 24 Nov 2026 09:00:00 GMT" (RFC 9110 5.6.7).
std::string date_now();
bool has_no_body(unsigned status);

// The pieces of a response's stream, held to its Content-Length. The response outlives it.
class AnswerBody {
public:
    explicit AnswerBody(Response& response);
    // The next piece is in `bytes` or `file`; false at the end. Throws Error{internal} when the stream gives fewer or more
    // bytes than the head promised.
    Task<bool> next();

    std::string bytes;
    std::optional<hal::net::FileRange> file;

private:
    BodyReader& stream_;
    std::optional<std::uint64_t> left_;
};

}  // namespace services::http
