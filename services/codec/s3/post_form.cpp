#include "services/codec/s3/post_form.hpp"

#include <algorithm>

#include "services/codec/s3/canonical.hpp"
#include "services/codec/s3/sentences.hpp"

namespace services::codec::s3 {

namespace {

constexpr std::size_t boundary_bytes_max = 70;  // RFC 2046 5.1.1
constexpr std::size_t preamble_bytes_max = 8 * 1024;

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
    return text;
}

// The value of `; name=value` or `; name="value"` in a header; nullopt when there is none.
std::optional<std::string> parameter(std::string_view header, std::string_view name) {
    for (auto rest = header;;) {
        const auto semicolon = rest.find(';');
        if (semicolon == std::string_view::npos) return std::nullopt;
        rest = trimmed(rest.substr(semicolon + 1));
        const auto equals = rest.find('=');
        if (equals == std::string_view::npos) return std::nullopt;
        const bool is_it = same_name(trimmed(rest.substr(0, equals)), name);
        rest = trimmed(rest.substr(equals + 1));
        std::string value;
        if (rest.starts_with('"')) {
            std::size_t at = 1;
            for (; at < rest.size() && rest[at] != '"'; ++at) {
                // Browsers escape the quote alone and leave backslashes of file names as they are.
                if (rest[at] == '\\' && at + 1 < rest.size() && rest[at + 1] == '"') ++at;
                value += rest[at];
            }
            if (at >= rest.size()) return std::nullopt;
            rest.remove_prefix(at);
        } else {
            value = trimmed(rest.substr(0, rest.find(';')));
        }
        if (is_it) return value;
    }
}

}  // namespace

Expected<std::string> form_boundary(std::string_view content_type) {
    constexpr std::string_view type = "multipart/form-data";
    if (!same_name(trimmed(content_type.substr(0, content_type.find(';'))), type)) return malformed_form();
    auto boundary = parameter(content_type, "boundary");
    if (!boundary || boundary->empty() || boundary->size() > boundary_bytes_max) return malformed_form();
    return std::move(*boundary);
}

// The first boundary needs no line end before it: one is put there.
FormParser::FormParser(std::string_view boundary) : delimiter_("\r\n--" + std::string(boundary)), buffer_("\r\n") {}

Expected<FormParser::Step> FormParser::feed(std::string_view input) {
    Step result;
    if (state_ == State::epilogue) {
        result.file_began = file_began_;
        return result;
    }
    buffer_ += input;
    for (;;) {
        const auto went_on = step(result.data);
        if (!went_on) return std::unexpected(went_on.error());
        if (!*went_on) break;
    }
    result.file_began = file_began_;
    return result;
}

// One step over the buffer; false when more input is needed.
Expected<bool> FormParser::step(std::string& data) {
    const auto drop = [&](std::size_t bytes) {
        buffer_.erase(0, bytes);
        searched_ = 0;
    };
    // A client that sends a byte at a time must not have the whole searched for each.
    const auto find = [&](std::string_view what) {
        const auto found = buffer_.find(what, searched_);
        if (found == std::string::npos) searched_ = buffer_.size() < what.size() ? 0 : buffer_.size() - what.size() + 1;
        return found;
    };
    switch (state_) {
        case State::preamble: {
            const auto found = find(delimiter_);
            if (found == std::string::npos) {
                if (buffer_.size() > preamble_bytes_max) return malformed_form();
                return false;
            }
            drop(found + delimiter_.size());
            state_ = State::after_boundary;
            return true;
        }
        case State::after_boundary: {
            if (buffer_.starts_with("--")) {
                // No file came: S3 wants one.
                return refuse("InvalidArgument", 400, "POST requires exactly one file upload per request.");
            }
            const auto end = find("\r\n");
            if (end == std::string::npos) {
                if (buffer_.size() > preamble_bytes_max) return malformed_form();
                return false;
            }
            if (!trimmed(std::string_view(buffer_).substr(0, end)).empty()) return malformed_form();
            drop(end);  // the line end stays: headers may be none
            state_ = State::headers;
            return true;
        }
        case State::headers: {
            const auto end = find("\r\n\r\n");
            if (end == std::string::npos || end > form_header_bytes_max) {
                if (buffer_.size() > form_header_bytes_max) return malformed_form();
                return false;
            }
            const auto read = on_headers(std::string_view(buffer_).substr(0, end));
            if (!read) return std::unexpected(read.error());
            drop(end + 4);
            return true;
        }
        case State::value: {
            const auto end = find(delimiter_);
            if (end == std::string::npos) {
                if (bytes_ + buffer_.size() > form_bytes_max + delimiter_.size()) return malformed_form();
                return false;
            }
            bytes_ += end + name_.size();
            if (bytes_ > form_bytes_max || fields_.size() >= form_fields_max) return malformed_form();
            fields_.emplace_back(std::move(name_), buffer_.substr(0, end));
            drop(end + delimiter_.size());
            state_ = State::after_boundary;
            return true;
        }
        case State::file: {
            const auto end = find(delimiter_);
            if (end != std::string::npos) {
                data += std::string_view(buffer_).substr(0, end);
                buffer_.clear();
                state_ = State::epilogue;
                return false;
            }
            if (buffer_.size() >= delimiter_.size()) {
                const auto safe = buffer_.size() - delimiter_.size() + 1;
                data += std::string_view(buffer_).substr(0, safe);
                drop(safe);
            }
            return false;
        }
        case State::epilogue: return false;
    }
    return false;
}

// `headers` begins with a line end; each follows one.
Expected<void> FormParser::on_headers(std::string_view headers) {
    std::string_view disposition, type;
    while (!headers.empty()) {
        headers.remove_prefix(2);
        const auto line = headers.substr(0, headers.find("\r\n"));
        headers.remove_prefix(line.size());
        const auto colon = line.find(':');
        if (colon == std::string_view::npos) return malformed_form();
        if (same_name(trimmed(line.substr(0, colon)), "content-disposition")) disposition = trimmed(line.substr(colon + 1));
        if (same_name(trimmed(line.substr(0, colon)), "content-type")) type = trimmed(line.substr(colon + 1));
    }
    if (!same_name(trimmed(disposition.substr(0, disposition.find(';'))), "form-data")) return malformed_form();
    const auto name = parameter(disposition, "name");
    if (!name || name->empty()) return malformed_form();
    name_ = lower_case(*name);
    if (name_ != "file") {
        state_ = State::value;
        return {};
    }
    const auto file_name = parameter(disposition, "filename");
    if (file_name && file_name->empty()) return malformed_form();  // a browser's way to say that none was chosen
    file_name_ = file_name.value_or("");
    if (const auto slash = file_name_.rfind('/'); slash != std::string::npos) file_name_.erase(0, slash + 1);
    file_content_type_ = type;
    constexpr std::string_view variable = "${filename}";
    for (auto& [field, value] : fields_) {
        if (field != "key") continue;
        for (auto at = value.find(variable); at != std::string::npos; at = value.find(variable, at + file_name_.size()))
            value.replace(at, variable.size(), file_name_);
    }
    file_began_ = true;
    state_ = State::file;
    return {};
}

std::optional<Refusal> FormParser::at_end() const {
    if (is_done()) return std::nullopt;
    return malformed_form().error();
}

std::string_view FormParser::value(std::string_view name) const {
    for (const auto& [field, value] : fields_)
        if (field == name) return value;
    return {};
}

}  // namespace services::codec::s3
