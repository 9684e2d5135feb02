#include "services/http/parser.hpp"

#include <boost/beast/http/basic_parser.hpp>

#include <limits>

namespace services::http {

namespace {

namespace beast = boost::beast;
using boost::system::error_code;

// How much of the buffer is looked at in one step, and so the size of a body's piece.
constexpr std::size_t step_bytes_max = 64 * 1024;

template <bool is_request>
class BeastParser : public Parser, private beast::http::basic_parser<is_request> {
    using Base = beast::http::basic_parser<is_request>;

public:
    BeastParser(bool answers_head, const Limits& limits) : limits_(limits) {
        const auto header_max = limits.header_bytes_max + limits.target_bytes_max;
        Base::header_limit(static_cast<std::uint32_t>(std::min<std::size_t>(header_max, std::numeric_limits<std::int32_t>::max())));
        Base::body_limit(boost::none);
        if (answers_head) Base::skip(true);
    }

    std::expected<bool, ParseFailure> parse_head(std::string& buffer) override {
        if (is_first_line_pending_ && is_request) {
            // RFC 9112 2.2: an empty line before the request line is ignored.
            while (buffer.starts_with("\r\n")) buffer.erase(0, 2);
            const auto line_end = buffer.find('\n');
            if (line_end == std::string::npos && buffer.size() > limits_.target_bytes_max + 32)
                return std::unexpected(ParseFailure::target_too_long);
            is_first_line_pending_ = line_end == std::string::npos;
        }
        if (buffer.empty()) return false;
        error_code failure;
        Base::eager(false);
        const auto used = Base::put(boost::asio::buffer(buffer), failure);
        buffer.erase(0, used);
        if (failure == beast::http::error::need_more) {
            // Beast counts only the bytes of a complete header.
            if (buffer.size() > limits_.header_bytes_max + limits_.target_bytes_max)
                return std::unexpected(ParseFailure::header_too_large);
            return false;
        }
        if (failure) return std::unexpected(reason_of(failure));
        if (!Base::is_header_done()) return false;
        head_.keep_alive = Base::keep_alive();
        head_.is_upgrade = Base::upgrade();
        head_.is_http_1_0 = version_ < 11;
        if (const auto length = Base::content_length()) head_.content_length = *length;
        head_.expects_continue = expects_continue(head_.headers) && !head_.is_http_1_0;
        if (head_.target.size() > limits_.target_bytes_max) return std::unexpected(ParseFailure::target_too_long);
        return true;
    }

    Head take_head() override { return std::move(head_); }

    std::expected<void, ParseFailure> parse_body(std::string& buffer, std::string& piece) override {
        piece_ = &piece;
        Base::eager(true);
        while (!Base::is_done() && !buffer.empty() && piece.size() < step_bytes_max) {
            error_code failure;
            const auto used = Base::put(boost::asio::buffer(buffer.data(), std::min(buffer.size(), step_bytes_max)), failure);
            buffer.erase(0, used);
            if (failure == beast::http::error::need_more) {
                if (used > 0) continue;
                // A chunk's header line, or a trailer, that does not end.
                if (buffer.size() >= step_bytes_max) return std::unexpected(ParseFailure::header_too_large);
                break;
            }
            if (failure) return std::unexpected(reason_of(failure));
            if (used == 0) break;
        }
        return {};
    }

    bool finish() override {
        error_code failure;
        if (!Base::got_some()) return false;
        if (!Base::is_done()) Base::put_eof(failure);
        return !failure && Base::is_done();
    }

    [[nodiscard]] bool is_done() const override { return Base::is_done(); }

private:
    static ParseFailure reason_of(const error_code& failure) {
        if (failure == beast::http::error::header_limit) return ParseFailure::header_too_large;
        if (failure == beast::http::error::bad_version) return ParseFailure::version_unsupported;
        return ParseFailure::malformed;
    }

    void on_request_impl(beast::http::verb, beast::string_view method, beast::string_view target, int version,
                         error_code&) override {
        head_.method.assign(method);
        head_.target.assign(target);
        version_ = version;
    }
    void on_response_impl(int status, beast::string_view, int version, error_code&) override {
        head_.status = static_cast<unsigned>(status);
        version_ = version;
    }
    void on_field_impl(beast::http::field, beast::string_view name, beast::string_view value, error_code&) override {
        if (!Base::is_header_done()) head_.headers.add(std::string(name), std::string(value));
    }
    void on_header_impl(error_code&) override {}
    void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
    std::size_t on_body_impl(beast::string_view body, error_code&) override {
        piece_->append(body);
        return body.size();
    }
    void on_chunk_header_impl(std::uint64_t, beast::string_view, error_code&) override {}
    std::size_t on_chunk_body_impl(std::uint64_t, beast::string_view body, error_code&) override {
        piece_->append(body);
        return body.size();
    }
    void on_finish_impl(error_code&) override {}

    Limits limits_;
    Head head_;
    int version_ = 11;
    bool is_first_line_pending_ = true;
    std::string* piece_ = nullptr;  // where parse_body() is writing
};

}  // namespace

std::unique_ptr<Parser> Parser::make(Kind kind, const Limits& limits) {
    if (kind == Kind::request) return std::make_unique<BeastParser<true>>(false, limits);
    return std::make_unique<BeastParser<false>>(kind == Kind::response_to_head, limits);
}

}  // namespace services::http
