#include "hal/base/error.hpp"

#include <cstdio>
#include <cstdlib>
#include <system_error>

namespace hal {

std::string_view name_of(Code code) {
    switch (code) {
        case Code::invalid: return "invalid";
        case Code::unauthenticated: return "unauthenticated";
        case Code::forbidden: return "forbidden";
        case Code::not_found: return "not found";
        case Code::exists: return "exists";
        case Code::conflict: return "conflict";
        case Code::gone: return "gone";
        case Code::exhausted: return "exhausted";
        case Code::too_large: return "too large";
        case Code::unsupported: return "unsupported";
        case Code::unavailable: return "unavailable";
        case Code::timed_out: return "timed out";
        case Code::cancelled: return "cancelled";
        case Code::corrupt: return "corrupt";
        case Code::io: return "i/o";
        case Code::internal: return "internal";
    }
    return "unknown";
}

namespace {

Code code_of(int error_number) {
    switch (error_number) {
        case ENOENT:
        case ESRCH: return Code::not_found;
        case EEXIST: return Code::exists;
        case EACCES:
        case EPERM: return Code::forbidden;
        case ENOSPC:
        case EDQUOT:
        case EMFILE:
        case ENFILE: return Code::exhausted;
        case ECONNREFUSED:
        case ECONNRESET:
        case EPIPE:
        case EHOSTUNREACH:
        case ENETUNREACH: return Code::unavailable;
        case ETIMEDOUT: return Code::timed_out;
        case ECANCELED: return Code::cancelled;
        default: return Code::io;
    }
}

}  // namespace

Error system_error(std::string_view what, int error_number) {
    return Error(code_of(error_number), std::string(what) + ": " + std::generic_category().message(error_number));
}

void require(bool condition, const char* what, const char* file, int line) {
    if (condition) return;
    std::fprintf(stderr, "%s:%d: broken assertion: %s\n", file, line, what);
    std::abort();
}

}  // namespace hal
